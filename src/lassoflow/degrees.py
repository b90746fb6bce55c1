"""Degrees of freedom of paths that search.

``df = sum_i cov(fitted_i, y_i) / noise variance`` (Efron 2004). Along the lasso the rank of the active columns
estimates it without bias. Along its refit and along the flow coefficients jump, and the search itself fits noise: there
the covariance is estimated by drawing responses anew (parametric bootstrap; docs, sections 14 and 15).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, read_nonnegative
from lassoflow.path import Path
from lassoflow.pieces import polygon_of
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow


class DegreesOfFreedom(NamedTuple):
    """Estimated degrees of freedom, the intercept not counted, and their standard errors: arrays of one shape."""

    value: Floats
    """The degrees of freedom."""
    standard_error: Floats
    """Of the bootstrap, by the spread of its terms."""


def bootstrap_degrees_of_freedom(
    path: Path,
    s: ArrayLike,
    noise_variance: float,
    mean: ArrayLike | None = None,
    n_bootstrap: int = 50,
    random_state: int | np.random.Generator | None = None,
    n_samples: float | None = None,
) -> DegreesOfFreedom:
    """Degrees of freedom of a view of an exact path, by the covariance of new responses and their fits.

    Responses ``mean + noise`` are drawn, the path is walked anew for each, and
    ``noise' (fit - mean fit) / noise_variance`` is averaged. It has no bias for responses that are normal about
    this mean with this variance (Ye 1998; Efron 2004).

    Parameters
    ----------
    path : Path
        Exact, with its problem; the view counts.
    s : array
        Times at which they are wanted.
    noise_variance : float
        Of a row of weight 1, in squared units of y; > 0.
    mean : array of shape (d,), optional
        Coefficients of the mean; zero if None.
    n_bootstrap : int
        How many responses are drawn.
    random_state : int or Generator, optional
    n_samples : float, optional
        How many observations the rows stand for, if weights are repetitions; the number of rows if None.

    Returns
    -------
    DegreesOfFreedom
        Of the shape of s.

    Raises
    ------
    ValueError
        If the path is not exact or has no problem, the variance is not positive, or fewer than two responses are asked
        for.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares(10.0 * np.eye(100), np.random.default_rng(0).standard_normal(100))
    >>> flow = lf.limit_flow(problem, lambda_min=0.19)  # at 0.2 it keeps what exceeds two standard deviations
    >>> df = lf.bootstrap_degrees_of_freedom(flow, 5.0, noise_variance=1.0, n_bootstrap=200, random_state=0)
    >>> int(flow.dimension(5.0)), round(float(df.value), 1), round(float(df.standard_error), 1)  # the truth is 26.1
    (3, 25.6, 0.9)
    """
    problem, times = path.require_problem("the bootstrap"), np.asarray(s, dtype=np.float64)
    polygon_of(path)
    if not read_nonnegative(noise_variance, "noise_variance") > 0:
        raise ValueError("noise_variance must be positive; without noise degrees of freedom have no meaning.")
    if not (n_bootstrap >= 2 and n_bootstrap % 1 == 0):
        raise ValueError(f"n_bootstrap must be a whole number >= 2; got {n_bootstrap!r}.")
    rng = np.random.default_rng(random_state)
    rows = problem.n_samples if n_samples is None else n_samples
    deviation = float(np.sqrt(noise_variance * problem.n_samples / rows))
    centre = np.ldexp(problem.fitted(np.zeros(problem.n_features) if mean is None else mean), problem.units.target)
    drawn, scores = np.empty((int(n_bootstrap), times.size)), np.empty((int(n_bootstrap), problem.n_features))
    total = sp.csr_array((times.size, problem.n_features))
    for products, score in zip(drawn, scores, strict=True):
        noise = rng.standard_normal(problem.n_samples)
        coef = _coefficients(_again(path, _with_working_target(problem, centre + deviation * noise)), times.ravel())
        score[:] = np.ldexp(problem.design.rmatvec(noise), problem.units.design) / deviation
        products[:], total = coef @ score, total + coef
    # The mean fit has covariance 0 with the noise; without it each product scatters much less.
    drawn = (drawn - scores @ (total / n_bootstrap).T) * (n_bootstrap / (n_bootstrap - 1))
    value, error = drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(n_bootstrap)
    return DegreesOfFreedom(value.reshape(times.shape), error.reshape(times.shape))


def _coefficients(path: Path, s: Floats) -> sp.csr_array:
    """An exact path at times of shape (m,), as sparse rows."""
    curve = polygon_of(path)
    piece = np.searchsorted(curve.knots, s, side="right")
    start = np.append(0.0, curve.knots)[piece]
    share = path.blend * np.divide(start, s, out=np.zeros_like(start), where=s > 0)
    slopes = curve.slopes[piece]
    return slopes + sp.diags_array(share) @ (curve.averages[piece] - slopes)


def _with_working_target(problem: LeastSquares, target: Floats) -> LeastSquares:
    """The problem of the response whose rows, times the roots of their weights, are the target."""
    if problem.sample_weight is None:
        return problem.with_response(target)
    roots = np.sqrt(problem.sample_weight)
    return problem.with_response(np.divide(target, roots, out=np.zeros_like(target), where=roots > 0))


def _again(path: Path, problem: LeastSquares) -> Path:
    """The same view of the path of another response, at least as far."""
    walk, box = (lasso_path if path.law == "lasso" else limit_flow), path.box
    lambda_min = (1.0 - 1e-9) / path.domain[1]
    factor = np.stack([box.upper, box.lower])
    return walk(problem, factor, weight_decay=box.decay, lambda_min=lambda_min).relaxed(path.blend)
