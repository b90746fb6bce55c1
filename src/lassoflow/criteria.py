"""Information criteria along exact paths: which fit, of all that the path offers, is worth its size.

BIC and its extension count the *dimension* of a model, the number of its coefficients. AIC, Cp and GCV ask how far a
fit follows the noise, its *degrees of freedom*: the rank along the lasso; along its refit and the flow the search
counts, too, and they are estimated (:mod:`lassoflow.degrees`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lassoflow.arrays import Floats, Ints, read_nonnegative
from lassoflow.degrees import bootstrap_degrees_of_freedom
from lassoflow.noise import Fits, NoiseVariance, fits_of, log_choices, noise_along, sparse_fit, training_error
from lassoflow.path import Path
from lassoflow.pieces import Pieces

Criterion = Literal["ebic", "bic", "aic", "aicc", "cp", "gcv"]

_TITLES = {"ebic": "extended BIC", "bic": "BIC", "aic": "AIC", "aicc": "corrected AIC", "cp": "Cp", "gcv": "GCV"}
_BY_DIMENSION = ("ebic", "bic")


@dataclass(frozen=True, eq=False)
class ICSelection:
    """What an information criterion chose along an exact path, and what it chose from.

    Attributes
    ----------
    criterion : str
    view : str
        What the path shows, such as "the limit flow".
    chosen : int
        Which of the fits; of equal values the most regularised.
    fits : Fits
        Penalties, times, mean squared residuals and dimensions of the k fits.
    values : array of shape (k,)
        Of the criterion.
    degrees_of_freedom, df_standard_error : arrays of shape (k,) or None
        What AIC, AICc, Cp and GCV count; the error is 0 where they are a rank. None where dimensions are counted.
    noise : NoiseVariance
        The variance in AIC, BIC, EBIC and Cp, and where it comes from.
    lambda_min, lambda_max : float
        The range of penalties that the path covers, from just above its first knot.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 400))
    >>> path = lf.limit_flow(lf.LeastSquares(X, 3 * X[:, 0] + 2 * rng.standard_normal(100)), lambda_min=0.01)
    >>> print(lf.select_by_criterion(path))
    Chosen by the extended BIC along the limit flow: lambda = 3.28332 (s = 0.30457), 1 coefficient. Noise variance
    3.87, from the flow of 1 coefficient that the extended BIC chooses. Searched exactly over all lambda from 0.01 to
    3.28332.
    """

    criterion: Criterion
    view: str
    chosen: int
    fits: Fits
    values: Floats
    degrees_of_freedom: Floats | None
    df_standard_error: Floats | None
    noise: NoiseVariance
    lambda_min: float
    lambda_max: float

    @property
    def lam(self) -> float:
        """The chosen penalty."""
        return float(self.fits.penalties[self.chosen])

    @property
    def s(self) -> float:
        """The chosen time: a knot to the last digit, where 1 / lambda may lie just beside it."""
        if self.chosen:
            return float(self.fits.times[self.chosen])
        return 1.0 / self.lam if self.lam else float("inf")

    @property
    def value(self) -> float:
        """The criterion's value of the choice."""
        return float(self.values[self.chosen])

    @property
    def dimension(self) -> int:
        """The number of coefficients of the choice."""
        return int(self.fits.dimensions[self.chosen])

    def __str__(self) -> str:
        k, spent = self.dimension, ""
        if self.degrees_of_freedom is not None and self.df_standard_error is not None:
            error = float(self.df_standard_error[self.chosen])
            spread = f" ± {error:.2g}, by the bootstrap" if error else ""
            spent = f", {self.degrees_of_freedom[self.chosen]:.3g} degrees of freedom{spread}"
        return (
            f"Chosen by the {_TITLES[self.criterion]} along {self.view}: lambda = {self.lam:.6g} (s = {self.s:.6g}), "
            f"{k} coefficient{'s' * (k != 1)}{spent}. Noise variance {self.noise.value:.3g}, from {self.noise.source}. "
            f"Searched exactly over all lambda from {self.lambda_min:.6g} to {self.lambda_max:.6g}."
        )

    def __repr__(self) -> str:
        return f"<ICSelection: {self.criterion} {self.value:.4g}, lambda {self.lam:.4g}, {self.dimension} coefficients>"


