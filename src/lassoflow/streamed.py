"""A working matrix that stays where it is: memory-mapped, in single precision or as small integers, on a cluster.

It is read in blocks of columns. Centring and weights are done on the way, as ``v' W^1/2 (X - 1 m')`` is a product with
X itself and a correction. Columns that are asked for by number come in double precision whatever X is; products of
many vectors are in X's own precision, and ``rounding`` says how far they may be off, so that what they leave open can
be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.design import Counted, Subset, without_dust

MEMORY_LIMIT = 2**28
"""Bytes for what is held of X and of products with it, unless the user says otherwise."""
_SMALLEST = 1e-60
_SMALL = 2**20
"""Entries up to which an array in memory is simply made one of doubles."""
_COPIES = 3
"""Of a block in double precision, while it is worked on."""
_VECTORS = 130
"""The most vectors that X is multiplied with at a time."""


class Source(Protocol):
    """Where the numbers are."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def slices(self) -> Iterator[slice]:
        """Columns that are multiplied at a time."""
        ...

    def columns(self, index: Ints) -> NDArray[Any]:
        """Columns by number, in order."""
        ...

    def products(self, vectors: NDArray[Any], block: slice) -> NDArray[Any]:
        """``vectors X`` for a slice of columns, in the precision of the vectors."""
        ...

    def moments(self, weights: Floats, centre: bool) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """Means, and roots of the sums of squares about 0 and about the means, by weights of sum n."""
        ...


class ArraySource:
    """An array in memory or in a file that is mapped to it."""

    def __init__(self, X: NDArray[Any], memory_limit: int) -> None:
        self.shape, self._X, self.dtype = (X.shape[0], X.shape[1]), X, X.dtype
        self._width = max(int(memory_limit / (_COPIES * 8 * X.shape[0])), 1)

    def slices(self) -> Iterator[slice]:
        """See :meth:`Source.slices`."""
        d = self.shape[1]
        for start in range(0, d, self._width):
            yield slice(start, min(start + self._width, d))

    def columns(self, index: Ints) -> NDArray[Any]:
        """See :meth:`Source.columns`."""
        return np.asarray(self._X[:, index])

    def products(self, vectors: NDArray[Any], block: slice) -> NDArray[Any]:
        """See :meth:`Source.products`."""
        return vectors @ np.asarray(self._X[:, block]).astype(vectors.dtype, copy=False)

    def moments(self, weights: Floats, centre: bool) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """See :meth:`Source.moments`."""
        for block in self.slices():
            part = np.asarray(self._X[:, block]).astype(np.float64)
            raw = np.sqrt(weights @ part**2)
            means = weights @ part / self.shape[0] if centre else np.zeros(raw.size)
            yield block, means, raw, np.sqrt(weights @ (part - means) ** 2) if centre else raw


class DaskSource:
    """A dask array: its chunks are multiplied side by side, on a cluster if there is a client of one."""

    def __init__(self, X: Any, memory_limit: int) -> None:
        self._X = X
        self.shape, self.dtype = (int(X.shape[0]), int(X.shape[1])), np.dtype(X.dtype)
        self._width = max(int(memory_limit / (_COPIES * 8 * _VECTORS)), 1)

    def slices(self) -> Iterator[slice]:
        """See :meth:`Source.slices`: whole chunks."""
        start = stop = 0
        for width in self._X.chunks[1]:
            if stop > start and stop + width - start > self._width:
                yield slice(start, stop)
                start = stop
            stop += int(width)
        yield slice(start, stop)

    def columns(self, index: Ints) -> NDArray[Any]:
        """See :meth:`Source.columns`."""
        return np.asarray(self._X[:, index].compute())

    def products(self, vectors: NDArray[Any], block: slice) -> NDArray[Any]:
        """See :meth:`Source.products`."""
        import dask.array as da

        whole = da.from_array(vectors, chunks=(-1, self._X.chunks[0]))
        return np.asarray((whole @ self._X[:, block].astype(vectors.dtype)).compute())

    def moments(self, weights: Floats, centre: bool) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """See :meth:`Source.moments`."""
        import dask.array as da
        import dask.base

        shares, X = da.from_array(weights, chunks=self._X.chunks[0]), self._X.astype(np.float64)
        raw, means = dask.base.compute(da.sqrt(shares @ X**2), shares @ X / self.shape[0])
        about = da.sqrt(shares @ (X - means) ** 2).compute() if centre else raw
        yield slice(0, self.shape[1]), means if centre else np.zeros(raw.size), raw, about


