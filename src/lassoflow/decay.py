"""Gradient flow with weight decay at depth 3 and more: one equation a coordinate, by LSODA, until it rests.

In the variable y of a chart and the decay time ``tau = lambda t``, of which kappa pass per lasso time s,

    dy / d tau = e^(-(D-2) tau) (dy / d theta) (r - M x) / kappa,        x = e^(-D tau) phi(y)

(docs, section 8). There every coefficient ends as 0 or in a critical point of ``l(x) + (lambda c / 2) |x|^(2/D)``,
c = 1 for powers and L for L layers. The flow is at rest when what is left of it is below rtol: where a coordinate has
grown, Newton's method finds the critical point; where it has not, the discounted gradient has no push left.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import LSODA

from lassoflow.arrays import Floats
from lassoflow.charts import Chart, chart_of
from lassoflow.decayed import DEGREE, FIT, NODES, Decayed
from lassoflow.dense import Effort
from lassoflow.network import Network
from lassoflow.path import Frame, Path
from lassoflow.problem import LeastSquares

_SHARE = 0.02
"""Error of y a step over rtol: a relative error of y is one of log x, times D / (D - 2) or D, and errors add up."""
_FINEST = 1e-13
"""What rounding leaves to a step."""
_GROWN = 0.1
"""Error of y over y, as a share of that of a small y: it grows to some 30."""
_DEFECT = 50.0
"""How many times the error of a step its defect may be before the integration is not believed."""
_RETRIES = 20
"""How often to start anew from one step."""
_LONGEST = 1e4
"""How many decay times to wait for rest."""
_UNSTABLE = 1e-10
"""Part of a critical point's unstable directions that is rounding: a flow that symmetry holds there stays."""


class System:
    """The equation of the chart's variable over the decay time, in working units."""

    def __init__(self, problem: LeastSquares, chart: Chart, rate: float) -> None:
        self.chart, self.rate, self.n = chart, rate, problem.n_samples
        self.X = problem.design.columns(np.arange(problem.n_features))
        self.target = problem.target
        self.M = self.X.T @ self.X / self.n

    def push(self, x: Floats) -> Floats:
        """The negative gradient ``r - M x``."""
        return self.X.T @ ((self.target - self.X @ x) / self.n)

    def speed(self, tau: float, y: Floats) -> Floats:
        """``dy / d theta`` times the discount, over kappa."""
        return np.exp(self.chart.log_speed(y) - self.chart.discount * tau - math.log(self.rate))

    def derivative(self, tau: float, y: Floats) -> Floats:
        """``dy / d tau``."""
        return self.speed(tau, y) * self.push(self.coef(tau, y))

    def jacobian(self, tau: float, y: Floats) -> Floats:
        """The derivative of ``dy / d tau`` in y, shape (d, d)."""
        speed, slope = self.speed(tau, y), self.chart.coef_slope(y, np.asarray(tau))
        matrix = -speed[:, None] * self.M * slope
        matrix[np.diag_indices_from(matrix)] += self.chart.speed_slope(y) * speed * self.push(self.coef(tau, y))
        return matrix

    def coef(self, tau: float, y: Floats) -> Floats:
        """The coefficients x."""
        return self.chart.coef(y, np.asarray(tau))

    def sizes(self, until: float) -> Floats:
        """What y is measured in, at most 1: how far the gradient at the start can move it, and what a fit takes."""
        start = self.chart.start
        reach = np.abs(self.derivative(0.0, start)).max() * min(until, 1.0 / self.chart.discount)
        squares = np.diag(self.M)
        single = np.divide(self.push(np.zeros_like(start)), squares, out=np.zeros_like(start), where=squares > 0)
        with np.errstate(divide="ignore"):
            fit = np.abs(single).max() / self.chart.coef_slope(start, np.zeros(()))  # small where the scale is large
        size = np.minimum(np.maximum(np.abs(start), reach), 1.0)
        size = np.where(fit > 0, np.minimum(size, fit), size)
        return np.where(size > 0, size, 1.0)

    def limit(self, tau: float, y: Floats, size: Floats, rtol: float) -> Floats | None:
        """The critical point that the flow is within rtol of for good, with exact zeros: shape (d,). None if none."""
        chart, rates = self.chart, np.abs(self.derivative(tau, y))
        grown = rates > chart.growth / 2
        if (np.abs(rates[grown] - chart.growth) > 0.1 * chart.growth).any():  # at rest it is chart.growth
            return None
        if (chart.unrest(y)[grown] > rtol).any():
            return None
        x = self.coef(tau, y)
        limit = self._critical(x, grown)
        if limit is None or (np.abs(x - limit)[grown] > rtol * np.abs(limit[grown])).any():
            return None
        # what has not grown moves on by its discounted push, which goes from the present one to that at the limit
        rates = np.maximum(rates, np.abs(self.speed(tau, y) * self.push(limit)))
        if (rates / chart.discount > rtol * size)[~grown].any():
            return None
        return limit if self._stays(x, limit, grown) else None

    def _log_penalty(self) -> float:
        """Logarithm of b in the critical points' ``r - M x = b sign(x) |x|^(2/D - 1)``."""
        chart = self.chart
        return math.log(chart.growth * self.rate) + chart.discount / chart.depth * chart.log_scale

    def _curvature(self, x: Floats, grown: NDArray[np.bool_]) -> Floats:
        """The Hessian of ``l + (D b / 2) sum |x|^(2/D)`` on the coordinates that have grown."""
        power = 2.0 / self.chart.depth - 1.0
        bend = power * np.exp(self._log_penalty() + (power - 1.0) * np.log(np.abs(x[grown])))
        return self.M[np.ix_(grown, grown)] + np.diag(bend)

    def _critical(self, x: Floats, grown: NDArray[np.bool_]) -> Floats | None:
        """The critical point near x by Newton's method; None where it leads elsewhere."""
        limit, power = np.where(grown, x, 0.0), 2.0 / self.chart.depth - 1.0
        for _ in range(8):
            if not grown.any():
                return limit
            pull = np.sign(x[grown]) * np.exp(self._log_penalty() + power * np.log(np.abs(limit[grown])))
            try:
                step = np.linalg.solve(self._curvature(limit, grown), self.push(limit)[grown] - pull)
            except np.linalg.LinAlgError:
                return None
            limit[grown] += step
            if not (np.abs(limit - x)[grown] < 0.1 * np.abs(x[grown])).all():
                return None
            if (np.abs(step) <= 1e-13 * np.abs(limit[grown])).all():
                break
        return limit

    def _stays(self, x: Floats, limit: Floats, grown: NDArray[np.bool_]) -> bool:
        """Whether the flow tends to the critical point: x' = -|x|^(2-2/D) times the gradient, up to a factor."""
        if not grown.any():
            return True
        root = np.abs(limit[grown]) ** (1.0 - 1.0 / self.chart.depth)
        values, vectors = np.linalg.eigh(root[:, None] * self._curvature(limit, grown) * root)
        apart, whole = (vectors.T @ (part[grown] / root) for part in (x - limit, limit))
        unstable = values <= 0.0
        return bool(np.linalg.norm(apart[unstable]) <= _UNSTABLE * np.linalg.norm(whole))


