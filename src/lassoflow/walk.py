"""The exact walk: state, next event, direction, record. One engine, two cones.

Both the lasso path and the limit flow are a pair of curves over the time s: the cumulated coefficients ``z(s)`` and
the dual ``theta(s) = s r - M z(s)`` in a box. The lasso keeps ``z in N_B(theta)``, the flow ``z' in N_B(theta)``
(docs, section 1), and either way z is piecewise linear. At a knot the slope is the least-squares fit over a cone
(:mod:`lassoflow.cone`): coordinates on the box are signed, and for the lasso those with ``z_j != 0`` are free. The
next knot is where the first coordinate reaches the box or, for the lasso, where the first z_j returns to 0.

Rounding is met by one rule: a rate of the dual is known to ``tolerance * |X_j| |y| / n``, the dual at s to s times
that, a fitted value to ``tolerance * |y|``, and events that this noise cannot tell apart are one knot. Nothing is
compared with a number that has units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, Ints, read_nonnegative
from lassoflow.box import Box
from lassoflow.cone import ConeFit, Face
from lassoflow.curve import Polygon
from lassoflow.path import Frame, Law, Path, Status
from lassoflow.problem import LeastSquares

_SIMULTANEOUS = 1e-12
"""Relative distance, in time and in z, below which the path shows two events as one knot."""

_FORGET = 8.0
"""How many times larger z must have been for its rounding to be worth a solve and a pass over X."""

_NONE: Ints = np.zeros(0, dtype=np.intp)
_NEVER: Floats = np.zeros(0)


class Progress(NamedTuple):
    """What a ``callback`` is told at each knot: its number, its time, the penalty 1/s and the active coordinates."""

    knot: int
    s: float
    lam: float
    n_active: int


class Event(NamedTuple):
    """The next thing that happens: after a ``wait``, ``arrivals`` reach the box and ``returns`` come back to zero."""

    wait: float
    arrivals: Ints
    """Coordinates, shape (k,)."""
    returns: Ints
    """Positions among the passive columns, shape (l,)."""


class State:
    """Where a walk is, in working units: s, the dual theta, the cumulated z, the idle faces and the direction."""

    def __init__(self, problem: LeastSquares, box: Box, law: Law) -> None:
        n, d = problem.design.shape
        self.design, self.box, self.law = problem.design, box, law
        target = problem.target
        tolerance = 16 * EPS * np.sqrt(max(n, 16))
        self.target_norm = float(np.sqrt(target @ target))
        self.rate_noise: Floats = tolerance * problem.design.norms * self.target_norm / n
        self.coef_noise = tolerance * self.target_norm
        self.s, self.peak, self.lingers = 0.0, 0.0, False
        self.dual, self.integral = np.zeros(d), np.zeros(d)
        self.fit = ConeFit(problem.design, target, box.decay, tolerance)
        for j in np.flatnonzero(box.unpenalised).tolist():
            self.fit.enter(j, sign=0.0, bound=0.0)
        self.rate_noise[box.unpenalised] = np.inf  # a box without width has no face to arrive at
        faces = [(box.upper == 0, 1.0), (box.lower == 0, -1.0)]
        self.idle = [(int(j), sign) for on_face, sign in faces for j in np.flatnonzero(on_face & ~box.unpenalised)]

    def turn(self) -> None:
        """Find the direction of the present knot and the rate of the dual along it: one pass over X."""
        self.idle, cheaper = self.fit.solve(self.idle)
        for _ in range(2 * self.dual.size):
            if cheaper is None:
                break
            self._jump(cheaper)
            self.idle, cheaper = self.fit.solve(self.idle)
        else:
            raise ArithmeticError("The walk could not choose among dependent columns; please report this problem.")
        self.rate: Floats = self.design.rmatvec(self.fit.residual / self.design.shape[0])

    def _jump(self, face: Face) -> None:
        """Move z along a null direction of X to a cheaper face, until another z_j is zero: X z does not change.

        Weight decay with unequal penalty factors changes which of several dependent columns is the cheapest, and at
        the s where two cost the same the lasso solution is not unique: z jumps from one end of a segment to the other.
        """
        fit, (j, sign) = self.fit, face
        along, values = fit.null_direction(face), self.integral[fit.index]
        position = fit.blocking(face, fit.sign, values)
        if position is None:
            raise ArithmeticError("The walk met a direction without a minimum; please report this problem.")
        step = abs(values[position] / along[position])
        dropped = fit.drop(position)
        if not fit.enter(j, sign, bound=sign):
            raise ArithmeticError("The walk met a column it could not exchange; please report this problem.")
        self.integral[dropped[0]] = 0.0
        self._move(np.append(np.delete(step * along, position), sign * step))
        self.idle = [other for other in self.idle if other != face] + [dropped]

    def next_event(self) -> Event:
        """The first arrivals at the box and, for the lasso, the first returns to zero."""
        arrive, (returning, leave) = self._arrivals(), self._returns()
        wait = float(arrive[arrive.argmin()])
        if returning.size:
            wait = min(wait, float(leave[leave.argmin()]))
        if wait == np.inf:
            return Event(wait, _NONE, _NONE)
        wait = max(wait, 0.0)
        then = self.s + wait
        arrivals = (arrive <= wait + 1e-6 * then).nonzero()[0]  # a cheap first sieve; rounding decides what is left
        if arrivals.size > 1 or (arrivals.size and returning.size):
            late = (arrive[arrivals] - wait) * (np.abs(self.rate[arrivals]) - self.box.decay)
            arrivals = arrivals[late <= self.rate_noise[arrivals] * then]
        return Event(wait, arrivals, returning[leave <= wait] if returning.size else _NONE)

    def _arrivals(self) -> Floats:
        """How long until each coordinate reaches the face it moves to, shape (d,)."""
        box, rate = self.box, self.rate
        speed = np.abs(rate)
        gap = box.side(rate) - np.sign(rate) * self.dual
        if box.decay:
            speed -= box.decay
            gap += box.decay * self.s
        wait = np.empty(rate.size)
        wait.fill(np.inf)
        np.divide(gap, speed, out=wait, where=speed > self.rate_noise)
        wait[self.fit.index] = np.inf  # they rest on the box, whatever rounding says of their rate
        for j, sign in self.idle:
            if sign * rate[j] > 0:
                wait[j] = np.inf
        return wait

    def _returns(self) -> tuple[Ints, Floats]:
        """Which passive z_j move towards zero, as positions, and how long until they are there; only for the lasso."""
        fit = self.fit
        if self.law == "flow":
            return _NONE, _NEVER
        returning = (fit.sign * fit.coef * fit.norm < -self.coef_noise).nonzero()[0]
        if not returning.size:
            return _NONE, _NEVER
        return returning, np.abs(self.integral[fit.index[returning]] / fit.coef[returning])

    def advance(self, event: Event) -> None:
        """Walk to an event and note the faces it leaves behind."""
        fit, box, then = self.fit, self.box, self.s + event.wait
        near = event.wait <= _SIMULTANEOUS * then and self._is_small(event.wait * fit.coef, then)
        self.lingers = self.s > 0 and (near or then == self.s)
        if event.wait > 0:  # slopes may be so large that z moves although s, rounded, does not
            self.idle = [face for face in self.idle if self._stays(*face)]
            self.s = then
            self.dual += event.wait * self.rate
            self._move(event.wait * fit.coef)
        for position in event.returns[::-1].tolist():
            j, sign = fit.drop(position)
            self.integral[j] = 0.0
            self.idle.append((j, sign))
        if event.returns.size and self.peak > _FORGET * then * self.target_norm:
            self._restore()
        self.idle += [(j, 1.0 if self.rate[j] > 0 else -1.0) for j in event.arrivals.tolist()]
        for j, sign in self.idle:
            self.dual[j] = sign * ((box.upper if sign > 0 else box.lower)[j] + box.decay * self.s)

    def _is_small(self, step: Floats, s: float) -> bool:
        """Whether a step of the passive z would not show in the path."""
        return bool((np.abs(step) * self.fit.norm).max(initial=0.0) <= _SIMULTANEOUS * s * self.target_norm)

    def _move(self, step: Floats) -> None:
        """Move the passive z; for the lasso, those that are then away from zero are free."""
        fit = self.fit
        values = self.integral[fit.index] + step
        if self.law == "lasso":
            size = np.abs(values)
            self.peak = max(self.peak, float(size @ fit.norm))
            zero = (size * fit.norm <= self.coef_noise * self.s).nonzero()[0]
            fit.bound[:] = 0.0
            if zero.size:
                values[zero] = 0.0
                fit.bound[zero] = fit.sign[zero]
        self.integral[fit.index] = values

    def _restore(self) -> None:
        """Solve z and the dual anew from their law if z was once much larger, and so is the rounding it carries."""
        fit, box, s = self.fit, self.box, self.s
        side = np.where(fit.sign > 0, box.upper[fit.index], box.lower[fit.index])
        coef, residual = fit.minimiser(fit.sign * (side / s + box.decay))
        size = s * float(np.abs(coef) @ fit.norm)
        if self.peak <= _FORGET * max(size, s * self.target_norm):
            return
        self.peak = 0.0
        self.integral[fit.index] = 0.0
        self._move(s * coef)
        self.dual = self.design.rmatvec(s * residual / self.design.shape[0])

    def _stays(self, j: int, sign: float) -> bool:
        """Whether an idle face is still touched: the dual does not move inwards, the face does not run away."""
        return bool(sign * self.rate[j] - self.box.decay >= -self.rate_noise[j])


class Record:
    """The knots seen so far: time, cumulated coefficients there and slope after, each on its nonzeros only."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.averages: list[tuple[Ints, Floats]] = []
        self.slopes: list[tuple[Ints, Floats]] = []

    @property
    def count(self) -> int:
        """Knots so far; the start at s = 0 is none."""
        return len(self.times) - 1

    def add(self, state: State) -> None:
        """Note the present knot and the direction that leaves it, in place of the last knot if the walk lingers."""
        if state.lingers:
            for rows in (self.times, self.averages, self.slopes):
                del rows[-1]
        support = state.integral.nonzero()[0]
        self.times.append(state.s)
        self.averages.append((support, state.integral[support] / (state.s or 1.0)))
        self.slopes.append((state.fit.index.copy(), state.fit.coef.copy()))

    def progress(self, problem: LeastSquares) -> Progress:
        """The last knot as a callback is told of it."""
        s = float(problem.units.time(self.times[-1]))
        return Progress(self.count, s, 1.0 / s, self.slopes[-1][0].size)

    def curve(self, problem: LeastSquares, noise: float, stop: float) -> Polygon:
        """All knots as a curve in the user's units."""
        knots = np.asarray(problem.units.time(np.array(self.times[1:])), dtype=np.float64)
        averages, slopes = (_stack(rows, problem, noise) for rows in (self.averages, self.slopes))
        return Polygon(knots, averages, slopes, stop)


