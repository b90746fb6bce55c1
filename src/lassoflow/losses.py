"""Convex losses of one sample, as functions of its linear predictor: value, slope, curvature, and where they are flat.

A loss that falls for ever in some direction has no minimum there; which of the two directions that is depends on y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlog1py, xlogy

from lassoflow.arrays import Floats

_FASTEST = 700.0
"""Linear predictors beyond which exponentials overflow."""


class Loss(Protocol):
    """A convex, differentiable loss ``f(eta, y)``; all arrays have the same shape."""

    def value(self, eta: Floats, y: Floats) -> Floats:
        """``f``, at least 0."""

    def slope(self, eta: Floats, y: Floats) -> Floats:
        """``df / d eta``."""

    def curvature(self, eta: Floats, y: Floats) -> Floats:
        """``d^2 f / d eta^2``; of a loss with kinks in its slope, one-sided."""

    def conjugate(self, slope: Floats, y: Floats) -> Floats:
        """``sup over eta of slope eta - f``, for slopes between 0 and one that f has."""

    def falls(self, y: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether f falls for ever as eta rises, and as it sinks."""

    def kinks(self, eta: Floats, y: Floats) -> Floats:
        """How far predictors are beyond where the curvature jumps, shape (jumps, n)."""


@dataclass(frozen=True)
class LogisticLoss:
    """``log(1 + exp(eta)) - y eta`` for y 0 or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.losses import LogisticLoss
    >>> LogisticLoss().slope(np.zeros(2), np.array([0.0, 1.0]))
    array([ 0.5, -0.5])
    """

    def value(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.value`."""
        return np.logaddexp(0.0, np.where(y > 0.5, -eta, eta))

    def slope(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.slope`; small ones keep their digits."""
        return np.where(y > 0.5, -expit(-eta), expit(eta))

    def curvature(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.curvature`."""
        return np.asarray(expit(eta) * expit(-eta))

    def conjugate(self, slope: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.conjugate`: minus the entropy of the probability ``y + slope``."""
        share = np.abs(slope)
        return np.asarray(xlogy(share, share) + xlog1py(1.0 - share, -share))

    def kinks(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.kinks`: there are none."""
        return np.zeros((0, *eta.shape))

    def falls(self, y: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """See :meth:`Loss.falls`."""
        return y > 0.5, y < 0.5


@dataclass(frozen=True)
class PoissonLoss:
    """``exp(eta) - y eta + y log y - y`` for y >= 0: half the deviance, 0 where ``exp(eta) = y``.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.losses import PoissonLoss
    >>> PoissonLoss().value(np.log([2.0, 1.0]), np.array([2.0, 0.0]))
    array([0., 1.])
    """

    def value(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.value`; beyond the range of floats inf."""
        with np.errstate(over="ignore"):
            return np.exp(eta) - y * eta + xlogy(y, y) - y

    def slope(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.slope`."""
        return np.exp(np.minimum(eta, _FASTEST)) - y

    def curvature(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.curvature`."""
        return np.exp(np.minimum(eta, _FASTEST))

    def conjugate(self, slope: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.conjugate`."""
        mean = np.maximum(y + slope, 0.0)
        return np.asarray(xlogy(mean, mean) - xlogy(y, y) - slope)

    def kinks(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.kinks`: there are none."""
        return np.zeros((0, *eta.shape))

    def falls(self, y: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """See :meth:`Loss.falls`."""
        return np.zeros(y.shape, dtype=np.bool_), y == 0


@dataclass(frozen=True)
class HuberLoss:
    """``r^2 / 2`` for ``|r| <= delta``, beyond ``delta |r| - delta^2 / 2``, with ``r = y - eta`` (Huber 1964).

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.losses import HuberLoss
    >>> HuberLoss(1.0).value(np.zeros(2), np.array([0.5, 3.0]))
    array([0.125, 2.5  ])
    """

    delta: float

    def value(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.value`."""
        size = np.abs(y - eta)
        inner = np.minimum(size, self.delta)
        return inner * (size - inner / 2)

    def slope(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.slope`."""
        return np.clip(eta - y, -self.delta, self.delta)

    def curvature(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.curvature`."""
        return (np.abs(y - eta) <= self.delta).astype(np.float64)

    def conjugate(self, slope: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.conjugate`."""
        return slope * (y + slope / 2)

    def kinks(self, eta: Floats, y: Floats) -> Floats:
        """See :meth:`Loss.kinks`."""
        return np.stack([eta - y - self.delta, eta - y + self.delta])

    def falls(self, y: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """See :meth:`Loss.falls`."""
        never = np.zeros(y.shape, dtype=np.bool_)
        return never, never
