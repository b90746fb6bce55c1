"""Arrays as users bring them: what is accepted, and one clear sentence for what is not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

EPS = float(np.finfo(np.float64).eps)

DUST = 1e-12
"""Relative size below which a certificate counts a number as rounding."""


def read_matrix(X: Any) -> tuple[Any, tuple[str, ...], float]:
    """X as a float64 array or CSC array, its column names, and about its sum of squares."""
    names: Sequence[str] | None = None
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        names = [str(name) for name in X.columns]
        matrix: Any = _read_frame(X, names)
    elif sp.issparse(X):
        matrix = sp.csc_array(X, dtype=np.float64)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()  # the user's own arrays are left as they are
            matrix.sum_duplicates()
    else:
        matrix = as_floats(X, "X")
    require_table(matrix.shape)
    if names is not None and len(set(names)) < len(names):
        twice = next(name for j, name in enumerate(names) if name in names[:j])
        raise ValueError(f"X: more than one column is named {twice!r}; rename or drop one.")
    named = numbered(matrix.shape[1]) if names is None else tuple(names)
    # A finite sum of squares proves that all is finite at the cost of one read; only a bad one is looked into.
    squares = _sum_of_squares(matrix.data if sp.issparse(matrix) else matrix)
    if not np.isfinite(squares):
        _refuse_non_finite(matrix, named)
    return matrix, named, squares


def require_table(shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless X has rows and columns."""
    if len(shape) != 2:
        raise ValueError(f"X must have two dimensions, (samples, features); got shape {tuple(shape)}.")
    if 0 in shape:
        raise ValueError(f"X must have at least one row and one column; got shape {tuple(shape)}.")


@lru_cache(maxsize=1)
def numbered(d: int) -> tuple[str, ...]:
    """The names of columns that have none."""
    return tuple([f"x{j}" for j in range(d)])


def _read_frame(X: Any, names: Sequence[str]) -> Floats:
    """A pandas or polars frame as a float64 array; a column that is not numeric is named in the error."""
    matrix = np.empty((len(X), len(names)), order="F")
    for j, name in enumerate(names):
        column = X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]
        try:
            values = np.asarray(column.to_numpy())
            if values.dtype.kind not in "biufO" or column.dtype == "category":
                raise TypeError
            matrix[:, j] = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"X: column {name!r} is not numeric; encode it (one-hot) or drop it.") from None
    return matrix


def as_floats(values: Any, argument: str) -> Floats:
    """An array of float64; what is not made of real numbers is refused with the argument's name."""
    if np.ma.is_masked(values):
        raise ValueError(f"{argument} has masked entries; fill them or drop their rows.")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{argument} must be an array; its rows have different lengths.") from None
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{argument} must hold real numbers; got dtype {array.dtype}.")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{argument} must hold real numbers; some of its entries are not.") from None


def _refuse_non_finite(matrix: Any, names: Sequence[str]) -> None:
    finite = np.isfinite(matrix.data if sp.issparse(matrix) else matrix)
    if finite.all():
        return
    if sp.issparse(matrix):
        bad = int(np.searchsorted(matrix.indptr, np.flatnonzero(~finite)[0], side="right")) - 1
    else:
        bad = int(np.flatnonzero(~finite.all(axis=0))[0])
    raise ValueError(f"X must be finite; column {names[bad]!r} has a NaN or an infinity.")


def _sum_of_squares(values: Floats) -> float:
    """Of all entries, or no number: one read, without a copy where they lie in one piece."""
    with np.errstate(over="ignore", invalid="ignore"):
        flat = values.ravel(order="K")
        return float(flat @ flat)


def read_vector(values: Any, argument: str, length: int, each: str = "row") -> Floats:
    """A vector of ``length`` finite float64, one for each row, or column, of X."""
    array = as_floats(values.to_numpy() if hasattr(values, "to_numpy") else values, argument)
    if array.shape == (length, 1):
        array = array[:, 0]
    if array.shape != (length,):
        raise ValueError(f"{argument} must have shape ({length},), one entry a {each} of X; got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{argument} must be finite; entry {int(np.argmin(np.isfinite(array)))} is not.")
    return array


def read_nonnegative(value: Any, argument: str) -> float:
    """A finite number >= 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{argument} must be a number; got {value!r}.") from None
    if not 0.0 <= number < np.inf:
        raise ValueError(f"{argument} must be a finite number >= 0; got {value!r}.")
    return number


def read_switch(value: Any, argument: str) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{argument} must be True or False; got {value!r}.")
    return bool(value)


def read_weights(sample_weight: Any, n: int) -> Floats | None:
    """Sample weights as weights of mean 1, or None."""
    if sample_weight is None:
        return None
    weights = read_vector(sample_weight, "sample_weight", n)
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative; entry {int(np.argmin(weights))} is.")
    if not weights.any():
        raise ValueError("sample_weight must not be zero throughout.")
    weights = weights / weights.max()
    return weights / weights.mean()
