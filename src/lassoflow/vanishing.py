"""Flows of deep networks from scales so small that the limit flow is the answer.

From depth 3 on a flow approaches its limit like a power of the scale, and below some scale no number tells them apart.
With x the coefficients of a power network and q as in docs, section 7,

    q <= sum_j |x_j| g_j <= a^(1/p) d^(1/p) |x|_1^(1 - 1/p),        p = D / (D - 2),

as ``|x_j| <= a g_j^-p``; and x minimises a convex potential that is ``|x|_1`` but for a term of that order among all
vectors with its fitted values, which are at most ``2 |y|`` long: ``|x|_1`` is bounded by a fit on any basis of columns
(derived, see docs, section 7). So ``|average - limit's|_M <= (2 q / s)^(1/2)`` before anything is integrated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg as sla
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats
from lassoflow.branches import Branches
from lassoflow.curve import Polygon, Side
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares


def distance_factor(problem: LeastSquares, network: PowerNetwork) -> float:
    """The c of ``|average(s) - limit's(s)|_M <= c s^(-1/2) |y| / n^(1/2)``, in working units; inf if none is known."""
    power, units = network.depth / (network.depth - 2), problem.units
    n, energy = problem.n_samples, float(np.linalg.norm(problem.target))
    log_scale = network.log_scale + math.log(2.0) * (units.design - units.target)

    def rate(size: float) -> float:
        """The bound of q for coefficients whose absolute values add up to a size."""
        if size == 0.0:
            return 0.0
        log_rate = (log_scale + math.log(problem.n_features)) / power + (1.0 - 1.0 / power) * math.log(size)
        return math.exp(min(log_rate, 700.0))

    if not energy or not problem.design.norms.any():
        return 0.0
    total = _total_of_fits(problem, 2.0 * energy)
    if 4.0 * power / (power - 1.0) * rate(2.0 * total) > total:
        return math.inf
    return math.sqrt(2.0 * n * rate(2.0 * total)) / energy


def _total_of_fits(problem: LeastSquares, length: float) -> float:
    """A bound of the smallest ``|x|_1`` over all fits of vectors of a length: by a basis of columns."""
    factor, _ = sla.qr(problem.design.columns(np.arange(problem.n_features)), mode="r", pivoting=True)
    diagonal = np.abs(np.diag(factor))
    rank = int((diagonal > max(factor.shape) * EPS * diagonal[0]).sum())
    least = float(np.linalg.svd(factor[:rank, :rank], compute_uv=False)[-1])
    return math.sqrt(rank) * length / least


@dataclass(frozen=True, slots=True)
class Vanishing:
    """The limit flow as the curve of a network's flow, which is nearer to it than ``rtol``."""

    polygon: Polygon
    branches: Branches
    """Of the network, in the user's units."""
    problem: LeastSquares | None
    rtol: float
    factor: float
    """See :func:`distance_factor`."""

    exact = True

    @property
    def knots(self) -> Floats:
        """See :attr:`Curve.knots`."""
        return self.polygon.knots

    @property
    def mesh(self) -> Floats:
        """See :attr:`Curve.mesh`."""
        return self.polygon.knots

    @property
    def stop(self) -> float:
        """See :attr:`Curve.stop`."""
        return self.polygon.stop

    def until(self, stop: float) -> Vanishing:
        """The curve up to a time."""
        return replace(self, polygon=self.polygon.until(stop))

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """See :meth:`Curve.slope`."""
        return self.polygon.slope(s, side)

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """See :meth:`Curve.average`."""
        return self.polygon.average(s, side)

    def log_abs(self, s: Floats, side: Side = "right") -> Floats:
        """log|x(s)|, of coefficients that are not active by their distance from the box; shape (m, d)."""
        x = self.slope(s, side)
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(x))
        if self.problem is None:
            return logs
        theta = -s[:, None] * self.problem.gradient(self.average(s))
        gaps = [np.maximum(gap, 4 * EPS) for gap in self.branches.gaps(theta)]
        return np.where(x == 0, self.branches.log_abs((gaps[0], gaps[1])), logs)

    def bound(self, problem: LeastSquares, s: Floats) -> Floats:
        """How far the average is from that of the network's own flow at most, over ``|y| / n^(1/2)``, shape (m,)."""
        return np.asarray(self.factor / np.sqrt(problem.units.working_time(s)))

    def active(self) -> NDArray[np.bool_]:
        """See :meth:`Curve.active`."""
        return self.polygon.active()

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Curve.to_arrays`."""
        own = np.array([self.branches.power, self.branches.log_scale, self.rtol, self.factor])
        return self.polygon.to_arrays() | {"vanishing": own}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], n_features: int, problem: LeastSquares | None
    ) -> Vanishing:
        """The curve that :meth:`to_arrays` wrote."""
        power, log_scale, rtol, factor = arrays["vanishing"].tolist()
        ones = np.ones(n_features)
        branches = Branches(power, 0.0, log_scale, ones, ones)
        return cls(Polygon.from_arrays(arrays, n_features), branches, problem, rtol, factor)
