"""How far a trained network is from the l1 solution: bounds from the data alone, and what was observed.

For ``u^D - v^D`` from the scale a, with x* the l1 solution, S its support, rho and the others the null-space constants
of the data at its signs, m and M the least and the largest ``|x*_S|``, and N the sum of ``|x|`` outside of S,

    D = 2:   N <= 2 a |S^c| sinh(rho L(m) + rho_minus (L(M) - L(m))),      L(t) = asinh(t / 2a)
    D >= 3:  N <= a |S^c| h(rho + rho_plus delta(m)),                      delta(t) = 1 - h^-1(t / a)

and below the same with the sums the other way round; ``N <= |x - x*|_1 <= (1 + rho_tilde) N`` (derived, see docs,
section 11; the rates ``a^(1 - rho)`` at depth 2 and a beyond are of Matt & Stöger 2025, abstract).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lassoflow.arrays import read_nonnegative
from lassoflow.endpoint import Endpoint, min_l1
from lassoflow.network import PowerNetwork
from lassoflow.null_space import NullSpaceConstants, null_space_constants
from lassoflow.problem import LeastSquares
from lassoflow.walk import limit_flow

_LEAST = -1e7
"""Log scale below which no scale is looked for."""


@dataclass(frozen=True, eq=False)
class AccuracyBounds:
    """Bounds of ``|x - x*|_1`` at the end of a flow; logarithms, as the distance itself may underflow.

    Attributes
    ----------
    log_lower, log_upper : float
        -inf and inf where nothing is known.
    log_asymptotic : float or None
        What the distance tends to as the scale vanishes, where the kernel has dimension one.
    rate : float
        The exponent of the scale: ``1 - rho`` at depth 2, 1 beyond.
    constants : NullSpaceConstants
    solution : Endpoint
        The l1 solution x*.
    """

    log_lower: float
    log_upper: float
    log_asymptotic: float | None
    rate: float
    constants: NullSpaceConstants
    solution: Endpoint

    @property
    def lower(self) -> float:
        """The lower bound; 0 where it underflows."""
        return math.exp(max(self.log_lower, -745.0)) if self.log_lower > -745.0 else 0.0

    @property
    def upper(self) -> float:
        """The upper bound."""
        return math.exp(self.log_upper) if self.log_upper < 709.0 else math.inf


def accuracy_bounds(
    problem: LeastSquares,
    network: PowerNetwork,
    *,
    solution: Endpoint | None = None,
    constants: NullSpaceConstants | None = None,
    time_limit: float = 10.0,
) -> AccuracyBounds:
    """How far the end of a network's flow is from the l1 solution, from the data alone.

    Parameters
    ----------
    problem : LeastSquares
    network : PowerNetwork
        ``u^D - v^D``, at depth 2 of a scale below 1.
    solution, constants : optional
        Of :func:`min_l1` and :func:`null_space_constants`, where they are known: they do not depend on the network.
    time_limit : float
        Seconds for the constants. Intervals that are left are used by their worse ends.

    Returns
    -------
    AccuracyBounds

    Raises
    ------
    TypeError, ValueError
        If the network is not a power network, or has no lasso clock.

    Examples
    --------
    >>> import math
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 2.0]], [2.0])
    >>> network = lf.PowerNetwork(depth=2, scale=1e-8)
    >>> bounds = lf.accuracy_bounds(problem, network)
    >>> distance = math.exp(lf.log_distance(lf.flow_endpoint(problem, network), bounds.solution))
    >>> f"{bounds.lower:.1e} <= {distance:.1e} <= {bounds.upper:.1e}, rate {bounds.rate:.2f}"
    '1.0e-04 <= 1.5e-04 <= 1.5e-04, rate 0.50'
    """
    if not isinstance(network, PowerNetwork):
        raise TypeError(f"network must be a PowerNetwork: no bounds are known for {network!r}.")
    network.box(problem.n_features)  # or it says why there is none
    solution = min_l1(problem, depth=network.depth) if solution is None else solution
    if constants is None:
        constants = null_space_constants(problem, solution.coef, time_limit=time_limit)
    rate = 1.0 - min(constants.rho, 1.0) if network.depth == 2 else 1.0
    size = np.abs(solution.coef[solution.support])
    if not size.size or not constants.kernel_dimension:  # the end is the solution
        return AccuracyBounds(-math.inf, -math.inf, None, rate, constants, solution)
    if not (constants.unique and solution.unique):
        return AccuracyBounds(-math.inf, math.inf, None, 0.0, constants, solution)
    outside, stretch = problem.n_features - size.size, 1.0 + constants.tilde.upper
    bounds = _deep if network.depth > 2 else _shallow
    log_total, least, largest = math.inf, float(size.min()), float(size.max())
    log_most = bounds(network, constants, least, largest, 1.0)
    if log_most < math.inf:
        log_total = math.log(outside) + log_most
    log_least, moved = -math.inf, (stretch - 1.0) * math.exp(min(log_total, 700.0))
    if moved < least:
        log_least = bounds(network, constants, least - moved, largest + moved, -1.0)
    log_upper = log_total + math.log(stretch)
    return AccuracyBounds(
        log_least, log_upper, _asymptotic(problem, network, constants, solution), rate, constants, solution
    )


def scale_for_accuracy(
    problem: LeastSquares,
    depth: int,
    error: float,
    *,
    solution: Endpoint | None = None,
    constants: NullSpaceConstants | None = None,
    time_limit: float = 10.0,
) -> tuple[float, float]:
    """The largest scale from which a network of a depth surely ends near the l1 solution, and what it costs.

    Parameters
    ----------
    problem : LeastSquares
    depth : int
    error : float
        Of ``|x - x*|_1`` over ``|x*|_1``.
    solution, constants, time_limit
        As in :func:`accuracy_bounds`.

    Returns
    -------
    log_scale : float
        Logarithm of the scale; -inf if no scale is known to do.
    log_time : float
        Logarithm of the training time at which the limit flow has come to its end.

    Raises
    ------
    ValueError
        If the error is not positive.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 2.0]], [2.0])
    >>> [round(value, 2) for value in lf.scale_for_accuracy(problem, depth=3, error=1e-3)]
    [-9.49, 0.68]
    """
    if not read_nonnegative(error, "error"):
        raise ValueError("error must be positive.")
    first = PowerNetwork(depth, log_scale=-1.0)
    known = accuracy_bounds(problem, first, solution=solution, constants=constants, time_limit=time_limit)
    goal = math.log(error) + math.log(np.abs(known.solution.coef).sum() or 1.0)

    def holds(log_scale: float) -> bool:
        network = PowerNetwork(depth, log_scale=log_scale)
        found = accuracy_bounds(problem, network, solution=known.solution, constants=known.constants)
        return found.log_upper <= goal

    low, high = -2.0, -1e-9
    while not holds(low):
        low, high = 2.0 * low, low
        if low < _LEAST:
            return -math.inf, math.inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    knots = limit_flow(problem).knots
    network = PowerNetwork(depth, log_scale=low)
    return low, network.log_unit + (math.log(knots[-1]) if knots.size else -math.inf)


def log_distance(end: Endpoint, solution: Endpoint) -> float:
    """``log |x - x*|_1`` of the end of a flow and the l1 solution, without cancellation; -inf where they are the same.

    Coefficients outside of the support are their own distance, and those on it follow from them, as both are fits:
    ``X_S (x - x*)_S = -X_T x_T``.

    Raises
    ------
    ValueError
        If the columns of the support depend on each other.
    """
    problem, support = end.problem, solution.support
    logs = end.log_abs[~support]
    top = logs.max(initial=-np.inf)
    if top == -np.inf:
        return -math.inf
    outside = np.sign(np.where(end.coef != 0, end.coef, end.dual))[~support] * np.exp(logs - top)
    columns = problem.design.columns(np.flatnonzero(support))
    if columns.shape[1] and np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise ValueError("The columns of the support depend on each other: the l1 solution is not the only one.")
    fitted = problem.design.columns(np.flatnonzero(~support)) @ outside
    inside = np.linalg.lstsq(columns, -fitted)[0] if columns.shape[1] else np.zeros(0)
    return float(top + math.log(np.abs(outside).sum() + np.abs(inside).sum()))


def _shallow(network: PowerNetwork, c: NullSpaceConstants, least: float, largest: float, side: float) -> float:
    """``log(2 a sinh(rho L(m) ± rho_minus (L(M) - L(m))))``, -inf where the argument is not positive."""
    low, high = (_log_ratio(size, network.log_scale) for size in (least, largest))
    argument = c.rho * low + side * c.minus.upper * (high - low)
    if argument <= 0.0:
        return -math.inf
    return network.log_scale + argument + math.log(-math.expm1(-2.0 * argument))


def _log_ratio(size: float, log_scale: float) -> float:
    """``asinh(size / (2 scale))``."""
    share = math.exp(min(log_scale - math.log(size), 300.0)) * 2.0
    return math.log(size) - log_scale + math.log((1.0 + math.hypot(1.0, share)) / 2.0)


def _deep(network: PowerNetwork, c: NullSpaceConstants, least: float, largest: float, side: float) -> float:
    """``log(a h(rho ± rho_plus delta(m)))``; inf where the argument is not below 1, -inf where it is not positive."""
    branches = network.branches(1)
    theta = c.rho + side * c.minus.upper * float(branches.nearer_gap(np.array([least]))[0])
    if theta <= 0.0:
        return -math.inf
    return float(branches.log_abs((np.array([1.0 - theta]), np.array([1.0 + theta])))[0]) if theta < 1.0 else math.inf


def _asymptotic(
    problem: LeastSquares, network: PowerNetwork, c: NullSpaceConstants, solution: Endpoint
) -> float | None:
    """``log |x - x*|_1`` as the scale vanishes, where the kernel has dimension one and rho is attained by it."""
    if c.kernel_dimension != 1 or not 0.0 < c.rho < 1.0:
        return None
    n, outside = c.direction, np.abs(c.direction[~solution.support])
    outside = outside[outside > 1e-12 * outside.max()]
    total = float(outside.sum())
    log_size = math.log(np.abs(n).sum())
    if network.depth == 2:
        inside = -float(n[c.support] * c.signs @ np.log(np.abs(solution.coef[c.support])))
        exponent = (inside - float(outside @ np.log(outside))) / total
        return (1.0 - c.rho) * network.log_scale + exponent + log_size
    unit = PowerNetwork(network.depth, 1.0).branches(outside.size)
    low, high = -60.0, 60.0
    for _ in range(100):  # sum |n_i| h^-1(c |n_i|) grows with c
        middle = (low + high) / 2
        small = float(outside @ unit.dual(math.exp(middle) * outside)) < c.rho * total
        low, high = (middle, high) if small else (low, middle)
    return network.log_scale + low + log_size
