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

    def __init__(self, X: Floats, y: Floats, first: Ints | None = None) -> None:
        """``first`` are columns to begin with, if they are independent."""
        self.X, self.y = X, y
        scale = np.ones(X.shape[1])
        if first is not None:
            scale = np.full(X.shape[1], _LAST)
            scale[first] = 1.0
        R, order = sla.qr(X * scale, mode="r", pivoting=True) if X.size else (np.zeros((0, 0)), np.arange(X.shape[1]))
        diagonal = np.abs(np.diag(R)) / scale[order[: min(X.shape)]]
        self.rank = int((diagonal > 10 * max(X.shape) * EPS * diagonal.max(initial=0.0)).sum())
        self._take(R, order, scale)
        self.b = refined_fit(X[:, self.basic], y)

    def refine(self) -> None:
        """B and b anew from the columns."""
        A = self.X[:, self.basic]
        Q, R = np.linalg.qr(A)
        self._keep(sla.solve_triangular(R, Q.T @ self.X[:, self.rest]))
        self.b = refined_fit(A, self.y)

    def adapt(self, log_weights: Floats, touchy: bool = False) -> bool:
        """Exchange light columns for heavier ones; whether there were any. Weights of all columns, shape (d,)."""
        limit = _TOUCHY if touchy else _HEAVIER
        if not self.rest.size or not self.rank:
            return False
        heavier = self._gains(log_weights).max(axis=1) > limit
        if not heavier.any():
            return False
        if heavier.sum() > _MANY:
            scale = np.exp(np.maximum((log_weights - log_weights.max()) / 2, _FLOOR))
            R, order = sla.qr(self.X * scale, mode="r", pivoting=True)
            self._take(R, order, scale)
        for _ in range(10 * self.rank):
            gains = self._gains(log_weights)
            i, j = np.unravel_index(int(gains.argmax()), gains.shape)
            if gains[i, j] <= limit:
                break
            self._exchange(int(i), int(j))
        self.refine()
        return True

    def _gains(self, log_weights: Floats) -> Floats:
        """``log(B_ij^2 W_j / W_i)``."""
        return np.asarray(self.logs + log_weights[self.rest] - log_weights[self.basic][:, None])

    def _take(self, R: Floats, order: Ints, scale: Floats) -> None:
        r = self.rank
        self.basic, self.rest = order[:r].copy(), order[r:].copy()
        B = sla.solve_triangular(R[:r, :r], R[:r, r:])
        self._keep(B * scale[self.basic][:, None] / scale[self.rest])

    def _keep(self, B: Floats) -> None:
        """Entries that are rounding are zero: a light row must not hear of a heavy column it has nothing of."""
        size = np.abs(B)
        self.B = np.where(size < 1e-12 * max(1.0, size.max(initial=0.0)), 0.0, B)
        self.squares = self.B**2
        with np.errstate(divide="ignore"):
            self.logs = np.log(self.squares)
        self.largest = self.logs.max(axis=0, initial=-np.inf)

    def _exchange(self, i: int, j: int) -> None:
        """Column j of the rest for column i of the basis."""
        pivot, column, row = self.B[i, j], self.B[:, j].copy(), self.B[i] / self.B[i, j]
        B = self.B - np.outer(column, row)
        B[i], B[:, j], B[i, j] = row, -column / pivot, 1.0 / pivot
        self.basic[i], self.rest[j] = self.rest[j], self.basic[i]
        self._keep(B)
