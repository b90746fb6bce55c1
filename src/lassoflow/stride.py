"""A walk over the columns of one state: turn, record, next event, advance, until it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Ints
from lassoflow.cone import ConeFit, Face
from lassoflow.kernels import compiled
from lassoflow.ordinary import ADVANCED, FULL, SIMULTANEOUS, Columns, Place, walk_on
from lassoflow.path import Status
from lassoflow.recession import NoMinimum
from lassoflow.record import Record
from lassoflow.state import State

_FACES = 16
"""Faces an ordinary knot may leave behind."""
_REPORT = 32
"""Knots between reports."""


class Budget(NamedTuple):
    """How far a walk may go: to a working time, and to so many knots."""

    horizon: float
    max_knots: float


class Stop(NamedTuple):
    """What ended a walk, and when."""

    status: Status
    s: float
    cause: NoMinimum | None = None


class Stride:
    """A walk over the columns of one state, into a record that may hold knots from before.

    Attributes
    ----------
    impulses : array of shape (knots + 1, n)
        The residual cumulated over time, at the knot it starts from and at those it adds; of as many rows as were
        asked for.
    idle : dict
        Faces that were on the box and not passive, by the number of the knot; where there were none, no entry.
    """

    def __init__(self, state: State, record: Record, chosen: Ints | None, budget: Budget, n_impulses: int) -> None:
        self.state, self.record, self.chosen, self.budget = state, record, chosen, budget
        n, d = state.design.shape
        self.impulses = np.zeros((n_impulses, n))
        self.idle: dict[int, tuple[Face, ...]] = {}
        self._first = max(record.size, 1)
        self._columns = _columns(state)
        self._is_passive, self._faces = np.zeros(d, dtype=bool), np.zeros((_FACES, 2))

    def go(self, most: int) -> Stop | None:
        """Walk until the record has so many entries, or to the end: then say what ended it."""
        state, record, budget = self.state, self.record, self.budget
        while True:
            try:
                state.turn()
            except NoMinimum as end:
                if state.lingers:  # the last knot is the end, and none
                    record.cut(record.size - 1)
                return Stop("unbounded", state.s, end)
            self._add()
            if not self._walk_on(most):
                continue
            if record.size >= most:
                return None
            event = state.next_event()
            if state.s + event.wait >= budget.horizon < np.inf:
                return Stop("lambda_min", budget.horizon)
            if event.wait == np.inf:
                return Stop("complete", np.inf)
            if record.count == budget.max_knots and event.wait > SIMULTANEOUS * state.s:
                return Stop("max_knots", state.s + event.wait)
            state.advance(event)

    def _add(self) -> None:
        """Note the present knot."""
        state, record = self.state, self.record
        record.add(state, self.chosen)
        if self.impulses.size:
            self.impulses[record.size - self._first] = state.impulse
            self.idle.pop(record.size - 1, None)
            if state.idle:
                chosen = np.arange(state.dual.size) if self.chosen is None else self.chosen
                self.idle[record.size - 1] = tuple((int(chosen[j]), sign) for j, sign in state.idle)

    def _walk_on(self, most: int) -> bool:
        """Walk on over ordinary knots, if they are compiled; False if that ends at a knot where it is yet to turn."""
        state, record, fit = self.state, self.record, self.state.fit
        if self._columns is None or not isinstance(fit, ConeFit) or record.size >= most:
            return True
        self._is_passive[:] = False
        self._is_passive[fit.index] = True
        at = Place(state.dual, state.integral, state.rate, state.impulse, self._is_passive, self._faces)
        stopped, before = FULL, record.size
        while stopped == FULL:
            record.reserve(2 * state.dual.size)
            stopped, size, record.size, state.s, state.peak, n_idle = walk_on(
                self._columns, fit.passive(), at, record.log, self.impulses, self._first - 1,
                fit.index.size, record.size, state.s, state.peak, state.target_norm, state.coef_noise,
                state.law == "lasso", self.budget.horizon, min(most, self.budget.max_knots + 1),
            )  # fmt: skip
            fit.resize(size)
        state.design.count(record.size - before)
        fit.settled = stopped != ADVANCED
        if record.size > before or not fit.settled:
            record.relabel(before, self.chosen)
            state.idle, state.lingers = [(int(j), sign) for j, sign in self._faces[:n_idle].tolist()], False
        return fit.settled


class Reporter:
    """Tells a listener, if there is one, of every knot of a record once."""

    def __init__(self, listener: Callable[[Record, int], object] | None, first: int = 1) -> None:
        self.listens, self._listener, self._next = listener is not None, listener, first

    def tell(self, record: Record, is_over: bool) -> None:
        """Of the knots since; of the last one only at the end, for it may linger."""
        until = record.size if is_over else record.size - 1
        if self._listener:
            for number in range(self._next, until):
                self._listener(record, number)
        self._next = max(until, self._next)


def follow(
    state: State, record: Record, budget: Budget, listener: Callable[[Record, int], object] | None = None
) -> Stop:
    """Walk over all columns of a state to the end, and report every knot."""
    stride, stop, reporter = Stride(state, record, None, budget, 0), None, Reporter(listener)
    while stop is None:
        stop = stride.go(record.size + _REPORT if reporter.listens else 2**62)
        state.lingers = True  # at the knot that is noted already
        reporter.tell(record, is_over=stop is not None)
    return stop


def _columns(state: State) -> Columns | None:
    """The columns of a state as compiled loops take them, if it is of the kind they walk on."""
    rows, box = state.design.rows, state.box
    if not compiled or rows is None or box.growth.any() or not isinstance(state.fit, ConeFit):
        return None
    return Columns(rows, state.design.norms, box.upper, box.lower, state.rate_noise)
