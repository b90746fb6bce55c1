"""The problem: a convex loss of ``X x``, its data, and the operator that counts passes over X.

Least squares means ``l(x) = sum_i w_i (y_i - x_0 - <X_i, x>)^2 / (2 n)`` with weights of mean 1, so that the
penalty of every path is exactly scikit-learn's ``alpha``. An intercept is eliminated by centring and weights by
scaling the rows; what is left, the *working* problem, is a plain ``|y - X x|^2 / (2 n)``.

The working problem is also kept away from overflow: data beyond 2^±200 are multiplied by a power of two, which is
exact, and :class:`Units` takes coefficients, times and penalties back to the user's own.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import (
    EPS,
    Floats,
    numbered,
    read_matrix,
    read_nonnegative,
    read_switch,
    read_vector,
    read_weights,
    require_table,
)
from lassoflow.design import DenseDesign, Design, Passes, SparseDesign, Units
from lassoflow.streamed import MEMORY_LIMIT, Source, StreamedDesign, as_source, is_source, is_streamed

_SAFE_EXPONENT = 200
_LARGEST_EXPONENT = 960
_SMALLEST_SHARE = 1e-140


class Problem:
    """The data of a problem: the design, weights and an intercept, in units in which nothing overflows.

    Attributes
    ----------
    design : Design
        The working matrix.
    target : array of shape (n,)
        The working residuals at x = 0.
    """

    design: Design
    target: Floats
    n_samples: int
    n_features: int
    feature_names: tuple[str, ...]
    sample_weight: Floats | None
    fit_intercept: bool
    units: Units
    feature_means: Floats

    def _read(
        self, X: Any, sample_weight: ArrayLike | None, fit_intercept: bool, memory_limit: int | None = None
    ) -> Any:
        """Everything but the target; X as a matrix, or as the source of one that is read in blocks."""
        matrix, self.feature_names, squares = _read_streamed(X, memory_limit) or read_matrix(X)
        self._exponent = _exponent_beyond(matrix, squares)
        self.n_samples, self.n_features = matrix.shape
        self.sample_weight = read_weights(sample_weight, self.n_samples)
        self.fit_intercept = read_switch(fit_intercept, "fit_intercept")
        return matrix

    def _prepare(self, matrix: Any, exponent: int, row_weights: Floats | None) -> None:
        """Units for a target of that exponent, and the working matrix, its rows times the roots of weights."""
        self.units = Units(self._exponent, exponent)
        _refuse_overflow(self.units)
        matrix = _scaled(matrix, -self.units.design)
        self.design = _design(matrix, row_weights, self.fit_intercept)
        _refuse_unequal_scales(self.design, self.feature_names)
        self.feature_means = np.ldexp(self.design.means, self.units.design)
        is_centred = self.fit_intercept and (row_weights is not None or self.sample_weight is None)
        self._uncentred = None if is_centred else matrix

    def __repr__(self) -> str:
        n, d = self.n_samples, self.n_features
        notes = [f"{n} sample{'s' * (n != 1)}, {d} feature{'s' * (d != 1)}"]
        notes += ["intercept"] * self.fit_intercept + ["weighted"] * (self.sample_weight is not None)
        return f"<{type(self).__name__}: {', '.join(notes)}>"

    @property
    def passes(self) -> Passes:
        """Passes over X so far; ``passes.bytes`` is what was read of it in all, single columns included."""
        return Passes(self.design.passes, self.design.bytes_read)

    @cached_property
    def lambda_max(self) -> float:
        """The smallest penalty whose solution is zero (penalty factors 1), ``max_j |gradient_j|`` at x = 0."""
        correlation = self.design.rmatvec(self.target / self.n_samples)
        return float(self.units.penalty(np.abs(correlation).max(initial=0.0)))

    @cached_property
    def deviations(self) -> Floats:
        """Weighted standard deviations of the columns (divisor n), shape (d,); 0 for constant columns."""
        centred = self.design if self._uncentred is None else _design(self._uncentred, self.sample_weight, centre=True)
        return np.ldexp(centred.norms / np.sqrt(self.n_samples), self.units.design)

    def fitted(self, coef: ArrayLike) -> Floats:
        """Working fitted values: the working matrix times coefficients in the user's units.

        Parameters
        ----------
        coef : array of shape (..., d)

        Returns
        -------
        array of shape (..., n)
            Of least squares ``sqrt(w) X x``, X centred if there is an intercept, in units of the working target: its
            Euclidean norm over sqrt(n) is ``|x|_M``.
        """
        working = self.units.working_coef(coef)
        if working.shape[-1:] != (self.n_features,):
            raise ValueError(f"coef must have shape (..., {self.n_features}); got {working.shape}.")
        rows = working.reshape(-1, self.n_features)
        active = np.flatnonzero(rows.any(axis=0))
        fitted: Floats = rows[:, active] @ self.design.columns(active).T
        return fitted.reshape(*working.shape[:-1], self.n_samples)


class LeastSquares(Problem):
    """Least squares ``|y - X x|^2 / (2 n)``, weighted and with an intercept where asked for.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame, numpy.memmap, dask array
        The design. Column names of a frame are kept as ``feature_names``. Mapped files and dask arrays stay where they
        are, in their own precision, and are read in blocks.
    y : array of shape (n,)
        The response.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1; integer weights equal repeated rows.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted (by centring, never by an extra column).
    memory_limit : int, optional
        Bytes that may be held of an X that is read in blocks (a mapped file, a dask array, a large array of numbers
        other than doubles) and of products with it, besides the columns of a working set; 256 MiB by default.

    Attributes
    ----------
    n_samples, n_features : int
    feature_names : tuple of str
        Column names of a frame, else ``x0, x1, ...``.
    feature_means : array of shape (d,)
        Weighted column means if an intercept is fitted, else zeros.
    target_mean : float
    passes : int
        Passes over X so far, the unit of cost; ``passes.bytes`` is what was read of it.

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

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        fit_intercept: bool = False,
        *,
        memory_limit: int | None = None,
    ) -> None:
        matrix = self._read(X, sample_weight, fit_intercept, memory_limit)
        target = read_vector(y, "y", self.n_samples)
        self._prepare(matrix, 0, self.sample_weight)
        self._set_target(target)

    def with_response(self, y: Any) -> LeastSquares:
        """The problem of another response: the design is shared, with its weights, its centring and its passes.

        Parameters
        ----------
        y : array of shape (n,)

        Examples
        --------
        >>> import lassoflow as lf
        >>> lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0]).with_response([4.0, 1.0]).lambda_max
        2.0
        """
        target = read_vector(y, "y", self.n_samples)
        other = copy(self)
        for cached in ("lambda_max", "largest_single_fit"):
            other.__dict__.pop(cached, None)
        other._set_target(target)
        return other

    def _set_target(self, target: Floats) -> None:
        self.units = Units(self.units.design, _exponent(target))
        _refuse_overflow(self.units)
        target = np.ldexp(target, -self.units.target)
        self.target, mean = _working_target(target, self.sample_weight, self.fit_intercept)
        self.target_mean = float(np.ldexp(mean, self.units.target))

    @cached_property
    def largest_single_fit(self) -> float:
        """The largest coefficient of a fit on one column alone, in absolute value; in working units."""
        correlation, squares = np.abs(self.design.rmatvec(self.target)), self.design.norms**2
        single = np.divide(correlation, squares, out=np.zeros_like(squares), where=squares > 0)
        return float(single.max(initial=0.0))

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


