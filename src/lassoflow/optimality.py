"""How far a path is from its own law at a time s: the KKT residual and the duality gap, from the data alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import DUST, Floats
from lassoflow.box import Box
from lassoflow.path import Path

EXACT = 1e-10
"""Relative violation up to which an exact path counts as exact."""


def kkt_violation(path: Path, s: ArrayLike) -> Floats:
    """By how much the law of a path fails at times s, relative to lambda_max: shape ``s.shape``.

    For the lasso the gradient at ``x = z / s`` must lie on the box over s where ``x_j != 0`` and inside it elsewhere.
    For the limit flow the dual must lie in the box and on it where ``x_j != 0``, and ``x(s)`` must be stationary on
    its face. All in units of the gradient, over ``lambda_max = max_j |X_j'y| / n``.

    Examples
    --------
    >>> import lassoflow as lf
    >>> path = lf.lasso_path(lf.LeastSquares([[1.0]], [2.0]))
    >>> lf.kkt_violation(path, [0.4, 0.5, 3.0]) < 1e-15
    array([ True,  True,  True])
    """
    times = np.asarray(s, dtype=np.float64)
    problem, flat = path.require_problem("a certificate"), times.ravel()
    if not flat.size or not problem.lambda_max:
        return np.zeros(times.shape)
    average, flow = path.average(flat), path.instantaneous()(flat)
    slope = -problem.gradient(average)
    pressure = _pressure(path.box, flat)
    violation = _off_face(average if path.law == "lasso" else flow, slope, pressure)
    if path.law == "flow":
        on_upper = slope >= pressure[0] - EXACT * problem.lambda_max
        on_lower = slope <= -pressure[1] + EXACT * problem.lambda_max
        violation = np.maximum(violation, _unsettled(path.box, flow, -problem.gradient(flow), on_upper, on_lower))
    return np.reshape(violation.max(axis=1) / problem.lambda_max, times.shape)


def _pressure(box: Box, s: Floats) -> tuple[Floats, Floats]:
    """Upper and lower side of the box over s, each of shape (m, d): the penalties per unit of each coefficient."""
    with np.errstate(divide="ignore", invalid="ignore"):
        upper, lower = (np.where(side == 0, 0.0, side / s[:, None]) + box.decay for side in (box.upper, box.lower))
    return upper, lower


def _off_face(x: Floats, slope: Floats, pressure: tuple[Floats, Floats]) -> Floats:
    """Distance of the negative gradient from the normal cone's preimage: on a face where x != 0, inside elsewhere."""
    upper, lower = pressure
    inside = np.maximum(np.maximum(slope - upper, -lower - slope), 0.0)
    return np.where(x > 0, np.abs(slope - upper), np.where(x < 0, np.abs(slope + lower), inside))


def _unsettled(box: Box, x: Floats, slope: Floats, on_upper: NDArray[np.bool_], on_lower: NDArray[np.bool_]) -> Floats:
    """Violation of ``x = argmin l + decay |x|_1`` over the cone of its face, in units of the gradient."""
    outward = np.where(on_upper, slope - box.decay, -np.inf), np.where(on_lower, -slope - box.decay, -np.inf)
    at_zero = np.maximum(np.maximum(*outward), 0.0)
    return np.where(x != 0, np.abs(slope - np.sign(x) * box.decay), at_zero)


def duality_gap(path: Path, s: ArrayLike) -> Floats:
    """Duality gap of the path's average as a lasso solution at 1/s, over the loss at zero: shape ``s.shape``.

    The dual point is the residual, scaled into the feasible set (the convention of celer: Massias, Gramfort & Salmon
    2018); a side without penalty is given the width of rounding, ``1e-12 |X_j| |y| / n``.

    Examples
    --------
    >>> import lassoflow as lf
    >>> path = lf.lasso_path(lf.LeastSquares([[1.0]], [2.0]))
    >>> abs(lf.duality_gap(path, [0.4, 1.0])) < 1e-15
    array([ True,  True])
    """
    times = np.asarray(s, dtype=np.float64)
    problem, flat = path.require_problem("a certificate"), times.ravel()
    energy = float(problem.target @ problem.target)
    if not flat.size or not energy:
        return np.zeros(times.shape)
    n, x = problem.n_samples, path.average(flat)
    residual = problem.residual(x)
    slope = problem.design.rmatvec(residual.T / n).T
    dust = DUST * problem.design.norms * math.sqrt(energy) / n
    upper, lower = (np.asarray(problem.units.working_penalty(side)) for side in _pressure(path.box, flat))
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(slope > 0, (upper + dust) / slope, np.where(slope < 0, (lower + dust) / -slope, np.inf))
    scale = np.minimum(room.min(axis=1, initial=1.0), 1.0)[:, None]
    coef = problem.units.working_coef(x)
    cost = np.where(coef > 0, upper, lower)
    penalty = np.multiply(np.abs(coef), cost, out=np.zeros_like(coef), where=coef != 0).sum(axis=1)
    # P - D = |R|^2/2n + penalty - (|y|^2 - |y - cR|^2)/2n, without forming the two large terms.
    shrunk = (1 + scale[:, 0] ** 2) * np.sum(residual**2, axis=1) - 2 * scale[:, 0] * (residual @ problem.target)
    return np.reshape((shrunk / 2 + n * penalty) / (energy / 2), times.shape)