class _Ties:
    """The equation for one coordinate of each group whose columns and weights are equal, or opposite."""

    def __init__(self, system: System) -> None:
        self.system, X, start = system, system.X, system.chart.start
        sign = np.sign(X[(X != 0).argmax(axis=0), np.arange(start.size)])
        sign = np.where(sign == 0, 1.0, sign)
        key = np.concatenate([X * sign, (start * sign)[None], system.chart.shape()]) + 0.0
        _, self.first, group = np.unique(key, axis=1, return_index=True, return_inverse=True)
        self.group = group.ravel()
        self.sign = sign * sign[self.first][self.group]

    def spread(self, y: Floats) -> Floats:
        """All coordinates, shape (..., d)."""
        return self.sign * y[..., self.group]

    def derivative(self, tau: float, y: Floats) -> Floats:
        """See :meth:`System.derivative`."""
        return self.system.derivative(tau, self.spread(y))[self.first]

    def jacobian(self, tau: float, y: Floats) -> Floats:
        """See :meth:`System.jacobian`."""
        columns = self.system.jacobian(tau, self.spread(y))[self.first] * self.sign
        total = np.zeros((y.size, y.size))
        np.add.at(total.T, self.group, columns.T)
        return total


def decayed_flow(
    problem: LeastSquares,
    network: Network,
    weight_decay: float,
    until: float | None,
    rtol: float,
    report: Callable[[int, float, int], object] | None = None,
) -> Path:
    """:func:`integrate` as a path. Its box is that of the network without decay, as no box grows with it here."""
    box = network.box(problem.n_features)
    curve = integrate(problem, network, weight_decay, until, rtol, report)
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    return Path(curve, "network", problem, box, frame, "complete" if until is None else "until", 0.0, network)


