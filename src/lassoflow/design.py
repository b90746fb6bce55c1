"""The working matrix: the operator behind every walk, which counts its passes over X, and the units it works in."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, Ints


@dataclass(frozen=True, slots=True)
class Units:
    """Powers of two between the user's data and the working data: ``X = 2^design X_work``, ``y = 2^target y_work``."""

    design: int
    target: int

    def coef(self, working: Floats) -> Floats:
        """Coefficients in the user's units."""
        return np.ldexp(working, self.target - self.design)

    def working_coef(self, coef: ArrayLike) -> Floats:
        """Coefficients in working units."""
        return np.ldexp(np.asarray(coef, dtype=np.float64), self.design - self.target)

    def time(self, working: ArrayLike) -> Any:
        """A time s (one over a penalty) in the user's units."""
        return np.ldexp(working, -self.design - self.target)

    def working_time(self, s: ArrayLike) -> Any:
        """A time s in working units."""
        return np.ldexp(s, self.design + self.target)

    def penalty(self, working: ArrayLike) -> Any:
        """A penalty, or a gradient, in the user's units."""
        return np.ldexp(working, self.design + self.target)

    def working_penalty(self, penalty: ArrayLike) -> Any:
        """A penalty, or a gradient, in working units."""
        return np.ldexp(penalty, -self.design - self.target)


_SMALL = 2**20
"""Entries of X up to which it is brought into the order of columns."""
_BLOCK, _ENTRIES = 4096, 2**22
"""Columns of X that are multiplied at a time, or more if these have fewer entries: threads meet after each block."""


class Passes(int):
    """A number of passes over X, and the bytes of X that were read in all."""

    bytes: int

    def __new__(cls, count: int, read: int) -> Passes:
        """Both numbers."""
        passes = super().__new__(cls, count)
        passes.bytes = read
        return passes


class Counted:
    """What counts how much of X is read."""

    passes, bytes_read, nbytes = 0, 0, 0

    def count(self, passes: int = 1) -> None:
        """Note so many passes more."""
        self.passes += passes
        self.bytes_read += passes * self.nbytes


class Design(Protocol):
    """The working matrix X, of shape (n, d): everything the walk asks of it."""

    shape: tuple[int, int]
    means: Floats
    """Weighted means of the columns if they are centred, else zeros, shape (d,)."""
    norms: Floats
    """Euclidean norms of the columns, shape (d,); exactly 0 for columns that centring leaves empty."""
    passes: int
    """How many times the whole of X has been read in a product."""
    bytes_read: int

    @property
    def rounding(self) -> Floats | None:
        """How far :meth:`blocks` may be off for a vector of unit norm, shape (d,); None if it is mere rounding."""

    def count(self, passes: int = 1) -> None:
        """Note so many passes more."""
        ...

    def column(self, j: int) -> Floats:
        """Column j, shape (n,)."""
        ...

    def columns(self, index: ArrayLike) -> Floats:
        """The columns ``index`` as a dense array of shape (n, len(index))."""
        ...

    def rmatvec(self, vector: Floats) -> Floats:
        """``X' vector``, of shape (d,) or (d, k): one pass."""
        ...

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """``vectors X`` for vectors of shape (k, n), some columns of X at a time: one pass."""
        ...

    def subset(self, index: Ints) -> Design:
        """Some columns, in memory, as a design of their own."""
        ...

    @property
    def rows(self) -> Floats | None:
        """The columns as contiguous rows, shape (d, n), if they are in memory as such."""
        ...


class DenseDesign(Counted):
    """A working matrix in memory, centred and weighted explicitly where that is asked for."""

    rounding = None

    def __init__(self, X: Floats, weights: Floats | None, centre: bool) -> None:
        n, d = self.shape = X.shape
        self.means = np.zeros(d)
        raw = _column_norms(X) if centre else None
        if centre:
            share = (np.ones(n) if weights is None else weights) / n
            self.means = X.T @ share
            X = np.subtract(X, self.means, order="F")
            rest = X.T @ share  # a sum over many rows is rounded; what is left of it is not
            X -= rest
            self.means += rest
        if weights is not None:
            X = np.multiply(X, np.sqrt(weights)[:, None], order="F")
        self.norms = _column_norms(X)
        if raw is not None:
            self.norms = without_dust(self.norms, raw)
            X[:, self.norms == 0] = 0.0
        self.matrix = np.asfortranarray(X) if X.size <= _SMALL else X
        """The working matrix itself."""
        self.nbytes = self.matrix.nbytes

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        return self.matrix[:, j]

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        return self.matrix[:, np.asarray(index, dtype=np.intp)]

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        self.count()
        product: Floats = self.matrix.T @ vector
        return product

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :meth:`Design.blocks`."""
        self.count()
        n, d = self.shape
        for start in range(0, d, step := max(_BLOCK, _ENTRIES // n)):
            block = slice(start, start + step)
            yield block, vectors @ self.matrix[:, block]

    def subset(self, index: Ints) -> Subset:
        """See :meth:`Design.subset`."""
        return Subset(np.ascontiguousarray(self.matrix[:, index].T), self.norms[index])

    @property
    def rows(self) -> Floats | None:
        """See :meth:`Design.rows`."""
        return self.matrix.T if self.matrix.flags.f_contiguous else None


class Subset(Counted):
    """Columns in memory, as contiguous rows of shape (d, n)."""

    rounding = None

    def __init__(self, rows: Floats, norms: Floats) -> None:
        self.rows, self.norms = rows, norms
        self.shape = rows.shape[::-1]
        self.means, self.nbytes = np.zeros(rows.shape[0]), rows.nbytes

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        return self.rows[j]

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        return self.rows[np.asarray(index, dtype=np.intp)].T

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        self.count()
        return self.rows @ vector

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :meth:`Design.blocks`."""
        self.count()
        yield slice(None), vectors @ self.rows.T

    def subset(self, index: Ints) -> Subset:
        """See :meth:`Design.subset`."""
        return Subset(self.rows[index], self.norms[index])


