"""Curves z(s), the cumulated coefficients of a path: how they are stored and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats, Ints

Side = Literal["left", "right"]
_CANCELLED = 64 * EPS
"""A sum of two terms that is this small beside one of them has no digits, nor a sign."""


def check_side(side: Any) -> None:
    """Raise a ValueError unless a side is "left" or "right"."""
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right'; got {side!r}.")


class Curve(Protocol):
    """What a path asks of its curve z(s): values at times of shape (m,), and how to be saved."""

    exact: bool

    @property
    def knots(self) -> Floats:
        """Times of the events, increasing, shape (k,)."""

    @property
    def mesh(self) -> Floats:
        """Times between which the curve is drawn well by few points, shape (p,)."""

    @property
    def stop(self) -> float:
        """Where the curve ends; inf if it goes on for ever."""

    def slope(self, s: Floats, side: Side) -> Floats:
        """z'(s) for s of shape (m,): shape (m, d)."""

    def average(self, s: Floats, side: Side) -> Floats:
        """z(s) / s for s of shape (m,), continued by z'(0) at 0: shape (m, d)."""

    def active(self) -> NDArray[np.bool_]:
        """Which coordinates are ever active, shape (d,)."""

    def to_arrays(self) -> dict[str, Any]:
        """The curve as named arrays."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """A curve z(s) with ``z(0) = 0`` that is linear between knots, exact at every s.

    Stored as averages and slopes, of shape (k + 1, d), at 0 and the k knots: between knots the average is the convex
    combination ``(s_k / s) average_k + (1 - s_k / s) slope_k``, which neither cancels nor overflows.
    """

    knots: Floats
    """Times of the events, increasing, shape (k,)."""
    averages: sp.csr_array
    slopes: sp.csr_array
    stop: float
    """Where the curve ends; inf if the last slope goes on for ever."""

    exact = True

    @property
    def mesh(self) -> Floats:
        """See :attr:`Curve.mesh`."""
        return self.knots

    def until(self, stop: float) -> Polygon:
        """The curve up to a time."""
        kept = int(np.searchsorted(self.knots, stop))
        return replace(
            self, knots=self.knots[:kept], averages=self.averages[: kept + 1], slopes=self.slopes[: kept + 1], stop=stop
        )

    def slope(self, s: Floats, side: Side) -> Floats:
        """z'(s) for s of shape (m,): shape (m, d)."""
        return self.slopes[self._segment(s, side)].toarray()

    def average(self, s: Floats, side: Side) -> Floats:
        """z(s) / s for s of shape (m,), continued by z'(0) at 0: shape (m, d)."""
        segment = self._segment(s, side)
        start = np.concatenate(([0.0], self.knots))[segment]
        share = np.divide(start, s, out=np.zeros_like(s), where=s > 0)[:, None]
        past, since = self.averages[segment].toarray() * share, self.slopes[segment].toarray() * (1.0 - share)
        average = past + since
        # A segment may end with a return, the last one at the very stop of the path: no dust is left there.
        ended = s == np.append(self.knots, self.stop)[segment]
        average[ended] = np.where(np.abs(average[ended]) > _CANCELLED * np.abs(past[ended]), average[ended], 0.0)
        return average

    def _segment(self, s: Floats, side: Side) -> Ints:
        check_side(side)
        return np.searchsorted(self.knots, s, side=side)

    def active(self) -> NDArray[np.bool_]:
        """See :meth:`Curve.active`."""
        return np.asarray((self.averages != 0).sum(axis=0) + (self.slopes != 0).sum(axis=0) > 0)

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Curve.to_arrays`."""
        arrays: dict[str, Any] = {"knots": self.knots, "stop": self.stop}
        for name, matrix in (("averages", self.averages), ("slopes", self.slopes)):
            arrays |= {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> Polygon:
        """The curve that :meth:`to_arrays` wrote."""
        knots, parts = arrays["knots"], ("data", "indices", "indptr")
        averages, slopes = (
            sp.csr_array(tuple(arrays[f"{name}_{part}"] for part in parts), shape=(knots.size + 1, n_features))
            for name in ("averages", "slopes")
        )
        return cls(knots, averages, slopes, float(arrays["stop"]))
