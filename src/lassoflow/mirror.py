"""What is true of the gradient flow of a diagonal network as a mirror flow, as numbers along a computed flow.

In lasso time the flow is ``d Q'(x) / ds = -l'(x)`` with the network's convex potential Q (docs, section 9). It
follows, without weight decay and for every least-squares solution x* in the network's reach,

    l(x(s)) - l*  <=  D_Q(x*, x(0)) / s                      (any network)
    l(x(s)) - l*  <=  (l(x(0)) - l*) exp(-2 mu c t)          (mu: Polyak-Lojasiewicz, c: the least gain dx/dg)

and the limit minimises ``D_Q(x, x(0))`` among the solutions. The statements are of Labarriere et al. (2024), their
form here is derived (see docs, section 9).

The weights have conserved quantities, such as ``u^2 - v^2``. In the dual these say that the gaps to the two faces add
up to the width of the box, which holds of every dual: weights that are computed from the gaps keep them, whatever
errors the flow has. What can fail is that a gap, which is integrated, and z, which is integrated beside it, belong to
one dual ``theta = s r - M z``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats
from lassoflow.convex import ConvexProblem
from lassoflow.decayed import Decayed
from lassoflow.dense import Smooth
from lassoflow.dual_curve import DualCurve
from lassoflow.network import Network
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.walk import limit_flow

_MOST = 200


class Rate(NamedTuple):
    """An excess loss and what bounds it, at times s: each of shape (k,), in working units of the loss."""

    s: Floats
    excess: Floats
    bound: Floats
    start: float
    """The excess at the start."""
    reach: float
    """The loss of the largest coefficient on the longest column."""


def solution(flow: Path) -> Floats:
    """The least-squares solution in the network's reach with the smallest l1 norm, of its box if it has one: (d,)."""
    sides = np.stack([flow.box.upper, flow.box.lower])
    if not (sides > 0).all():
        sides = np.where(np.isinf(sides), np.inf, 1.0)
    return limit_flow(flow.require_problem("a rate"), sides).end


def general_rate(flow: Path, x_star: Floats) -> Rate:
    """``l(x(s)) - l(x*)`` against ``D_Q(x*, x(0)) / s``."""
    network, problem = _parts(flow)
    s = _times(flow)
    branches = network.branches(problem.n_features)
    divergence = problem.units.working_coef(float(branches.divergence(x_star, flow(0.0))))
    return _rate(flow, x_star, s, divergence / problem.units.working_time(s))


def exponential_rate(flow: Path, x_star: Floats, log_mu: float) -> Rate | None:
    """``l(x(s)) - l*`` against ``(l(x(0)) - l*) exp(-2 mu c t)``; None where the least gain c is zero.

    ``log_mu`` is that of :func:`log_polyak_lojasiewicz`, c the exponential of ``network.log_least_gain(d)``.
    """
    network, problem = _parts(flow)
    log_gain = network.log_least_gain(problem.n_features)
    if log_gain == -np.inf:
        return None
    s = _times(flow)
    with np.errstate(divide="ignore", over="ignore"):
        exponent = 2.0 * np.exp(log_mu + log_gain + network.log_unit + np.log(s))
    rate = _rate(flow, x_star, s, np.exp(-exponent))
    return rate._replace(bound=rate.start * rate.bound)


def log_polyak_lojasiewicz(problem: LeastSquares) -> float:
    """Logarithm of the mu of ``|l'|^2 / 2 >= mu (l - l*)``: the smallest nonzero eigenvalue of ``M = X'X / n``, in the
    user's units; inf where X is zero.
    """
    X = problem.design.columns(np.flatnonzero(problem.design.norms))
    values = np.linalg.svd(X, compute_uv=False)
    values = values[values > 1e-12 * values.max(initial=0.0)]
    log_root = math.log(values.min(initial=np.inf)) + problem.units.design * math.log(2.0)
    return 2.0 * log_root - math.log(problem.n_samples)


def bias(flow: Path, x_star: Floats) -> tuple[float, float]:
    """``D_Q`` from the start to the end of the flow, and to another solution: the first is the smaller one."""
    network, problem = _parts(flow)
    branches = network.branches(problem.n_features)
    start, end = flow(0.0), flow.end
    return float(branches.divergence(end, start)), float(branches.divergence(x_star, start))


