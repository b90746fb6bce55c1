"""The problem: a convex loss of ``X x``, its data, and the operator that counts passes over X.

Least squares means ``l(x) = sum_i w_i (y_i - x_0 - <X_i, x>)^2 / (2 n)`` with weights of mean 1, so that the
penalty of every path is exactly scikit-learn's ``alpha``. An intercept is eliminated by centring and weights by
scaling the rows; what is left, the *working* problem, is a plain ``|y - X x|^2 / (2 n)``.

The working problem is also kept away from overflow: data beyond 2^±200 are multiplied by a power of two, which is
exact, and :class:`Units` takes coefficients, times and penalties back to the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

EPS = float(np.finfo(np.float64).eps)
DUST = 1e-12
"""Relative size below which a certificate counts a number as rounding."""

_SAFE_EXPONENT = 200


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


class Design(Protocol):
    """The working matrix X, of shape (n, d): everything the walk asks of it."""

    shape: tuple[int, int]
    norms: Floats
    """Euclidean norms of the columns, shape (d,); exactly 0 for columns that centring leaves empty."""
    passes: int
    """How many times the whole of X has been read in a product."""

    def column(self, j: int) -> Floats:
        """Column j, shape (n,)."""
        ...

    def columns(self, index: ArrayLike) -> Floats:
        """The columns ``index`` as a dense array of shape (n, len(index))."""
        ...

    def rmatvec(self, vector: Floats) -> Floats:
        """``X' vector``, of shape (d,) or (d, k): one pass."""
        ...


class DenseDesign:
    """A working matrix in memory, centred and weighted explicitly where that is asked for."""

    def __init__(self, X: Floats, means: Floats | None, root_weights: Floats | None) -> None:
        raw = _column_norms(X) if means is not None else None
        if means is not None:
            X = np.subtract(X, means, order="F")
        if root_weights is not None:
            X = np.multiply(X, root_weights[:, None], order="F")
        self.norms = _column_norms(X)
        if raw is not None:
            self.norms = _without_dust(self.norms, raw)
            X[:, self.norms == 0] = 0.0
        self._X = X
        self.shape = X.shape
        self.passes = 0

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        return self._X[:, j]

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        return self._X[:, np.asarray(index, dtype=np.intp)]

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        self.passes += 1
        product: Floats = self._X.T @ vector
        return product


class SparseDesign:
    """A sparse working matrix, centred and weighted implicitly: X itself is never made dense."""

    def __init__(self, X: sp.csc_array, means: Floats | None, root_weights: Floats | None) -> None:
        n, d = X.shape
        self._X = X
        self._means = np.zeros(d) if means is None else means
        self._weights = np.ones(n) if root_weights is None else root_weights
        self.shape = (n, d)
        self.passes = 0
        self.norms = self._norms()

    def _norms(self) -> Floats:
        """Column norms about the means without the cancellation of E x^2 - (E x)^2."""
        d = self.shape[1]
        column = np.repeat(np.arange(d), np.diff(self._X.indptr))
        weight = self._weights[self._X.indices] ** 2
        stored = np.bincount(column, weight * (self._X.data - self._means[column]) ** 2, d)
        unstored = np.sum(self._weights**2) - np.bincount(column, weight, d)
        unstored[np.bincount(column, weight > 0, d) == np.count_nonzero(self._weights)] = 0.0
        raw = np.sqrt(np.bincount(column, weight * self._X.data**2, d))
        return _without_dust(np.sqrt(stored + np.maximum(unstored, 0.0) * self._means**2), raw)

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        if self.norms[j] == 0:
            return np.zeros(self.shape[0])
        column = np.full(self.shape[0], -self._means[j])
        stored = slice(self._X.indptr[j], self._X.indptr[j + 1])
        column[self._X.indices[stored]] += self._X.data[stored]
        column *= self._weights
        return column

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        index = np.asarray(index, dtype=np.intp)
        block = self._X[:, index].toarray() - self._means[index]
        block *= self._weights[:, None]
        block[:, self.norms[index] == 0] = 0.0
        return np.asfortranarray(block)

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        self.passes += 1
        weighted = (vector.T * self._weights).T
        product: Floats = self._X.T @ weighted
        product -= np.multiply.outer(self._means, weighted.sum(axis=0))
        product[self.norms == 0] = 0.0
        return product


def _column_norms(X: Floats) -> Floats:
    return np.sqrt(np.einsum("ij,ij->j", X, X))


def _without_dust(norms: Floats, raw: Floats) -> Floats:
    """Norms with the rounding dust that centring leaves of a constant column set to exactly zero."""
    return np.where(norms <= 16 * EPS * raw, 0.0, norms)


