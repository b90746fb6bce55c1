"""Regressors that choose their penalty by an information criterion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from lassoflow.criteria import Criterion, select_by_criterion
from lassoflow.regressor import PathRegressor
from lassoflow.selection import read_blends


class ICRegressor(PathRegressor):
    """What both regressors by criterion share."""

    criterion: Criterion
    ebic_gamma: float
    noise_variance: float | None
    n_bootstrap: int
    lambda_min: float | None
    random_state: Any

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> ICRegressor:
        """Walk the path and choose along it.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,) or (n, q)
            Every response has a choice of its own.
        sample_weight : array of shape (n,), optional
            Repetitions of the rows: criteria count their sum as observations. (The bootstrap draws a number a row, so
            that rows which are in fact repeated lead to other draws.)

        Returns
        -------
        self
            Itself.
        """
        recipe, blend = self._recipe, self._view()
        X, Y, weights = self._read(X, y, sample_weight)
        problems = self._problems(X, Y, weights)
        paths = [recipe.path(one, recipe.floor(one, self.lambda_min)).relaxed(blend) for one in problems]
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        chosen = [
            select_by_criterion(
                path,
                self.criterion,
                ebic_gamma=self.ebic_gamma,
                noise_variance=self.noise_variance,
                n_samples=None if weights is None else float(weights.sum()),
                n_bootstrap=self.n_bootstrap,
                random_state=rng,
            )
            for path in paths
        ]
        self.selection_: Any = self._per_response(chosen)
        self.alpha_: Any = self._per_response(np.array([one.lam for one in chosen]))
        self._keep(paths, [one.s for one in chosen])
        return self

    def _view(self) -> float:
        """The blend of the path along which is chosen."""
        return 0.0


class FlowRegressorIC(ICRegressor):
    """Sparse regression along the limit flow; the penalty is chosen by an information criterion.

    Parameters
    ----------
    criterion : "ebic", "bic", "aic", "aicc", "cp" or "gcv", default "ebic"
        See :func:`~lassoflow.select_by_criterion`. BIC and EBIC count coefficients; the others need degrees of freedom,
        which walk ``n_bootstrap`` paths more.
    ebic_gamma : float, default 1.0
        gamma of the extended BIC (Chen & Chen 2008).
    noise_variance : float, optional
        By :func:`~lassoflow.noise_variance` if None.
    n_bootstrap : int, default 50
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`.
    lambda_min : float, optional
        The smallest penalty of the search; 1/1000 of the largest if None.
    random_state : int, RandomState or None
        Of the bootstrap.
    verbose : int, default 0
        1 prints a line a path.

    Attributes
    ----------
    alpha_ : float or array of shape (q,)
    selection_ : ICSelection, or list of q
        The choice, with all values, degrees of freedom and the noise variance.
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The whole path down to ``lambda_min``, without the data.
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
    >>> np.flatnonzero(lf.FlowRegressorIC().fit(X, y).coef_)
    array([0, 1])
    """

    _law = "flow"

    def __init__(
        self,
        criterion: Criterion = "ebic",
        *,
        ebic_gamma: float = 1.0,
        noise_variance: float | None = None,
        n_bootstrap: int = 50,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.criterion = criterion
        self.ebic_gamma = ebic_gamma
        self.noise_variance = noise_variance
        self.n_bootstrap = n_bootstrap
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.random_state = random_state
        self.verbose = verbose


class ExactLassoIC(ICRegressor):
    """The lasso, or its refit, at the penalty that an information criterion chooses.

    Parameters
    ----------
    criterion : "ebic", "bic", "aic", "aicc", "cp" or "gcv", default "ebic"
        See :func:`~lassoflow.select_by_criterion`.
    blend : 1 or 0, default 1.0
        1 chooses among lasso solutions, 0 among their least-squares refits.
    ebic_gamma : float, default 1.0
        gamma of the extended BIC (Chen & Chen 2008).
    noise_variance : float, optional
        By :func:`~lassoflow.noise_variance` if None.
    n_bootstrap : int, default 50
        Paths walked for the degrees of freedom of refits.
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`.
    lambda_min : float, optional
        The smallest penalty of the search; 1/1000 of the largest if None.
    random_state : int, RandomState or None
        Of the bootstrap.
    verbose : int, default 0
        1 prints a line a path.

    Attributes
    ----------
    alpha_ : float or array of shape (q,)
    selection_ : ICSelection, or list of q
        The choice, with all values, degrees of freedom and the noise variance.
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The whole path down to ``lambda_min``, without the data.
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
    >>> np.flatnonzero(lf.ExactLassoIC(blend=0).fit(X, y).coef_)
    array([0, 1])
    """

    _law = "lasso"

    def __init__(
        self,
        criterion: Criterion = "ebic",
        *,
        blend: float = 1.0,
        ebic_gamma: float = 1.0,
        noise_variance: float | None = None,
        n_bootstrap: int = 50,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.criterion = criterion
        self.blend = blend
        self.ebic_gamma = ebic_gamma
        self.noise_variance = noise_variance
        self.n_bootstrap = n_bootstrap
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.random_state = random_state
        self.verbose = verbose

    def _view(self) -> float:
        low, high = read_blends(self.blend)
        if low != high or low not in (0.0, 1.0):
            raise ValueError(f"blend must be 1, the lasso, or 0, its refit, for a criterion; got {self.blend!r}.")
        return low