def integrate(
    problem: LeastSquares,
    network: Network,
    weight_decay: float,
    until: float | None,
    rtol: float,
    report: Callable[[int, float, int], object] | None = None,
) -> Decayed:
    """The flow of a network of depth 3 or more with weight decay, to a lasso time or until it rests.

    All d coordinates are integrated, in memory of the order of d^2. ``report`` is told the steps so far, the lasso
    time and how many coefficients are above rtol of the largest one, every 20 steps.

    Raises
    ------
    ValueError
        If the network's lasso clock is beyond floating point.
    ArithmeticError
        If the integration fails, is not accurate, or does not come to rest.
    """
    units = problem.units
    chart = chart_of(network, problem.n_features, math.log(2.0) * (units.design - units.target))
    rate = network.decay_factor * weight_decay * network.unit * float(units.time(1.0))
    if not 0.0 < rate < math.inf:
        raise ValueError(f"weight_decay={weight_decay!r} over a lasso time of {network!r} is beyond floating point.")
    stop = math.inf if until is None else float(units.working_time(until))
    system, effort = System(problem, chart, rate), Effort()
    last = min(rate * stop, _LONGEST)
    times, nodes, limit = [0.0], [], None
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LSODA's, whose failures are seen below
        size, tolerance = system.sizes(last), max(_SHARE * rtol, _FINEST)
        for tau, y, rows in _steps(system, last, tolerance, size, effort):
            times.append(tau / rate)
            nodes.append(rows)
            if report and effort.steps % 20 == 0:
                x = np.abs(system.coef(tau, y))
                report(effort.steps, float(units.time(tau / rate)), int((x > rtol * x.max(initial=0.0)).sum()))
            limit = system.limit(tau, y, size, rtol)
            if limit is not None:
                break
    if limit is None and rate * times[-1] < last * (1 - 1e-12):
        raise ArithmeticError(f"LSODA cannot go on with {network!r} at s = {float(units.time(times[-1])):.6g}.")
    if limit is None and last < rate * stop:
        raise ArithmeticError(
            f"The flow of {network!r} has not come to rest after {_LONGEST:g} / weight_decay of training time; give "
            f"until, at most {float(units.time(_LONGEST / rate)):.4g}."
        )
    series = np.einsum("qk,pkd->pqd", FIT, np.reshape(nodes, (-1, DEGREE + 1, chart.start.size)))
    end = math.inf if until is None else until
    curve = Decayed(chart, units, weight_decay, rate, np.array(times), series, end, rtol, limit, effort)
    _refuse_defect(system, curve, tolerance, size, network)
    return curve


def _steps(
    system: System, stop: float, tolerance: float, size: Floats, effort: Effort
) -> Iterator[tuple[float, Floats, Floats]]:
    """Steps of LSODA until ``stop`` or its failure: times, y, and y at the step's Chebyshev points, (DEGREE + 1, d).

    Coordinates equal but for the sign are integrated once: LSODA's errors would drive them apart, exponentially.

    Where a trial overflows LSODA lets NaN pass its error test; then it starts anew from the step before, carefully.
    """
    ties = _Ties(system)
    errors = {"rtol": max(_GROWN * tolerance, _FINEST), "atol": tolerance * size[ties.first]}
    tau, y, first, retries = 0.0, system.chart.start[ties.first], None, 0
    while tau < stop and retries < _RETRIES:
        solver = LSODA(ties.derivative, tau, y, stop, first, **errors, jac=ties.jacobian)
        before = effort.evaluations, effort.factorisations
        while solver.status == "running":
            solver.step()
            effort.evaluations, effort.factorisations = before[0] + solver.nfev, before[1] + solver.nlu
            if solver.status == "failed" or not np.isfinite(solver.y).all() or not solver.t > tau:
                effort.rejected, retries = effort.rejected + 1, retries + 1
                first = min(max(abs(solver.t - tau) / 100.0, 1e-12 * tau), stop - tau) or None
                break
            at = tau + (NODES + 1.0) / 2 * (solver.t - tau)
            tau, y, retries = float(solver.t), solver.y, 0
            effort.steps += 1
            yield tau, ties.spread(y), ties.spread(solver.dense_output()(at).T)


def _refuse_defect(system: System, curve: Decayed, tolerance: float, size: Floats, network: Network) -> None:
    """Over every step, y must change by the integral of its derivative along the polynomials that are kept.

    Where the equation is stiff, an error of y makes a larger defect; an implicit Euler step tells by how much.
    """
    nodes, weights = np.polynomial.legendre.leggauss(8)
    for low, high in zip(curve.times[:-1], curve.times[1:], strict=True):
        half = (high - low) / 2
        at = low + half + half * nodes
        y = curve.variable(np.array([low, high, *at]))
        slopes = [curve.rate * system.derivative(curve.rate * s, row) for s, row in zip(at, y[2:], strict=True)]
        allowed = _DEFECT * tolerance * (size + _GROWN * np.abs(y[1]))
        defect = y[1] - y[0] - half * (weights @ np.array(slopes))
        if (np.abs(defect) > allowed).any():
            step = np.eye(defect.size) - curve.rate * (high - low) * system.jacobian(curve.rate * high, y[1])
            defect = np.linalg.solve(step, defect)
        if not (np.abs(defect) <= allowed).all():
            raise ArithmeticError(
                f"The flow of {network!r} could not be integrated to rtol={curve.rtol:g} around "
                f"s = {float(curve.units.time(high)):.6g}."
            )
