"""What is true of gradient flow with weight decay at depth 3 and more, as numbers along a computed flow.

No box grows with the decay there and no lasso is near, but the flow is that of ``E(w) = l(x(w)) + (lambda / 2) |w|^2``:

    E(w(0)) - E(w(t))  =  integral of |grad E|^2 over [0, t],

so that E never rises, and the flow ends in a critical point of E (docs, section 10). All is computed from the weights
and the data alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import EPS, Floats
from lassoflow.decayed import Decayed
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_BLOCK = 2**20


class Descent(NamedTuple):
    """Along the ends of steps s of shape (k,), as shares of the whole fall of E.

    By how much E rises over a step, the defect of its balance, and what of both may be rounding.
    """

    s: Floats
    rise: Floats
    defect: Floats
    rounding: float


def descent(flow: Path) -> Descent:
    """How E falls along a flow with weight decay, beside the integral of ``|grad E|^2``."""
    curve, problem = _parts(flow)
    at, energy = curve.times, _along(flow, curve.times, 0)
    half = np.diff(at) / 2
    nodes = (at[:-1] + half)[:, None] + half[:, None] * _GAUSS
    speed = _along(flow, nodes.ravel(), 1).reshape(nodes.shape)
    lost = np.concatenate([[0.0], np.cumsum(half * (speed @ _WEIGHTS))]) * curve.chart.network.unit
    whole = max(energy[0] - energy.min(), EPS * energy[0]) or 1.0
    rounding = EPS * problem.n_samples * energy[0] / whole
    return Descent(curve.mesh[1:], np.diff(energy) / whole, np.abs(energy[0] - energy - lost)[1:] / whole, rounding)


def end_gradient(flow: Path) -> tuple[float, float]:
    """The largest entry of ``grad E`` at the end of the flow, and what of it may be rounding of the residual.

    Both over the largest entry of its two terms; 0 where all weights are 0.
    """
    curve, problem = _parts(flow)
    weights, x = _working(curve, np.array([curve.units.working_time(curve.stop)]))
    pull, decay = _gradient(curve, problem, weights, x)
    largest = (np.abs(pull) + np.abs(decay)).max()
    if not largest:
        return 0.0, 0.0
    columns = problem.design.norms * np.linalg.norm(problem.target) / problem.n_samples
    lost = EPS * problem.n_samples * np.abs(curve.chart.network.pullback(weights, columns[None])).max()
    return float(np.abs(pull + decay).max() / largest), float(lost / largest)


def _parts(flow: Path) -> tuple[Decayed, LeastSquares]:
    if not isinstance(flow.curve, Decayed):
        raise ValueError(f"{flow.name.capitalize()} was not trained with weight decay at depth 3 or more.")
    return flow.curve, flow.require_problem("the regularised loss")


def _along(flow: Path, at: Floats, what: int) -> Floats:
    """E (0) or the squared length of its gradient (1) at working times, in working units: shape (m,)."""
    curve, problem = _parts(flow)
    size, rows = max(1, _BLOCK // (problem.n_features * curve.chart.depth)), []
    decay = curve.rate / curve.chart.network.unit
    for first in range(0, at.size, size):
        weights, x = _working(curve, at[first : first + size])
        if what:
            rows.append(np.square(sum(_gradient(curve, problem, weights, x))).sum(axis=(-2, -1)))
        else:
            residual = problem.residual(curve.units.coef(x))
            squares = decay * np.square(weights).sum(axis=(-2, -1))
            rows.append(np.square(residual).sum(axis=-1) / (2 * problem.n_samples) + squares / 2)
    return np.concatenate(rows) if rows else np.zeros(0)


def _working(curve: Decayed, at: Floats) -> tuple[Floats, Floats]:
    """Weights and coefficients at working times, in working units: shapes (m, layers, d) and (m, d)."""
    weights = curve.working_weights(at)
    return weights, curve.chart.network.coefficients(weights)


def _gradient(curve: Decayed, problem: LeastSquares, weights: Floats, x: Floats) -> tuple[Floats, Floats]:
    """The two terms of ``grad E`` in the weights, in working units, each of shape (m, layers, d)."""
    units, network = curve.units, curve.chart.network
    gradient = np.asarray(units.working_penalty(problem.gradient(units.coef(x))))
    return network.pullback(weights, gradient), curve.rate / network.unit * weights
