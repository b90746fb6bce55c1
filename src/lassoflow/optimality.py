"""How far a path is from its own law at a time s: the KKT residual and the duality gap, from the data alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import DUST, EPS, Floats
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.curved import Curved
from lassoflow.path import Path
from lassoflow.problem import LeastSquares, Problem

EXACT = 1e-10
"""Relative violation up to which an exact path counts as exact."""


def kkt_violation(path: Path, s: ArrayLike) -> Floats:
    """By how much the law of a path fails at times s, relative to lambda_max: shape ``s.shape``.

    For the lasso the gradient at ``x = z / s`` must lie on the box over s where ``x_j != 0`` and inside it elsewhere.
    For the limit flow the dual must lie in the box, and on it and at rest where ``x_j != 0``. Gradients are taken per
    column of unit norm, over ``lambda_max = max_j |X_j'y| / (n |X_j|)``, so that no column's unit matters.

    Examples
    --------
    >>> import lassoflow as lf
    >>> path = lf.lasso_path(lf.LeastSquares([[1.0]], [2.0]))
    >>> lf.kkt_violation(path, [0.4, 0.5, 3.0]) < 1e-15
    array([ True,  True,  True])
    """
    times = np.asarray(s, dtype=np.float64)
    problem, flat = path.require_data("a certificate"), times.ravel()
    per_norm, lambda_max = _unit_columns(problem)
    if not flat.size or not lambda_max:
        return np.zeros(times.shape)
    average, flow = path.average(flat), path.instantaneous()(flat)
    slope = path.dual_rate(flat)
    violation = _off_face(average if path.law == "lasso" else flow, slope, pressure(path.box, flat))
    if path.law == "flow":  # then the dual must rest on its face: it moves with -gradient - decay there
        moving = np.abs(-problem.gradient(flow) - np.sign(flow) * path.box.decay)
        violation = np.maximum(violation, np.where(flow != 0, moving, 0.0))
    worst = (problem.units.working_penalty(violation) * per_norm).max(axis=1)
    return np.reshape(worst / lambda_max, times.shape)


def kkt_rounding(path: Path, s: ArrayLike) -> Floats:
    """What :func:`kkt_violation` may be from rounding alone: shape ``s.shape``.

    ``8 eps sqrt(n) (|y| + sum_j |X_j| |x_j|) / n`` over lambda_max, the size of the numbers that cancel in a gradient:
    some 1e-14, but more where y is nearly orthogonal to X or columns are nearly dependent.

    Examples
    --------
    >>> import lassoflow as lf
    >>> bool(kkt_rounding(lf.lasso_path(lf.LeastSquares([[1.0]], [2.0])), 3.0) < 1e-13)
    True
    """
    times = np.asarray(s, dtype=np.float64)
    problem = path.require_data("a certificate")
    lambda_max = _unit_columns(problem)[1]
    scale = np.linalg.norm(problem.target) / problem.n_samples / lambda_max if lambda_max else 0.0
    return scale * _gradient_rounding(path, times)


def gap_rounding(path: Path, s: ArrayLike) -> Floats:
    """What :func:`duality_gap` may be from rounding alone: shape ``s.shape``.

    Examples
    --------
    >>> import lassoflow as lf
    >>> bool(gap_rounding(lf.lasso_path(lf.LeastSquares([[1.0]], [2.0])), 3.0) < 1e-13)
    True
    """
    times = np.asarray(s, dtype=np.float64)
    path.require_data("a certificate")
    return 2 * _gradient_rounding(path, times) * _growth(path, times)


def _gradient_rounding(path: Path, s: Floats) -> Floats:
    """Rounding of ``X_j'R / n``, over ``|X_j| |y| / n``."""
    n = path.require_data("a certificate").n_samples
    return 8 * EPS * math.sqrt(max(n, 16)) * _growth(path, s)


def _growth(path: Path, s: Floats) -> Floats:
    """``1 + sum_j |X_j| |x_j| / |y|``: how much larger than y the numbers are that a residual is made of."""
    problem, flat = path.require_data("a certificate"), s.ravel()
    coef = np.maximum(np.abs(path.average(flat)), np.abs(path.instantaneous()(flat)))
    size, energy = problem.units.working_coef(coef) @ problem.design.norms, np.linalg.norm(problem.target)
    return np.reshape(1.0 + size / (energy or 1.0), s.shape)


def _unit_columns(problem: Problem) -> tuple[Floats, float]:
    """One over the norm of each column, 0 for an empty one, and the lambda_max of columns so scaled; working units."""
    norms = problem.design.norms
    per_norm = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    correlation = problem.design.rmatvec(problem.target / problem.n_samples)
    return per_norm, float((np.abs(correlation) * per_norm).max())


def pressure(box: Box, s: Floats) -> tuple[Floats, Floats]:
    """Upper and lower side of the box over s, each of shape (m, d): the penalties per unit of each coefficient."""
    with np.errstate(divide="ignore", invalid="ignore"):
        upper, lower = (np.where(side == 0, 0.0, side / s[:, None]) + box.decay for side in (box.upper, box.lower))
    return upper, lower


