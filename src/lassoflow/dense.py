"""Dense output of a gradient flow: (z, theta) as polynomials on the active coordinates, exact identities elsewhere.

Between two changes of the active set the integrator leaves a :class:`Stretch`: steps, and on each a polynomial for the
gap of every active coordinate to its face and for its cumulated coefficient z. The dual of all other coordinates is
``theta = s r - M z``, an identity; their coefficients are the network's branches of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box
from lassoflow.branches import Branches
from lassoflow.curve import Side, check_side
from lassoflow.design import Units
from lassoflow.layered import LayeredBranches
from lassoflow.problem import LeastSquares

_ROWS = 200
_BLOCK = 2**22
"""How many coefficients are evaluated at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps on one active set, in working units; m active coordinates, p steps."""

    index: Ints
    """The active coordinates, shape (m,)."""
    sign: Floats
    """The faces they are near, +1 or -1, shape (m,)."""
    origin: float
    """When it starts."""
    times: Floats
    """Ends of the steps from the origin on, shape (p + 1,): they may be closer than floats are at the origin."""
    gaps: Floats
    """Value at the start and three coefficients a step, shape (p + 1, 4, m); of the last row only the value counts."""
    sums: Floats
    """The same of z times the sign."""
    frozen: Floats
    """z of the coordinates that are not active, shape (d,)."""

    @property
    def end(self) -> float:
        """When it ends."""
        return self.origin + float(self.times[-1])

    def evaluate(self, coefficients: Floats, s: Floats, positive: bool = False) -> Floats:
        """The polynomials at times s, shape (q, m); positive ones are kept so where s is not exact enough for them."""
        if self.times.size == 1:
            return np.repeat(coefficients[:1, 0], s.size, axis=0)
        passed = np.where(s >= self.end, self.times[-1], s - self.origin)  # it may end before the next float
        step = np.clip(np.searchsorted(self.times, passed, side="right") - 1, 0, self.times.size - 2)
        length = self.times[step + 1] - self.times[step]
        t = np.divide(passed - self.times[step], length, out=np.ones(s.size), where=length > 0)[:, None]
        start, end = coefficients[step, 0], coefficients[step + 1, 0]
        bend = coefficients[step, 1] + t * (coefficients[step, 2] + t * coefficients[step, 3])
        values = start + t * (end - start + (1.0 - t) * bend)
        return np.maximum(values, 0.5 * np.minimum(start, end)) if positive else values


@dataclass
class Effort:
    """What a flow has cost."""

    steps: int = 0
    """Accepted steps of the integrator."""
    rejected: int = 0
    """Steps that were taken back."""
    evaluations: int = 0
    """Of the right-hand side."""
    factorisations: int = 0
    """Of a matrix."""
    active_sets: int = 0
    """How often the active set changed."""

    def add(self, steps: int, rejected: int, explicit: bool) -> None:
        """Count steps of one of the two schemes."""
        self.steps += steps
        self.rejected += rejected
        self.evaluations += 7 * (steps + rejected)
        self.factorisations += 0 if explicit else steps + rejected


class Smooth:
    """The curve of a gradient flow.

    Parameters
    ----------
    problem : LeastSquares or None
        None where the curve was loaded without it: coordinates that were never active are 0 then.
    units : Units
        Of the problem.
    branches : Branches
        Of the network, in working units.
    stretches : sequence of Stretch
        In order; between the end of one and the start of the next no coordinate is active.
    stop : float
        Where the curve ends, in the user's units; inf if the flow has come to rest.
    rtol : float
        Of the integration.
    at_rest : bool
        Whether the coefficients stay as they are after the last stretch.
    effort : Effort, optional
        What the integration has cost; not saved.
    """

    exact = False

    def __init__(
        self,
        problem: LeastSquares | None,
        units: Units,
        branches: Branches,
        stretches: Sequence[Stretch],
        stop: float,
        rtol: float,
        at_rest: bool,
        effort: Effort | None = None,
    ) -> None:
        self.problem, self.units, self.branches, self.rtol = problem, units, branches, rtol
        self.stretches, self.stop, self.at_rest = list(stretches), stop, at_rest
        self.effort = effort
        self._starts = np.array([stretch.origin for stretch in stretches])
        self._last = stretches[-1].end if stretches else 0.0

    # -- the curve ------------------------------------------------------------------------------------------------

    @cached_property
    def knots(self) -> Floats:
        """The rows of a table: some of the steps' ends, in the user's units, shape (k,)."""
        mesh = self.mesh[self.mesh > 0]
        return mesh[np.unique(np.linspace(0, mesh.size - 1, _ROWS).astype(np.intp))] if mesh.size else mesh

    @cached_property
    def mesh(self) -> Floats:
        """Ends of all steps, in the user's units, increasing, shape (p,)."""
        times = [stretch.origin + stretch.times for stretch in self.stretches]
        ends = np.asarray(self.units.time(np.concatenate([np.zeros(0), *times])), dtype=np.float64)
        return np.unique(ends[ends <= self.stop])

    def until(self, stop: float) -> Smooth:
        """The curve up to a time."""
        at = float(self.units.working_time(stop))
        kept = [stretch for stretch in self.stretches if stretch.origin < at]
        return Smooth(self.problem, self.units, self.branches, kept, stop, self.rtol, self.at_rest, self.effort)

    def active(self) -> NDArray[np.bool_]:
        """Which coordinates are ever active, shape (d,)."""
        ever = np.zeros(self.branches.upper.size, dtype=bool)
        for stretch in self.stretches:
            ever[stretch.index] = True
        return ever

    def slope(self, s: Floats, side: Side = "right") -> Floats:
        """x(s) for s of shape (m,): shape (m, d)."""
        check_side(side)
        return self.units.coef(self._of_gaps(self._working(s), self.branches.coef))

    def log_abs(self, s: Floats) -> Floats:
        """log|x(s)| for s of shape (m,), right where x underflows: shape (m, d)."""
        shift, working = np.log(2.0) * (self.units.target - self.units.design), self._working(s)
        late = (working > self._last) & self.at_rest
        logs = self._of_gaps(working, self.branches.log_abs)
        if late.any() and self.problem is not None:
            logs[late] = self.branches.log_abs(self._gaps_at_rest(working[late]))
        return logs + shift

    def _gaps_at_rest(self, late: Floats) -> tuple[Floats, Floats]:
        """Gaps after the last step, when coefficients rest but duals inside the box, or running from it, do not."""
        upper, lower = self._gaps(np.array([self._last]))
        x = self.branches.coef((upper, lower))
        moved = np.flatnonzero(x[0])
        assert self.problem is not None
        residual = self.problem.target - self.problem.design.columns(moved) @ x[0, moved]
        speed = self.problem.design.rmatvec(residual / self.problem.n_samples)
        grown = [self.branches.decay - speed, self.branches.decay + speed]
        grown = [np.where(rate > 1e-10 * self._fastest, rate, 0.0) for rate in grown]  # the others rest
        passed = (late - self._last)[:, None]
        upper, lower = (
            gap + np.multiply(passed, rate, out=np.zeros((late.size, rate.size)), where=rate > 0)
            for gap, rate in zip((upper, lower), grown, strict=True)
        )
        return upper, lower

    def gaps(self, s: Floats) -> tuple[Floats, Floats]:
        """Distances of the dual from the upper and the lower face at times s of shape (m,): each of shape (m, d)."""
        working = self._working(s)
        both = self._of_gaps(working, lambda gaps: np.stack(gaps, axis=1))
        return both[:, 0], both[:, 1]

    def box_gaps(self, box: Box, s: Floats) -> tuple[Floats, Floats]:
        """Distances of the dual from the faces of a box, decay and all, at times s of shape (m,): each (m, d)."""
        sides = ((box.upper, self.branches.upper), (box.lower, self.branches.lower))
        shifts = [np.subtract(face, own, out=np.zeros_like(own), where=np.isfinite(own)) for face, own in sides]
        upper, lower = self.gaps(s)
        return upper + shifts[0], lower + shifts[1]

    def conflict(self, s: Floats) -> Floats:
        """By how much the integrated gaps differ from those that follow from z, the worst at times s: shape (m,).

        A gap and z are integrated side by side; ``theta = s r - M z`` ties them.
        """
        at = self._working(s)
        integrated, implied = self._gaps(at)[0], self._identity_gaps(self._cumulated(at), at)[0]
        return np.asarray(np.abs(integrated - implied).max(axis=1))

    def average(self, s: Floats, side: Side = "right") -> Floats:
        """z(s) / s for s of shape (m,), continued by x(0) at 0: shape (m, d)."""
        check_side(side)
        working = self._working(s)
        rows = np.empty((s.size, self.branches.upper.size))
        for part, stretch in self._parts(working):
            at = working[part]
            rows[part] = self._sums(stretch, at) / np.where(at > 0, at, 1.0)[:, None]
        late = ((working > self._last) & self.at_rest) | (working == 0)
        if late.any():  # at rest since then
            share = np.divide(self._last, working[late], out=np.zeros(late.sum()), where=working[late] > 0)[:, None]
            end = self._of_gaps(working[late], self.branches.coef)
            rows[late] += (1.0 - share) * end
        return self.units.coef(rows)

    # -- out and in -----------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, Any]:
        """The curve as named arrays."""
        b, parts = self.branches, self.stretches
        extra = {"mu": b.mu, "series": b.series, "span": b.span} if isinstance(b, LayeredBranches) else {}
        return {
            **extra,
            "stop": self.stop,
            "rtol": self.rtol,
            "at_rest": self.at_rest,
            "units": np.array([self.units.design, self.units.target]),
            "branches": np.array([b.power, b.rate, b.log_scale, b.decay, getattr(b, "log_factor", 0.0)]),
            "branch_upper": b.upper,
            "branch_lower": b.lower,
            "stretches": np.array([[part.index.size, part.times.size] for part in parts], dtype=np.intp).reshape(-1, 2),
            "origins": np.array([part.origin for part in parts]),
            "frozen": np.array([part.frozen for part in parts]).reshape(len(parts), b.upper.size),
            **{
                name: np.concatenate([np.zeros(0), *(getattr(part, name).ravel() for part in parts)])
                for name in ("index", "sign", "times", "gaps", "sums")
            },
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], problem: LeastSquares | None) -> Smooth:
        """The curve that :meth:`to_arrays` wrote."""
        power, rate, log_scale, decay, log_factor = arrays["branches"].tolist()
        branches = Branches(power, rate, log_scale, arrays["branch_upper"], arrays["branch_lower"], decay)
        if "series" in arrays:
            series = arrays["mu"], arrays["series"], arrays["span"], log_factor
            branches = LayeredBranches(power, rate, log_scale, branches.upper, branches.lower, decay, *series)
        flat = {name: arrays[name] for name in ("index", "sign", "times", "gaps", "sums")}
        place, stretches = dict.fromkeys(flat, 0), []
        starts = arrays["stretches"].tolist(), arrays["origins"].tolist(), arrays["frozen"]
        for (m, p), origin, frozen in zip(*starts, strict=True):
            shapes = {"index": (m,), "sign": (m,), "times": (p,), "gaps": (p, 4, m), "sums": (p, 4, m)}
            parts = {}
            for name, shape in shapes.items():
                size = int(np.prod(shape))
                parts[name] = flat[name][place[name] : place[name] + size].reshape(shape)
                place[name] += size
            index = parts.pop("index").astype(np.intp)
            stretches.append(Stretch(index, origin=origin, frozen=frozen, **parts))
        return cls(
            problem,
            Units(*arrays["units"].tolist()),
            branches,
            stretches,
            float(arrays["stop"]),
            float(arrays["rtol"]),
            bool(arrays["at_rest"]),
        )

    # -- in working units -----------------------------------------------------------------------------------------

    def _working(self, s: Floats) -> Floats:
        return np.asarray(self.units.working_time(s), dtype=np.float64)

    def _parts(self, working: Floats) -> list[tuple[Ints, Stretch | None]]:
        """Which of the times lie in which stretch; None before the first."""
        place = np.searchsorted(self._starts, working, side="right") - 1
        return [(np.flatnonzero(place == i), self.stretches[i] if i >= 0 else None) for i in np.unique(place).tolist()]

    def _sums(self, stretch: Stretch | None, at: Floats) -> Floats:
        """Cumulated coefficients at times in a stretch, or after it: shape (q, d)."""
        if stretch is None:
            return np.zeros((at.size, self.branches.upper.size))
        z = np.repeat(stretch.frozen[None], at.size, axis=0)
        z[:, stretch.index] = stretch.sign * stretch.evaluate(stretch.sums, at)
        return z

    def _of_gaps(self, working: Floats, what: Callable[[tuple[Floats, Floats]], Floats]) -> Floats:
        """A function of the gaps to the two faces, at working times, a block of rows at a time: shape (m, ..., d)."""
        d = self.branches.upper.size
        rows, size = np.empty((working.size, *what((np.ones((0, d)), np.ones((0, d)))).shape[1:])), max(1, _BLOCK // d)
        at = np.minimum(working, self._last) if self.at_rest else working
        for first in range(0, working.size, size):
            rows[first : first + size] = what(self._gaps(at[first : first + size]))
        return rows

    def _gaps(self, at: Floats) -> tuple[Floats, Floats]:
        """Gaps of all coordinates to the two faces: shape (q, d)."""
        upper, lower = self._identity_gaps(self._cumulated(at), at)
        if self.branches.power < np.inf and self.problem is not None:  # beyond a face is rounding
            rounding = 1e-15 * (1.0 + at[:, None] * self._fastest)
            upper, lower = np.maximum(upper, rounding), np.maximum(lower, rounding)
        for part, stretch in self._parts(at):
            if stretch is None:
                continue
            rows = part[at[part] <= stretch.end]  # later, until the next stretch, nothing is active
            near = stretch.evaluate(stretch.gaps, at[rows], self.branches.power < np.inf)
            width = (self.branches.upper + self.branches.lower)[stretch.index]
            far = width + 2.0 * self.branches.decay * at[rows, None] - near
            inside = np.ix_(rows, stretch.index)
            upper[inside], lower[inside] = (np.where(stretch.sign > 0, *pair) for pair in ((near, far), (far, near)))
        return upper, lower

    @cached_property
    def _fastest(self) -> float:
        """The fastest that a dual ever moves before any coefficient does."""
        assert self.problem is not None
        return float(np.abs(self.problem.design.rmatvec(self.problem.target / self.problem.n_samples)).max(initial=0.0))

    def _cumulated(self, at: Floats) -> Floats:
        """Cumulated coefficients at times up to the end of the last stretch: shape (q, d)."""
        z = np.zeros((at.size, self.branches.upper.size))
        for part, stretch in self._parts(at):
            z[part] = self._sums(stretch, at[part])
        return z

    def _identity_gaps(self, z: Floats, at: Floats) -> tuple[Floats, Floats]:
        """Gaps of all coordinates by ``theta = s r - M z``."""
        if self.problem is None:
            nowhere = np.full((at.size, self.branches.upper.size), np.inf)
            return nowhere, nowhere.copy()
        design = self.problem.design
        moved = np.flatnonzero(z.any(axis=0))
        residual = at[:, None] * self.problem.target - z[:, moved] @ design.columns(moved).T
        return self.branches.gaps(design.rmatvec(residual.T / self.problem.n_samples).T, at)