def is_source(X: Any) -> bool:
    """Whether it is the source of a matrix."""
    return isinstance(X, ArraySource | DaskSource)


def is_streamed(X: Any) -> bool:
    """Whether a matrix is to be read in blocks: a mapped file, a dask array, a large one that is not of doubles."""
    if _is_dask(X) or isinstance(X, np.memmap):
        return True
    return type(X) is np.ndarray and X.dtype != np.float64 and X.dtype.kind in "biuf" and X.size > _SMALL


def _is_dask(X: Any) -> bool:
    return hasattr(X, "dask") and hasattr(X, "chunks")


def as_source(X: Any, memory_limit: int) -> Source:
    """A matrix as a source.

    Raises
    ------
    ValueError
        If it does not hold real numbers.
    """
    if np.dtype(X.dtype).kind not in "biuf":
        raise ValueError(f"X must hold real numbers; got dtype {X.dtype}.")
    return DaskSource(X, memory_limit) if _is_dask(X) else ArraySource(X, memory_limit)


class StreamedDesign(Counted):
    """A working matrix that is read in blocks.

    Attributes
    ----------
    rounding : array of shape (d,)
        Products with a vector of unit norm are known to it.
    """

    rows = None

    def __init__(self, source: Source, weights: Floats | None, centre: bool) -> None:
        n, d = self.shape = source.shape
        self._source, self.nbytes = source, n * d * source.dtype.itemsize
        self._precision = source.dtype if source.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        self._root = None if weights is None else np.sqrt(weights)
        self.means, raw, norms = np.zeros((3, d))
        for block, *moments in source.moments(np.ones(n) if weights is None else weights, centre):
            self.means[block], raw[block], norms[block] = moments
        if not np.isfinite(raw).all():
            raise ValueError(
                f"X must be finite; column 'x{int(np.argmin(np.isfinite(raw)))}' has a NaN or an infinity."
            )
        if raw.any() and not _SMALLEST < raw.max() < 1.0 / _SMALLEST:
            raise ValueError(f"X: columns that are read in blocks must not be of size {raw.max():.0e}; rescale them.")
        self.count()
        self.norms = without_dust(norms, raw) if centre else norms
        self.rounding = float(np.finfo(self._precision).eps) * (n + 4) * raw
        self._held: tuple[Ints, Floats] = np.zeros(0, dtype=np.intp), np.zeros((0, n))

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        return self.columns([j])[:, 0]

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        index = np.asarray(index, dtype=np.intp)
        self.bytes_read += self.shape[0] * index.size * self._source.dtype.itemsize
        part = self._source.columns(index).astype(np.float64)
        part -= self.means[index]
        if self._root is not None:
            part *= self._root[:, None]
        part[:, self.norms[index] == 0] = 0.0
        return np.asfortranarray(part)

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        products = [part for _, part in self._products(np.atleast_2d(vector.T), np.dtype(np.float64))]
        return np.concatenate(products, axis=1).T.reshape(self.shape[1], *vector.shape[1:])

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :meth:`Design.blocks`."""
        return self._products(vectors, self._precision)

    def _products(self, vectors: Floats, precision: np.dtype[Any]) -> Iterator[tuple[slice, Floats]]:
        self.count()
        weighted = vectors if self._root is None else vectors * self._root
        sums, cast = weighted.sum(axis=1), weighted.astype(precision)
        for block in self._source.slices():
            part = self._source.products(cast, block).astype(np.float64)
            part -= np.multiply.outer(sums, self.means[block])
            part[:, self.norms[block] == 0] = 0.0
            yield block, part

    def subset(self, index: Ints) -> Subset:
        """See :meth:`Design.subset`; columns that were in the last one are not read again."""
        held, rows = self._held
        _, there, before = np.intersect1d(index, held, assume_unique=True, return_indices=True)
        made, missing = np.empty((index.size, self.shape[0])), np.ones(index.size, dtype=bool)
        made[there], missing[there] = rows[before], False
        made[missing] = self.columns(index[missing]).T
        self._held = index, made
        return Subset(made, self.norms[index])
