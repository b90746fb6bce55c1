"""The lasso path of a convex loss that is no square: curved between events, followed to a stated tolerance.

On a fixed active set with fixed signs the solution is a smooth function of lambda, given by Newton's method; its
derivative is one more solve. Steps are accepted where the cubic through both ends and their derivatives meets the
solution half-way (Park & Hastie 2007 predict and correct, too). An event, where a sign would turn or another column
would break its bound, is located by root finding; beyond it the active set is that of the solution, found anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import brentq

from lassoflow.arrays import EPS
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.curved import Curved
from lassoflow.penalised import Kept, Node, PenalisedFit
from lassoflow.recession import recession_columns

_BEYOND = 1e-7
"""Share of lambda behind an event at which the next active set is looked up."""
_SAME = 20
"""How often an event may be none before the walk gives up."""
_WIDEST, _GROW, _SHRINK, _SAFE = 3.0, 2.0, 0.2, 0.8
"""The longest step in log lambda, and by how much the next one may be longer or shorter."""
_FLOOR, _ENDING = 1e-3, 1e-4
"""Shares of lambda_max: where the path ends if the loss has no minimum; from where on the longest step goes to 0."""


class _Row(NamedTuple):
    """One node of the curve, from both sides."""

    lam: float
    before: Node
    after: Node
    is_event: bool


class CurvedWalk:
    """The walk: where it is, and the nodes behind it; in working units."""

    def __init__(self, problem: ConvexProblem, box: Box, rtol: float) -> None:
        tolerance = 16 * EPS * np.sqrt(max(problem.n_samples, 16))
        self.problem, self.rtol = problem, rtol
        self.fit, self.rows = PenalisedFit(problem, box, tolerance), list[_Row]()
        self.lam = self.fit.first()
        self.step, self.n_events = 0.1, 0

    def floor(self, lambda_min: float) -> float:
        """The smallest lambda to go to: 0 only if the loss has a minimum there."""
        if lambda_min:
            return min(lambda_min, self.lam)
        every = np.arange(self.problem.n_features)
        attained = recession_columns(self.problem, every, np.zeros(every.size)) is None
        return 0.0 if attained or self.fit.price.any() else _FLOOR * self.lam

    def run(self, floor: float, max_knots: int | None, callback: Callable[[int, float, int], object] | None) -> bool:
        """Down to a penalty; False if a budget of knots ended it before, at ``self.lam``."""
        while self.lam > floor:
            if self.n_events == max_knots:
                return False
            self._turn()
            if callback:
                callback(self.n_events, self.lam, self.fit.index.size)
            while self.lam > floor and not self._advance(floor):
                pass
        if not self.rows or self.rows[-1].lam > self.lam:
            self._note(self.fit.node(), False)
        return True

    def _turn(self) -> None:
        """At an event: the active set beyond it, and its node."""
        before, old = self.fit.node(), self.fit.active_set()
        for attempt in range(_SAME):
            self.fit.solve_at(self.lam * (1.0 - _BEYOND * 2.0**attempt))
            if self.fit.active_set() != old:
                break
        self.fit.follow(self.lam)
        self.n_events += 1
        self.rows.append(_Row(self.lam, before, self.fit.node(), True))

    def _note(self, node: Node, is_event: bool) -> None:
        self.rows.append(_Row(self.lam, node, node, is_event))

    def _advance(self, floor: float) -> bool:
        """One step to smaller penalties; whether it ended at an event."""
        start, here = self.rows[-1].after, self.lam
        ahead = max(here * np.exp(-self.step), floor)
        if floor == 0.0 and self.step >= _WIDEST and here <= _ENDING * self.rows[0].lam:
            ahead = 0.0
        kept = self.fit.state()
        self.fit.follow(ahead)
        is_event = self.fit.margin() < 0.0
        if is_event:
            ahead = self._event(kept, here, ahead)
        end = self.fit.node()
        middle = (here + ahead) / 2
        self.fit.follow(middle)
        error = self._error(start, end, here - ahead)
        if error > self.rtol and here - ahead > 1e-9 * here:
            self.fit.restore(kept)
            self.step = -float(np.log1p(-(1.0 - ahead / here) * self._factor(error)))
            return False
        self.fit.follow(ahead)
        self.lam = ahead
        self.step = min(self.step * self._factor(error), _WIDEST)
        if not is_event:
            self._note(end, False)
        return bool(is_event)

    def _factor(self, error: float) -> float:
        """How much longer the next step may be: the error of a cubic goes with the fourth power."""
        return float(np.clip(_SAFE * (self.rtol / max(error, 1e-300)) ** 0.25, _SHRINK, _GROW))

    def _error(self, start: Node, end: Node, width: float) -> float:
        """How far the cubic is from the solution half-way, where the fit is now, over the largest coefficient."""
        here = self.fit.node()
        cubic = (start.coef + end.coef) / 2 - width / 8 * (start.rate - end.rate)
        off = np.abs(cubic - here.coef) * self.fit.norm
        size = np.abs(end.coef * self.fit.norm).max(initial=0.0)
        shift = abs((start.offset + end.offset) / 2 - width / 8 * (start.offset_rate - end.offset_rate) - here.offset)
        root = np.sqrt(self.problem.n_samples)
        size = max(float(size), root * abs(end.offset))
        return float(max(off.max(initial=0.0), root * shift)) / size if size else 0.0

    def _event(self, kept: Kept, here: float, ahead: float) -> float:
        """The lambda of the first event: the fit is then there."""

        def margin(lam: float) -> float:
            self.fit.restore(kept)
            self.fit.follow(lam)
            return self.fit.margin()

        low, high = ahead, here * (1.0 - _BEYOND)
        if margin(high) < 0.0:  # two events closer than that are one
            low = high = here * (1.0 - _BEYOND)
        lam = low
        if high > low:
            lam = float(brentq(margin, low, high, xtol=1e-300, rtol=1e-14))
            while (found := margin(lam)) < 0.0 and lam < high:  # to the side where nothing has happened yet
                lam += max(-found, 1e-14) * lam
        self.fit.restore(kept)
        self.fit.follow(lam)
        return lam

    def curves(self, stop: float) -> tuple[Curved, Curved]:
        """The nodes as curves of the coefficients and of the intercept of centred columns, in the user's units."""
        units, d = self.problem.units, self.problem.n_features
        lams = np.asarray(units.penalty(np.array([row.lam for row in self.rows])))
        events = np.array([row.is_event for row in self.rows], dtype=np.bool_)
        values = _stack([_settled(row) for row in self.rows], "coef", d)
        after, before = [row.after for row in self.rows], [row.before for row in self.rows]
        rates = [_stack(side, "rate", d) for side in (after, before)]
        values.data = units.coef(values.data)
        for rate in rates:
            rate.data = np.asarray(units.coef(rate.data)) / units.penalty(1.0)
        offset = sp.csr_array(np.ldexp([[node.offset] for node in after], units.target))
        shifts = [sp.csr_array(np.ldexp([[n.offset_rate] for n in side], -units.design)) for side in (after, before)]
        intercept = Curved(lams, events, offset, shifts[0], shifts[1], stop, self.rtol)
        return Curved(lams, events, values, rates[0], rates[1], stop, self.rtol), intercept