def defect(flow: Path) -> tuple[Floats, Floats]:
    """By how much z is not the integral of x, at the ends of steps: times and values, shape (k,).

    Gauss's rule on every step, with x from the gaps: an account of the integration that does not believe in it. Over s
    times the largest coefficient, of the flow or of a fit on one column: what z is beside, in ``theta = s r - M z``.
    """
    curve = flow.curve
    if not isinstance(curve, Smooth) or curve.mesh.size < 2:
        return np.zeros(0), np.zeros(0)
    mesh = curve.mesh
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half = np.diff(mesh) / 2
    at = (mesh[:-1] + half)[:, None] + half[:, None] * nodes
    kept = np.flatnonzero(curve.active())
    x = np.concatenate([flow(rows)[:, kept] for rows in np.array_split(at.ravel(), 1 + at.size * kept.size // 2**20)])
    steps = half[:, None] * np.einsum("kqj,q->kj", x.reshape(*at.shape, -1), weights)
    z = flow.integral(mesh)[:, kept]
    gap = np.abs(z[1:] - z[0] - np.cumsum(steps, axis=0)).max(axis=1, initial=0.0)
    return mesh[1:], gap / mesh[1:] / max(np.abs(x).max(initial=0.0), typical_size(flow))


def dual_defect(flow: Path) -> tuple[Floats, Floats]:
    """By how much ``theta' = -grad l(x)`` fails over a step, of losses that are no squares: ends and values, (k,).

    Gradients are those of the coefficients along the step, by Gauss's rule. A defect of the dual times the steepness of
    the network's branch is a relative one of a coefficient. The flow itself damps it, at rates of at most the trace of
    the Jacobian: over a step of length h it is divided by 1 + h times that.
    """
    problem, curve = flow.require_data("a certificate"), flow.curve
    if not isinstance(curve, DualCurve) or not isinstance(problem, ConvexProblem) or curve.mesh.size < 2:
        return np.zeros(0), np.zeros(0)
    starts = np.concatenate([[0.0], curve.mesh[:-1]])
    chosen = np.unique(np.linspace(0, starts.size - 1, _MOST).astype(np.intp))
    low, high = starts[chosen], curve.mesh[chosen]
    nodes, weights = np.polynomial.legendre.leggauss(6)
    half = (high - low) / 2
    at = (low + half)[:, None] + half[:, None] * nodes
    rates = -problem.gradient(flow.instantaneous()(at.ravel())).reshape(*at.shape, -1)
    moved = half[:, None] * np.einsum("k,qkd->qd", weights, rates)
    end = flow.dual(high)
    off = np.abs(end - flow.dual(low) - moved)
    near = np.minimum(*curve.branches.gaps(end, np.asarray(problem.units.working_time(high))))
    off *= curve.branches.steepness(np.maximum(near, EPS))
    return high, np.asarray(off.max(axis=1) / (1.0 + curve.stiffness(problem, high) * (high - low)))


def conflict(flow: Path) -> tuple[Floats, Floats]:
    """By how much gaps and ``theta = s r - M z`` differ, over ``max(1, s lambda_max)``: times and values, shape (k,).

    The second half of the law, beside :func:`defect`: the two are integrated apart, coordinate by coordinate. At depth
    2 it is the drift of ``log|u^2 - v^2|`` over ``log(1 / scale) / 2``, if one branch is read off the integrated gap
    and the other off the accumulated gradient.
    """
    if not isinstance(flow.curve, Smooth):
        return np.zeros(0), np.zeros(0)
    s, problem = _times(flow), flow.require_problem("its law")
    return s, flow.curve.conflict(s) / np.maximum(1.0, s * problem.lambda_max)


def weights(flow: Path, s: ArrayLike) -> Floats:
    """The weights of a network along its gradient flow at times s: shape ``s.shape + (layers, d)``.

    Below the smallest float they are 0. Of steps on the weights, ``path.curve.weights`` has those at recorded steps.

    Raises
    ------
    ValueError
        If the path is not a gradient flow in the dual, was loaded without its network, or an s is beyond its end.

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.mirror import weights
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> flow = lf.gradient_flow(problem, lf.ProductNetwork(scale=1e-6))
    >>> w = weights(flow, [0.0, 3.0])
    >>> w.shape, w.prod(axis=1).round(6) + 0.0  # u v is x
    ((2, 2, 2), array([[0. , 0. ],
           [1.6, 0. ]]))
    """
    times = np.asarray(s, dtype=np.float64)
    network, curve = flow.network, flow.curve
    if network is None or not isinstance(curve, Smooth):
        raise ValueError(f"{flow.name.capitalize()} has no weights here: they need gradient_flow and its network.")
    if not ((times >= 0) & (times <= flow.domain[1])).all():
        raise ValueError(f"s must hold times from 0 to the end of the flow, {flow.domain[1]:.6g}; one is beyond.")
    found = network.weights(curve.box_gaps(flow.box, times.ravel()))
    return found.reshape(*times.shape, *found.shape[1:])


def typical_size(flow: Path) -> float:
    """The largest coefficient of a fit on a single column; the network's scale where y or X is zero."""
    network, problem = _parts(flow)
    return float(problem.units.coef(np.array(problem.largest_single_fit))) or network.scale or 1.0


def _parts(flow: Path) -> tuple[Network, LeastSquares]:
    if flow.network is None:
        raise ValueError(f"{flow.name.capitalize()} is not the path of a network.")
    if isinstance(flow.curve, Decayed):
        raise ValueError("With weight decay at depth 3 and more the flow is no mirror flow; it has no such rate.")
    return flow.network, flow.require_problem("a rate")


def _times(flow: Path) -> Floats:
    """A share of the mesh, positive times only."""
    mesh = flow.mesh[flow.mesh > 0]
    return mesh[np.unique(np.linspace(0, mesh.size - 1, _MOST).astype(np.intp))] if mesh.size else mesh


def _rate(flow: Path, x_star: Floats, s: Floats, bound: Floats) -> Rate:
    problem = flow.require_problem("a rate")
    x = flow(s)
    start = _excess(problem, flow(np.zeros(1)), x_star)
    largest = problem.units.working_coef(max(np.abs(x).max(initial=0.0), typical_size(flow)))
    reach = float(largest * problem.design.norms.max()) ** 2 / (2 * problem.n_samples)
    return Rate(s, _excess(problem, x, x_star), bound, float(start[0]), reach)


def _excess(problem: LeastSquares, x: Floats, x_star: Floats) -> Floats:
    """``l(x) - l(x*)`` as ``|X (x - x*)|^2 / (2 n)`` plus the gradient's part, without the cancellation."""
    step, units = x - x_star, problem.units
    fitted = problem.fitted(step)
    quadratic = np.sum(fitted**2, axis=-1) / (2 * problem.n_samples)
    return np.asarray(quadratic + units.working_coef(step) @ units.working_penalty(problem.gradient(x_star)))