class SparseDesign(Counted):
    """A sparse working matrix, centred and weighted implicitly: X itself is never made dense."""

    rounding = None

    def __init__(self, X: sp.csc_array, weights: Floats | None, centre: bool) -> None:
        n, d = self.shape = X.shape
        self._X, self.nbytes = X, X.data.nbytes + X.indices.nbytes
        self._weights = np.ones(n) if weights is None else np.sqrt(weights)
        column = np.repeat(np.arange(d), np.diff(X.indptr))
        square = self._weights[X.indices] ** 2
        self.means, self._offset = np.zeros(d), np.zeros(d)
        if centre:
            self._centre(column, square)
        else:
            self.norms = self._norms(column, square, np.zeros(d))

    def _centre(self, column: Ints, square: Floats) -> None:
        """Take the means off; entries have a column and a squared weight each."""
        n, d = self.shape
        X, unstored, share = self._X, self._unstored(column, square), self._weights**2 / n
        raw = self._norms(column, square, unstored)
        # A column without unstored zeros can be centred explicitly; in others the mean cannot dwarf the deviation.
        shift = np.where(np.diff(X.indptr) == n, X.T @ share, 0.0)
        if shift.any():
            self._X = sp.csc_array((X.data - shift[column], X.indices, X.indptr), X.shape)
        self._offset = self._X.T @ share
        stored = np.bincount(column, square * (self._X.data - self._offset[column]), d)
        self._offset += (stored - unstored * self._offset) / n
        self.means = shift + self._offset
        self.norms = without_dust(self._norms(column, square, unstored), raw)

    def _unstored(self, column: Ints, square: Floats) -> Floats:
        """The weight of the zeros that are not stored, by column: exactly 0 where there are none."""
        d = self.shape[1]
        unstored = np.sum(self._weights**2) - np.bincount(column, square, d)
        full = np.bincount(column, square > 0, d) == np.count_nonzero(self._weights)
        return np.where(full, 0.0, np.maximum(unstored, 0.0))

    def _norms(self, column: Ints, square: Floats, unstored: Floats) -> Floats:
        """Column norms about the offset, without the cancellation of E x^2 - (E x)^2 and without underflow."""
        d = self.shape[1]
        largest = np.zeros(d)
        np.maximum.at(largest, column, np.abs(self._X.data))
        scale = np.where(largest > 0, largest, 1.0)
        data, offset = self._X.data / scale[column], self._offset / scale
        stored = np.bincount(column, square * (data - offset[column]) ** 2, d)
        return scale * np.sqrt(stored + unstored * offset**2)

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        if self.norms[j] == 0:
            return np.zeros(self.shape[0])
        column = np.full(self.shape[0], -self._offset[j])
        stored = slice(self._X.indptr[j], self._X.indptr[j + 1])
        column[self._X.indices[stored]] += self._X.data[stored]
        column *= self._weights
        return column

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        index = np.asarray(index, dtype=np.intp)
        block = self._X[:, index].toarray() - self._offset[index]
        block *= self._weights[:, None]
        block[:, self.norms[index] == 0] = 0.0
        return np.asfortranarray(block)

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        self.count()
        weighted = (vector.T * self._weights).T
        product: Floats = self._X.T @ weighted
        if self._offset.any():
            product -= np.multiply.outer(self._offset, weighted.sum(axis=0))
        product[self.norms == 0] = 0.0
        return product

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :meth:`Design.blocks`."""
        yield slice(None), self.rmatvec(vectors.T).T

    def subset(self, index: Ints) -> SparseDesign:
        """See :meth:`Design.subset`."""
        part = copy(self)
        part.shape, part._X = (self.shape[0], index.size), self._X[:, index]
        part.means, part._offset, part.norms = self.means[index], self._offset[index], self.norms[index]
        return part

    @property
    def rows(self) -> None:
        """See :meth:`Design.rows`."""
        return None


def _column_norms(X: Floats) -> Floats:
    return np.sqrt(np.einsum("ij,ij->j", X, X))


def without_dust(norms: Floats, raw: Floats) -> Floats:
    """Norms with the rounding dust that centring leaves of a constant column set to exactly zero."""
    return np.where(norms <= 16 * EPS * raw, 0.0, norms)
