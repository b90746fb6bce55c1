"""How far averaged flows are from each other and from the lasso: the observed distances and the bounds they keep.

All distances are ``|v|_M = |X v| / sqrt(n)`` over ``|y| / sqrt(n)``, at times s of shape (k,) (docs, sections 5 and 7).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.dense import Smooth
from lassoflow.monotonicity import backward_slopes
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_BLOCK = 2**21
_MOST = 400


class Distance(NamedTuple):
    """One link of a chain: what was observed at times s and the bound there, each of shape (k,)."""

    observed: Floats
    bound: Floats


def times(*paths: Path) -> Floats:
    """Where paths are compared: knots of the exact ones, a share of the others' mesh, and their common end."""
    end = min(path.domain[1] for path in paths)
    meshes = [path.knots if path.exact else _thin(path.mesh) for path in paths]
    s = np.unique(np.concatenate(meshes))
    return np.union1d(s[(s < end) & (s > 0)], [end] if np.isfinite(end) else [])


def _thin(mesh: Floats) -> Floats:
    return mesh[np.unique(np.linspace(0, mesh.size - 1, _MOST).astype(np.intp))] if mesh.size else mesh


def observed(path: Path, other: Path, problem: LeastSquares, s: Floats) -> Floats:
    """The distance of two paths' averages."""
    gap = problem.fitted(path.average(s, side="left")) - problem.fitted(other.average(s, side="left"))
    return np.asarray(np.linalg.norm(gap, axis=1) / (np.linalg.norm(problem.target) or 1.0))


def limit_to_lasso(limit: Path, lasso: Path, problem: LeastSquares, s: Floats) -> Distance:
    """The averaged limit flow and the lasso: ``(1/s) int_0^s |(z')_-|_M`` (docs, section 5)."""
    backward = np.linalg.norm(problem.fitted(backward_slopes(lasso)), axis=1)
    # The integrand is constant between knots; divide by s throughout so that nothing overflows.
    starts = np.concatenate(([0.0], lasso.knots, [np.inf]))
    share = np.clip(np.minimum(s[:, None], starts[1:]) / s[:, None] - starts[:-1] / s[:, None], 0.0, 1.0)
    return Distance(observed(limit, lasso, problem, s), share @ backward / (np.linalg.norm(problem.target) or 1.0))


def network_to_limit(flow: Path, limit: Path, problem: LeastSquares, s: Floats) -> Distance:
    """The averages of a finite network's flow and of its limit: ``(1/s) (2 int_0^s q)^(1/2)`` (docs, section 7).

    ``q = sum_j |x_j| g_j(x_j) - |x0_j| g_j(x0_j)`` with x the network's coefficients, x0 the limit's, and g how far
    the network's dual is from the face that the coefficient belongs to. Integrated by Gauss's rule on the steps.
    """
    if not isinstance(flow.curve, Smooth):
        raise ValueError(f"{flow.name.capitalize()} was not integrated in the dual; it has no such bound.")
    units, end = problem.units, s[-1] if s.size else 0.0
    breaks = np.unique(np.concatenate([[0.0], flow.mesh, limit.knots, s]))
    breaks = breaks[breaks <= end]
    half = np.diff(breaks) / 2
    nodes = (breaks[:-1] + half)[:, None] + half[:, None] * _NODES
    rate = _slack(flow.curve, limit, nodes.ravel()).reshape(nodes.shape)
    integral = np.concatenate([[0.0], np.cumsum(half * (rate @ _WEIGHTS))])
    cumulated = np.maximum(np.interp(s, breaks, integral), 0.0)
    energy = float(np.linalg.norm(problem.target)) or 1.0
    working = np.asarray(units.working_time(s))
    # q has the unit of a coefficient, its integral that of one times s.
    scaled = units.working_coef(cumulated) * np.asarray(units.working_time(1.0))
    bound = np.sqrt(2.0 * problem.n_samples * scaled) / working / energy
    return Distance(observed(flow, limit, problem, s), bound)


def _slack(curve: Smooth, limit: Path, s: Floats) -> Floats:
    """The integrand q at times s, shape (m,)."""
    total, size = np.empty(s.size), max(1, _BLOCK // limit.box.upper.size)
    for first in range(0, s.size, size):
        at = s[first : first + size]
        gaps = curve.box_gaps(limit.box, at)
        own, other = curve.slope(at), limit(at)
        total[first : first + size] = _weighted(own, gaps) - _weighted(other, gaps)
    return total


def _weighted(coef: Floats, gaps: tuple[Floats, Floats]) -> Floats:
    """``sum_j |x_j| g_j`` with the gap to the face that x_j belongs to."""
    gap = np.where(coef > 0, *gaps)
    return np.multiply(np.abs(coef), gap, out=np.zeros_like(coef), where=coef != 0).sum(axis=1)
