"""The error of one exact path on given rows, exactly, as a function of the penalty and the blend.

Between two knots every view of a path is ``slope + v c``, with ``v = blend * lambda`` and ``c`` constant (docs, section
15). The mean squared error on any rows is therefore a quadratic in the single number v, and a path with K knots gives
K + 1 such pieces. They come from the fitted values at the knots: two products with the columns that are ever active.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Polygon
from lassoflow.path import Path

_BLOCK = 2**22
"""How many fitted values, or coefficients, are held at once."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """A mean squared error over the penalty and the blend, quadratic in their product on each of K + 1 pieces.

    Piece k covers the penalties in ``(starts[k + 1], starts[k]]``. With ``delta = blend * lambda * times[k] - 1`` the
    error there is ``value + delta (2 linear + square delta)``: ``value`` belongs to the average at the knot.

    Attributes
    ----------
    times : array of shape (K + 1,)
        Knots s of the path, after a first 0.
    starts : array of shape (K + 1,)
        The largest penalty of each piece, decreasing from inf.
    table : array of shape (K + 1, 3)
        value, linear, square; in squared units of y.
    unshrunk : array of shape (K + 1,)
        The error at blend 0, where it is constant on each piece.
    null : float
        The error of no coefficient at all.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> from lassoflow.pieces import Pieces
    >>> lasso = lf.lasso_path(lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0]))  # (2 - 2 lambda, 0) below 1
    >>> error = Pieces.of(lasso, np.array([[1.0, 1.0]]), np.array([2.0]))
    >>> error([2.0, 1.0, 0.75, 0.75], [1.0, 1.0, 1.0, 0.0])  # 4 lambda^2, and the error of the refit
    array([4.  , 4.  , 2.25, 0.  ])
    """

    times: Floats
    starts: Floats
    table: Floats
    unshrunk: Floats
    null: float

    @classmethod
    def of(cls, path: Path, X: Any, y: Floats, weights: Floats | None = None) -> Pieces:
        """The error of an exact path on rows of their own.

        Parameters
        ----------
        path : Path
            By :func:`~lassoflow.lasso_path` or :func:`~lassoflow.limit_flow`; its view does not matter.
        X : array or sparse array of shape (m, d)
        y : array of shape (m,)
        weights : array of shape (m,), optional
            Nonnegative, and not zero throughout.

        Raises
        ------
        ValueError
            If the path is not exact: that of a finite network is no polygon.
        """
        curve = polygon_of(path)
        active = np.flatnonzero(curve.active())
        means = path.frame.feature_means[active]
        rows = sp.csc_array(X)[:, active].toarray() if sp.issparse(X) else np.asarray(X)[:, active]
        return cls.on_rows(curve, active, rows - means, y - path.frame.target_mean, weights)

    @classmethod
    def on_rows(cls, curve: Polygon, active: Ints, rows: Floats, y: Floats, weights: Floats | None = None) -> Pieces:
        """The same from the active columns of the rows, shape (m, a), and y, both without their means."""
        share = np.full(y.size, 1.0 / y.size) if weights is None else weights / weights.sum()
        averages, slopes = curve.averages[:, active], curve.slopes[:, active]
        size = 1 + _BLOCK // max(*rows.shape, 1)
        blocks = [slice(first, first + size) for first in range(0, curve.knots.size + 1, size)]
        # Dense products are the faster ones: active columns are active most of the time.
        table = np.vstack([_errors(averages[b].toarray(), slopes[b].toarray(), rows, y, share) for b in blocks])
        table[0, :3] = table[0, 3], 0.0, 0.0  # before the first knot only the unpenalised columns are fitted
        times, starts = np.append(0.0, curve.knots), np.append(np.inf, penalties_of(curve.knots))
        return cls(times, starts, table[:, :3], table[:, 3], float(share @ y**2))

    def piece(self, lam: ArrayLike) -> Ints:
        """Which piece each penalty lies in: the shape of lam."""
        return np.searchsorted(-self.starts[1:], -np.asarray(lam, dtype=np.float64), side="right")

    def __call__(self, lam: ArrayLike, blend: ArrayLike) -> Floats:
        """The error at penalties and blends that broadcast: their shape."""
        penalties = np.asarray(lam, dtype=np.float64)
        piece = self.piece(penalties)
        delta = np.where(piece > 0, np.asarray(blend) * penalties * self.times[piece], 1.0) - 1.0
        value, linear, square = np.moveaxis(self.table[piece], -1, 0)
        shrunk = value + delta * (2.0 * linear + square * delta)
        return np.where(np.equal(blend, 0.0), self.unshrunk[piece], shrunk)

    def on_cells(self, tops: Floats) -> Floats:
        """The quadratics on cells with the largest penalties ``tops``, none of which holds a knot: shape (m, 3).

        Their variable is ``v / top - 1``, in place of ``v / start - 1``.
        """
        piece = self.piece(tops)
        share = np.where(piece > 0, tops * self.times[piece], 1.0)
        value, linear, square = self.table[piece].T
        delta = share - 1.0
        return np.column_stack(
            [value + delta * (2.0 * linear + square * delta), share * (linear + square * delta), share**2 * square]
        )


def polygon_of(path: Path) -> Polygon:
    """The polygon of an exact path.

    Raises
    ------
    ValueError
        If the path is not exact.
    """
    if not isinstance(path.curve, Polygon):
        raise ValueError(f"path must be exact, of lasso_path or limit_flow; got {path!r}.")
    return path.curve


def penalties_of(knots: Floats) -> Floats:
    """The largest penalties whose ``1 / penalty`` is not before the knot: there, not above, a path has jumped."""
    penalties = 1.0 / knots
    while (early := 1.0 / penalties < knots).any():
        penalties = np.where(early, np.nextafter(penalties, 0.0), penalties)
    while (late := 1.0 / (above := np.nextafter(penalties, np.inf)) >= knots).any():
        penalties = np.where(late, above, penalties)
    return penalties


def penalty_before(s: float) -> float:
    """The smallest penalty at which a path has not come to the knot s."""
    penalty = 1.0 / s
    while 1.0 / penalty >= s:
        penalty = float(np.nextafter(penalty, np.inf))
    return penalty


def _errors(averages: Floats, slopes: Floats, rows: Floats, y: Floats, share: Floats) -> Floats:
    """value, linear, square and the error at blend 0 of a block of pieces, shape (k, 4)."""
    fitted = averages @ rows.T
    shrunk = y - fitted
    fitted -= slopes @ rows.T  # what shrinking takes away from the fit
    weighted = fitted * share
    linear, square = (-np.einsum("ij,ij->i", one, weighted) for one in (shrunk, -fitted))
    return np.column_stack([shrunk**2 @ share, linear, square, (shrunk + fitted) ** 2 @ share])