def _refuse_overflow(units: Units) -> None:
    """Penalties scale with X times y and coefficients with y over X; both must be floats with room to spare."""
    if max(abs(units.target + units.design), abs(units.target - units.design)) > _LARGEST_EXPONENT:
        x, y = (f"1e{round(0.30103 * exponent):+d}" for exponent in (units.design, units.target))
        raise ValueError(f"X (about {x}) and y (about {y}) give numbers beyond floating point; rescale one of them.")


def _refuse_unequal_scales(design: Design, names: tuple[str, ...]) -> None:
    """Columns whose squares underflow beside the largest one would silently count as zero."""
    for j in np.flatnonzero(design.norms < _SMALLEST_SHARE * design.norms.max()):
        if design.column(int(j)).any():
            raise ValueError(
                f"X: column {names[j]!r} is less than 1e-140 times the largest column; rescale or drop it."
            )


def _read_streamed(X: Any, memory_limit: int | None) -> tuple[Source, tuple[str, ...], float] | None:
    """X as the source of a matrix that is read in blocks, if it is of that kind; else as :func:`read_matrix`."""
    limit = int(read_nonnegative(MEMORY_LIMIT if memory_limit is None else memory_limit, "memory_limit"))
    if not limit:
        raise ValueError(f"memory_limit must be a number of bytes > 0; got {memory_limit!r}.")
    if not is_streamed(X):
        return None
    require_table(X.shape)
    return as_source(X, limit), numbered(X.shape[1]), np.nan


def _exponent(values: Floats) -> int:
    """The e with ``2^(e-1) <= max|values| < 2^e``; 0 for zeros."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])


def _exponent_beyond(matrix: Any, squares: float) -> int:
    """The exponent of the matrix's largest entry if that is extreme enough to need scaling, else 0."""
    if is_source(matrix):
        return 0
    values = matrix.data if sp.issparse(matrix) else matrix
    if 4.0**-_SAFE_EXPONENT * values.size < squares < 4.0**_SAFE_EXPONENT:
        return 0
    exponent = int(np.frexp(max(values.max(initial=0.0), -values.min(initial=0.0)))[1])
    return exponent if abs(exponent) > _SAFE_EXPONENT else 0


def _scaled(matrix: Any, exponent: int) -> Any:
    if exponent == 0:
        return matrix
    if sp.issparse(matrix):
        return sp.csc_array((np.ldexp(matrix.data, exponent), matrix.indices, matrix.indptr), matrix.shape)
    return np.ldexp(matrix, exponent)


def _design(matrix: Any, weights: Floats | None, centre: bool) -> Design:
    if is_source(matrix):
        return StreamedDesign(matrix, weights, centre)
    return SparseDesign(matrix, weights, centre) if sp.issparse(matrix) else DenseDesign(matrix, weights, centre)


def _working_target(target: Floats, weights: Floats | None, centre: bool) -> tuple[Floats, float]:
    """``sqrt(w) (y - mean)``, exactly zero where only rounding dust would be left, and the mean."""
    mean = 0.0
    if centre:
        mean = float(np.average(target, weights=weights))
        mean += float(np.average(target - mean, weights=weights))
        target = target - mean
        if np.abs(target).max() <= 16 * EPS * abs(mean):
            target = np.zeros_like(target)
    return (target if weights is None else target * np.sqrt(weights)), mean
