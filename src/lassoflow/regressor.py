"""What all regressors share: reading data as scikit-learn does, and coefficients off a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from lassoflow.arrays import Floats, read_weights
from lassoflow.exact_cv import ExactLaw, Recipe
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

BEYOND = 1.0 - 1e-9
"""How far walks go on below the penalty that is asked for, lest they end just before a jump there."""


class PathRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A linear regressor whose coefficients are read off a path; several responses have independent paths."""

    _law: ClassVar[ExactLaw]
    fit_intercept: bool
    positive: bool
    penalty_factor: Any
    verbose: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def predict(self, X: Any) -> Floats:
        """Predictions.

        Parameters
        ----------
        X : array or sparse array of shape (m, d)

        Returns
        -------
        array of shape (m,), or (m, q) for q responses
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    @property
    def _recipe(self) -> Recipe:
        return Recipe(self._law, self.fit_intercept, self.positive, self.penalty_factor)

    def _read(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Floats, Floats | None]:
        """X, the responses as columns and weights; what is learnt of X's shape and names is noted."""
        X, y = validate_data(self, X, y, accept_sparse="csc", dtype=np.float64, multi_output=True, y_numeric=True)
        self._single = y.ndim == 1
        X = sp.csc_array(X) if sp.issparse(X) else X
        return X, np.asarray(y, dtype=np.float64).reshape(y.shape[0], -1), read_sample_weight(sample_weight, X.shape[0])

    def _problems(self, X: Any, Y: Floats, weights: Floats | None) -> list[LeastSquares]:
        """One problem a response, which share the design."""
        first = self._recipe.problem(X, Y[:, 0], weights)
        return [first, *(first.with_response(column) for column in Y.T[1:])]

    def _keep(self, paths: Sequence[Path], times: Sequence[float]) -> None:
        """Note paths, without their data, and the coefficients at the times."""
        names = getattr(self, "feature_names_in_", None)
        paths = [without_data(path, names) for path in paths]
        places = [place_on(path, s) for path, s in zip(paths, times, strict=True)]
        coef, intercept = np.stack([coef for coef, _ in places]), np.array([intercept for _, intercept in places])
        self.coef_: Floats = self._per_response(coef)
        self.intercept_: Any = self._per_response(intercept)
        self.path_: Any = self._per_response(paths)
        self.n_iter_: Any = self._per_response([path.mesh.size for path in paths])
        if self.verbose:
            for path in paths:
                print(path)

    def _per_response(self, values: Any) -> Any:
        """The only entry for y of shape (n,), all of them for (n, q)."""
        return values[0] if self._single else values


def read_sample_weight(sample_weight: Any, n: int) -> Floats | None:
    """Weights as they were given, of shape (n,); a single number is the weight of every row."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    weights = np.full(n, weights) if weights.ndim == 0 else weights
    read_weights(weights, n)
    return weights.astype(np.float64)


def place_on(path: Path, s: float) -> tuple[Floats, float]:
    """Coefficients and intercept at a time, or where a path ends before."""
    if s < path.domain[1]:
        return path(s), float(path.intercept(s))
    return path.end, float(path.intercept(path.domain[1], "left"))


def without_data(path: Path, names: NDArray[Any] | None) -> Path:
    """A path that can be kept with a model: its columns named as in the model's X."""
    frame = path.frame if names is None else path.frame._replace(feature_names=tuple(str(name) for name in names))
    return replace(path, problem=None, frame=frame)
