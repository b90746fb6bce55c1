"""Problems with a convex loss other than least squares: logistic, Poisson, Huber.

``l(x) = sum_i w_i f(x_0 + <X_i, x>, y_i) / n`` with weights of mean 1, so that penalties are per sample, as they are
for least squares. The gradient is not linear in x, but the limit flow is exact all the same (docs, section 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, read_nonnegative, read_vector
from lassoflow.losses import HuberLoss, LogisticLoss, Loss, PoissonLoss
from lassoflow.problem import Problem

_STEPS = 200
_FARTHEST = 900
"""Binary digits by which an outlier may exceed a typical response in working units."""
OUTLYING = 30.0
"""Times a typical response from which on one is likely to be an outlier whatever is fitted."""


class ConvexProblem(Problem):
    """A convex loss of ``X x``: what :class:`Logistic`, :class:`Poisson` and :class:`Huber` have in common.

    Made as it stands, it takes a loss of the user's own.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame
    y : array of shape (n,)
        Responses: numbers that the loss takes as they are.
    loss : Loss
        Of one sample.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted.

    Attributes
    ----------
    loss_of : Loss
        Of one sample, in working units.
    response : array of shape (n,)
        y, in working units.
    weights : array of shape (n,)
        Sample weights of mean 1.
    target : array of shape (n,)
        ``-w df / d eta`` at x = 0 and the best intercept: gradients there are ``-X'target / n``.
    size : float
        The norm of the numbers that residuals are differences of.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity.

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.convex import ConvexProblem
    >>> from lassoflow.losses import PoissonLoss
    >>> problem = ConvexProblem([[1.0], [0.0], [-1.0]], [4, 1, 0], PoissonLoss(), fit_intercept=True)
    >>> lf.limit_flow(problem).end.round(4)
    array([1.7238])
    """

    loss_of: Loss
    response: Floats
    weights: Floats
    size: float

    def __init__(
        self, X: Any, y: Any, loss: Loss, sample_weight: ArrayLike | None = None, fit_intercept: bool = False
    ) -> None:
        matrix = self._read(X, sample_weight, fit_intercept)
        self._start(matrix, read_vector(y, "y", self.n_samples), loss)

    def _start(self, matrix: Any, response: Floats, loss: Loss, exponent: int = 0) -> None:
        self._prepare(matrix, exponent, None)
        self.loss_of, self.response = loss, response
        self.weights = np.ones(self.n_samples) if self.sample_weight is None else self.sample_weight
        seen = self.weights > 0
        if self.fit_intercept and any(side[seen].all() for side in loss.falls(response)):
            raise ValueError(f"y: {self._one_sided}, and an intercept alone would go to infinity.")
        self.target = self.residual(np.zeros(self.n_features))
        fit, data = (float(np.linalg.norm(part)) for part in (self.target, self.weights * self._within_reach(response)))
        if fit <= 16 * EPS * np.sqrt(self.n_samples) * data:  # a perfect fit but for rounding
            self.target, fit = np.zeros(self.n_samples), 0.0
        self.size = max(fit, data)

    _one_sided = "all responses are alike"

    def _within_reach(self, response: Floats) -> Floats:
        """Responses whose digits matter."""
        return response

    def predictor(self, coef: ArrayLike) -> Floats:
        """Linear predictors ``x_0 + X x`` with the best intercept, in working units.

        Parameters
        ----------
        coef : array of shape (..., d)

        Returns
        -------
        array of shape (..., n)
        """
        eta = self.fitted(coef)
        return eta + self.best_offset(eta)[..., None]

    def residual(self, coef: ArrayLike) -> Floats:
        """``-w df / d eta``, in working units, at coefficients of shape (..., d): shape (..., n)."""
        return -self.weights * self.loss_of.slope(self.predictor(coef), self.response)

    def loss(self, coef: ArrayLike) -> Any:
        """The loss ``l(x)`` at coefficients of shape (..., d), with the best intercept if one is fitted: shape (...).

        Examples
        --------
        >>> import lassoflow as lf
        >>> float(lf.Logistic([[1.0], [-1.0]], [1, 0]).loss([0.0]).round(4))
        0.6931
        """
        values = self.weights * self.loss_of.value(self.predictor(coef), self.response)
        return np.ldexp(values.mean(axis=-1), 2 * self.units.target)

    def gradient(self, coef: ArrayLike) -> Floats:
        """The gradient of the loss at coefficients of shape (..., d): the same shape. One pass.

        Examples
        --------
        >>> import lassoflow as lf
        >>> lf.Logistic([[1.0], [-1.0]], [1, 0]).gradient([0.0])
        array([-0.5])
        """
        residual = self.residual(coef) / -self.n_samples
        slopes = self.design.rmatvec(residual.reshape(-1, self.n_samples).T).T
        return np.asarray(self.units.penalty(slopes), dtype=np.float64).reshape(*residual.shape[:-1], self.n_features)

    def intercept(self, coef: ArrayLike) -> Any:
        """The intercept that goes with coefficients of shape (..., d): shape (...)."""
        offset = np.ldexp(self.best_offset(self.fitted(coef)), self.units.target)
        return offset - np.asarray(coef, dtype=np.float64) @ self.feature_means

    def best_offset(self, eta: Floats) -> Floats:
        """The best constant to add to predictors of shape (..., n): shape (...); 0 if there is no intercept."""
        if not self.fit_intercept:
            return np.zeros(eta.shape[:-1])
        rows = eta.reshape(-1, self.n_samples)
        offset = np.zeros(rows.shape[0])
        low, high = self._bracket(rows)
        rounding = 4 * EPS * np.sqrt(self.n_samples)
        for _ in range(_STEPS):  # Newton's method, or halving where it leaves the bracket
            moved = rows + offset[:, None]
            slope = self.loss_of.slope(moved, self.response) @ self.weights
            low, high = np.where(slope < 0, offset, low), np.where(slope > 0, offset, high)
            bend = self.loss_of.curvature(moved, self.response) @ self.weights
            ahead = offset - np.divide(slope, bend, out=np.full_like(slope, np.inf), where=bend > 0)
            done = (slope == 0) | (np.abs(ahead - offset) <= rounding * (1.0 + np.abs(offset)))
            middle = (low + high) / 2
            done |= (middle == low) | (middle == high)
            offset = np.where(done, offset, np.where((ahead > low) & (ahead < high), ahead, middle))
            if done.all():
                break
        return offset.reshape(eta.shape[:-1])

    def _bracket(self, rows: Floats) -> tuple[Floats, Floats]:
        """Offsets, each of shape (m,), at which the loss falls with the offset, and at which it rises."""
        low, high = np.full(rows.shape[0], -1.0), np.full(rows.shape[0], 1.0)
        for bound, sign in ((low, 1.0), (high, -1.0)):
            for _ in range(_STEPS):
                slope = sign * (self.loss_of.slope(rows + bound[:, None], self.response) @ self.weights)
                if (slope <= 0).all():
                    break
                bound[slope > 0] *= 2.0
        return low, high


class Logistic(ConvexProblem):
    """Logistic regression, ``l(x) = sum_i w_i (log(1 + exp(eta_i)) - y_i eta_i) / n``.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame
    y : array of shape (n,)
        Two classes: of numbers, booleans or strings. The larger one is 1.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted.

    Attributes
    ----------
    classes : array of shape (2,)
        The classes that 0 and 1 stand for.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity, or other than two classes.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.Logistic([[1.0, 0.2], [2.0, -1.0], [3.0, 0.5], [0.0, 1.0]], ["no", "yes", "no", "yes"])
    >>> problem
    <Logistic: 4 samples, 2 features>
    >>> problem.classes
    array(['no', 'yes'], dtype='<U3')
    >>> lf.limit_flow(problem).knots.round(4)
    array([ 4.    , 10.9271])
    """

    _one_sided = "there is one class with positive weight only"

    def __init__(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, fit_intercept: bool = False) -> None:
        matrix = self._read(X, sample_weight, fit_intercept)
        labels = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
        if labels.shape != (self.n_samples,):
            raise ValueError(f"y must have shape ({self.n_samples},), one class a row of X; got {labels.shape}.")
        if labels.dtype.kind in "fO" and any(value is None or value != value for value in labels.tolist()):
            raise ValueError("y has missing classes; drop their rows.")
        self.classes, codes = np.unique(labels, return_inverse=True)
        if self.classes.size != 2:
            raise ValueError(f"y must have two classes; got {self.classes.size}.")
        self._start(matrix, codes.astype(np.float64), LogisticLoss())


class Poisson(ConvexProblem):
    """Poisson regression with the logarithm as link, ``l(x) = sum_i w_i (exp(eta_i) - y_i eta_i) / n`` and a constant.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame
    y : array of shape (n,)
        Counts, or other numbers >= 0.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity, or negative responses.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.Poisson([[1.0], [0.0], [-1.0]], [4, 1, 0], fit_intercept=True)
    >>> lf.limit_flow(problem).end.round(4)
    array([1.7238])
    """

    _one_sided = "all counts with positive weight are zero"

    def __init__(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, fit_intercept: bool = False) -> None:
        matrix = self._read(X, sample_weight, fit_intercept)
        counts = read_vector(y, "y", self.n_samples)
        if (counts < 0).any():
            raise ValueError(f"y must not be negative; entry {int(np.argmin(counts))} is.")
        self._start(matrix, counts, PoissonLoss())


class Huber(ConvexProblem):
    """Robust regression with Huber's loss, ``l(x) = sum_i w_i f(y_i - eta_i) / n``.

    Parameters
    ----------
    X : array of shape (n, d), scipy sparse array, pandas or polars frame
    y : array of shape (n,)
        The response.
    sample_weight : array of shape (n,), optional
        Nonnegative weights, normalised to mean 1.
    fit_intercept : bool, default False
        Whether an unpenalised intercept is fitted.
    delta : float
        The size of residuals, in units of y, from which on the loss is linear.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity, or a delta that is not positive.

    Notes
    -----
    Where no residual is below delta in some direction there are many minimisers. Gradients, duals and the knots of the
    limit flow are the same for all of them; its coefficients are one of them, not in general that of the least norm.
    The lasso path has many at single penalties only, and jumps there from one end of the segment to the other.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.Huber([[1.0], [2.0], [3.0]], [1.0, 2.0, 30.0], delta=1.0)
    >>> lf.limit_flow(problem).end.round(6)
    array([6.])
    """

    loss_of: HuberLoss

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        fit_intercept: bool = False,
        *,
        delta: float = 1.0,
    ) -> None:
        matrix = self._read(X, sample_weight, fit_intercept)
        response, self.delta = read_vector(y, "y", self.n_samples), read_nonnegative(delta, "delta")
        if not self.delta:
            raise ValueError("delta must be > 0; got 0.")
        size = np.abs(response)
        exponent = int(np.frexp(float(np.median(size)) + self.delta)[1])
        exponent = max(exponent, int(np.frexp(float(size.max()))[1]) - _FARTHEST)
        loss = HuberLoss(float(np.ldexp(self.delta, -exponent)))
        self._start(matrix, np.ldexp(response, -exponent), loss, exponent)

    def _within_reach(self, response: Floats) -> Floats:
        """See :meth:`ConvexProblem._within_reach`: of an outlier only the sign matters."""
        most = OUTLYING * (self.loss_of.delta + float(np.median(np.abs(response))))
        return np.clip(response, -most, most)
