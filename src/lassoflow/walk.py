"""The exact walk: state, next event, direction, record. One engine, two cones.

Both the lasso path and the limit flow are a pair of curves over the time s: the cumulated coefficients ``z(s)`` and
the dual ``theta(s) = -int_0^s grad l`` in a box; of least squares ``s r - M z(s)``. The lasso keeps ``z in
N_B(theta)``, the flow ``z' in N_B(theta)`` (docs, section 1), and either way z is piecewise linear. So is the flow's
of any convex loss (docs, section 4).
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.ahead import Walk
from lassoflow.arrays import read_nonnegative
from lassoflow.box import Box
from lassoflow.checkpoint import Checkpoint
from lassoflow.convex import ConvexProblem, Huber
from lassoflow.curved_walk import curved_lasso
from lassoflow.outliers import outlier_walk
from lassoflow.path import Frame, Law, Path, Status
from lassoflow.problem import LeastSquares, Problem
from lassoflow.recession import NoMinimum
from lassoflow.record import Progress, Record
from lassoflow.rotation import rotated, worthwhile
from lassoflow.stride import Budget

_NAMED = 4
"""Columns a warning names."""


def lasso_path(
    problem: LeastSquares | ConvexProblem,
    penalty_factor: ArrayLike | str | None = None,
    positive: bool = False,
    weight_decay: float = 0.0,
    lambda_min: float = 0.0,
    max_knots: int | None = None,
    callback: Callable[[Progress], object] | None = None,
    rtol: float = 1e-6,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Path:
    """The whole lasso path ``argmin l(x) + sum_j (k_j / s + weight_decay) |x_j|`` over s, exactly.

    At a knot the slope of ``z = s x`` is the least-squares fit on the active coordinates, signed where a coordinate
    is just about to enter (derived, see docs, section 2); ties, duplicated columns and more columns than rows need no
    special care.

    Parameters
    ----------
    problem : LeastSquares, Huber, Logistic or Poisson
        n samples, d features. Of Huber's loss the path is exact, too, with knots also where a residual crosses delta.
        That of the last two is curved: it is followed to a tolerance, down to 0 if the loss has a minimum there, else
        to 1e-3 lambda_max.
    penalty_factor : array of shape (d,) or (2, d), "std" or None
        Factors k of the penalty per coordinate, 1 by default; two rows give the positive and the negative side
        factors of their own. ``inf`` bars a side and 0 leaves it unpenalised; where a coordinate is, the walk starts
        from their fit. "std" takes the columns' standard deviations: the path of the standardised data, in original
        units.
    positive : bool
        Whether coefficients are kept nonnegative.
    weight_decay : float
        A constant penalty on top of 1/s.
    lambda_min : float
        Stop at ``s = 1 / lambda_min``; 0 goes to the very end: least squares, or the minimum l1 interpolator.
    max_knots : int, optional
        Stop where the knot after the last allowed one would be. The path then says so (``status``).
    callback : callable, optional
        Called with a :class:`Progress` at every knot.
    rtol : float
        Of curved paths: the largest error over the largest coefficient, of columns of unit norm.
    checkpoint : path, optional
        A file that is written every so many knots and removed at the end; if there is one, the walk goes on from it.

    Returns
    -------
    Path
        ``path(s)`` is the lasso solution at penalty 1/s; ``path.instantaneous()`` its least-squares refit, of Huber's
        loss with the residuals beyond delta left there.

    Raises
    ------
    ValueError
        On a penalty factor, weight decay, lambda_min or max_knots that makes no sense, or a checkpoint of another walk.

    References
    ----------
    Piecewise linearity: Efron, Hastie, Johnstone & Tibshirani (2004); of Huber's loss Rosset & Zhu (2007). The form
    used here is derived, see docs, sections 2 and 4.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> path = lf.lasso_path(problem)
    >>> path.knots
    array([1., 6.])
    >>> path([1.0, 2.0, float("inf")])
    array([[ 0.        ,  0.        ],
           [ 0.8       ,  0.        ],
           [ 2.66666667, -1.33333333]])
    >>> robust = lf.Huber([[1.0], [2.0], [3.0]], [1.0, 2.0, 30.0], delta=1.0)
    >>> lf.lasso_path(robust).knots  # x0 enters; the second residual comes within 1, and leaves again on the other side
    array([0.5       , 0.54545455, 6.        ])
    """
    _require_problem(problem, "lasso_path")
    box = Box.of(problem, penalty_factor, positive, weight_decay)
    if checkpoint is not None and isinstance(problem, ConvexProblem):
        raise ValueError("checkpoint: the lasso path of other losses than squares is not written to one.")
    if isinstance(problem, Huber):
        return _robust(problem, box, lambda_min, max_knots, callback)
    if isinstance(problem, ConvexProblem):
        return _curved(problem, box, rtol, lambda_min, max_knots, callback)
    return _walk(problem, box, "lasso", lambda_min, max_knots, callback, checkpoint)


def limit_flow(
    problem: LeastSquares | ConvexProblem,
    penalty_factor: ArrayLike | str | None = None,
    positive: bool = False,
    weight_decay: float = 0.0,
    lambda_min: float = 0.0,
    max_knots: int | None = None,
    callback: Callable[[Progress], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Path:
    """The limit of gradient flow on a diagonal linear network as its initialisation vanishes, exactly.

    In lasso time s the limit ``x(s)`` is piecewise constant: it jumps from saddle to saddle, and between jumps it is
    the sign-constrained least-squares fit on the coordinates whose dual has reached the box (derived, see docs,
    sections 1 and 2; this is also the inverse scale space flow). Its average over time is the lasso where the lasso
    path is monotone.

    Parameters
    ----------
    problem, penalty_factor, positive, weight_decay, lambda_min, max_knots, callback, checkpoint
        As in :func:`lasso_path`. The penalty factors are the growth times of the two sides that a network's initial
        direction turns into (Zhao et al. 2026, Theorem 4.2).

    Returns
    -------
    Path
        ``path(s)`` is the flow at time s; ``path.averaged()`` its average, to be compared with the lasso at 1/s.

    Raises
    ------
    ValueError
        As :func:`lasso_path`.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> flow = lf.limit_flow(problem)
    >>> flow([0.5, 1.0, 9.0])
    array([[ 0.        ,  0.        ],
           [ 1.6       ,  0.        ],
           [ 2.66666667, -1.33333333]])
    >>> flow.averaged()(2.0)
    array([0.8, 0. ])
    """
    _require_problem(problem, "limit_flow")
    box = Box.of(problem, penalty_factor, positive, weight_decay)
    return _walk(problem, box, "flow", lambda_min, max_knots, callback, checkpoint)


def beside(walk: Callable[..., Path], flow: Path) -> Path:
    """The exact path, by :func:`lasso_path` or :func:`limit_flow`, of a flow's own box, up to where the flow ends."""
    problem, box, end = flow.require_data("a comparison"), flow.box, flow.domain[1]
    factor = np.stack([box.upper, box.lower])
    return walk(problem, factor, weight_decay=box.decay, lambda_min=0.0 if np.isinf(end) else 1.0 / end)


