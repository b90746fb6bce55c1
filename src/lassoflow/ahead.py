"""Walking ahead on a working set of columns, a batch of knots at a time, and checking all columns after.

That a column stays in the box can be seen later. So the walk goes ahead on the columns that are nearest to the box,
and then one pass over X tells whether the dual of every column, ``X'R(s_k) / n`` with R the residual cumulated over
time, was in it at all new knots. The dual is linear between knots: what is in the box at all of them is in the box
throughout. The walk is kept up to the first knot at which a column is found outside, and goes on from there with that
column among the others.

How many knots and how many columns are taken at a time follows from counts alone, so that a walk can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box
from lassoflow.checkpoint import Batch, Checkpoint
from lassoflow.cone import Factor
from lassoflow.path import Law
from lassoflow.problem import Problem
from lassoflow.recession import NoMinimum
from lassoflow.record import Record
from lassoflow.state import Knot, State, rounding
from lassoflow.stride import Budget, Reporter, Stop, Stride, follow
from lassoflow.threads import one_thread
from lassoflow.working_set import Ahead, Verdict, check, nearest

SMALL, _SQUARE = 2**18, 4
"""Entries of X up to which all columns are walked on at once, and columns a row below which it may have as many times
more: most of them are passive in the end.
"""
_FEWEST, _MOST = 16, 128
"""Knots in the first batch and in the largest."""
_NEAR = 2**20
"""Entries of the columns taken along up to which one thread walks on them; all columns are checked by all threads."""
_LONG = 2.0
"""Times the root of features over columns taken along for a knot: knots of a batch whose passes over the columns that
are taken along, many for each batch, cost about what the one over all columns does.
"""
_WIDTH, _WIDEST, _NARROWEST = 3, 24, 192
"""Columns that are taken along for each knot ahead: at first, at most, and how many at least in all."""


class Walk:
    """A walk over all columns of a problem, a batch at a time.

    Attributes
    ----------
    record : Record
        The knots so far.
    noise : float
        To which coefficients times the norms of their columns are known.
    """

    def __init__(
        self,
        problem: Problem,
        box: Box,
        law: Law,
        budget: Budget,
        listener: Callable[[Record, int], object] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.problem, self.box, self.law, self.budget = problem, box, law, budget
        self.record, self._listener, self._reporter = Record(), listener, Reporter(listener)
        self._checkpoint = checkpoint
        norm, tolerance, self._rate_noise = rounding(problem, box)
        self.noise = tolerance * norm
        self._knots, self._width = _FEWEST, _WIDTH

    def run(self) -> Stop:
        """Walk to the end."""
        design = self.problem.design
        n, d = design.shape
        is_at_hand = n * d <= SMALL * (_SQUARE if d < _SQUARE * n else 1) and design.rounding is None
        if is_at_hand and not self._checkpoint:
            with one_thread():
                state = State.at_start(self.problem, self.box, self.law)
                return follow(state, self.record, self.budget, self._listener)
        stop = self._in_batches()
        if self._checkpoint:
            self._checkpoint.remove()
        return stop

    def _in_batches(self) -> Stop:
        """On some columns at a time, checking all after each batch."""
        chosen, state = self._begin()
        while True:
            first = max(self.record.size, 1)
            stride = Stride(state, self.record, chosen, self.budget, self._knots + 1)
            with self._one_thread(chosen):
                stop = stride.go(first + self._knots)
            added = self.record.size - first
            verdict = self._check(stride, stop, max(added, 0))
            if stop and (added < 0 or not verdict.outside.size):
                self._reporter.tell(self.record, is_over=True)
                return _of_all(stop, chosen)
            knot, factor = self._keep(stride, chosen, first, verdict)
            self._reporter.tell(self.record, is_over=False)
            count = max(_NARROWEST, knot.passive.size + self._width * self._knots)
            chosen = nearest(verdict.nearness, np.union1d(knot.columns(), verdict.outside), count)
            if self._checkpoint:
                self._checkpoint.write(Batch(knot, chosen, self._knots, self._width, self.record))
                factor = None  # is not written, and made anew would be rounded otherwise
            with self._one_thread(chosen):
                state = self._state(chosen, knot, factor)

    def _one_thread(self, chosen: Ints) -> AbstractContextManager[object]:
        return one_thread(self.problem.n_samples * chosen.size <= _NEAR)

    def _begin(self) -> tuple[Ints, State]:
        """The columns of the first batch and the state it begins in, at the start or where a checkpoint says."""
        batch = self._checkpoint.read() if self._checkpoint else None
        if batch is None:
            chosen = self._first_columns()
            return chosen, self._state(chosen)
        log, size = batch.record.log, batch.record.size
        if batch.record.count > self.budget.max_knots or log.times[size - 1] >= self.budget.horizon:
            raise ValueError(f"checkpoint: {self._checkpoint} is beyond max_knots or lambda_min already; remove it.")
        self._knots, self._width = batch.knots, batch.width
        self.record, self._reporter = batch.record, Reporter(self._listener, max(size - 1, 1))
        return batch.chosen, self._state(batch.chosen, batch.knot)

    def _check(self, stride: Stride, stop: Stop | None, count: int) -> Verdict:
        """What all columns say of a stride of so many knots."""
        inside = np.zeros(self.problem.n_features, dtype=bool)
        inside[stride.chosen] = True
        return check(self.problem.design, self.box, self._rate_noise, inside, self._ahead(stride, stop, count))

    def _keep(self, stride: Stride, chosen: Ints, first: int, verdict: Verdict) -> tuple[Knot, Factor | None]:
        """The last knot of a stride that is right, with its factor if that is at hand; later ones are forgotten."""
        if not verdict.outside.size:
            longest = int(_LONG * math.sqrt(self.problem.n_features / self._width))
            self._knots = max(_FEWEST, min(2 * self._knots, longest, _MOST))
            return stride.state.knot(chosen), stride.state.fit.factor
        right = min(verdict.right, self.record.size - first)
        knot = self._knot(stride, first - 1 + right, stride.impulses[right].copy())
        self.record.cut(first + right)
        self._knots, self._width = max(_FEWEST, right), min(2 * self._width, _WIDEST)
        return knot, None

    def _first_columns(self) -> Ints:
        """Those that sit on the box from the start, and those that get there soonest by the first direction."""
        must = np.flatnonzero((self.box.upper == 0) | (self.box.lower == 0))
        state = self._state(must)
        try:
            state.turn()
        except NoMinimum:
            return must
        rate = self.problem.design.rmatvec(state.fit.residual)
        return nearest(self.box.share(rate, 0.0), must, max(_NARROWEST, must.size + self._width * self._knots))

    def _state(self, chosen: Ints, knot: Knot | None = None, factor: Factor | None = None) -> State:
        """The state of a walk on some columns, at the start or at a knot."""
        part = copy(self.problem)
        part.design, box = self.problem.design.subset(chosen), self.box.part(chosen)
        if knot is None:
            return State.at_start(part, box, self.law)
        return State.at_knot(part, box, self.law, knot.seen_from(chosen), factor)

    def _ahead(self, stride: Stride, stop: Stop | None, count: int) -> Ahead:
        """What a stride of so many knots has come by."""
        state, impulses = stride.state, stride.impulses[1 : 1 + count]
        times, residual = self.record.log.times[self.record.size - count : self.record.size], state.fit.residual
        if stop and stop.s < np.inf:
            there = state.impulse + (stop.s - state.s) * residual
            impulses, times = np.vstack([impulses, there]), np.append(times, stop.s)
        return Ahead(times, impulses, residual, stop is not None and stop.s == np.inf)

    def _knot(self, stride: Stride, number: int, impulse: Floats) -> Knot:
        """An earlier knot of a stride, from the record."""
        s, (moved, average), (passive, coef) = self.record.entry(number)
        sign = np.sign(coef)
        if self.law == "lasso":  # there a coefficient may run against z, which has the sign of the face
            _, at, among = np.intersect1d(passive, moved, assume_unique=True, return_indices=True)
            sign[at] = np.sign(average[among])
        sign[self.box.unpenalised[passive]] = 0.0
        idle = stride.idle.get(number, ())
        return Knot(s, stride.state.peak, impulse, passive, sign, coef, moved, s * average, idle)


def _of_all(stop: Stop, chosen: Ints) -> Stop:
    """A stop of a walk on chosen columns, its cause told in columns of all."""
    return stop._replace(cause=NoMinimum(chosen[stop.cause.columns])) if stop.cause else stop
