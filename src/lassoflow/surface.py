"""Several piecewise quadratic errors together: their mean on common cells, and where it is least.

The cells lie between all knots of all folds. On a cell with the largest penalty ``top`` the mean error is a convex
quadratic in ``t = blend * lambda / top``, whatever the folds (docs, section 15), so every question about the best
penalty and blend has an answer in closed form, for all cells at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.pieces import Pieces


class Place(NamedTuple):
    """A penalty and a blend."""

    lam: float
    blend: float


@dataclass(frozen=True, eq=False)
class Surface:
    """The mean of several errors over penalties in ``[lambda_min, edges[0]]`` and blends in an interval.

    Attributes
    ----------
    edges : array of shape (m + 1,)
        Decreasing; cell j covers the penalties in ``(edges[j + 1], edges[j]]``, the last one its lower end, too.
    table : array of shape (m, 3)
        value, linear, square of ``value + delta (2 linear + square delta)``, ``delta = blend * lambda / edges[j] - 1``.
    blends : (float, float)
        The smallest and the largest blend.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> from lassoflow.pieces import Pieces
    >>> from lassoflow.surface import Surface
    >>> lasso = lf.lasso_path(lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0]))
    >>> errors = [Pieces.of(lasso, np.array([[1.0, 1.0]]), np.array([y])) for y in (1.0, 2.0)]
    >>> Surface.of(errors, lambda_min=0.5, top=1.5, blends=(1.0, 1.0)).least()  # of (1 - 2 lambda)^2 and (2 lambda)^2
    (Place(lam=0.5, blend=1.0), 0.5)
    >>> Surface.of(errors, lambda_min=0.5, top=1.5, blends=(0.0, 1.0)).least()
    (Place(lam=1.0, blend=0.25), 0.25)
    """

    edges: Floats
    table: Floats
    blends: tuple[float, float]

    @classmethod
    def of(cls, folds: Sequence[Pieces], lambda_min: float, top: float, blends: tuple[float, float]) -> Surface:
        """The mean over folds, each of weight one, between two penalties."""
        starts = np.unique(np.concatenate([fold.starts[1:] for fold in folds]))[::-1]
        inner = starts[(starts > lambda_min) & (starts < top)]
        edges = np.concatenate([[top], inner, [lambda_min]])
        table = np.zeros((edges.size - 1, 3))
        for fold in folds:
            table += fold.on_cells(edges[:-1])
        return cls(edges, table / len(folds), blends)

    @property
    def bottoms(self) -> Floats:
        """The smallest penalty of each cell, shape (m,)."""
        above = np.nextafter(self.edges[1:], np.inf)
        above[-1] = self.edges[-1]
        return above

    def minima(self) -> tuple[Floats, Floats, Floats]:
        """The least error of each cell, the largest t where it is taken, and what rounding hides: shapes (m,)."""
        value, linear, square = self.table.T
        low, high = self.blends[0] * self._ratio(self.bottoms), self.blends[1]
        t = np.clip(self._vertex(), low, high)
        delta = t - 1.0
        noise = 64.0 * EPS * (value + 2.0 * np.abs(linear * delta) + square * delta**2)
        return value + delta * (2.0 * linear + square * delta), t, noise

    def least(self) -> tuple[Place, float]:
        """Where the error is least, and the error there: of equal errors the largest penalty, then blend."""
        values, t, noise = self.minima()
        best = int(np.argmin(values))
        cell = int(np.argmax(values - noise <= values[best] + noise[best]))
        return self._place(cell, t[cell]), float(values[cell])

    def most_regularised(self, level: float, at_least: Place) -> Place:
        """The largest penalty, and then blend, whose error is at most a level, starting from one whose error is."""
        values, t, _ = self.minima()
        limit = int(self._cell(at_least.lam))
        cell = int(np.argmax(np.append(values[:limit] <= level, True)))
        value, _, square = self.table[cell]
        vertex = self._vertex()[cell]
        with np.errstate(divide="ignore", over="ignore"):
            half = np.sqrt(max(level - value + (vertex - 1.0) ** 2 * square, 0.0) / square) if square else np.inf
        place = self._place(cell, float(np.clip(vertex + half, t[cell], self.blends[1])))
        return max(place, at_least)

    def best_blend(self, lam: ArrayLike) -> Floats:
        """The blend of the least error at given penalties, the largest of several: the shape of lam."""
        penalties = np.asarray(lam, dtype=np.float64)
        cell = self._cell(penalties)
        share = penalties / self.edges[cell] if self.edges[0] else np.ones_like(penalties)
        vertex = np.divide(self._vertex()[cell], share, out=np.full(share.shape, np.inf), where=share > 0)
        return np.clip(vertex, *self.blends)

    def _vertex(self) -> Floats:
        """The t where each quadratic is least; inf where it is constant."""
        _, linear, square = self.table.T
        with np.errstate(over="ignore"):
            ratio = np.divide(linear, square, out=np.full_like(linear, -np.inf), where=square > 0)
        return 1.0 - ratio

    def _ratio(self, lam: Floats) -> Floats:
        return np.divide(lam, self.edges[:-1], out=np.ones_like(lam), where=self.edges[:-1] > 0)

    def _cell(self, lam: ArrayLike) -> Ints:
        """The cell of each penalty; what lies beyond the first edge belongs to the first cell."""
        inner = -self.edges[1:-1]
        return np.searchsorted(inner, -np.asarray(lam, dtype=np.float64), side="right")

    def _place(self, cell: int, t: float) -> Place:
        """The largest penalty of a cell that reaches t, and the blend that does."""
        low, high = self.blends
        top, bottom = float(self.edges[cell]), float(self.bottoms[cell])
        lam = max(top * min(1.0, t / low), bottom) if low else top
        blend = t * top / lam if lam else high
        return Place(float(lam), float(min(max(blend, low), high)))
