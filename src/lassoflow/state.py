"""The state of an exact walk: where it is, which way it goes, and what happens next.

At a knot the slope of z is the fit over a cone (:mod:`lassoflow.cone`; :mod:`lassoflow.face_fit` where the loss is no
square): coordinates on the box are signed, and for the lasso those with ``z_j != 0`` are free. The next knot is where
the first coordinate reaches the box or, for the lasso, where the first z_j returns to 0.

Rounding is met by one rule: a rate of the dual is known to ``tolerance * |X_j| |y| / n``, the dual at s to s times
that, a fitted value to ``tolerance * |y|``, and events that this noise cannot tell apart are one knot. Nothing is
compared with a number that has units.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.box import Box
from lassoflow.cone import ConeFit, Face, Factor
from lassoflow.convex import ConvexProblem
from lassoflow.face_fit import FaceFit
from lassoflow.ordinary import FORGET, SIMULTANEOUS
from lassoflow.path import Law
from lassoflow.problem import Problem

_NONE: Ints = np.zeros(0, dtype=np.intp)
_NEVER: Floats = np.zeros(0)


class Event(NamedTuple):
    """The next thing that happens: after a ``wait``, ``arrivals`` reach the box and ``returns`` come back to zero."""

    wait: float
    arrivals: Ints
    """Coordinates, shape (k,)."""
    returns: Ints
    """Positions among the passive columns, shape (l,)."""


def rounding(problem: Problem, box: Box) -> tuple[float, float, Floats]:
    """The norm of what residuals are differences of, the tolerance, and to what rates of the dual are known."""
    n, target = problem.design.shape[0], problem.target
    norm = problem.size if isinstance(problem, ConvexProblem) else float(np.sqrt(target @ target))
    tolerance = 16 * EPS * np.sqrt(max(n, 16))
    noise = tolerance * problem.design.norms * norm / n
    noise[box.unpenalised] = np.inf  # a box without width has no face to arrive at
    return norm, tolerance, noise


class Knot(NamedTuple):
    """All there is to know of a walk at a knot, its direction aside."""

    s: float
    peak: float
    impulse: Floats
    """Shape (n,)."""
    passive: Ints
    """Coordinates of the passive columns, in their order."""
    sign: Floats
    coef: Floats
    """Their faces and coefficients, as of a cone fit."""
    moved: Ints
    """Coordinates with ``z_j != 0``."""
    integral: Floats
    """z there."""
    idle: tuple[Face, ...] = ()
    known: Ints = _NONE
    """Coordinates whose dual has been carried along, in order."""
    dual: Floats = _NEVER

    def columns(self) -> Ints:
        """All coordinates that are in it."""
        return np.concatenate([self.passive, self.moved, np.array([j for j, _ in self.idle], dtype=np.intp)])

    def seen_from(self, chosen: Ints) -> Knot:
        """The same with coordinates counted among the chosen ones, which are in order."""
        idle = tuple((int(np.searchsorted(chosen, j)), sign) for j, sign in self.idle)
        passive, moved = np.searchsorted(chosen, self.passive), np.searchsorted(chosen, self.moved)
        still = np.isin(self.known, chosen, assume_unique=True)
        known = np.searchsorted(chosen, self.known[still])
        return self._replace(passive=passive, moved=moved, idle=idle, known=known, dual=self.dual[still])


class State:
    """Where a walk is, in working units: s, the dual theta, the cumulated z, the idle faces and the direction.

    Attributes
    ----------
    impulse : array of shape (n,)
        The residual, cumulated over time: the dual is ``X'impulse / n``.
    """

    def __init__(self, problem: Problem, box: Box, law: Law) -> None:
        n, d = problem.design.shape
        self.design, self.box, self.law = problem.design, box, law
        self.growth, self.grows = box.growth, bool(box.growth.any())
        self.target_norm, tolerance, self.rate_noise = rounding(problem, box)
        self.coef_noise = tolerance * self.target_norm
        self.s, self.peak, self.lingers = 0.0, 0.0, False
        self.dual, self.integral, self.impulse = np.zeros(d), np.zeros(d), np.zeros(n)
        self.rate: Floats = np.zeros(d)
        self.fit: ConeFit | FaceFit
        if isinstance(problem, ConvexProblem):
            self.fit = FaceFit(problem, box.decay, tolerance)
        else:
            self.fit = ConeFit(problem.design, problem.target, box.growth, tolerance)
        self.idle: list[Face] = []

    @classmethod
    def at_start(cls, problem: Problem, box: Box, law: Law) -> State:
        """The state at s = 0."""
        state = cls(problem, box, law)
        for j in np.flatnonzero(box.unpenalised).tolist():
            state.fit.enter(j, sign=0.0, bound=0.0)
        faces = [(box.upper == 0, 1.0), (box.lower == 0, -1.0)]
        state.idle = [(int(j), sign) for on_face, sign in faces for j in np.flatnonzero(on_face & ~box.unpenalised)]
        return state

    @classmethod
    def at_knot(cls, problem: Problem, box: Box, law: Law, knot: Knot, factor: Factor | None = None) -> State:
        """The state at a knot that is noted already: what is left is to :meth:`turn`.

        A factor spares making that of the knot's passive columns.
        """
        state = cls(problem, box, law)
        state.s, state.peak, state.impulse, state.idle = knot.s, knot.peak, knot.impulse.copy(), list(knot.idle)
        state.integral[knot.moved] = knot.integral
        state.fit.resume(knot.passive, knot.sign, knot.coef, factor)
        state.dual = state.design.rmatvec(knot.impulse / knot.impulse.size)
        state.dual[knot.known] = knot.dual  # what has been carried along is less rounded
        state._move(np.zeros(knot.passive.size))
        state._hold(zip(knot.passive.tolist(), knot.sign.tolist(), strict=True))
        state._hold(knot.idle)
        state.lingers = True
        return state

    def knot(self, chosen: Ints) -> Knot:
        """Where it is, in coordinates of the whole, of which it has the chosen ones."""
        fit, moved = self.fit, self.integral.nonzero()[0]
        idle = tuple((int(chosen[j]), sign) for j, sign in self.idle)
        rows = fit.sign.copy(), fit.coef.copy()
        return Knot(
            self.s,
            self.peak,
            self.impulse.copy(),
            chosen[fit.index],
            *rows,
            chosen[moved],
            self.integral[moved],
            idle,
            chosen,
            self.dual.copy(),
        )

    def _hold(self, faces: Iterable[Face]) -> None:
        """Put the dual exactly on faces, but for those without width."""
        for j, sign in faces:
            if sign:
                self.dual[j] = sign * ((self.box.upper if sign > 0 else self.box.lower)[j] + self.growth[j] * self.s)

    def turn(self) -> None:
        """Find the direction of the present knot and the rate of the dual along it: one pass over X."""
        self.idle, cheaper = self.fit.solve(self.idle)
        for _ in range(2 * self.dual.size + 1):
            if cheaper is None:
                break
            self._jump(cheaper)
            self.idle, cheaper = self.fit.solve(self.idle)
        else:
            raise ArithmeticError("The walk could not choose among dependent columns; please report this problem.")
        self.rate = self.design.rmatvec(self.fit.residual / self.design.shape[0])

    def _jump(self, face: Face) -> None:
        """Move z along a null direction of X to a cheaper face, until another z_j is zero: X z does not change.

        Weight decay with unequal penalty factors changes which of several dependent columns is the cheapest, and at
        the s where two cost the same the lasso solution is not unique: z jumps from one end of a segment to the other.
        """
        fit, (j, sign) = self.fit, face
        assert isinstance(fit, ConeFit)  # others know of no cheaper face
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
            late = (arrive[arrivals] - wait) * (np.abs(self.rate[arrivals]) - self.growth[arrivals])
            arrivals = arrivals[late <= self.rate_noise[arrivals] * then]
        return Event(wait, arrivals, returning[leave <= wait] if returning.size else _NONE)

    def _arrivals(self) -> Floats:
        """How long until each coordinate reaches the face it moves to, shape (d,)."""
        box, rate = self.box, self.rate
        speed = np.abs(rate)
        gap = box.side(rate) - np.sign(rate) * self.dual
        if self.grows:
            speed -= self.growth
            gap += self.growth * self.s
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
        fit, then = self.fit, self.s + event.wait
        near = event.wait <= SIMULTANEOUS * then and self._is_small(event.wait * fit.coef, then)
        self.lingers = self.s > 0 and (near or then == self.s)
        if event.wait > 0:  # slopes may be so large that z moves although s, rounded, does not
            self.idle = [face for face in self.idle if self._stays(*face)]
            self.s = then
            self.dual += event.wait * self.rate
            self.impulse += event.wait * fit.residual
            self._move(event.wait * fit.coef)
        for position in event.returns[::-1].tolist():
            j, sign = fit.drop(position)
            self.integral[j] = 0.0
            self.idle.append((j, sign))
        if event.returns.size and self.peak > FORGET * then * self.target_norm:
            self._restore()
        self.idle += [(j, 1.0 if self.rate[j] > 0 else -1.0) for j in event.arrivals.tolist()]
        self._hold(self.idle)

    def _is_small(self, step: Floats, s: float) -> bool:
        """Whether a step of the passive z would not show in the path."""
        return bool((np.abs(step) * self.fit.norm).max(initial=0.0) <= SIMULTANEOUS * s * self.target_norm)

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
        assert isinstance(fit, ConeFit)  # flows have no returns
        side = np.where(fit.sign > 0, box.upper[fit.index], box.lower[fit.index])
        coef, residual = fit.minimiser(fit.sign * (side / s + self.growth[fit.index]))
        size = s * float(np.abs(coef) @ fit.norm)
        if self.peak <= FORGET * max(size, s * self.target_norm):
            return
        self.peak = 0.0
        self.integral[fit.index] = 0.0
        self._move(s * coef)
        self.impulse = s * residual
        self.dual = self.design.rmatvec(self.impulse / self.design.shape[0])

    def _stays(self, j: int, sign: float) -> bool:
        """Whether an idle face is still touched: the dual does not move inwards, the face does not run away."""
        return bool(sign * self.rate[j] - self.growth[j] >= -self.rate_noise[j])