class LeastSquares:
    """Least squares ``|y - X x|^2 / (2 n)``, weighted and with an intercept where asked for.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame
        The design. Column names of a frame are kept as ``feature_names``.
    y : array of shape (n,)
        The response.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1; integer weights equal repeated rows.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted (by centring, never by an extra column).

    Attributes
    ----------
    n_samples, n_features : int
    feature_names : tuple of str
        Column names of a frame, else ``x0, x1, ...``.
    feature_means : array of shape (d,)
        Weighted column means if an intercept is fitted, else zeros.
    target_mean : float
    passes : int
        Passes over X so far, the unit of cost.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity, negative weights, or columns that are not numbers; the sentence names
        the argument and the column.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0])
    >>> problem.lambda_max
    1.0
    >>> problem
    <LeastSquares: 2 samples, 2 features>
    """

    def __init__(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, fit_intercept: bool = False) -> None:
        matrix, self.feature_names = read_matrix(X)
        self.n_samples, self.n_features = matrix.shape
        target = _read_vector(y, "y", self.n_samples)
        self.sample_weight = _read_weights(sample_weight, self.n_samples)
        self.fit_intercept = bool(fit_intercept)

        self.units = Units(_exponent_beyond(matrix), _exponent(target))
        matrix = _scaled(matrix, -self.units.design)
        target = np.ldexp(target, -self.units.target)
        weight = self.sample_weight
        root = None if weight is None else np.sqrt(weight)
        means = _means(matrix, weight) if self.fit_intercept else None
        mean = float(np.average(target, weights=weight)) if self.fit_intercept else 0.0

        self.design: Design = (
            SparseDesign(matrix, means, root) if sp.issparse(matrix) else DenseDesign(matrix, means, root)
        )
        self.target = _centred_target(target, mean, root)
        self.feature_means = np.ldexp(np.zeros(self.n_features) if means is None else means, self.units.design)
        self.target_mean = float(np.ldexp(mean, self.units.target))
        self._uncentred = None if self.fit_intercept else matrix

    def __repr__(self) -> str:
        notes = [f"{self.n_samples} samples, {self.n_features} features"]
        notes += ["intercept"] * self.fit_intercept + ["weighted"] * (self.sample_weight is not None)
        return f"<LeastSquares: {', '.join(notes)}>"

    @property
    def passes(self) -> int:
        """Passes over X so far."""
        return self.design.passes

    @cached_property
    def lambda_max(self) -> float:
        """The smallest penalty whose lasso solution is zero (penalty factors 1), ``max_j |X_j'y| / n``."""
        correlation = self.design.rmatvec(self.target / self.n_samples)
        return float(self.units.penalty(np.abs(correlation).max(initial=0.0)))

    @cached_property
    def deviations(self) -> Floats:
        """Weighted standard deviations of the columns (divisor n), shape (d,); 0 for constant columns."""
        if self._uncentred is None:
            centred = self.design.norms
        else:
            means = _means(self._uncentred, self.sample_weight)
            root = None if self.sample_weight is None else np.sqrt(self.sample_weight)
            kind = SparseDesign if sp.issparse(self._uncentred) else DenseDesign
            centred = kind(self._uncentred, means, root).norms
        return np.ldexp(centred / np.sqrt(self.n_samples), self.units.design)

    def residual(self, coef: ArrayLike) -> Floats:
        """Working residuals ``sqrt(w) (y - x_0 - X x)``, in working units.

        Parameters
        ----------
        coef : array of shape (..., d)
            In the user's units; the intercept is the best one.

        Returns
        -------
        array of shape (..., n)
        """
        fitted = self.fitted(coef)
        return np.subtract(self.target, fitted, out=fitted)

    def fitted(self, coef: ArrayLike) -> Floats:
        """Working fitted values ``sqrt(w) X x`` (X centred if there is an intercept), in working units.

        Parameters
        ----------
        coef : array of shape (..., d)

        Returns
        -------
        array of shape (..., n)
            Its Euclidean norm over sqrt(n) is ``|x|_M``, in units of the working target.
        """
        working = self.units.working_coef(coef)
        rows = working.reshape(-1, self.n_features)
        active = np.flatnonzero(rows.any(axis=0))
        fitted: Floats = rows[:, active] @ self.design.columns(active).T
        return fitted.reshape(*working.shape[:-1], self.n_samples)

    def loss(self, coef: ArrayLike) -> Any:
        """The loss ``l(x)`` at coefficients of shape (..., d), with the best intercept if one is fitted: shape (...).

        Examples
        --------
        >>> import lassoflow as lf
        >>> float(lf.LeastSquares([[1.0], [1.0]], [1.0, 3.0]).loss([2.0]))
        0.5
        """
        residual = self.residual(coef)
        return np.ldexp(np.sum(residual**2, axis=-1) / (2 * self.n_samples), 2 * self.units.target)

    def gradient(self, coef: ArrayLike) -> Floats:
        """The gradient of the loss, ``-X'(y - X x) / n``, at coefficients of shape (..., d): the same shape. One pass.

        Examples
        --------
        >>> import lassoflow as lf
        >>> lf.LeastSquares([[1.0], [1.0]], [1.0, 3.0]).gradient([0.0])
        array([-2.])
        """
        residual = self.residual(coef) / -self.n_samples
        slopes = self.design.rmatvec(residual.reshape(-1, self.n_samples).T).T
        return np.asarray(self.units.penalty(slopes), dtype=np.float64).reshape(*residual.shape[:-1], self.n_features)

    def intercept(self, coef: ArrayLike) -> Any:
        """The intercept that goes with coefficients of shape (..., d): shape (...)."""
        return self.target_mean - np.asarray(coef, dtype=np.float64) @ self.feature_means