def _off_face(x: Floats, slope: Floats, sides: tuple[Floats, Floats]) -> Floats:
    """Distance of the negative gradient from the normal cone's preimage: on a face where x != 0, inside elsewhere."""
    upper, lower = sides
    inside = np.maximum(np.maximum(slope - upper, -lower - slope), 0.0)
    return np.where(x > 0, np.abs(slope - upper), np.where(x < 0, np.abs(slope + lower), inside))


def duality_gap(path: Path, s: ArrayLike) -> Floats:
    """Duality gap of the path's average as a lasso solution at 1/s, over the loss at zero: shape ``s.shape``.

    The dual point is the residual, scaled into the feasible set (the convention of celer: Massias, Gramfort & Salmon
    2018); each side is widened by rounding, lest a side without penalty admit no dual point at all. Of curved paths it
    is the residual two steps of Newton's method further on: any feasible point will do, and that one is nearly so.

    Examples
    --------
    >>> import lassoflow as lf
    >>> path = lf.lasso_path(lf.LeastSquares([[1.0]], [2.0]))
    >>> abs(lf.duality_gap(path, [0.4, 1.0])) < 1e-15
    array([ True,  True])
    """
    times = np.asarray(s, dtype=np.float64)
    problem, flat = path.require_data("a certificate"), times.ravel()
    energy = float(problem.target @ problem.target)
    if path.law != "lasso" and not isinstance(problem, LeastSquares):
        path.require_problem("the gap of an average")
    if not flat.size or not energy:
        return np.zeros(times.shape)
    n, x = problem.n_samples, path.average(flat)
    upper, lower = (np.asarray(problem.units.working_penalty(side)) for side in pressure(path.box, flat))
    at = x
    if isinstance(problem, ConvexProblem) and isinstance(path.curve, Curved):
        at = _corrected(problem, x, upper, lower)
    residual = problem.residual(at)
    slope = problem.design.rmatvec(residual.T / n).T
    dust = np.maximum(_gradient_rounding(path, flat), DUST)[:, None] * problem.design.norms * math.sqrt(energy) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(slope > 0, (upper + dust) / slope, np.where(slope < 0, (lower + dust) / -slope, np.inf))
    scale = np.minimum(room.min(axis=1, initial=1.0), 1.0)[:, None]
    coef = problem.units.working_coef(x)
    cost = np.where(coef > 0, upper, lower)
    penalty = np.multiply(np.abs(coef), cost, out=np.zeros_like(coef), where=coef != 0).sum(axis=1)
    if isinstance(problem, ConvexProblem):
        return np.reshape(_gap_of_losses(problem, x, residual, scale, penalty), times.shape)
    # P - D = |R|^2/2n + penalty - (|y|^2 - |y - cR|^2)/2n, without forming the two large terms.
    shrunk = (1 + scale[:, 0] ** 2) * np.sum(residual**2, axis=1) - 2 * scale[:, 0] * (residual @ problem.target)
    return np.reshape((shrunk / 2 + n * penalty) / (energy / 2), times.shape)


def _corrected(problem: ConvexProblem, x: Floats, upper: Floats, lower: Floats) -> Floats:
    """Coefficients of shape (m, d) two steps of Newton's method further on, on their supports; working penalties."""
    better, n = x.copy(), problem.n_samples
    for row, above, below in zip(better, upper, lower, strict=True):
        support = np.flatnonzero(row)
        if not support.size:
            continue
        norms, cost = problem.design.norms[support], np.where(row > 0, above, -below)[support]
        columns, pull = problem.design.columns(support) / norms, n * cost / norms
        if problem.fit_intercept:
            columns, pull = np.column_stack([columns, np.full(n, n**-0.5)]), np.append(pull, 0.0)
        for _ in range(2):
            eta = problem.predictor(row)
            rise = columns.T @ problem.residual(row) - pull
            bend = problem.weights * problem.loss_of.curvature(eta, problem.response)
            step = np.linalg.lstsq((columns.T * bend) @ columns, rise)[0][: support.size] / norms
            row[support] += problem.units.coef(step)
    return better


def _gap_of_losses(problem: ConvexProblem, x: Floats, residual: Floats, scale: Floats, penalty: Floats) -> Floats:
    """``sum_i w_i (f(eta_i) + f*(c u_i)) / n + penalty`` over the loss at zero: u the slopes, c the scale."""
    seen = problem.weights > 0
    weights, response = problem.weights[seen], problem.response[seen]
    slopes = -residual[:, seen] / weights * scale
    values = problem.loss_of.value(problem.predictor(x)[:, seen], response)
    gap = (values + problem.loss_of.conjugate(slopes, response)) @ weights / problem.n_samples + penalty
    at_zero = float(np.ldexp(problem.loss(np.zeros(x.shape[1])), -2 * problem.units.target))
    return np.asarray(gap / (at_zero or 1.0))
