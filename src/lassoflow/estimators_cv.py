"""Regressors that choose their penalty, and how much to shrink, by exact cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)

from lassoflow.arrays import Floats, Ints
from lassoflow.choice import CVSelection, Rule, read_rule
from lassoflow.exact_cv import fold_errors
from lassoflow.regressor import BEYOND, PathRegressor
from lassoflow.selection import read_blends


class CVRegressor(PathRegressor):
    """What both cross-validated regressors share."""

    blend: float | None
    rule: Rule
    cv: Any
    lambda_min: float | None
    n_jobs: int | None

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, **params: Any) -> CVRegressor:
        """Choose by cross-validation, and walk the path of all rows down to the least error and the choice.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,) or (n, q)
            Every response has a choice of its own.
        sample_weight : array of shape (n,), optional
            Of the fits and of the held-out errors.
        **params : dict
            Passed on to the splitter where scikit-learn's metadata routing is enabled.

        Returns
        -------
        self
            Itself.
        """
        _raise_for_params(params, self, "fit")
        blends, recipe = read_blends(self.blend), self._recipe
        read_rule(self.rule)
        X, Y, weights = self._read(X, y, sample_weight)
        problems = self._problems(X, Y, weights)
        floors = [recipe.floor(problem, self.lambda_min) for problem in problems]
        folds = self._folds(X, Y, sample_weight, params)
        errors = fold_errors(recipe, X, Y, weights, folds, floors, self.n_jobs, self.verbose)
        chosen = [
            CVSelection.of(pieces, recipe.law, self.rule, floor, recipe.lambda_max(problem), blends)
            for pieces, floor, problem in zip(errors, floors, problems, strict=True)
        ]
        paths = [
            recipe.path(problem, BEYOND * min(one.best.lam, one.lam)).relaxed(one.blend)
            for problem, one in zip(problems, chosen, strict=True)
        ]
        self.selection_: Any = self._per_response(chosen)
        self.alpha_: Any = self._per_response(np.array([one.lam for one in chosen]))
        self.blend_: Any = self._per_response(np.array([one.blend for one in chosen]))
        self._keep(paths, [one.s for one in chosen])
        return self

    def _folds(self, X: Any, Y: Floats, sample_weight: Any, params: dict[str, Any]) -> list[tuple[Ints, Ints]]:
        routed = {}
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params).splitter.split
        return list(check_cv(self.cv).split(X, Y[:, 0] if self._single else Y, **routed))

    def get_metadata_routing(self) -> MetadataRouter:
        """What is routed where: ``fit`` takes weights, the splitter what it asks for.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="split")
        return MetadataRouter(owner=self).add_self_request(self).add(splitter=check_cv(self.cv), method_mapping=mapping)

    @property
    def alphas_(self) -> Any:
        """All penalties at which a fold has a knot, decreasing, shape (m,), or a list of q."""
        return self._of_each(lambda one: one.knots)

    @property
    def mse_path_(self) -> Any:
        """The error of every fold there, at the chosen blend: shape (m, n_folds), or a list of q."""
        return self._of_each(lambda one: one.errors(one.knots, one.blend).T)

    def _of_each(self, value: Any) -> Any:
        chosen = self.selection_
        return [value(one) for one in chosen] if isinstance(chosen, list) else value(chosen)


