"""Dense output of a gradient flow on a loss that is no square: the dual as polynomials, coefficients as maps of it.

Of squares z determines the dual, of other losses it does not: the integrator leaves polynomials of its state, the dual
or, where there are fewer rows than columns, the cumulated residuals, and of the dual of every coordinate that is ever
active. Integrals over time are Gauss's, step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.branches import Branches
from lassoflow.convex import ConvexProblem
from lassoflow.curve import Side, check_side
from lassoflow.dense import Effort
from lassoflow.design import Units

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_DEGREE = 7
_ROWS, _BLOCK = 200, 2**20


@dataclass(frozen=True, slots=True)
class Steps:
    """Polynomials between times: ``start + t (end - start + (1 - t) (a + t (b + t c)))`` on each step, t in [0, 1]."""

    times: Floats
    """Ends of the steps, the first one 0, shape (p + 1,)."""
    rows: Floats
    """Value at the start and a, b, c of each step, shape (p + 1, 4, m); of the last row only the value counts."""

    def at(self, s: Floats) -> Floats:
        """Values at times s of shape (q,), at the end beyond it: shape (q, m)."""
        if self.times.size == 1:
            return np.repeat(self.rows[:1, 0], s.size, axis=0)
        step = np.clip(np.searchsorted(self.times, s, side="right") - 1, 0, self.times.size - 2)
        t = np.clip((s - self.times[step]) / (self.times[step + 1] - self.times[step]), 0.0, 1.0)[:, None]
        start, end = self.rows[step, 0], self.rows[step + 1, 0]
        bend = self.rows[step, 1] + t * (self.rows[step, 2] + t * self.rows[step, 3])
        return start + t * (end - start + (1.0 - t) * bend)


class DualCurve:
    """The curve of such a flow; all but ``stop`` in working units.

    Parameters
    ----------
    problem : ConvexProblem or None
        None where the curve was loaded without it: coordinates that were never active have no logarithm then.
    units : Units
    branches : Branches
        Of the network.
    state : Steps
        Of the dual, or of the residuals cumulated over time, n numbers, where these are fewer.
    index : array of shape (a,)
        The coordinates that were ever active.
    dual : Steps
        Of their duals.
    stop : float
        Where the curve ends, in the user's units; inf if the flow has come to rest.
    rtol : float
    effort : Effort, optional
        What the integration has cost; not saved.
    """

    exact = False

    def __init__(
        self,
        problem: ConvexProblem | None,
        units: Units,
        branches: Branches,
        state: Steps,
        index: Ints,
        dual: Steps,
        stop: float,
        rtol: float,
        effort: Effort | None = None,
    ) -> None:
        self.problem, self.units, self.branches = problem, units, branches
        self.state, self.index, self.dual_of_active = state, index, dual
        self.stop, self.rtol, self.effort = stop, rtol, effort
        self._own = replace(branches, upper=branches.upper[index], lower=branches.lower[index])
        self._last = float(state.times[-1])

    @cached_property
    def mesh(self) -> Floats:
        """Ends of all steps, in the user's units, increasing, shape (p,)."""
        ends = np.unique(np.asarray(self.units.time(self.state.times[1:]), dtype=np.float64))
        return ends[ends <= self.stop]

    @cached_property
    def knots(self) -> Floats:
        """The rows of a table: some of the steps' ends, shape (k,)."""
        chosen = np.unique(np.linspace(0, self.mesh.size - 1, _ROWS).astype(np.intp))
        return self.mesh[chosen] if self.mesh.size else self.mesh

    def until(self, stop: float) -> DualCurve:
        """The curve up to a time."""
        return DualCurve(
            self.problem, self.units, self.branches, self.state, self.index, self.dual_of_active, stop, self.rtol,
            self.effort,
        )  # fmt: skip

    def active(self) -> NDArray[np.bool_]:
        """See :meth:`Curve.active`."""
        ever = np.zeros(self.branches.upper.size, dtype=np.bool_)
        ever[self.index] = True
        return ever

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """x(s) for s of shape (m,): shape (m, d)."""
        check_side(side)
        return self._spread(self._active_coef(np.asarray(self.units.working_time(s), dtype=np.float64)))

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """z(s) / s for s of shape (m,), continued by x(0) at 0: shape (m, d)."""
        check_side(side)
        return self._spread(averages(self._active_coef, self.state.times, self._sums, self._working(s)))

    def log_abs(self, s: Floats) -> Floats:
        """log|x(s)| for s of shape (m,), right where x underflows: shape (m, d)."""
        working, shift = self._working(s), np.log(2.0) * (self.units.target - self.units.design)
        at = np.minimum(working, self._last)
        if self.problem is None:
            logs = np.full((s.size, self.branches.upper.size), -np.inf)
            logs[:, self.index] = self._own.log_abs(self._own.gaps(self.dual_of_active.at(at), at))
            return logs + shift
        theta = working[:, None] * np.asarray(self.units.working_penalty(self.dual_rate(self.problem, s)))
        theta[:, self.index] = self.dual_of_active.at(at)
        # after the last step active coordinates rest with their faces, others do not
        moved = np.repeat(working[:, None], theta.shape[1], axis=1)
        moved[:, self.index] = at[:, None]
        grown = self.branches.decay * moved
        return self.branches.log_abs((self.branches.upper + grown - theta, self.branches.lower + grown + theta)) + shift

    def dual_rate(self, problem: ConvexProblem, s: Floats) -> Floats:
        """``theta(s) / s`` in the user's units for s of shape (m,), by its limits at 0 and inf: shape (m, d)."""
        working, n = self._working(s), problem.n_samples
        ends = np.array([0.0, self._last])
        first, last = -np.asarray(self.units.working_penalty(problem.gradient(self.slope(self.units.time(ends)))))
        at = np.minimum(working, self._last)
        theta = self.state.at(at)
        if theta.shape[1] != self.branches.upper.size:
            theta = problem.design.rmatvec(theta.T / n).T
        rates = np.divide(
            theta, working[:, None], out=np.repeat(first[None], s.size, axis=0), where=working[:, None] > 0
        )
        share = np.divide(at, working, out=np.ones(s.size), where=working > 0)
        return np.asarray(self.units.penalty(rates + (1.0 - share)[:, None] * last))

    def stiffness(self, problem: ConvexProblem, s: Floats) -> Floats:
        """A bound on the rate at which coefficients relax at times s of shape (m,): the trace of the Jacobian."""
        at = np.minimum(self._working(s), self._last)
        upper, lower = self._own.gaps(self.dual_of_active.at(at), at)
        steep = [np.exp(self._own.log_branch(gap)) * self._own.steepness(gap) for gap in (upper, lower)]
        bends = problem.weights * problem.loss_of.curvature(problem.predictor(self.slope(s)), problem.response)
        squares = problem.design.norms[self.index] ** 2 / problem.n_samples
        rate = (steep[0] + steep[1]) @ squares * bends.max(axis=1, initial=0.0)
        return rate * np.asarray(self.units.working_time(1.0))

    def _working(self, s: Floats) -> Floats:
        return np.asarray(self.units.working_time(s), dtype=np.float64)

    def _active_coef(self, working: Floats) -> Floats:
        """Working coefficients of the active coordinates at times, at rest after the last step: shape (q, a)."""
        at = np.minimum(working, self._last)
        return self._own.coef(self._own.gaps(self.dual_of_active.at(at), at))

    @cached_property
    def _sums(self) -> Floats:
        return cumulated(self._active_coef, self.state.times)

    def _spread(self, active: Floats) -> Floats:
        rows = np.zeros((active.shape[0], self.branches.upper.size))
        rows[:, self.index] = self.units.coef(active)
        return rows

    def to_arrays(self) -> dict[str, Any]:
        """The curve as named arrays."""
        b = self.branches
        return {
            "stop": self.stop,
            "rtol": self.rtol,
            "units": np.array([self.units.design, self.units.target]),
            "branches": np.array([b.power, b.rate, b.log_scale, b.decay]),
            "branch_upper": b.upper,
            "branch_lower": b.lower,
            "state_times": self.state.times,
            "state_rows": self.state.rows,
            "index": self.index,
            "dual_rows": self.dual_of_active.rows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], problem: ConvexProblem | None) -> DualCurve:
        """The curve that :meth:`to_arrays` wrote."""
        power, rate, log_scale, decay = arrays["branches"].tolist()
        branches = Branches(power, rate, log_scale, arrays["branch_upper"], arrays["branch_lower"], decay)
        times, index = arrays["state_times"], arrays["index"].astype(np.intp)
        state, dual = (Steps(times, arrays[name]) for name in ("state_rows", "dual_rows"))
        units = Units(*arrays["units"].tolist())
        return cls(problem, units, branches, state, index, dual, float(arrays["stop"]), float(arrays["rtol"]))


