"""Classifiers, as scikit-learn knows them: the exact limit flow of the logistic loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from lassoflow.arrays import Floats, read_nonnegative
from lassoflow.convex import Logistic
from lassoflow.path import Path
from lassoflow.regressor import BEYOND, place_on, read_sample_weight, without_data
from lassoflow.selection import read_blends
from lassoflow.walk import limit_flow


class PathClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear classifier whose coefficients are read off paths: one of two classes, one a class of more."""

    fit_intercept: bool
    positive: bool
    penalty_factor: Any
    weight_decay: float
    verbose: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def decision_function(self, X: Any) -> Floats:
        """Linear predictors: the log odds of the second class, or of each of more classes against the others.

        Parameters
        ----------
        X : array or sparse array of shape (m, d)

        Returns
        -------
        array of shape (m,), or (m, q) for q > 2 classes
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        scores = np.asarray(X @ self.coef_.T + self.intercept_)
        return scores[:, 0] if self.classes_.size == 2 else scores

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the classes; of more than two those of each against the others, divided by their sum.

        Parameters
        ----------
        X : array or sparse array of shape (m, d)

        Returns
        -------
        array of shape (m, q)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        logs = np.log(expit(scores) + 1e-300)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:
        """The most probable class of each row.

        Parameters
        ----------
        X : array or sparse array of shape (m, d)

        Returns
        -------
        array of shape (m,)
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[chosen]

    def _read(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Floats | None]:
        """X, the labels and weights; the classes are noted."""
        X, y = validate_data(self, X, y, accept_sparse="csc", dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if self.classes_.size < 2:
            raise ValueError(f"y must have two classes or more; got {self.classes_.size} class.")
        X = sp.csc_array(X) if sp.issparse(X) else X
        return X, y, read_sample_weight(sample_weight, X.shape[0])

    def _targets(self) -> list[Any]:
        """The classes that a path tells from the others."""
        return list(self.classes_[1:] if self.classes_.size == 2 else self.classes_)

    def _problem(self, X: Any, is_class: Any, weights: Floats | None) -> Logistic:
        return Logistic(X, is_class, weights, fit_intercept=self.fit_intercept)

    def _path(self, problem: Logistic, lambda_min: float, max_knots: int | None = None) -> Path:
        factor, decay = self.penalty_factor, self.weight_decay
        return limit_flow(problem, factor, self.positive, decay, lambda_min * BEYOND, max_knots)

    def _keep(self, paths: list[Path], alphas: list[float]) -> None:
        """Note paths, without their data, and the coefficients at the penalties, or where a path ends before."""
        names = getattr(self, "feature_names_in_", None)
        paths = [without_data(path, names) for path in paths]
        times = [1.0 / alpha if alpha else np.inf for alpha in alphas]
        places = [place_on(path, s) for path, s in zip(paths, times, strict=True)]
        self.coef_, self.intercept_ = np.stack([coef for coef, _ in places]), np.array([at for _, at in places])
        self.path_: Any = paths[0] if len(paths) == 1 else paths
        self.n_iter_ = np.array([path.knots.size for path in paths])
        if self.verbose:
            for path in paths:
                print(path)


class FlowClassifier(PathClassifier):
    """Sparse logistic regression without shrinkage: the limit flow of the logistic loss, stopped at ``s = 1 / alpha``.

    More than two classes are told one from all others (one-versus-rest): a flow a class.

    Parameters
    ----------
    alpha : float, default 0.01
        The penalty lambda = 1/s, in units of the gradient per sample, which for columns of deviation 1 is below 1/2.
    blend : float in [0, 1], default 0.0
        Share of the average, which shrinks: ``blend * average + (1 - blend) * flow``.
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.limit_flow`.
    weight_decay : float, default 0.0
        A constant penalty on top, which goes on where classes are separated.
    verbose : int, default 0
        1 prints a line a path.

    Attributes
    ----------
    classes_ : array of shape (q,)
    coef_ : array of shape (1, d), or (q, d) for more than two classes
    intercept_ : array of shape (1,) or (q,)
    path_ : Path, or list of q
        The whole path down to alpha, or until the classes are separated; without the data.
    n_iter_ : array of shape (1,) or (q,)
        Knots of the path.
    n_features_in_ : int
    feature_names_in_ : array of shape (d,)
        Where X has column names.

    Raises
    ------
    ValueError
        By ``fit``, if an argument makes no sense; the sentence names it.

    Warns
    -----
    RuntimeWarning
        If the classes are separated before alpha: the flow ends there, and so does the classifier.

    Notes
    -----
    Exact, by piecewise constancy; derived, see docs/theory, section 4.

    Examples
    --------
    >>> import lassoflow as lf
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [1.5, 1.0], [0.5, 0.0]]
    >>> y = ["no", "no", "yes", "yes", "no", "yes"]
    >>> model = lf.FlowClassifier(alpha=0.1).fit(X, y)
    >>> model.predict([[0.0, 0.0], [3.0, 0.0]])
    array(['no', 'yes'], dtype='<U3')
    >>> model.coef_.round(3)
    array([[1.285, 0.   ]])
    """

    def __init__(
        self,
        alpha: float = 0.01,
        blend: float = 0.0,
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        weight_decay: float = 0.0,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.blend = blend
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.weight_decay = weight_decay
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> FlowClassifier:
        """Walk the path down to alpha.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,)
        sample_weight : array of shape (n,), optional

        Returns
        -------
        self
            Itself.
        """
        alpha, blend = read_nonnegative(self.alpha, "alpha"), read_blends(self.blend)[0]
        X, y, weights = self._read(X, y, sample_weight)
        problems = [self._problem(X, y == label, weights) for label in self._targets()]
        paths = [self._path(problem, alpha).relaxed(blend) for problem in problems]
        self._keep(paths, [alpha] * len(paths))
        return self