def select_by_criterion(
    path: Path,
    criterion: Criterion = "ebic",
    *,
    ebic_gamma: float = 1.0,
    noise_variance: float | None = None,
    n_samples: float | None = None,
    n_bootstrap: int = 50,
    random_state: int | np.random.Generator | None = None,
) -> ICSelection:
    """Choose a penalty along an exact path by an information criterion, exactly.

    With n observations, residual sum of squares RSS, noise variance v, k coefficients and df degrees of freedom:
    BIC ``n log(2 pi v) + RSS / v + k log n``; EBIC, that ``+ 2 gamma log(d choose k)`` (Chen & Chen 2008); AIC
    ``n log(2 pi v) + RSS / v + 2 df``; Cp ``RSS / n + 2 v df / n``; GCV ``(RSS / n) / (1 - p / n)^2``, p = df and one
    for an intercept; AICc ``n log(RSS / n) + 2 q + 2 q (q + 1) / (n - q - 1)``, q = p + 1 (Hurvich & Tsai 1989). For
    the lasso df is the rank (Zou, Hastie & Tibshirani 2007), for its refit and the flow it is bootstrapped.

    Parameters
    ----------
    path : Path
        The lasso, its refit or the limit flow, with its problem; the search covers what it covers.
    criterion : "ebic", "bic", "aic", "aicc", "cp" or "gcv"
    ebic_gamma : float, default 1.0
        gamma of EBIC; 0 makes it BIC.
    noise_variance : float, optional
        v; by :func:`~lassoflow.noise_variance` if None.
    n_samples : float, optional
        n, if weights are repetitions: their sum; the number of rows if None.
    n_bootstrap, random_state
        As in :func:`~lassoflow.bootstrap_degrees_of_freedom`, whose mean is that of the flow or refit which EBIC
        chooses.

    Returns
    -------
    ICSelection

    Raises
    ------
    ValueError
        If the path shows another view or an argument makes no sense.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [2.0, 0.1, 2.0])
    >>> chosen = lf.select_by_criterion(lf.limit_flow(problem), "bic", noise_variance=0.01)
    >>> chosen.dimension, chosen.fits.dimensions
    (1, array([0, 1, 2]))
    """
    if criterion not in get_args(Criterion):
        raise ValueError(f"criterion must be one of {', '.join(get_args(Criterion))}; got {criterion!r}.")
    gamma = read_nonnegative(ebic_gamma, "ebic_gamma")
    problem = path.require_problem("a criterion")
    n = float(problem.n_samples if n_samples is None else read_nonnegative(n_samples, "n_samples"))
    if not n > 1:
        raise ValueError(f"A criterion needs more than one observation; got n_samples = {n:g}.")
    errors = training_error(path)
    fits, noise = fits_of(path, errors, criterion == "ebic"), _noise(path, errors, n, noise_variance)
    df = df_error = None
    if criterion not in _BY_DIMENSION:
        df, df_error = _spent(path, errors, fits, noise.value, n, n_bootstrap, random_state)
    counted = fits.dimensions if df is None else df
    values = _values(criterion, fits, counted, noise.value, n, float(problem.fit_intercept))
    if criterion == "ebic":
        values = values + 2.0 * gamma * log_choices(problem.n_features, fits.dimensions)
    least = values.min()
    chosen = int(np.argmax(values <= least + 1e-12 * abs(least)))
    end = 1.0 / path.domain[1]
    return ICSelection(criterion, path.name, chosen, fits, values, df, df_error, noise, end, float(fits.penalties[0]))


def _noise(path: Path, errors: Pieces, n: float, given: float | None) -> NoiseVariance:
    if given is None:
        return noise_along(path, errors, n)
    if not read_nonnegative(given, "noise_variance") > 0:
        raise ValueError(f"noise_variance must be positive; got {given!r}.")
    return NoiseVariance(float(given), "the caller")


def _spent(
    path: Path,
    errors: Pieces,
    fits: Fits,
    variance: float,
    n: float,
    n_bootstrap: int,
    random_state: int | np.random.Generator | None,
) -> tuple[Floats, Floats]:
    """Degrees of freedom of the fits, and their standard errors: 0 for ranks."""
    if path.blend == 1.0 or variance == 0.0:
        return fits.dimensions.astype(np.float64), np.zeros(fits.dimensions.size)
    best, sparse = sparse_fit(path, errors, n)
    mean = path.instantaneous()(sparse.times[best])
    df = bootstrap_degrees_of_freedom(path, fits.times, variance, mean, n_bootstrap, random_state, n)
    return df.value, df.standard_error


def _values(criterion: Criterion, fits: Fits, counted: Floats | Ints, variance: float, n: float, used: float) -> Floats:
    """The criterion of all fits, EBIC without what it adds to BIC."""
    squares = fits.mean_squares
    if not squares.any():  # nothing to explain: whatever counts is a price
        return counted.astype(np.float64)
    if criterion == "cp":
        return squares + 2.0 * variance * counted / n
    if criterion == "gcv":
        left = 1.0 - (counted + used) / n
        return np.divide(squares, left**2, out=np.full_like(squares, np.inf), where=left > 0)
    if criterion == "aicc":
        q = counted + used + 1.0
        price = np.divide(2.0 * q * (q + 1.0), n - q - 1.0, out=np.full_like(squares, np.inf), where=n - q - 1.0 > 0)
        return n * np.log(squares) + 2.0 * q + price
    price = np.log(n) if criterion in _BY_DIMENSION else 2.0
    return n * (np.log(2.0 * np.pi * variance) + squares / variance) + price * counted
