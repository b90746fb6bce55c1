"""Gradient flow with weight decay at depth 3 and more: by LSODA until it rests, and checked.

Every step is checked against the integral of the equation, and errors are followed along the flow: near a saddle they
grow without bound. Where they have come to more than a few rtol, all is integrated anew in finer steps.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from scipy.integrate import LSODA
from scipy.linalg import lu_factor, lu_solve

from lassoflow.arrays import Floats
from lassoflow.charts import chart_of
from lassoflow.decayed import DEGREE, FIT, NODES, Decayed
from lassoflow.dense import Effort
from lassoflow.discounted import System, Ties
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
_AGAIN, _MOST = 5.0, 100.0
"""Errors over rtol from which on to take finer steps, and that are refused where there are none."""
_RETRIES = 20
"""How often to start anew from one step."""
_LONGEST = 1e4
"""How many decay times to wait for rest."""


def decayed_flow(
    problem: LeastSquares,
    network: Network,
    weight_decay: float,
    until: float | None,
    rtol: float,
    report: Callable[[int, float, int], object] | None = None,
) -> Path:
    """The flow of a network of depth 3 or more with weight decay, to a lasso time or until it rests.

    All d coordinates are integrated, in memory of the order of d^2. ``report`` is told the steps so far, the lasso
    time and how many coefficients are above rtol of the largest one, every 20 steps. The path's box is that of the
    network without decay, as no box grows with it here.

    Raises
    ------
    ValueError
        If the network does not fit the problem, or its lasso clock is beyond floating point.
    ArithmeticError
        If the integration fails, is not accurate, or does not come to rest.
    """
    units, box = problem.units, network.box(problem.n_features)
    chart = chart_of(network, problem.n_features, math.log(2.0) * (units.design - units.target))
    rate = network.decay_factor * weight_decay * network.unit * float(units.time(1.0))
    if not 0.0 < rate < math.inf:
        raise ValueError(f"weight_decay={weight_decay!r} over a lasso time of {network!r} is beyond floating point.")
    flow = _Flow(problem, network, System(problem, chart, rate), weight_decay, until, rtol, report)
    curve = flow.integrate()
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    return Path(curve, "network", problem, box, frame, "complete" if until is None else "until", 0.0, network)


class _Flow:
    """A flow that is to be integrated, in working units."""

    def __init__(
        self,
        problem: LeastSquares,
        network: Network,
        system: System,
        weight_decay: float,
        until: float | None,
        rtol: float,
        report: Callable[[int, float, int], object] | None,
    ) -> None:
        self.network, self.system, self.units = network, system, problem.units
        self.weight_decay, self.rtol, self.report = weight_decay, rtol, report
        self.end = math.inf if until is None else until
        self.stop = system.rate * float(self.units.working_time(self.end))
        """Where to stop, in decay times."""
        self.ties, self.size = Ties(system), system.sizes(min(self.stop, _LONGEST))
        self.effort = Effort()

    def integrate(self) -> Decayed:
        """The curve, in steps as fine as its errors ask for."""
        tolerance = max(_SHARE * self.rtol, _FINEST)
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # LSODA's, whose failures are seen
            while True:
                curve = self._attempt(tolerance)
                self._refuse_defect(curve, tolerance)
                errors = self._errors(curve, tolerance)
                worst = float(errors.max(initial=0.0))
                if worst <= _AGAIN * self.rtol or (tolerance == _FINEST and worst <= _MOST * self.rtol):
                    return curve
                if tolerance == _FINEST:
                    known = curve.mesh[int((errors > _MOST * self.rtol).argmax())]
                    raise ArithmeticError(
                        f"The flow of {self.network!r} passes a saddle so close by that rounding decides where it "
                        f"goes; give until, at most {known:.4g}."
                    )
                tolerance = max(tolerance * self.rtol / worst, _FINEST)

    def _attempt(self, tolerance: float) -> Decayed:
        """Integrate to the end or until rest."""
        system, units, last = self.system, self.units, min(self.stop, _LONGEST)
        times, nodes, limit = [0.0], [], None
        for tau, y, rows in self._steps(last, tolerance):
            times.append(tau / system.rate)
            nodes.append(rows)
            if self.report and self.effort.steps % 20 == 0:
                x = np.abs(system.coef(tau, y))
                active = int((x > self.rtol * x.max(initial=0.0)).sum())
                self.report(self.effort.steps, float(units.time(times[-1])), active)
            limit = system.limit(tau, y, self.size, self.rtol)
            if limit is not None:
                break
        if limit is None and system.rate * times[-1] < last * (1 - 1e-12):
            at = float(units.time(times[-1]))
            raise ArithmeticError(f"The flow of {self.network!r} cannot be integrated beyond s = {at:.6g}.")
        if limit is None and last < self.stop:
            raise ArithmeticError(
                f"The flow of {self.network!r} has not come to rest after {_LONGEST:g} / weight_decay of training "
                f"time; give until, at most {float(units.time(_LONGEST / system.rate)):.4g}."
            )
        series = np.einsum("qk,pkd->pqd", FIT, np.reshape(nodes, (-1, DEGREE + 1, self.size.size)))
        steps = np.array(times), series
        return Decayed(
            system.chart, units, self.weight_decay, system.rate, *steps, self.end, self.rtol, limit, self.effort
        )

    def _steps(self, stop: float, tolerance: float) -> Iterator[tuple[float, Floats, Floats]]:
        """Steps of LSODA until ``stop`` or its failure: times, y, and y at Chebyshev points, (DEGREE + 1, d).

        Coordinates equal but for the sign are integrated once: LSODA's errors would drive them apart, exponentially.
        Where a trial overflows LSODA lets NaN pass its error test; then it starts anew from the step before, carefully.
        """
        ties, effort = self.ties, self.effort
        allowed = {"rtol": max(_GROWN * tolerance, _FINEST), "atol": tolerance * self.size[ties.first]}
        tau, y, first, retries = 0.0, self.system.chart.start[ties.first], None, 0
        while tau < stop and retries < _RETRIES:
            solver = LSODA(ties.derivative, tau, y, stop, first, **allowed, jac=ties.jacobian)
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

    def _refuse_defect(self, curve: Decayed, tolerance: float) -> None:
        """Over every step, y must change by the integral of its derivative along the polynomials that are kept.

        Where the equation is stiff, an error of y makes a larger defect; an implicit Euler step tells by how much.
        """
        system, taus = self.system, self.system.rate * curve.times
        nodes, weights = np.polynomial.legendre.leggauss(8)
        for low, high in itertools.pairwise(taus.tolist()):
            half = (high - low) / 2
            at = low + half + half * nodes
            y = curve.variable(np.array([low, high, *at]) / system.rate)
            slopes = [system.derivative(tau, row) for tau, row in zip(at, y[2:], strict=True)]
            allowed = _DEFECT * tolerance * (self.size + _GROWN * np.abs(y[1]))
            defect = y[1] - y[0] - half * (weights @ np.array(slopes))
            if (np.abs(defect) > allowed).any():
                step = np.eye(defect.size) - (high - low) * system.jacobian(high, y[1])
                defect = np.linalg.solve(step, defect)
            if not (np.abs(defect) <= allowed).all():
                at_s = float(self.units.time(high / system.rate))
                raise ArithmeticError(
                    f"The flow of {self.network!r} could not be integrated to rtol={self.rtol:g} around s = {at_s:.6g}."
                )

    def _errors(self, curve: Decayed, tolerance: float) -> Floats:
        """Errors of x after every step, over the largest coefficient of all: steps' errors as the flow moves them on.

        Each step adds its tolerance with random signs. Two implicit Euler steps take the error along where a
        coefficient counts; where it does not, its own growth and what the others do to it.
        """
        system, taus, y = self.system, self.system.rate * curve.times, curve.variable(curve.times)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (taus.size, self.ties.first.size))
        noise = self.ties.spread(signs) * tolerance * (self.size + _GROWN * np.abs(y))
        x = system.chart.coef(y, taus[:, None])
        error, errors, largest = np.zeros_like(self.size), np.zeros(taus.size - 1), np.abs(x).max()
        for k in range(1, taus.size):
            step, slope = taus[k] - taus[k - 1], system.chart.coef_slope(y[k], taus[k])
            speed = step * system.speed(taus[k], y[k])
            own = system.chart.speed_slope(y[k]) * speed * system.push(x[k])
            counts = np.flatnonzero(np.abs(x[k]) > self.rtol * np.abs(x[k]).max())
            rows = system.M[counts]  # M is symmetric
            half = (speed[counts] / 2)[:, None] * rows[:, counts] * slope[counts]
            half[np.diag_indices_from(half)] += 1.0 - own[counts] / 2
            factor = lu_factor(half, check_finite=False)
            moved = lu_solve(factor, lu_solve(factor, error[counts], check_finite=False), check_finite=False)
            error = error * np.exp(np.clip(own, -50.0, 50.0)) - speed * ((slope[counts] * moved) @ rows)
            error[counts] = moved
            error += noise[k]
            errors[k - 1] = np.abs(slope * error).max() / (largest or 1.0)
        return errors
