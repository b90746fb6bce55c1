"""Where training ends: of a network's gradient flow, by convex duality, and of the lasso path, the l1 solution.

Gradient flow ends in the least-squares solution nearest to its start in the Bregman divergence of its potential (docs,
section 11). No integration is needed, and coefficients that underflow keep their logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.branches import Branches
from lassoflow.checks import Certificate, Check
from lassoflow.dual_newton import DualNewton
from lassoflow.multiprecision import exact_end
from lassoflow.network import Network, PowerNetwork
from lassoflow.optimality import EXACT
from lassoflow.problem import LeastSquares
from lassoflow.threads import SMALL, one_thread
from lassoflow.walk import lasso_path, limit_flow

_SOURCE = "docs/theory, section 11"
_ON_FACE = 1e-9
"""Share of lambda_max, or of a box's side, that counts as zero in a gradient or a gap of the walk."""
_LOST = 1e-3
"""Share of the coefficients that rounding of the gaps may take: more is no end that is known."""
_TINY_RATE, _TINY_GAP = -100.0, -12.0
"""Log scale at depth 2, log gap of a coefficient of 1 beyond, from which on a walk to the l1 solution pays."""
_FEASIBLE = 1e-5
"""Share of the largest entry that a linear program does not take for zero: it is feasible to 1e-7."""


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A least-squares solution that a method ends in.

    Attributes
    ----------
    coef, log_abs : arrays of shape (d,)
        The coefficients, and the logarithms of their absolute values, right where coefficients underflow.
    intercept : float
    support : array of bool, shape (d,)
        Of the l1 solution where it is not zero; of a flow, whose coefficients are none of them zero, where they are
        above 1e-8 of the largest.
    dual : array of shape (d,)
        theta, in the row space of X: of a flow with ``coef = phi(theta)``, of the l1 solution its dual certificate.
    certificate : Certificate
    problem : LeastSquares
    steps : int
        Of Newton's method, or knots of the walk.
    unique : bool
        Whether it is the only solution of its kind.
    """

    coef: Floats
    log_abs: Floats
    intercept: float
    support: NDArray[np.bool_]
    dual: Floats
    certificate: Certificate
    problem: LeastSquares = field(repr=False)
    steps: int = 0
    unique: bool = True

    def __repr__(self) -> str:
        holds = "" if self.certificate.holds else ", NOT certified"
        return f"<Endpoint: {int(self.support.sum())} of {self.coef.size} coefficients{holds}>"


def flow_endpoint(problem: LeastSquares, network: Network, precision: Literal["double", "mp"] = "double") -> Endpoint:
    """Where the gradient flow of a network ends, by convex duality, without integrating it.

    Parameters
    ----------
    problem : LeastSquares
        n samples, d features, in any relation, of any rank.
    network : Network
        Of any depth and scale.
    precision : {"double", "mp"}
        Whether to refine the end, or to find it, in multiprecision (needs python-flint): slower, for columns of very
        different lengths or other data on which double precision fails. Not for layers that start differently.

    Returns
    -------
    Endpoint
        With coefficients and logarithms to nearly full relative accuracy, however small they are; those that the
        flow of ``u^2`` leaves at zero have the logarithm -inf.

    Raises
    ------
    ArithmeticError
        If Newton's method does not converge.
    ValueError
        If the network does not fit the problem, its scale is so far above the coefficients that rounding hides them,
        or the precision is unknown.

    Notes
    -----
    The limit minimises the Bregman divergence from the start (Labarriere et al. 2024; derived, see docs, section 11).
    With data in floating point an interpolation "without noise" is one up to rounding, and coefficients far below
    rounding of the data answer to that: exactly representable data have none.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], [2.0, 1.0])
    >>> end = lf.flow_endpoint(problem, lf.PowerNetwork(depth=2, scale=1e-100))
    >>> end.coef.round(12) + 0.0
    array([0., 1., 0.])
    >>> end.log_abs.round(3)
    array([-153.275,    0.   , -153.968])
    >>> end
    <Endpoint: 1 of 3 coefficients>
    """
    if precision not in ("double", "mp"):
        raise ValueError(f"precision must be 'double' or 'mp'; got {precision!r}.")
    branches = network.branches(problem.n_features)
    units = problem.units
    working = branches.rescaled(math.log(2.0) * (units.design - units.target))
    _refuse_rounding(problem, network, working)
    X, y = problem.design.columns(np.arange(problem.n_features)), problem.target
    kept = np.arange(problem.n_features)
    if np.isinf(branches.lower).all():
        kept, y = _nonnegative_fit(problem)
    first = np.flatnonzero(lasso_path(problem).end) if _is_tiny(network) else None
    with one_thread(X.size <= SMALL):
        solver = DualNewton(X[:, kept], y, _of(working, kept), first)
        if precision == "mp":
            exact = exact_end(solver, units.target - units.design, _of(branches, kept))
            sign, logs, theta, steps = exact.sign, exact.log_abs, exact.theta, exact.steps
        else:
            sign, logs = solver.solve()
            logs, theta, steps = logs + math.log(2.0) * (units.target - units.design), solver.theta, solver.steps
    log_abs, coef = np.full(problem.n_features, -np.inf), np.zeros(problem.n_features)
    log_abs[kept] = logs
    coef[kept] = sign * np.exp(log_abs[kept])
    dual = np.full(problem.n_features, -np.inf)
    dual[kept] = theta
    checks = (_stationary(problem, coef, kept), _consistent(problem, solver, theta, kept))
    good = all(check.holds for check in checks)
    summary = f"The gradient flow of {network!r} {'ends' if good else 'does NOT end'} here."
    support = np.abs(coef) > 1e-8 * np.abs(coef).max(initial=0.0)
    return _endpoint(problem, coef, log_abs, support, dual, checks, summary, steps, True)


def min_l1(problem: LeastSquares, penalty_factor: ArrayLike | None = None, depth: int = 2) -> Endpoint:
    """The least-squares solution of the smallest l1 norm, basis pursuit, as the end of the lasso path.

    Parameters
    ----------
    problem : LeastSquares
    penalty_factor : array of shape (d,) or (2, d), optional
        Weights of the norm, as in :func:`lasso_path`.
    depth : int
        Where there are several solutions, the one that networks of this depth tend to as their scale vanishes: at
        depth 2 the one of the largest entropy ``-sum k|x| log(k|x|)``, beyond that of the largest
        ``sum (k|x|)^(2/D)``, k the factors.

    Returns
    -------
    Endpoint
        Whose ``dual`` is a dual certificate; ``unique`` says whether there is another solution.

    Raises
    ------
    ValueError
        If the factors make no sense, one of them is 0 where there may be several solutions, or the depth is below 2.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.min_l1(lf.LeastSquares([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], [2.0, 1.0])).coef
    array([0., 1., 0.])
    """
    if not (depth >= 2 and depth % 1 == 0):
        raise ValueError(f"depth must be a whole number >= 2; got {depth!r}.")
    path = lasso_path(problem, penalty_factor)
    coef, box = path.end, path.box
    last = path.knots[-1] if path.knots.size else 1.0
    dual = path.dual(last)
    face = _face(problem, dual, box.upper, box.lower)
    unique = True
    if face.size:
        unique = _independent(problem.design.columns(face))
        if not unique:
            if box.unpenalised[face].any():
                raise ValueError(
                    "penalty_factor must be positive here: columns on the face are dependent, and the choice among the "
                    "solutions weighs coefficients by their factors."
                )
            side = np.where(dual > 0, box.upper, box.lower)
            coef, unique = _select(problem, coef, dual, face, side, depth)
    checks = (
        _stationary(problem, coef, np.arange(coef.size)),
        *_dual_checks(problem, coef, dual, box.upper, box.lower),
    )
    good = all(check.holds for check in checks)
    summary = f"The {'' if unique else 'chosen '}solution {'has' if good else 'does NOT have'} the smallest l1 norm."
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(coef))
    return _endpoint(problem, coef, logs, coef != 0, dual, checks, summary, path.knots.size, unique)


def _endpoint(
    problem: LeastSquares, coef: Floats, logs: Floats, support: NDArray[np.bool_], dual: Floats,
    checks: tuple[Check, ...], summary: str, steps: int, unique: bool,
) -> Endpoint:  # fmt: skip
    none = np.zeros(0)
    units = "Gradients are shares of lambda_max; bounds are 1e-10 or what rounding leaves."
    certificate = Certificate("Certificate of an endpoint", summary, units, checks, none, none, none)
    return Endpoint(coef, logs, float(problem.intercept(coef)), support, dual, certificate, problem, steps, unique)


def _refuse_rounding(problem: LeastSquares, network: Network, branches: Branches) -> None:
    """Refuse a scale so far above the coefficients that these are lost in the rounding of gaps."""
    size, two_sided = problem.largest_single_fit, bool(np.isfinite(branches.lower).all())
    if size and two_sided and branches.rounding(branches.gaps(np.zeros(problem.n_features))) > _LOST * size:
        raise ValueError(
            f"{network!r} has a scale so far above the coefficients of this problem that rounding would hide them."
        )


def _is_tiny(network: Network) -> bool:
    """Whether the end is so near the l1 solution that this is a good start, and worth the walk to it."""
    if not isinstance(network, PowerNetwork):
        return False
    return network.log_scale < (_TINY_RATE if network.depth == 2 else _TINY_GAP * network.depth / (network.depth - 2))


def _of(branches: Branches, kept: Ints) -> Branches:
    """The branches of some of the coordinates."""
    if kept.size == branches.upper.size:
        return branches
    return replace(branches, upper=branches.upper[kept], lower=branches.lower[kept])


def _nonnegative_fit(problem: LeastSquares) -> tuple[Ints, Floats]:
    """The columns that are positive in some non-negative fit, and the fitted values, which are unique."""
    end = limit_flow(problem, positive=True).end
    gradient = problem.gradient(end) / (problem.lambda_max or 1.0)
    face = np.flatnonzero((gradient < _ON_FACE) | (end > 0))
    if (end[face] == 0).any():
        face = face[_positive_somewhere(problem.design.columns(face), problem.units.working_coef(end[face]))]
    return face, problem.fitted(end)


def _stationary(problem: LeastSquares, coef: Floats, kept: Ints) -> Check:
    """The gradient at the end, on the columns that the end may use."""
    gradient = np.abs(problem.gradient(coef)[kept]).max(initial=0.0) / (problem.lambda_max or 1.0)
    norms = problem.design.norms / (problem.design.norms.max(initial=0.0) or 1.0)
    largest = np.abs(problem.units.working_coef(coef) * norms).sum() * problem.design.norms.max(initial=0.0)
    scale = float(np.abs(problem.design.rmatvec(problem.target)).max(initial=0.0)) or 1.0
    bound = max(EXACT, 10 * EPS * problem.n_samples * largest * problem.design.norms.max(initial=0.0) / scale)
    return Check("gradient at the end", float(gradient), bound, None, bool(gradient <= bound), _SOURCE)


def _consistent(problem: LeastSquares, solver: DualNewton, theta: Floats, kept: Ints) -> Check:
    """How far the dual is from the row space of X, by a fit on the columns themselves, over the box."""
    X = problem.design.columns(kept)
    basic = solver.basis.basic
    if not basic.size:
        return Check("dual beside the row space", 0.0, EXACT, None, True, _SOURCE)
    norms = np.linalg.norm(X, axis=0)[basic]
    nu = np.linalg.lstsq((X[:, basic] / norms).T, theta[basic] / norms)[0]
    side = max(np.abs(theta).max(), float(np.minimum(solver.branches.upper, solver.branches.lower).min())) or 1.0
    apart = float(np.abs(X.T @ nu - theta).max() / side)
    bound = max(EXACT, float(10 * EPS * X.shape[0] * (np.abs(X).T @ np.abs(nu)).max() / side))
    return Check("dual beside the row space", apart, bound, None, apart <= bound, _SOURCE)


def _face(problem: LeastSquares, dual: Floats, upper: Floats, lower: Floats) -> Ints:
    """The columns whose dual is at the box."""
    gap = np.minimum(upper - dual, lower + dual)
    side = np.where(dual > 0, upper, lower)
    return np.flatnonzero((gap <= _ON_FACE * np.where(np.isinf(side), 1.0, side)) & (problem.design.norms > 0))


def _dual_checks(
    problem: LeastSquares, coef: Floats, dual: Floats, upper: Floats, lower: Floats
) -> tuple[Check, Check]:
    """The dual certificate: inside the box, and ``<theta, x>`` is the norm."""
    side = np.where(dual > 0, upper, lower)
    beyond = np.max((np.abs(dual) - side) / np.where(side > 0, np.minimum(side, 1e300), 1.0), initial=0.0)
    weights = np.where(coef > 0, upper, lower)
    norm = float(np.sum(np.abs(coef) * weights, where=coef != 0))
    gap = abs(norm - float(dual @ coef)) / (norm or 1.0)
    return (
        Check("dual beyond the box", max(float(beyond), 0.0), EXACT, None, bool(beyond <= EXACT), _SOURCE),
        Check("l1 norm above <theta, x>", gap, EXACT, None, gap <= EXACT, _SOURCE),
    )


def _independent(columns: Floats) -> bool:
    """Whether columns are; singular values are looked at where a triangular factor does not tell."""
    if columns.shape[1] > columns.shape[0]:
        return False
    diagonal = np.abs(np.diag(np.linalg.qr(columns, mode="r")))
    if diagonal.min() > 1e-4 * diagonal.max():
        return True
    values = np.linalg.svd(columns, compute_uv=False)
    return bool(values[-1] > 1e-10 * values[0])


def _select(
    problem: LeastSquares, coef: Floats, dual: Floats, face: Ints, side: Floats, depth: int
) -> tuple[Floats, bool]:
    """Of all solutions on a face the one that networks of a depth tend to; and whether it is the only one.

    With ``w = k|x|`` on the face, ``sum w`` is the same for all. The entropy's potential ``w log w`` has the map
    ``exp(theta)``, that of ``-w^(2/D)`` a power of ``-theta``: those of networks with one branch.
    """
    signs = np.sign(dual[face])
    columns = problem.design.columns(face) * (signs / side[face])
    free = _positive_somewhere(columns, np.abs(problem.units.working_coef(coef))[face] * side[face])
    if np.linalg.matrix_rank(columns[:, free]) == free.size:
        return coef, True
    none, ones = np.full(free.size, np.inf), np.ones(free.size)
    power = np.inf if depth == 2 else depth / (depth - 2)
    solver = DualNewton(columns[:, free], problem.fitted(coef), Branches(power, 1.0, 0.0, ones, none))
    logs = solver.solve()[1]
    chosen = np.zeros_like(coef)
    chosen[face[free]] = problem.units.coef(np.exp(logs) * (signs / side[face])[free])
    return chosen, False


def _positive_somewhere(columns: Floats, w: Floats) -> Ints:
    """Which ``w_j >= 0`` are positive in some solution of ``columns w' = columns w``: by linear programs.

    Each maximises ``sum_j min(w'_j, 1)``, of columns of length one and in units of the largest entry, over those not
    found yet.
    """
    from scipy.optimize import linprog

    norms = np.linalg.norm(columns, axis=0)
    scaled, found = columns / np.where(norms > 0, norms, 1.0), norms == 0
    w, count = w * norms, w.size
    size = w.max(initial=0.0) or 1.0
    found |= w > _FEASIBLE * size
    while not found.all():
        cost = np.concatenate([-(~found).astype(np.float64), np.zeros(count)])
        bounds = [(0, 1)] * count + [(0, None)] * count
        result = linprog(cost, A_eq=np.hstack([scaled, scaled]), b_eq=scaled @ (w / size), bounds=bounds)
        larger = (
            result.x[:count] + result.x[count:] > _FEASIBLE if result.x is not None else np.zeros(count, dtype=bool)
        )
        if not (larger & ~found).any():
            break
        found |= larger
    return np.flatnonzero(found)
