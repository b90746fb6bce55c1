"""How well the fits along an exact path explain the data they come from, and the variance of the noise they leave."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sla
from scipy.special import gammaln

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.curve import Polygon
from lassoflow.path import Path
from lassoflow.pieces import Pieces, penalty_before, polygon_of

_NARROW = 0.5
"""Up to this share of the rows, columns may all be fitted to estimate the noise."""
_ALIKE = 1e-12
"""Shares by which mean squares differ no more than rounding makes them."""


class NoiseVariance(NamedTuple):
    """An estimate of the variance of the noise, in squared units of y, and where it comes from."""

    value: float
    """The variance, in squared units of y."""
    source: str
    """The fit whose residuals it is of, in words."""


class Fits(NamedTuple):
    """The fits among which criteria choose, from the most regularised on: each as the first, or last, of its piece.

    Between knots the flow and the refit are constant, so the first point of a piece stands for it; the residuals of the
    lasso shrink all the way, so its last point does, which is the next knot. With weight decay and unequal penalty
    factors they may rise again: then the point at which they are least is one more fit.
    """

    penalties: Floats
    """Decreasing, shape (k,)."""
    times: Floats
    """Times s of these fits, increasing from 0, shape (k,)."""
    mean_squares: Floats
    """Of the (weighted) residuals, shape (k,); none is below what rounding leaves."""
    dimensions: Ints
    """Numbers of nonzero coefficients, shape (k,)."""


def training_error(path: Path) -> Pieces:
    """The error of an exact path on the rows it was fitted on."""
    problem, curve = path.require_problem("the residuals"), polygon_of(path)
    active = np.flatnonzero(curve.active())
    rows = np.ldexp(problem.design.columns(active), problem.units.design)
    return Pieces.on_rows(curve, active, rows, np.ldexp(problem.target, problem.units.target))


def fits_of(path: Path, errors: Pieces, before_returns: bool = False) -> Fits:
    """The fits that a view of an exact path offers, the lasso or its refit or the flow.

    Parameters
    ----------
    path : Path
    errors : Pieces
        By :func:`training_error`.
    before_returns : bool
        Whether the lasso also offers what it is just before a coefficient returns to zero, with that coefficient: for
        criteria that may fall where the support grows.

    Raises
    ------
    ValueError
        If the view is another one: its least value on a piece need not be at either end.
    """
    curve, stop = polygon_of(path), path.domain[1]
    if (path.law, path.blend) not in (("lasso", 1.0), ("lasso", 0.0), ("flow", 0.0)):
        raise ValueError(f"path must be a lasso, its refit or a limit flow for a criterion; it is {path.name}.")
    penalties, times = errors.starts.copy(), errors.times
    penalties[0] = penalty_before(curve.knots[0]) if curve.knots.size else 1.0 / stop
    rows, squares = (curve.averages, errors.table[:, 0]) if path.blend else (curve.slopes, errors.unshrunk)
    dimensions = np.asarray((rows != 0).sum(axis=1)).ravel()
    dimensions[0] = np.count_nonzero(path(0.0))
    if path.blend and curve.knots.size:
        turns = _turns(errors, 1.0 / stop)
        returns, larger = _returns(path, curve) if before_returns else (np.zeros(0), np.zeros(0, dtype=np.intp))
        more = np.concatenate([turns, returns, [1.0 / stop]])
        there = [np.count_nonzero(each) for each in path(1.0 / turns)]
        order = np.argsort(-np.append(penalties, more), kind="stable")
        penalties, times = np.append(penalties, more)[order], np.append(times, [*1.0 / more[:-1], stop])[order]
        squares = np.append(squares, errors(more, 1.0))[order]
        dimensions = np.append(dimensions, [*there, *larger.tolist(), np.count_nonzero(path.end)])[order]
    floor = (16.0 * EPS) ** 2 * path.require_problem("the residuals").n_samples * errors.null
    return Fits(penalties, times, np.maximum(squares, floor), dimensions)


def _turns(errors: Pieces, last: float) -> Floats:
    """Penalties, down to the last, within pieces of a lasso, at which its residuals begin to rise: shape (m,)."""
    ends = np.append(errors.starts[2:], last)
    with np.errstate(divide="ignore", invalid="ignore"):
        turns = (1.0 - errors.table[1:, 1] / errors.table[1:, 2]) / errors.times[1:]
    within = (turns < errors.starts[1:]) & (turns > ends)
    turns, ends = turns[within], ends[within]
    return turns[errors(turns, 1.0) < (1.0 - _ALIKE) * errors(ends, 1.0)]


def _returns(path: Path, curve: Polygon) -> tuple[Floats, Ints]:
    """Penalties just above those at which coefficients of a lasso return to zero, and how many there are with them."""
    within = np.asarray(((curve.averages != 0) + (curve.slopes != 0)).sum(axis=1)).ravel()
    at_knots = np.asarray((curve.averages != 0).sum(axis=1)).ravel()[1:]
    back = within > np.append(at_knots, np.count_nonzero(path.end))
    ends = np.append(curve.knots, min(path.domain[1], curve.knots[-1] / EPS))  # some come to zero with the penalty only
    return np.array([penalty_before(s) for s in ends[back].tolist()]), within[back]


def log_choices(d: int, k: Ints) -> Floats:
    """The logarithm of the number of sets of k columns out of d: the shape of k."""
    return np.asarray(gammaln(d + 1.0) - gammaln(k + 1.0) - gammaln(d - k + 1.0))


def noise_variance(path: Path, n_samples: float | None = None) -> NoiseVariance:
    """The variance of the noise, also where there are more columns than rows.

    With at most half as many columns as observations it is the residual variance of least squares on all of them.
    Otherwise it is that of the refit, or the flow, which the extended BIC chooses in its profile form,
    ``n log(RSS / n)`` and the penalty of Chen & Chen (2008) with gamma = 1, among those with at most n/2 coefficients.
    The search makes it somewhat too small where there is much to choose from, and signals too weak to be chosen make
    it too large.

    Parameters
    ----------
    path : Path
        Exact, with its problem.
    n_samples : float, optional
        How many observations the rows stand for, if weights are repetitions; the number of rows if None.

    Returns
    -------
    NoiseVariance
        In squared units of y.

    Raises
    ------
    ValueError
        If the path is not exact, or was loaded without its problem.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 400))
    >>> noise = lf.noise_variance(lf.limit_flow(lf.LeastSquares(X, 3 * X[:, 0] + 2 * rng.standard_normal(100))))
    >>> round(noise.value, 2), noise.source
    (3.87, 'the flow of 1 coefficient that the extended BIC chooses')
    """
    problem = path.require_problem("the noise variance")
    return noise_along(path, training_error(path), float(problem.n_samples if n_samples is None else n_samples))


def noise_along(path: Path, errors: Pieces, n: float) -> NoiseVariance:
    """The same for n observations, with the errors of the path at hand."""
    problem = path.require_problem("the noise variance")
    d = problem.n_features
    used = float(problem.fit_intercept)
    if d + used <= _NARROW * n:
        X = problem.design.columns(np.arange(d))
        fit, _, rank, _ = sla.lstsq(X, problem.target)
        square = np.ldexp(np.mean((problem.target - X @ fit) ** 2), 2 * problem.units.target)
        return NoiseVariance(float(square * n / (n - rank - used)), "the residuals of least squares on all columns")
    chosen, fits = sparse_fit(path, errors, n)
    dimension = int(fits.dimensions[chosen])
    name = "refit" if path.law == "lasso" else "flow"
    source = f"the {name} of {dimension} coefficient{'s' * (dimension != 1)} that the extended BIC chooses"
    return NoiseVariance(float(fits.mean_squares[chosen] * n / max(n - dimension - used, 1.0)), source)


def sparse_fit(path: Path, errors: Pieces, n: float) -> tuple[int, Fits]:
    """The refit, or flow, with at most n/2 coefficients that the extended BIC in its profile form chooses."""
    path = path.instantaneous()
    fits, d = fits_of(path, errors), len(path.frame.feature_names)
    k, squares = fits.dimensions, fits.mean_squares
    with np.errstate(divide="ignore"):
        values = n * np.log(squares) + np.log(n) * k + 2.0 * log_choices(d, k)
    return int(np.argmin(np.where(k <= max(n / 2, k[0]), values, np.inf))), fits
