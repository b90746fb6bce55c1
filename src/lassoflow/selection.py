"""Cross-validation on exact paths: the error over all penalties and blends, and the choice that makes it least.

There is no grid. Between knots the cross-validated error is known in closed form (docs, section 15), so the choice is
the minimiser itself, and so is the one of the one-standard-error rule.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from lassoflow.arrays import read_matrix, read_nonnegative, read_vector, read_weights
from lassoflow.choice import CVSelection, Rule, read_rule
from lassoflow.exact_cv import ExactLaw, Recipe, fold_errors


def select_by_cv(
    X: Any,
    y: Any,
    law: ExactLaw = "flow",
    *,
    blend: float | None = None,
    rule: Rule = "min",
    cv: Any = None,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = True,
    positive: bool = False,
    penalty_factor: ArrayLike | str | None = None,
    lambda_min: float | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> CVSelection:
    """Choose the penalty, and how much to shrink, by cross-validation on exact paths.

    The error is minimised exactly over all penalties from ``lambda_min`` on and all blends. For the lasso at blend 1
    this is what a grid of penalties tends to; with the blend left free it is the relaxed lasso (Meinshausen 2007, in
    the form of Hastie, Tibshirani & Tibshirani 2020) or, along the flow, its counterpart. That the error between knots
    depends on ``blend * lambda`` alone is derived, see docs, section 15.

    Parameters
    ----------
    X : array of shape (n, d), sparse array or frame
    y : array of shape (n,)
    law : "flow" or "lasso"
        The path: :func:`~lassoflow.limit_flow` or :func:`~lassoflow.lasso_path`.
    blend : float in [0, 1], optional
        Share of the average: 1 is the lasso, or the flow's average, 0 the refit, or the flow. Chosen with the penalty
        if None.
    rule : "min", "1se" or "paired"
        The least error; the most regularised choice within a standard error of it; or the least error at the largest
        blend that loses on it at most half the standard error of the loss, fold by fold. Minima over more choices are
        noisier: "paired" costs little at high signal, and at low signal helps much (docs, section 15). Of a single
        fold, which has no standard error, it takes the least error, and "1se" is refused.
    cv : int, splitter or iterable of (train, test), optional
        As scikit-learn takes it; 5 folds if None.
    groups : array of shape (n,), optional
        For splitters that ask for them.
    sample_weight : array of shape (n,), optional
        Of the fits and of the held-out errors.
    fit_intercept, positive, penalty_factor
        As in :class:`~lassoflow.LeastSquares` and :func:`~lassoflow.lasso_path`; "std" is taken of every fold anew.
    lambda_min : float, optional
        The smallest penalty of the search; 1/1000 of the largest if None.
    n_jobs : int, optional
        Processes, as joblib counts them.
    verbose : int
        1 prints a line a fold.

    Returns
    -------
    CVSelection

    Raises
    ------
    ValueError
        If an argument makes no sense; the sentence names it.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 100))
    >>> y = X[:, 0] - 2 * X[:, 1] + 0.5 * rng.standard_normal(50)
    >>> chosen = lf.select_by_cv(X, y)
    >>> problem = lf.LeastSquares(X, y, fit_intercept=True)
    >>> path = lf.limit_flow(problem, lambda_min=chosen.lam).relaxed(chosen.blend)
    >>> np.flatnonzero(path.support(chosen.s))
    array([0, 1])
    """
    from sklearn.model_selection import check_cv

    matrix, *_ = read_matrix(X)
    target = read_vector(y, "y", matrix.shape[0])
    weights = read_weights(sample_weight, matrix.shape[0])
    recipe = Recipe(law, fit_intercept, positive, penalty_factor)
    blends = read_blends(blend)
    read_rule(rule)
    problem = recipe.problem(matrix, target, weights)
    floor = recipe.floor(problem, lambda_min)
    folds = list(check_cv(cv).split(matrix, target, groups))
    (pieces,) = fold_errors(recipe, matrix, target[:, None], weights, folds, [floor], n_jobs, verbose)
    return CVSelection.of(pieces, law, rule, floor, recipe.lambda_max(problem), blends)


def read_blends(blend: Any) -> tuple[float, float]:
    """The interval of blends to search: [0, 1] for None, else the one that is given.

    Raises
    ------
    ValueError
        If it is not in [0, 1].
    """
    if blend is None:
        return 0.0, 1.0
    share = read_nonnegative(blend, "blend")
    if share > 1.0:
        raise ValueError(f"blend must lie in [0, 1]; got {blend!r}.")
    return share, share