def _settled(row: _Row) -> Node:
    """The node beyond an event, its new coefficients exactly zero."""
    return row.after._replace(coef=np.where(np.isin(row.after.support, row.before.support), row.after.coef, 0.0))


def _stack(nodes: list[Node], part: str, d: int) -> sp.csr_array:
    """Sparse rows of coefficients, or of their rates."""
    starts = np.cumsum([0, *(node.support.size for node in nodes)])
    columns, values = (np.concatenate([getattr(node, name) for node in nodes]) for name in ("support", part))
    return sp.csr_array((values, columns, starts), shape=(len(nodes), d))


def curved_lasso(
    problem: ConvexProblem,
    box: Box,
    rtol: float,
    lambda_min: float,
    max_knots: int | None,
    callback: Callable[[int, float, int], object] | None,
) -> tuple[Curved, Curved, bool, float]:
    """The path: its curve, that of the intercept, whether it was followed to the end, and the s where it ends.

    All arguments are in the user's units.
    """
    units = problem.units
    working = replace(box, decay=float(units.working_penalty(box.decay)))
    walk = CurvedWalk(problem, working, rtol)
    floor = walk.floor(float(units.working_penalty(lambda_min)))
    whole = walk.run(floor, max_knots, callback)
    end = float(units.penalty(walk.lam))
    stop = 1.0 / end if end else np.inf
    return *walk.curves(stop), whole, stop