def _stack(rows: list[tuple[Ints, Floats]], problem: LeastSquares, noise: float) -> sp.csr_array:
    """Sparse rows, given as (columns, working coefficients), as one matrix in the user's units; noise becomes zero."""
    supports, coefs = zip(*rows, strict=True)
    starts = np.cumsum([0, *map(len, supports)])
    columns, values = np.concatenate(supports), np.concatenate(coefs)
    values[np.abs(values) * problem.design.norms[columns] <= noise] = 0.0
    return sp.csr_array((problem.units.coef(values), columns, starts), shape=(len(rows), problem.n_features))


def lasso_path(
    problem: LeastSquares,
    penalty_factor: ArrayLike | str | None = None,
    positive: bool = False,
    weight_decay: float = 0.0,
    lambda_min: float = 0.0,
    max_knots: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Path:
    """The whole lasso path ``argmin l(x) + sum_j (k_j / s + weight_decay) |x_j|`` over s, exactly.

    At a knot the slope of ``z = s x`` is the least-squares fit on the active coordinates, signed where a coordinate
    is just about to enter (derived, see docs, section 2); ties, duplicated columns and more columns than rows need no
    special care.

    Parameters
    ----------
    problem : LeastSquares
        n samples, d features.
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

    Returns
    -------
    Path
        ``path(s)`` is the lasso solution at penalty 1/s; ``path.instantaneous()`` its least-squares refit.

    Raises
    ------
    ValueError
        On a penalty factor, weight decay, lambda_min or max_knots that makes no sense.

    References
    ----------
    Piecewise linearity: Efron, Hastie, Johnstone & Tibshirani (2004). The form used here is derived, see docs.

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
    """
    _require_problem(problem, "lasso_path")
    box = Box.of(problem, penalty_factor, positive, weight_decay)
    return _walk(problem, box, "lasso", lambda_min, max_knots, callback)


def limit_flow(
    problem: LeastSquares,
    penalty_factor: ArrayLike | str | None = None,
    positive: bool = False,
    weight_decay: float = 0.0,
    lambda_min: float = 0.0,
    max_knots: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Path:
    """The limit of gradient flow on a diagonal linear network as its initialisation vanishes, exactly.

    In lasso time s the limit ``x(s)`` is piecewise constant: it jumps from saddle to saddle, and between jumps it is
    the sign-constrained least-squares fit on the coordinates whose dual has reached the box (derived, see docs; this is
    also the inverse scale space flow). Its average over time is the lasso where the lasso path is monotone.

    Parameters
    ----------
    problem, penalty_factor, positive, weight_decay, lambda_min, max_knots, callback
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
    return _walk(problem, box, "flow", lambda_min, max_knots, callback)


def beside(walk: Callable[..., Path], flow: Path) -> Path:
    """The exact path, by :func:`lasso_path` or :func:`limit_flow`, of a flow's own box, up to where the flow ends."""
    problem, box, end = flow.require_problem("a comparison"), flow.box, flow.domain[1]
    factor = np.stack([box.upper, box.lower])
    return walk(problem, factor, weight_decay=box.decay, lambda_min=0.0 if np.isinf(end) else 1.0 / end)


def _require_problem(problem: object, function: str) -> None:
    if not isinstance(problem, LeastSquares):
        kind = type(problem).__name__
        raise TypeError(f"problem must be a LeastSquares; got {kind}. Try {function}(LeastSquares(X, y)).")


def _walk(
    problem: LeastSquares,
    box: Box,
    law: Law,
    lambda_min: float,
    max_knots: int | None,
    callback: Callable[[Progress], object] | None,
) -> Path:
    horizon = _horizon(problem, lambda_min)
    if max_knots is not None and not (max_knots >= 0 and max_knots % 1 == 0):
        raise ValueError(f"max_knots must be a whole number >= 0; got {max_knots!r}.")
    working = replace(box, decay=float(problem.units.working_penalty(box.decay)))
    state, record = State(problem, working, law), Record()
    status: Status = "complete"
    while True:
        state.turn()
        record.add(state)
        if callback and record.count and not state.lingers:
            callback(record.progress(problem))
        event = state.next_event()
        if state.s + event.wait >= horizon < np.inf:
            status = "lambda_min"
            break
        if event.wait == np.inf:
            break
        if record.count == max_knots and event.wait > _SIMULTANEOUS * state.s:
            status, horizon = "max_knots", state.s + event.wait
            break
        state.advance(event)
    stop = np.inf if status == "complete" else float(problem.units.time(horizon))
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    blend = 1.0 if law == "lasso" else 0.0
    return Path(record.curve(problem, state.coef_noise, stop), law, problem, box, frame, status, blend)


def _horizon(problem: LeastSquares, lambda_min: float) -> float:
    """The working time at which ``lambda_min`` stops the walk."""
    smallest = read_nonnegative(lambda_min, "lambda_min")
    return float(problem.units.working_time(1.0 / smallest)) if smallest else np.inf
