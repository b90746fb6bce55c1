"""The curve of a gradient flow with weight decay at depth 3 and more: polynomials for one variable a coordinate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.charts import Chart, chart_from_arrays
from lassoflow.curve import Side, check_side
from lassoflow.dense import Effort
from lassoflow.design import Units

DEGREE = 8
NODES = np.cos(np.pi * np.arange(DEGREE, -1, -1) / DEGREE)
"""Chebyshev points of a step, on [-1, 1], with both ends."""
FIT = np.linalg.inv(chebyshev.chebvander(NODES, DEGREE))
_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_ROWS = 200
_BLOCK = 2**20
"""How many coefficients are evaluated at once."""


class Decayed:
    """The flow of ``l(x(w)) + (weight_decay / 2) |w|^2``, over lasso time.

    Each step holds a polynomial for the chart's variable y; coefficients and weights are functions of it and of the
    time, so that tiny ones have as many digits as others. z is integrated by Gauss's rule on the steps.

    Parameters
    ----------
    chart : Chart
        In working units.
    units : Units
        Of the problem.
    weight_decay, rate : float
        lambda, and the rate at which a free weight decays per working lasso time.
    times : array of shape (p + 1,)
        Ends of the steps, in working units, from 0.
    series : array of shape (p, DEGREE + 1, d)
        Chebyshev coefficients of y on each step.
    stop : float
        Where the curve ends, in the user's units; inf if the flow has come to rest.
    rtol : float
        Of the integration.
    limit : array of shape (d,), optional
        Of a flow at rest: the coefficients it tends to, in working units. After the last step those that are not 0
        stay there and the other weights decay freely.
    effort : Effort, optional
        What the integration has cost; not saved.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [4.0, 0.2])
    >>> flow = lf.gradient_flow(problem, lf.PowerNetwork(depth=3, scale=0.1), weight_decay=0.1)
    >>> curve = flow.curve
    >>> curve.weights([float("inf")]).round(4)  # u and v: one coefficient has grown, the other has decayed
    array([[[1.5818, 0.    ],
            [0.    , 0.    ]]])
    """

    exact = False

    def __init__(
        self,
        chart: Chart,
        units: Units,
        weight_decay: float,
        rate: float,
        times: Floats,
        series: Floats,
        stop: float,
        rtol: float,
        limit: Floats | None = None,
        effort: Effort | None = None,
    ) -> None:
        self.chart, self.units, self.weight_decay, self.rate = chart, units, weight_decay, rate
        self.times, self.series, self.stop, self.rtol = times, series, stop, rtol
        self.limit, self.effort = limit, effort

    # -- the curve ------------------------------------------------------------------------------------------------

    @cached_property
    def mesh(self) -> Floats:
        """Ends of all steps, in the user's units, increasing, shape (p + 1,)."""
        mesh = np.asarray(self.units.time(self.times), dtype=np.float64)
        return mesh[mesh <= self.stop]

    @cached_property
    def knots(self) -> Floats:
        """The rows of a table: some of the steps' ends, in the user's units, shape (k,)."""
        mesh = self.mesh[1:]
        return mesh[np.unique(np.linspace(0, mesh.size - 1, _ROWS).astype(np.intp))] if mesh.size else mesh

    def until(self, stop: float) -> Decayed:
        """The curve up to a time."""
        kept = max(1, int(np.searchsorted(self.times, self.units.working_time(stop))))
        parts = self.times[: kept + 1], self.series[:kept]
        return Decayed(self.chart, self.units, self.weight_decay, self.rate, *parts, stop, self.rtol, None, self.effort)

    def active(self) -> NDArray[np.bool_]:
        """Which coordinates are ever above rtol of the largest coefficient, shape (d,)."""
        largest = np.abs(self.slope(self.mesh)).max(axis=0)
        return largest > self.rtol * largest.max(initial=0.0)

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """x(s) for s of shape (m,): shape (m, d)."""
        check_side(side)
        return self.units.coef(self._blocks(self._working(s), self._coef))

    def log_abs(self, s: Floats) -> Floats:
        """log|x(s)| for s of shape (m,), right where x underflows: shape (m, d)."""
        shift = np.log(2.0) * (self.units.target - self.units.design)
        return self._blocks(self._working(s), self._log_abs) + shift

    def weights(self, s: Floats) -> Floats:
        """The weights at times s of shape (m,), in the user's units: shape (m, layers, d)."""
        shift = np.exp2((self.units.target - self.units.design) / self.chart.depth)
        return shift * self.working_weights(self._working(np.asarray(s, dtype=np.float64)))

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """z(s) / s for s of shape (m,), continued by x(0) at 0: shape (m, d)."""
        check_side(side)
        return self.units.coef(self._blocks(self._working(s), self._average))

    # -- out and in -----------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, Any]:
        """The curve as named arrays."""
        return {
            **self.chart.to_arrays(),
            "units": np.array([self.units.design, self.units.target]),
            "weight_decay": self.weight_decay,
            "rate": self.rate,
            "times": self.times,
            "series": self.series,
            "stop": self.stop,
            "rtol": self.rtol,
            **({} if self.limit is None else {"limit": self.limit}),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Decayed:
        """The curve that :meth:`to_arrays` wrote."""
        decay, rate, stop, rtol = (float(arrays[name]) for name in ("weight_decay", "rate", "stop", "rtol"))
        chart, units = chart_from_arrays(arrays), Units(*arrays["units"].tolist())
        return cls(chart, units, decay, rate, arrays["times"], arrays["series"], stop, rtol, arrays.get("limit"))

    # -- in working units -----------------------------------------------------------------------------------------

    def _working(self, s: Floats) -> Floats:
        return np.asarray(self.units.working_time(s), dtype=np.float64)

    def _blocks(self, at: Floats, what: Callable[[Floats], Floats]) -> Floats:
        """A function of working times, a block of rows at a time."""
        size = max(1, _BLOCK // (self.chart.start.size * _GAUSS.size))
        return np.concatenate([what(at[first : first + size]) for first in range(0, max(at.size, 1), size)])

    def working_weights(self, at: Floats) -> Floats:
        """The weights at working times of shape (m,): shape (m, layers, d)."""
        return self._blocks(at, self._weights)

    def variable(self, at: Floats) -> Floats:
        """The chart's y at times up to the last step: shape (m, d)."""
        if self.times.size == 1:
            return np.repeat(self.chart.start[None], at.size, axis=0)
        step = self._step(at)
        place = 2.0 * (at - self.times[step]) / (self.times[step + 1] - self.times[step]) - 1.0
        return np.einsum("mq,mqd->md", chebyshev.chebvander(place, DEGREE), self.series[step])

    def _step(self, at: Floats) -> Ints:
        return np.clip(np.searchsorted(self.times, at, side="right") - 1, 0, max(self.times.size - 2, 0))

    def _split(self, at: Floats) -> tuple[Floats, Floats]:
        """Times up to the last step and by how many decay times 1 / rate they were later, shape (m, 1) both."""
        early = np.minimum(at, self.times[-1])
        return early, self.rate * (at - early)[:, None]

    def _coef(self, at: Floats) -> Floats:
        early, later = self._split(at)
        x = self.chart.coef(self.variable(early), self.rate * early[:, None]) * np.exp(-self.chart.depth * later)
        return x if self.limit is None else np.where((self.limit != 0) & (later > 0), self.limit, x + 0.0)

    def _log_abs(self, at: Floats) -> Floats:
        early, later = self._split(at)
        log = self.chart.log_abs(self.variable(early), self.rate * early[:, None])
        if self.limit is None:
            return log
        with np.errstate(divide="ignore"):
            return np.where((self.limit != 0) & (later > 0), np.log(np.abs(self.limit)), log - self.chart.depth * later)

    def _weights(self, at: Floats) -> Floats:
        early, later = self._split(at)
        later = np.minimum(later, 800.0)  # by then a weight that decays is below the smallest float
        y, decayed = self.variable(early), self.rate * early[:, None] + later
        if self.limit is None:
            return self.chart.weights(y, decayed)
        y = np.where(self.limit != 0, self.chart.advance(y, later), y)  # the smaller weights decay, the others stay
        weights = self.chart.weights(y, decayed)
        held = self.chart.held(self.limit) & (later > 0)[..., None]
        return np.where(held, np.sign(weights) * np.abs(self.limit) ** (1.0 / self.chart.depth), weights)

    @cached_property
    def _averages(self) -> Floats:
        """Averages at the ends of the steps, shape (p + 1, d)."""
        rows = [self._mean(self.times[:1], self.times[:1])]
        size = max(1, _BLOCK // (self.chart.start.size * _GAUSS.size))
        for first in range(0, self.times.size - 1, size):
            ends = self.times[first : first + size + 1]
            rows.append(self._mean(ends[:-1], ends[1:]) * np.diff(ends)[:, None])
        z = np.cumsum(np.concatenate([np.zeros_like(rows[0]), *rows[1:]]), axis=0)
        return np.concatenate([rows[0], z[1:] / self.times[1:, None]])

    def _mean(self, start: Floats, end: Floats) -> Floats:
        """The mean of x between two times on the same step: shape (m, d)."""
        half = (end - start) / 2
        at = (start + half)[:, None] + half[:, None] * _GAUSS
        x = self.chart.coef(self.variable(at.ravel()), self.rate * at.reshape(-1, 1))
        return np.einsum("mqd,q->md", x.reshape(*at.shape, x.shape[-1]), _WEIGHTS) / 2

    def _average(self, at: Floats) -> Floats:
        early, later = self._split(at)
        step = self._step(early)
        start = self.times[step]
        share = np.divide(start, early, out=np.zeros_like(early), where=early > 0)[:, None]
        mean = self._averages[step] * share + self._mean(start, early) * (1.0 - share)
        if self.limit is None or not (later > 0).any():
            return mean
        share = np.divide(early, at, out=np.zeros_like(at), where=at > 0)[:, None]
        decays = self.chart.depth * later
        left = np.divide(-np.expm1(-decays), decays, out=np.ones_like(decays), where=decays > 0)
        rest = np.where(self.limit != 0, self.limit, self._coef(early) * left)
        return mean * share + rest * (1.0 - share)