class Sampled:
    """A curve of one number, by its values at Chebyshev's nodes of each step; here of the intercept.

    Parameters
    ----------
    times : array of shape (p + 1,)
        Ends of the steps, from 0 on, in the user's units; the number rests after the last.
    values : array of shape (p, 8)
        At the nodes of :func:`nodes_of`.
    stop : float
    """

    exact = False

    def __init__(self, times: Floats, values: Floats, stop: float) -> None:
        self.times, self.values, self.stop = times, values, stop
        self._series = np.linalg.solve(chebyshev.chebvander(chebyshev.chebpts2(_DEGREE + 1), _DEGREE), values.T).T

    @property
    def knots(self) -> Floats:
        """See :attr:`Curve.knots`."""
        return self.times[1:]

    @property
    def mesh(self) -> Floats:
        """See :attr:`Curve.mesh`."""
        return self.times[1:]

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """See :meth:`Curve.slope`."""
        check_side(side)
        last = self.times.size - 2
        step = np.clip(np.searchsorted(self.times, s, side="right") - 1, 0, last)
        at = np.minimum(s, self.times[-1])
        t = 2.0 * (at - self.times[step]) / (self.times[step + 1] - self.times[step]) - 1.0
        return np.asarray((chebyshev.chebvander(t, _DEGREE) * self._series[step]).sum(axis=1, keepdims=True))

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """See :meth:`Curve.average`."""
        check_side(side)
        return averages(self.slope, self.times, self._sums, s)

    @cached_property
    def _sums(self) -> Floats:
        return cumulated(self.slope, self.times)

    def active(self) -> NDArray[np.bool_]:
        """See :meth:`Curve.active`."""
        return np.ones(1, dtype=np.bool_)

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Curve.to_arrays`."""
        return {"times": self.times, "sampled": self.values, "stop": self.stop}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Sampled:
        """The curve that :meth:`to_arrays` wrote."""
        return cls(arrays["times"], arrays["sampled"], float(arrays["stop"]))


def nodes_of(times: Floats) -> Floats:
    """Where a :class:`Sampled` curve is given, on steps between times of shape (p + 1,): shape (p, 8)."""
    return times[:-1, None] + (chebyshev.chebpts2(_DEGREE + 1) + 1.0) / 2.0 * np.diff(times)[:, None]


def cumulated(values: Any, times: Floats) -> Floats:
    """Integrals from 0 to each time, shape (p + 1, a), of a function from (q,) to (q, a)."""
    parts = [_gauss(values, times[:-1][part], times[1:][part]) for part in _blocks(times.size - 1)]
    steps = np.concatenate(parts) if parts else np.zeros((0, values(times[:1]).shape[1]))
    return np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])


def averages(values: Any, times: Floats, sums: Floats, s: Floats) -> Floats:
    """Integrals from 0 to s over s, at 0 the value there: (q, a); the function is constant after the last time."""
    at = np.minimum(s, times[-1])
    step = np.clip(np.searchsorted(times, at, side="right") - 1, 0, max(times.size - 2, 0))
    rest = np.concatenate([_gauss(values, times[step][part], at[part]) for part in _blocks(s.size)] or [sums[:0]])
    whole = sums[step] + rest
    share = np.divide(at, s, out=np.zeros(s.size), where=s > 0)[:, None]
    means = np.divide(whole, at[:, None], out=np.zeros_like(whole), where=at[:, None] > 0)
    return np.where(s[:, None] > 0, share * means + (1.0 - share) * values(at), values(at))


def _gauss(values: Any, low: Floats, high: Floats) -> Floats:
    """Integrals over intervals, shape (q, a)."""
    half = (high - low) / 2.0
    found = values(((low + half)[:, None] + half[:, None] * _NODES).ravel())
    return np.asarray(half[:, None] * np.einsum("k,qka->qa", _WEIGHTS, found.reshape(low.size, _NODES.size, -1)))


def _blocks(size: int) -> list[slice]:
    return [slice(first, first + _BLOCK // 1024) for first in range(0, size, _BLOCK // 1024)]