def _require_problem(problem: object, function: str) -> None:
    if not isinstance(problem, LeastSquares | ConvexProblem):
        kind = type(problem).__name__
        raise TypeError(f"problem must be a LeastSquares; got {kind}. Try {function}(LeastSquares(X, y)).")


def _walk(
    problem: LeastSquares | ConvexProblem,
    box: Box,
    law: Law,
    lambda_min: float,
    max_knots: int | None,
    callback: Callable[[Progress], object] | None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Path:
    working = replace(box, decay=float(problem.units.working_penalty(box.decay)))
    walked = rotated(problem) if isinstance(problem, LeastSquares) and worthwhile(problem) else problem
    kept = None if checkpoint is None else Checkpoint(checkpoint, problem, box, law)
    report = functools.partial(_report, callback, problem) if callback else None
    walk = Walk(walked, working, law, _budget(problem, lambda_min, max_knots), report, kept)
    end = walk.run()
    if walked is not problem:
        problem.design.count(walked.design.passes)
    if end.cause:
        _tell(problem, float(problem.units.time(end.s)), end.cause)
    stop = float(problem.units.time(end.s))
    mean = problem.target_mean if isinstance(problem, LeastSquares) else 0.0
    frame = Frame(problem.feature_names, problem.feature_means, mean)
    offset = walk.record.offset(problem, stop) if isinstance(problem, ConvexProblem) else None
    blend = 1.0 if law == "lasso" else 0.0
    return Path(
        walk.record.curve(problem, walk.noise, stop), law, problem, box, frame, end.status, blend, offset=offset
    )


def _robust(
    problem: Huber,
    box: Box,
    lambda_min: float,
    max_knots: int | None,
    callback: Callable[[Progress], object] | None,
) -> Path:
    """The lasso path of Huber's loss, exactly."""
    working = replace(box, decay=float(problem.units.working_penalty(box.decay)))
    report = functools.partial(_report, callback, problem) if callback else None
    curve, offset, status = outlier_walk(problem, working, _budget(problem, lambda_min, max_knots), report)
    frame = Frame(problem.feature_names, problem.feature_means, 0.0)
    return Path(curve, "lasso", problem, box, frame, status, 1.0, offset=offset)


def _budget(problem: Problem, lambda_min: float, max_knots: int | None) -> Budget:
    """How far a walk may go."""
    knots = _read_knots(max_knots)
    return Budget(_horizon(problem, lambda_min), np.inf if knots is None else knots)


def _report(callback: Callable[[Progress], object], problem: Problem, record: Record, number: int) -> None:
    """Tell a callback of a knot."""
    callback(record.progress(problem, number))


def _curved(
    problem: ConvexProblem,
    box: Box,
    rtol: float,
    lambda_min: float,
    max_knots: int | None,
    callback: Callable[[Progress], object] | None,
) -> Path:
    """The lasso path of another loss."""
    if not 1e-12 <= rtol < 1.0:
        raise ValueError(f"rtol must lie in [1e-12, 1); got {rtol!r}.")
    smallest, knots = read_nonnegative(lambda_min, "lambda_min"), _read_knots(max_knots)

    def report(knot: int, lam: float, n_active: int) -> None:
        penalty = float(problem.units.penalty(lam))
        if callback:
            callback(Progress(knot, 1.0 / penalty, penalty, n_active))

    try:
        curve, offset, whole, stop = curved_lasso(problem, box, rtol, smallest, knots, report)
    except NoMinimum as end:
        _tell(problem, 0.0, end)
        raise
    status: Status = "complete" if stop == np.inf else "lambda_min" if whole else "max_knots"
    frame = Frame(problem.feature_names, problem.feature_means, 0.0)
    return Path(curve, "lasso", problem, box, frame, status, 1.0, offset=offset)


def _read_knots(max_knots: int | None) -> int | None:
    if max_knots is not None and not (max_knots >= 0 and max_knots % 1 == 0):
        raise ValueError(f"max_knots must be a whole number >= 0; got {max_knots!r}.")
    return max_knots


def _tell(problem: Problem, s: float, end: NoMinimum) -> None:
    """Say where the loss has no minimum any more, and what helps."""
    names = [repr(problem.feature_names[j]) for j in end.columns[:_NAMED].tolist()]
    names += [f"{end.columns.size - _NAMED} more"] * (end.columns.size > _NAMED)
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names) or "the intercept"
    sentence = f"the loss has no minimum: it falls for ever along {listed}"
    if s == 0.0:
        raise ValueError(f"From the start {sentence}; a weight_decay or penalty factors > 0 would give it one.")
    share = 1e-3 * problem.lambda_max
    warnings.warn(
        f"The path ends at s = {s:.6g}, from where on {sentence}; with weight_decay={share:.2g}, say, it has one.",
        RuntimeWarning,
        stacklevel=4,
    )


def _horizon(problem: Problem, lambda_min: float) -> float:
    """The working time at which ``lambda_min`` stops the walk."""
    smallest = read_nonnegative(lambda_min, "lambda_min")
    return float(problem.units.working_time(1.0 / smallest)) if smallest else np.inf
