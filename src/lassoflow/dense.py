"""Dense output of a gradient flow: (z, theta) as polynomials on the active coordinates, exact identities elsewhere.

Between two changes of the active set the integrator leaves a :class:`Stretch`: steps, and on each a polynomial for the
gap of every active coordinate to its face and for its cumulated coefficient z. The dual of all other coordinates is
``theta = s r - M z``, an identity; their coefficients are the network's branches of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Side
from lassoflow.network import Branches
from lassoflow.problem import LeastSquares

_BLOCK = 2**22
"""How many coefficients are evaluated at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps on one active set, in working units; m active coordinates, p steps."""

    index: Ints
    """The active coordinates, shape (m,)."""
    sign: Floats
    """The faces they are near, +1 or -1, shape (m,)."""
    times: Floats
    """Ends of the steps, shape (p + 1,)."""
    gaps: Floats
    """Value at the start and three coefficients a step, shape (p + 1, 4, m); of the last row only the value counts."""
    sums: Floats
    """The same of z times the sign."""
    frozen: Floats
    """z of the coordinates that are not active, shape (d,)."""

    def evaluate(self, coefficients: Floats, s: Floats) -> Floats:
        """The polynomials at times s, shape (q, m)."""
        if self.times.size == 1:
            return np.repeat(coefficients[:1, 0], s.size, axis=0)
        step = np.clip(np.searchsorted(self.times, s, side="right") - 1, 0, self.times.size - 2)
        t = ((s - self.times[step]) / (self.times[step + 1] - self.times[step]))[:, None]
        start, end = coefficients[step, 0], coefficients[step + 1, 0]
        bend = coefficients[step, 1] + t * (coefficients[step, 2] + t * coefficients[step, 3])
        return start + t * (end - start + (1.0 - t) * bend)


class Smooth:
    """The curve of a gradient flow.

    Parameters
    ----------
    problem : LeastSquares
    branches : Branches
        Of the network, in working units.
    stretches : sequence of Stretch
        In order; between the end of one and the start of the next the active set is empty or z does not move.
    stop : float
        Where the curve ends, in the user's units; inf if the flow has come to rest.
    """

    exact = False

    def __init__(self, problem: LeastSquares, branches: Branches, stretches: Sequence[Stretch], stop: float) -> None:
        self.problem, self.branches, self.stretches, self.stop = problem, branches, list(stretches), stop

    @cached_property
    def knots(self) -> Floats:
        """Times at which a coordinate becomes active, in the user's units, shape (k,)."""
        before: set[int] = set()
        times = []
        for stretch in self.stretches:
            now = set(stretch.index.tolist())
            if now - before:
                times.append(stretch.times[0])
            before = now
        return np.unique(np.asarray(self.problem.units.time(np.array(times)), dtype=np.float64))

    @cached_property
    def mesh(self) -> Floats:
        """Ends of all steps, in the user's units, increasing."""
        times = [stretch.times for stretch in self.stretches]
        return np.unique(np.asarray(self.problem.units.time(np.concatenate([np.zeros(1), *times]))))

    @cached_property
    def _starts(self) -> Floats:
        return np.array([stretch.times[0] for stretch in self.stretches])

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """x(s) for s of shape (m,): shape (m, d)."""
        return self.problem.units.coef(self._evaluate(s, lambda gaps: self.branches.coef(gaps)))

    def log_abs(self, s: Floats) -> Floats:
        """log|x(s)| for s of shape (m,), right where x underflows: shape (m, d)."""
        shift = np.log(2.0) * (self.problem.units.target - self.problem.units.design)
        return self._evaluate(s, lambda gaps: self.branches.log_abs(gaps)) + shift

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """z(s) / s for s of shape (m,), continued by x(0) at 0: shape (m, d)."""
        working = self._working(s)
        rows = np.empty((s.size, self.problem.n_features))
        for part, stretch in self._parts(working):
            at = working[part]
            rows[part] = self._sums(stretch, np.minimum(at, self._last)) / np.where(at > 0, at, 1.0)[:, None]
        late, end = working > self._last, self._last
        if late.any():
            share = np.divide(end, working[late])[:, None]
            rows[late] = rows[late] * 1.0 + (1.0 - share) * self._evaluate_working(working[late], self.branches.coef)
        rest = working == 0
        if rest.any():
            rows[rest] = self._evaluate_working(working[rest], self.branches.coef)
        return self.problem.units.coef(rows)

    @property
    def _last(self) -> float:
        """The working time at which the steps end."""
        return float(self.stretches[-1].times[-1]) if self.stretches else 0.0

    def _working(self, s: Floats) -> Floats:
        return np.asarray(self.problem.units.working_time(s), dtype=np.float64)

    def _parts(self, working: Floats) -> list[tuple[Ints, Stretch | None]]:
        """Which of the times lie in which stretch; None before the first."""
        place = np.searchsorted(self._starts, working, side="right") - 1
        return [
            (np.flatnonzero(place == i), self.stretches[i] if i >= 0 else None) for i in np.unique(place).tolist()
        ]

    def _sums(self, stretch: Stretch | None, at: Floats) -> Floats:
        if stretch is None:
            return np.zeros((at.size, self.problem.n_features))
        z = np.repeat(stretch.frozen[None], at.size, axis=0)
        inside = np.minimum(at, stretch.times[-1])
        z[:, stretch.index] = stretch.sign * stretch.evaluate(stretch.sums, inside)
        return z

    def _evaluate(self, s: Floats, what):
        return self._evaluate_working(self._working(s), what)

    def _evaluate_working(self, working: Floats, what):
        """A function of the gaps to the two faces, at working times, a block of rows at a time."""
        d = self.problem.n_features
        rows = np.empty((working.size, d))
        size = max(1, _BLOCK // d)
        for part, stretch in self._parts(working):
            for first in range(0, part.size, size):
                block = part[first : first + size]
                rows[block] = what(self._gaps(stretch, np.minimum(working[block], self._last)))
        return rows

    def _gaps(self, stretch: Stretch | None, at: Floats) -> tuple[Floats, Floats]:
        design, target = self.problem.design, self.problem.target
        z = self._sums(stretch, at)
        active = np.flatnonzero(z.any(axis=0))
        residual = at[:, None] * target - z[:, active] @ design.columns(active).T
        theta = design.rmatvec(residual.T / self.problem.n_samples).T
        gaps = self.branches.gaps(theta, at)
        if stretch is not None:
            inside = at <= stretch.times[-1] if stretch.index.size else np.zeros(at.size, dtype=bool)
            rows = np.flatnonzero(inside)
            near = stretch.evaluate(stretch.gaps, at[rows])
            width = (self.branches.upper + self.branches.lower)[stretch.index]
            far = width + 2.0 * self.branches.decay * at[rows, None] - near
            for face, (one, other) in enumerate(((near, far), (far, near))):
                gaps[face][np.ix_(rows, stretch.index)] = np.where(stretch.sign > 0, one, other)
        return gaps