class FlowRegressorCV(CVRegressor):
    """Sparse regression along the limit flow; the penalty and the blend are chosen by exact cross-validation.

    At high signal the flow, which does not shrink, has the least error, at low signal its average; the choice of the
    blend, which is joint with that of the penalty, tells. There is no grid, see :func:`~lassoflow.select_by_cv`.

    Parameters
    ----------
    blend : float in [0, 1], optional
        Share of the average; chosen if None.
    rule : "min", "1se" or "paired", default "paired"
        The least error; the most regularised choice within a standard error of it; or the least error at the largest
        blend that loses on it at most half the standard error of the loss, fold by fold: at low signal the average,
        but for a significant gain. Of a single fold "paired" is "min".
    cv : int, splitter or iterable of (train, test), optional
        As scikit-learn takes it; 5 folds if None.
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`; "std" is taken of every fold anew.
    lambda_min : float, optional
        The smallest penalty of the search; 1/1000 of the largest if None.
    n_jobs : int, optional
        Processes, as joblib counts them.
    verbose : int, default 0
        1 prints a line a fold and path.

    Attributes
    ----------
    alpha_, blend_ : float, or arrays of shape (q,)
        The choice.
    selection_ : CVSelection, or list of q
        The choice with its error, the other rule's, and the exact curve.
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The path of all rows, down to the least error and the choice.
    alphas_, mse_path_ : arrays of shape (m,) and (m, n_folds), or lists of q
        The knots of all folds, and the error of each fold there.
    n_iter_ : int, or list of q
        Knots of the path.
    n_features_in_ : int
    feature_names_in_ : array of shape (d,)
        Where X has column names.

    Raises
    ------
    ValueError
        By ``fit``, if an argument makes no sense; the sentence names it.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> y = X[:, 0] - 2 * X[:, 1] + 0.5 * rng.standard_normal(50)
    >>> model = lf.FlowRegressorCV().fit(X, y)
    >>> np.flatnonzero(model.coef_), model.selection_
    (array([0, 1]), <CVSelection: lambda 0.6431, blend 0.0728, error 0.2573, rule paired>)
    """

    _law = "flow"

    def __init__(
        self,
        *,
        blend: float | None = None,
        rule: Rule = "paired",
        cv: Any = None,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.blend = blend
        self.rule = rule
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.n_jobs = n_jobs
        self.verbose = verbose


class ExactLassoCV(CVRegressor):
    """The lasso at the penalty of the least cross-validated error, exactly: what finer and finer grids tend to.

    Parameters
    ----------
    blend : float in [0, 1] or None, default 1.0
        Share of the lasso; the rest is the refit on its support. None chooses it with the penalty: the relaxed lasso
        (Meinshausen 2007; Hastie, Tibshirani & Tibshirani 2020).
    rule : "min", "1se" or "paired", default "min"
        The least error; the most regularised choice within a standard error of it; or the least error at the largest
        blend that loses on it at most half the standard error of the loss, fold by fold.
    cv : int, splitter or iterable of (train, test), optional
        As scikit-learn takes it; 5 folds if None.
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`; "std" is taken of every fold anew.
    lambda_min : float, optional
        The smallest penalty of the search; 1/1000 of the largest if None.
    n_jobs : int, optional
        Processes, as joblib counts them.
    verbose : int, default 0
        1 prints a line a fold and path.

    Attributes
    ----------
    alpha_, blend_ : float, or arrays of shape (q,)
        The choice.
    selection_ : CVSelection, or list of q
        The choice with its error, the other rule's, and the exact curve.
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The path of all rows, down to the least error and the choice.
    alphas_, mse_path_ : arrays of shape (m,) and (m, n_folds), or lists of q
        The knots of all folds, and the error of each fold there.
    n_iter_ : int, or list of q
        Knots of the path.
    n_features_in_ : int
    feature_names_in_ : array of shape (d,)
        Where X has column names.

    Raises
    ------
    ValueError
        By ``fit``, if an argument makes no sense; the sentence names it.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> y = X[:, 0] - 2 * X[:, 1] + 0.5 * rng.standard_normal(50)
    >>> lf.ExactLassoCV().fit(X, y).selection_
    <CVSelection: lambda 0.06791, blend 1, error 0.3548, rule min>
    >>> lf.ExactLassoCV(blend=None).fit(X, y).selection_
    <CVSelection: lambda 0.745, blend 0, error 0.25, rule min>
    """

    _law = "lasso"

    def __init__(
        self,
        *,
        blend: float | None = 1.0,
        rule: Rule = "min",
        cv: Any = None,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.blend = blend
        self.rule = rule
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.n_jobs = n_jobs
        self.verbose = verbose
