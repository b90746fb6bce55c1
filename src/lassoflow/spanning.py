"""A basis of columns that others are written in, of the heaviest ones: ``X_rest = X_basic B``.

With weights W of the columns, a basis in which no ``B_ij^2 W_j`` is far above ``W_i`` makes ``W + B W B'`` a graded
matrix that is solved to full relative accuracy in every row, however far apart the weights are.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.refinement import refined_fit

_HEAVIER, _TOUCHY = math.log(1e7), math.log(16.0)
"""By how much another column may be heavier; and where that was too much."""
_FLOOR = -18.0
"""Half the log weights are kept above this in a factorisation, lest rounding of heavy columns outweighs light ones."""
_LAST = 1e-6
"""What other columns are multiplied by where some are to come first."""
_ROUNDING = 1e-12
"""Share of the largest entry of B, or of one, below which others are zero."""
_DOUBTFUL = 1e-8
"""Share of the largest entry on a triangular factor's diagonal below which another one may be rounding."""
_MANY = 8
"""Exchanges from which on a factorisation is cheaper."""


class Basis:
    """r columns of X that span them all, with the coefficients ``B`` of the others and ``b`` of the fit of y.

    Attributes
    ----------
    basic, rest : arrays of indices, shapes (r,) and (d - r,)
    B : array of shape (r, d - r)
    squares, logs : arrays of shape (r, d - r)
        ``B^2`` and ``log B^2``.
    b : array of shape (r,)
    """

    def __init__(self, X: Floats, y: Floats, log_weights: Floats, first: Ints | None = None) -> None:
        """``first`` are columns to begin with, if they are independent; weights are of all columns, shape (d,)."""
        self.X, self.y = X, y
        scale = _scale(log_weights)
        if first is not None:
            scale = np.full(X.shape[1], _LAST)
            scale[first] = 1.0
        R, order = _pivoted(X * scale)
        self.rank = _rank(R / scale[order], _DOUBTFUL)
        if self.rank < R.shape[0]:  # or heavy columns come first that are nearly dependent
            self.rank = _rank(_pivoted(X)[0], 10 * max(X.shape) * EPS)
        self._take(R, order, scale)
        self.b = refined_fit(X[:, self.basic], y)

    def refine(self) -> None:
        """B and b anew from the columns."""
        A = self.X[:, self.basic]
        Q, R = np.linalg.qr(A)
        self._keep(sla.solve_triangular(R, Q.T @ self.X[:, self.rest], overwrite_b=True, check_finite=False))
        self.b = refined_fit(A, self.y, (Q, R))

    def adapt(self, log_weights: Floats, touchy: bool = False) -> bool:
        """Exchange light columns for heavier ones; whether there were any. Weights of all columns, shape (d,)."""
        limit = _TOUCHY if touchy else _HEAVIER
        if not self.rest.size or not self.rank:
            return False
        heavier = self._gains(log_weights).max(axis=1) > limit
        if not heavier.any():
            return False
        if heavier.sum() > _MANY:
            scale = _scale(log_weights)
            R, order = _pivoted(self.X * scale)
            self._take(R, order, scale)
        for _ in range(10 * self.rank):
            rows = np.flatnonzero(self._gains(log_weights).max(axis=1) > limit)
            if not rows.size:
                break
            for i in rows:
                self._exchange(int(i), log_weights, limit)
            self._keep(self.B)
        self.refine()
        return True

    def _gains(self, log_weights: Floats) -> Floats:
        """``log(B_ij^2 W_j / W_i)``."""
        return np.asarray(self.logs + log_weights[self.rest] - log_weights[self.basic][:, None])

    def _take(self, R: Floats, order: Ints, scale: Floats) -> None:
        r = self.rank
        self.basic, self.rest = order[:r].copy(), order[r:].copy()
        B = sla.solve_triangular(R[:r, :r], R[:r, r:], check_finite=False)
        self._keep(B * (scale[self.basic][:, None] / scale[self.rest]))

    def _keep(self, B: Floats) -> None:
        """Entries that are rounding are zero: a light row must not hear of a heavy column it has nothing of."""
        self.squares = B**2
        rounding = self.squares < _ROUNDING**2 * max(1.0, self.squares.max(initial=0.0))
        self.B = B
        if rounding.any():
            self.B, self.squares = np.where(rounding, 0.0, B), np.where(rounding, 0.0, self.squares)
        with np.errstate(divide="ignore"):
            self.logs = np.log(self.squares)
        self.largest = self.logs.max(axis=0, initial=-np.inf)

    def _exchange(self, i: int, log_weights: Floats, limit: float) -> None:
        """The heaviest column of the rest for column i of the basis, if it is that much heavier."""
        row = np.where(np.abs(self.B[i]) < _ROUNDING * max(1.0, np.abs(self.B).max()), 0.0, self.B[i])
        with np.errstate(divide="ignore"):
            gains = 2.0 * np.log(np.abs(row)) + log_weights[self.rest]
        j = int(gains.argmax())
        if gains[j] <= log_weights[self.basic[i]] + limit:
            return
        pivot, column, row = row[j], self.B[:, j].copy(), row / row[j]
        self.B -= np.outer(column, row)
        self.B[i], self.B[:, j], self.B[i, j] = row, -column / pivot, 1.0 / pivot
        self.basic[i], self.rest[j] = self.rest[j], self.basic[i]


def _scale(log_weights: Floats) -> Floats:
    """What columns are multiplied by so that heavy ones come first."""
    return np.exp(np.maximum((log_weights - log_weights.max(initial=-np.inf)) / 2, _FLOOR))


def _pivoted(X: Floats) -> tuple[Floats, Ints]:
    """The triangular factor, (min(n, d), d), of columns in an order of falling remainders; and the order."""
    if not X.size:
        return np.zeros((0, X.shape[1])), np.arange(X.shape[1])
    R, order = sla.qr(X, mode="r", pivoting=True, check_finite=False)
    return R[: X.shape[1]], order


def _rank(R: Floats, rounding: float) -> int:
    """How many columns a triangular factor shows to be independent."""
    diagonal = np.abs(np.diag(R))
    return int((diagonal > rounding * diagonal.max(initial=0.0)).sum())