def read_matrix(X: Any) -> tuple[Any, tuple[str, ...]]:
    """X as a float64 array or CSC array, and its column names."""
    names: Sequence[str] | None = None
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        names = [str(name) for name in X.columns]
        matrix: Any = _read_frame(X, names)
    elif sp.issparse(X):
        matrix = sp.csc_array(X, dtype=np.float64)
        matrix.sum_duplicates()
    else:
        matrix = _as_floats(X, "X")
    if matrix.ndim != 2:
        raise ValueError(f"X must have two dimensions, (samples, features); got shape {tuple(matrix.shape)}.")
    if 0 in matrix.shape:
        raise ValueError(f"X must have at least one row and one column; got shape {tuple(matrix.shape)}.")
    names = [f"x{j}" for j in range(matrix.shape[1])] if names is None else names
    _refuse_non_finite(matrix, names)
    return matrix, tuple(names)


def _read_frame(X: Any, names: Sequence[str]) -> Floats:
    """A pandas or polars frame as a float64 array; a column that is not numeric is named in the error."""
    matrix = np.empty((len(X), len(names)), order="F")
    for j, name in enumerate(names):
        column = X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]
        try:
            values = np.asarray(column.to_numpy())
            if values.dtype.kind not in "biufO":
                raise TypeError
            matrix[:, j] = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"X: column {name!r} is not numeric; encode it (one-hot) or drop it.") from None
    return matrix


def _as_floats(values: Any, argument: str) -> Floats:
    """An array of float64; what is not made of real numbers is refused with the argument's name."""
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
    values = matrix.data if sp.issparse(matrix) else matrix
    # A finite sum proves that all is finite at the cost of one read; only a bad sum is looked into.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    finite = np.isfinite(values)
    if finite.all():
        return
    if sp.issparse(matrix):
        bad = int(np.searchsorted(matrix.indptr, np.flatnonzero(~finite)[0], side="right")) - 1
    else:
        bad = int(np.flatnonzero(~finite.all(axis=0))[0])
    raise ValueError(f"X must be finite; column {names[bad]!r} has a NaN or an infinity.")


def _read_vector(values: Any, argument: str, length: int) -> Floats:
    array = _as_floats(values.to_numpy() if hasattr(values, "to_numpy") else values, argument)
    if array.shape == (length, 1):
        array = array[:, 0]
    if array.shape != (length,):
        raise ValueError(f"{argument} must have shape ({length},), one entry a row of X; got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{argument} must be finite; entry {int(np.argmin(np.isfinite(array)))} is not.")
    return array


def _read_weights(sample_weight: Any, n: int) -> Floats | None:
    """Weights of mean 1, or None."""
    if sample_weight is None:
        return None
    weights = _read_vector(sample_weight, "sample_weight", n)
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative; entry {int(np.argmin(weights))} is.")
    if not weights.any():
        raise ValueError("sample_weight must not be zero throughout.")
    weights = weights / weights.max()
    return weights / weights.mean()


def _exponent(values: Floats) -> int:
    """The e with ``2^(e-1) <= max|values| < 2^e``; 0 for zeros."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])


def _exponent_beyond(matrix: Any) -> int:
    """The exponent of the matrix's largest entry if that is extreme enough to need scaling, else 0."""
    values = matrix.data if sp.issparse(matrix) else matrix
    exponent = int(np.frexp(max(values.max(initial=0.0), -values.min(initial=0.0)))[1])
    return exponent if abs(exponent) > _SAFE_EXPONENT else 0


def _scaled(matrix: Any, exponent: int) -> Any:
    if exponent == 0:
        return matrix
    if sp.issparse(matrix):
        return sp.csc_array((np.ldexp(matrix.data, exponent), matrix.indices, matrix.indptr), matrix.shape)
    return np.ldexp(matrix, exponent)


def _means(matrix: Any, weight: Floats | None) -> Floats:
    n = matrix.shape[0]
    ones = np.ones(n) if weight is None else weight
    return np.asarray(matrix.T @ ones, dtype=np.float64) / n


def _centred_target(target: Floats, mean: float, root: Floats | None) -> Floats:
    """``sqrt(w) (y - mean)``, exactly zero where only rounding dust would be left."""
    centred = target - mean
    if mean and np.abs(centred).max() <= 16 * EPS * abs(mean):
        centred = np.zeros_like(target)
    return centred if root is None else centred * root
