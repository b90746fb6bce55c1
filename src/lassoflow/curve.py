"""Curves z(s), the cumulated coefficients of a path: how they are stored and evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from lassoflow.arrays import Floats, Ints

Side = Literal["left", "right"]


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

    def slope(self, s: Floats, side: Side) -> Floats:
        """z'(s) for s of shape (m,): shape (m, d)."""
        return self.slopes[self._segment(s, side)].toarray()

    def average(self, s: Floats, side: Side) -> Floats:
        """z(s) / s for s of shape (m,), continued by z'(0) at 0: shape (m, d)."""
        segment = self._segment(s, side)
        start = np.concatenate(([0.0], self.knots))[segment]
        share = np.divide(start, s, out=np.zeros_like(s), where=s > 0)[:, None]
        return self.averages[segment].toarray() * share + self.slopes[segment].toarray() * (1.0 - share)

    def _segment(self, s: Floats, side: Side) -> Ints:
        if side not in ("left", "right"):
            raise ValueError(f"side must be 'left' or 'right'; got {side!r}.")
        return np.searchsorted(self.knots, s, side=side)
