"""Regressors at a given penalty, as scikit-learn knows them: the flow of diagonal networks, and the lasso."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, read_nonnegative
from lassoflow.convex import Huber, Poisson
from lassoflow.flow import gradient_flow
from lassoflow.network import PowerNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.regressor import BEYOND, PathRegressor
from lassoflow.selection import read_blends
from lassoflow.walk import limit_flow

FlowLoss = Literal["squares", "poisson", "huber"]


class FlowRegressor(PathRegressor):
    """Sparse linear regression without shrinkage: the flow of a diagonal linear network, stopped at ``s = 1 / alpha``.

    By default this is the limit flow, whose initialisation has vanished (see :func:`~lassoflow.limit_flow`); with
    ``depth`` and ``scale`` it is the gradient flow of ``u^depth - v^depth`` from that scale. ``blend`` mixes in its
    average over time, which shrinks like the lasso.

    Parameters
    ----------
    alpha : float, default 1.0
        The penalty lambda = 1/s, in units of ``X'y / n``; 0 goes on to the end of the path.
    blend : float in [0, 1], default 0.0
        Share of the average: ``blend * average + (1 - blend) * flow``.
    depth, scale : int and float, optional
        Of a finite network; both or none. ``scale`` is that of the coefficients at the start.
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`; "std" is the path of standardised columns, in original units.
    lambda_min : float, optional
        How far ``path_`` goes; to alpha if None.
    loss : "squares", "poisson" or "huber", default "squares"
        Of counts, whose logarithm of the mean is linear; or of responses with outliers. Not of a finite network.
    delta : float, default 1.0
        The size of residuals, in units of y, from which on Huber's loss is linear.
    verbose : int, default 0
        1 prints a line a path.

    Attributes
    ----------
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The whole path down to alpha, without the data.
    n_iter_ : int, or list of q
        Knots of the path; steps of a finite network.
    n_features_in_ : int
    feature_names_in_ : array of shape (d,)
        Where X has column names.

    Raises
    ------
    ValueError
        By ``fit``, if an argument makes no sense; the sentence names it.

    Examples
    --------
    >>> import lassoflow as lf
    >>> X, y = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [3.0, 1.0, -4.0]
    >>> lf.FlowRegressor(alpha=2.1).fit(X, y).coef_
    array([3.5, 0. ])
    >>> lf.FlowRegressor(alpha=2.1, blend=1.0).fit(X, y).coef_  # its average: the lasso
    array([0.35, 0.  ])
    >>> lf.FlowRegressor(alpha=2.1, depth=3, scale=1e-9).fit(X, y).coef_.round(3)
    array([3.5, 0. ])
    >>> lf.FlowRegressor(alpha=0.1, loss="poisson").fit([[0.0], [1.0], [2.0]], [1, 3, 8]).predict([[3.0]]).round(1)
    array([22.3])
    """

    _law = "flow"

    def __init__(
        self,
        alpha: float = 1.0,
        blend: float = 0.0,
        depth: int | None = None,
        scale: float | None = None,
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        loss: FlowLoss = "squares",
        delta: float = 1.0,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.blend = blend
        self.depth = depth
        self.scale = scale
        self.loss = loss
        self.delta = delta
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> FlowRegressor:
        """Walk the path down to alpha.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,) or (n, q)
        sample_weight : array of shape (n,), optional

        Returns
        -------
        self
            Itself.
        """
        network = _network(self.depth, self.scale, self.positive, self.penalty_factor)
        if self.loss not in get_args(FlowLoss):
            raise ValueError(f'loss must be "squares", "poisson" or "huber"; got {self.loss!r}.')
        if self.loss != "squares":
            return self._fit_loss(network, X, y, sample_weight)
        if network is None:
            return _fit_exact(self, X, y, sample_weight)
        alpha, end, blend = _read_place(self)
        until = 1.0 / end if end else None
        data = self._read(X, y, sample_weight)
        paths = [gradient_flow(problem, network, until).relaxed(blend) for problem in self._problems(*data)]
        self._keep(paths, [_time(alpha)] * len(paths))
        return self

    def _fit_loss(self, network: PowerNetwork | None, X: Any, y: Any, sample_weight: Any) -> FlowRegressor:
        """The limit flow of another loss than squares."""
        if network is not None:
            raise ValueError(f"depth and scale are for the squared loss; leave them out with loss={self.loss!r}.")
        alpha, end, blend = _read_place(self)
        X, Y, weights = self._read(X, y, sample_weight)
        options: dict[str, Any] = {"sample_weight": weights, "fit_intercept": self.fit_intercept}
        make = Poisson if self.loss == "poisson" else partial(Huber, delta=self.delta)
        problems = [make(X, column, **options) for column in Y.T]
        factor, positive = self.penalty_factor, self.positive
        flows = [limit_flow(problem, factor, positive, lambda_min=end * BEYOND) for problem in problems]
        self._keep([flow.relaxed(blend) for flow in flows], [_time(alpha)] * len(flows))
        return self

    def predict(self, X: Any) -> Floats:
        """Predictions: of counts their means, ``exp`` of the linear predictor.

        Parameters
        ----------
        X : array or sparse array of shape (m, d)

        Returns
        -------
        array of shape (m,), or (m, q) for q responses
        """
        linear = super().predict(X)
        return np.exp(linear) if self.loss == "poisson" else linear

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags


class ExactLasso(PathRegressor):
    """The lasso at a penalty, exactly: from the whole path down to it, to rounding and without a tolerance.

    Parameters
    ----------
    alpha : float, default 1.0
        The penalty, that of scikit-learn's ``Lasso``; 0 goes on to the end of the path, least squares or the
        interpolator of least l1 norm.
    blend : float in [0, 1], default 1.0
        Share of the lasso; the rest is the least-squares refit on its support (the relaxed lasso, Meinshausen 2007).
    fit_intercept : bool, default True
    positive : bool, default False
        Allow no negative coefficients.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        As in :func:`~lassoflow.lasso_path`; "std" is the lasso of standardised columns, in original units.
    lambda_min : float, optional
        How far ``path_`` goes; to alpha if None.
    verbose : int, default 0
        1 prints a line a path.

    Attributes
    ----------
    coef_ : array of shape (d,) or (q, d)
    intercept_ : float or array of shape (q,)
    path_ : Path, or list of q
        The whole path down to alpha, without the data.
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
    >>> import lassoflow as lf
    >>> X, y = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [3.0, 1.0, -4.0]
    >>> lasso = lf.ExactLasso(alpha=2.1).fit(X, y)
    >>> lasso.coef_, lasso.path_.knots.round(4)
    (array([0.35, 0.  ]), array([0.4286]))
    """

    _law = "lasso"

    def __init__(
        self,
        alpha: float = 1.0,
        blend: float = 1.0,
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        lambda_min: float | None = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.blend = blend
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.lambda_min = lambda_min
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> ExactLasso:
        """Walk the path down to alpha.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,) or (n, q)
        sample_weight : array of shape (n,), optional

        Returns
        -------
        self
            Itself.
        """
        return _fit_exact(self, X, y, sample_weight)


def _fit_exact(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    alpha, end, blend = _read_place(estimator)
    recipe = estimator._recipe

    def walk(problem: LeastSquares) -> Path:
        path: Path = recipe.path(problem, end * BEYOND)
        return path.relaxed(blend)

    paths = [walk(problem) for problem in estimator._problems(*estimator._read(X, y, sample_weight))]
    estimator._keep(paths, [_time(alpha)] * len(paths))
    return estimator


def _read_place(estimator: Any) -> tuple[float, float, float]:
    """alpha, where the path ends, and the blend."""
    alpha = read_nonnegative(estimator.alpha, "alpha")
    end = alpha if estimator.lambda_min is None else read_nonnegative(estimator.lambda_min, "lambda_min")
    if end > alpha:
        raise ValueError(f"lambda_min must be at most alpha = {alpha:.6g}; got {end!r}.")
    if estimator.blend is None:
        raise ValueError("blend must be a number in [0, 1]; got None.")
    return alpha, end, read_blends(estimator.blend)[0]


def _time(alpha: float) -> float:
    return 1.0 / alpha if alpha else np.inf


def _network(depth: Any, scale: Any, positive: bool, penalty_factor: Any) -> PowerNetwork | None:
    """The finite network that is asked for, if one is."""
    if depth is None and scale is None:
        return None
    if depth is None or scale is None:
        raise ValueError("depth and scale belong to one network; give both, or neither for the limit flow.")
    if positive or penalty_factor is not None:
        raise ValueError("positive and penalty_factor belong to exact paths; leave them out with depth and scale.")
    network = PowerNetwork(depth=depth, scale=scale)
    if network.clock == "training":
        raise ValueError(f"scale must be below 1 for alpha to mean a penalty; got {np.asarray(scale)!r}.")
    return network
