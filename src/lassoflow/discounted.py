"""The equation of gradient flow with weight decay at depth 3 and more, and where it comes to rest.

In the variable y of a chart and the decay time ``tau = lambda t``, of which kappa pass per lasso time s,

    dy / d tau = e^(-(D-2) tau) (dy / d theta) (r - M x) / kappa,        x = e^(-D tau) phi(y)

(docs, section 10). There every coefficient ends as 0 or in a critical point of ``l(x) + (lambda c / 2) |x|^(2/D)``,
c = 1 for powers and L for L layers. The flow is at rest when what is left of it is below rtol: where a coordinate has
grown, Newton's method finds the critical point; where it has not, the discounted gradient has no push left.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats
from lassoflow.charts import Chart
from lassoflow.problem import LeastSquares

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


class Ties:
    """The equation for one coordinate of each group whose columns and weights are equal, or opposite."""

    def __init__(self, system: System) -> None:
        self.system, X, start = system, system.X, system.chart.start
        sign = np.sign(X[(X != 0).argmax(axis=0), np.arange(start.size)])
        sign = np.where(sign == 0, 1.0, sign)
        key = np.concatenate([X * sign, (start * sign)[None], system.chart.shape()]) + 0.0
        _, self.first, group = np.unique(key, axis=1, return_index=True, return_inverse=True)
        self.group = group.ravel()
        self._order = np.argsort(self.group, kind="stable")
        self._starts = np.searchsorted(self.group[self._order], np.arange(self.first.size))
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
        return np.add.reduceat(columns[:, self._order], self._starts, axis=1)
