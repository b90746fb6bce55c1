"""The integration of a gradient flow in the dual: which coordinates take part, on what steps, and when it is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.branches import Branches, Maps
from lassoflow.dense import Effort, Stretch
from lassoflow.network import Network
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:  # numba takes a while to import
    from lassoflow.kernels import Gram
    from lassoflow.stepping import Others

_SMALL = 1e-3
"""Share of rtol, of the coefficients' size, from which on a coordinate takes part."""
_WIDE = 1.5
"""Active coordinates per sample from which on the steps solve in the samples."""
_LOCAL = 1.5
"""Error allowed in a step over rtol: flows are contractive, and what is left in the end is a few rtol inside a jump."""
_REST = 1e-10
"""Share of the fastest dual at the start below which none moves."""
_LOST = 1e-3
"""Share of rtol that rounding of the gaps may take."""
_LEAVE = 0.01
"""Share of that below which it no longer does."""
_LARGE = 60
"""Unknowns of the linear systems from which on explicit steps are considered."""
_CHUNK, _PATIENCE = 32, 4
"""Steps after which that is considered anew, and how often at most before implicit steps are tried again."""


class FlowProgress(NamedTuple):
    """What a ``callback`` is told: the steps so far, the time, and how many coordinates are active."""

    steps: int
    """Steps of the integrator so far."""
    s: float
    """The time."""
    n_active: int
    """How many coordinates are active."""


@dataclass
class _Active:
    """The coordinates that are integrated: their faces, gaps and cumulated coefficients times the sign."""

    index: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    sign: Floats = field(default_factory=lambda: np.zeros(0))
    gap: Floats = field(default_factory=lambda: np.zeros(0))


class _Scheme:
    """Which steps to take: explicit ones as long as stability does not limit them much more than accuracy does.

    An implicit step costs several explicit ones; how many follows from the sizes. What accuracy alone allows is only
    seen on implicit steps: where explicit ones are at the limit of stability, a few implicit ones are tried, the more
    rarely the more often they were tried in vain.
    """

    def __init__(self) -> None:
        self.explicit = True
        self.patience, self.limited, self.looked = 1, 0, -_CHUNK

    def choose(self, maps: Maps, gram: Gram, gap: Floats, width: Floats, step: float, steps: int) -> tuple[bool, int]:
        """Whether the next steps are explicit, and how many they are at most; after so many steps."""
        from lassoflow import kernels, runge_kutta, stepping

        m, n = gap.size, gram.factor.shape[0]
        if (n or m) < _LARGE:
            return False, stepping.ROWS
        rows = _CHUNK if self.explicit else _CHUNK // 4
        if steps - self.looked < rows // 2:
            return self.explicit, rows
        self.looked = steps
        slope = kernels.coefficients(maps, gap, width, 700.0)[1]
        stiffness = step * kernels.stiffness(gram, slope) / runge_kutta.LIMIT
        ratio = 2.3 + n / 40 if n else 4.6 + m / 60
        if not self.explicit:
            self.explicit = stiffness < 0.7 * ratio
        elif stiffness > 0.6:
            self.limited += 1
            if self.limited >= self.patience:
                self.explicit, self.limited, self.patience = False, 0, min(2 * self.patience, _PATIENCE)
        return self.explicit, _CHUNK if self.explicit else _CHUNK // 4


class Integration:
    """The state of an integration, in working units."""

    def __init__(self, problem: LeastSquares, branches: Branches, rtol: float) -> None:
        n, d = problem.design.shape
        self.problem, self.branches, self.rtol = problem, branches, rtol
        self.r = problem.design.rmatvec(problem.target / n)
        start = branches.coef(branches.gaps(np.zeros(d)))
        self.start = float(np.abs(start).max())
        """The largest coefficient at the start."""
        self.size = problem.largest_single_fit or self.start or 1.0
        """The largest coefficient of a fit on a single column; that of the start where y or X is zero."""
        self.fastest = float(np.abs(self.r).max(initial=0.0))
        self.least_rate = _REST * (self.fastest or float(np.abs(self._gradient_of(start)).max(initial=0.0)))
        log_size = math.log(self.size)
        log_small, power = log_size + math.log(_SMALL * rtol), branches.power
        if power < np.inf:  # tails are heavy: what is left out on the way adds up, over the width of a jump
            log_small = min(log_small, log_size - power / (power - 1) * math.log(power / (power - 1) / (0.3 * rtol)))
        self.threshold = float(branches.gap_of(log_small))
        self.leave = float(branches.gap_of(log_small + math.log(_LEAVE)))
        self.steepest = float(branches.steepness(branches.gap_of(log_size)))
        self.s, self.step = 0.0, 0.0
        self.z, self.theta = np.zeros(d), np.zeros(d)
        self.active = _Active()
        self.effort = Effort()
        self.scheme = _Scheme()
        self._gram: dict[int, Floats] = {}
        self._taken = np.zeros(0, dtype=np.intp), np.zeros((0, 0))

    def refuse_rounding(self, network: Network) -> None:
        """Refuse a scale so far above the coefficients that these are lost in the rounding of gaps."""
        two_sided = bool(np.isfinite(self.branches.lower).all())
        lost = self.branches.rounding(self.gaps())
        lost = max(lost / _LOST / max(self.size, self.start), lost / self.size if two_sided else 0.0)
        if self.fastest and lost > self.rtol:
            raise ValueError(
                f"{network!r} has a scale so far above the coefficients of this problem that rounding would hide them: "
                f"rtol must be above {lost:.1g}."
            )

    def stiffness(self) -> float:
        """A bound on the rate at which coefficients relax: the trace of M dx/dtheta."""
        with np.errstate(over="ignore"):
            slope = self.branches.derivative(self.gaps())
            return float((slope * (self.problem.design.norms**2 / self.problem.n_samples)).sum())

    def _first_step(self) -> float:
        return 1e-3 * self.s or 1e-3 / (1.0 + self.fastest + self.stiffness() + self.steepest * self.branches.decay)

    def gaps(self) -> tuple[Floats, Floats]:
        """Gaps of all coordinates to the two faces."""
        return self.branches.gaps(self.theta, self.s)

    def arrived(self, gap: Floats) -> NDArray[np.bool_]:
        """Which gaps are at the threshold, but for rounding of the dual."""
        return gap <= self.threshold + 1e-9 * abs(self.threshold) + self._noise() / 10

    def _noise(self) -> float:
        """Below which a difference of duals is rounding."""
        return 80 * EPS * max(1.0, self.s * self.fastest)

    def _leave(self) -> float:
        """The gap from which on a coordinate no longer takes part: not where gaps of others are rounding."""
        return max(self.leave, self._noise())

    def wait(self) -> float:
        """How long until a coordinate takes part, while none does."""
        upper, lower = self.gaps()
        waits = [
            np.divide(gap - self.threshold, speed, out=np.full(gap.size, np.inf), where=speed > 0)
            for gap, speed in ((upper, self.r - self.branches.decay), (lower, -self.r - self.branches.decay))
        ]
        return max(float(np.minimum(*waits).min(initial=np.inf)), 0.0)

    def choose(self) -> None:
        """Let coordinates in and out, and turn those round that have come nearer to the other face."""
        from lassoflow.kernels import turning_point

        upper, lower = self.gaps()
        old = self.active
        width = (self.branches.upper + self.branches.lower)[old.index] + 2 * self.branches.decay * self.s
        leave = self._leave()
        stay = ~((old.gap > leave) & (width - old.gap > leave))
        turn = old.gap > turning_point(self.branches.power, self.branches.rate, width)
        gap, sign = np.where(turn, width - old.gap, old.gap), np.where(turn, -old.sign, old.sign)
        near = np.minimum(upper, lower)
        near[old.index] = np.inf
        new = np.flatnonzero(self.arrived(near))
        if self.branches.power < np.inf and self.threshold < self._noise():  # gaps of others are rounding from here on
            near = np.maximum(near, 0.3 * self.threshold)
        self.active = _Active(
            np.concatenate([old.index[stay], new]),
            np.concatenate([sign[stay], np.where(upper[new] <= lower[new], 1.0, -1.0)]),
            np.concatenate([gap[stay], near[new]]),
        )
        self.effort.active_sets += 1

    def stretches(self, stop: float) -> tuple[list[Stretch], int]:
        """Integrate on the present active set until it changes; what ended it."""
        from lassoflow import kernels, stepping

        active, b = self.active, self.branches
        index, sign = active.index, active.sign
        frozen = self.z.copy()
        frozen[index] = 0.0
        gram, others = self._products(index, sign, -self._gradient_of(frozen))
        limits = stepping.Limits(
            _LOCAL * self.rtol, self.size, self.threshold, self._leave(), self.steepest, self.least_rate
        )
        maps, found, r = b.on(index, limits.leave, 1e-20 * self.size), [], sign * self.r[index]
        gap, z, why = active.gap, sign * self.z[index], stepping.FULL
        if not self.step:
            self.step = self._first_step()
        mark, moved = (self.s, np.zeros(0)), np.inf
        while why == stepping.FULL:
            width = (b.upper + b.lower)[index] + 2 * b.decay * self.s
            explicit, rows = self.scheme.choose(maps, gram, gap, width, self.step, self.effort.steps)
            why, count, rejected, self.step, times, gaps, sums = stepping.advance(
                maps,
                gram,
                others,
                limits,
                b.decay,
                r,
                gap,
                z,
                width,
                self.s,
                self.step,
                stop - self.s,
                explicit,
                rows,
                moved,
            )
            found.append(Stretch(index, sign, self.s, times, gaps, sums, frozen))
            gap, z = gaps[-1, 0], sums[-1, 0]
            self.s = self.s + float(times[-1]) if why != stepping.STOP else stop
            self.effort.add(count, rejected, explicit)
            if why == stepping.FULL and self.s > 4 / 3 * mark[0]:  # steps may be short while nothing moves
                x = kernels.coefficients(maps, gap, width, 700.0)[0]
                moved, mark = float(np.abs(x - mark[1]).max()) if mark[1].size else np.inf, (self.s, x)
        active.gap = gap
        self.z[index] = sign * z
        self.theta = self.s * self.r - self._gradient_of(self.z)
        return found, why

    def run(self, horizon: float, callback: Callable[[FlowProgress], object] | None) -> tuple[list[Stretch], bool]:
        """Integrate to the horizon, or for ever: the stretches, and whether the flow has come to rest.

        Raises
        ------
        ArithmeticError
            If steps become too short to go on.
        """
        from lassoflow import stepping

        units, found = self.problem.units, list[Stretch]()
        while self.s < horizon:
            if not self.active.index.size and not self.arrived(np.minimum(*self.gaps())).any():
                wait = self.wait()
                if self.s + wait >= horizon or wait == np.inf:
                    break
                self.s += wait
                self.theta = self.theta + wait * self.r
                continue
            self.choose()
            if not self.active.index.size:
                continue
            stretches, why = self.stretches(horizon)
            found += stretches
            s = float(units.time(self.s))
            if callback:
                callback(FlowProgress(self.effort.steps, s, self.active.index.size))
            if why == stepping.STUCK:
                raise ArithmeticError(f"The flow needs steps below rounding at s = {s:.6g}.")
            if why in (stepping.STOP, stepping.STATIONARY):
                return found, why == stepping.STATIONARY
        return found, horizon == np.inf

    def left_to_go(self) -> float:
        """How far the end is from the fit on its support, by Newton's method, over the largest coefficient.

        Directions in which M is zero are none to go in.
        """
        from lassoflow import kernels

        active, b = self.active, self.branches
        width = (b.upper + b.lower)[active.index] + 2 * b.decay * self.s
        x = b.coef(self.gaps())
        x[active.index] = active.sign * kernels.coefficients(b.on(active.index), active.gap, width, 700.0)[0]
        index, root = np.flatnonzero(np.abs(x) > self.rtol * self.size), math.sqrt(self.problem.n_samples)
        if not index.size:
            return 0.0
        residual = (self.problem.target - self.problem.design.columns(np.arange(x.size)) @ x) / root
        columns = self.problem.design.columns(index) / root
        rise = columns.T @ residual - b.decay * np.sign(x[index])
        small = columns.T @ columns if index.size <= columns.shape[0] else columns @ columns.T
        values = np.linalg.eigvalsh(small)
        if values[0] > 1e-8 * values[-1]:  # else they are rounding rather than eigenvalues
            step = float(np.linalg.norm(rise)) / float(values[0])
        else:
            values, basis = np.linalg.svd(columns, full_matrices=False)[1:]
            kept = values > 10 * max(columns.shape) * EPS * values[0]
            step = float(np.abs(basis[kept].T @ (basis[kept] @ rise / values[kept] ** 2)).max(initial=0.0))
        return step / max(float(np.abs(x).max()), self.size)

    def _products(self, index: Ints, sign: Floats, base: Floats) -> tuple[Gram, Others]:
        """``M`` on the active coordinates and the others beside them; or factors of it where these are smaller."""
        from lassoflow.kernels import Gram
        from lassoflow.stepping import Others

        b, (n, d) = self.branches, self.problem.design.shape
        norms, none = self.problem.design.norms / math.sqrt(n), np.zeros((0, 0))
        if index.size > _WIDE * n:
            if not np.array_equal(index, self._taken[0]):  # often coordinates just turn
                self._taken = index, np.take(self._factor, index, axis=1)
            own = Gram(none, self._taken[1] * sign, norms[index])
            if index.size == d:
                empty = np.zeros(0)
                return own, Others(empty, empty, empty, empty, Gram(none, np.zeros((n, 0)), empty))
            upper, lower, r = b.upper.copy(), b.lower.copy(), self.r.copy()
            upper[index], lower[index], r[index] = np.inf, np.inf, 0.0  # active ones never arrive
            return own, Others(r, base, upper, lower, Gram(none, self._factor, norms))
        missing = [j for j in index.tolist() if j not in self._gram]
        if missing:
            columns = self.problem.design.rmatvec(self.problem.design.columns(missing) / n)
            self._gram |= {j: np.ascontiguousarray(columns[:, i]) for i, j in enumerate(missing)}
        columns = np.column_stack([self._gram[j] for j in index.tolist()]) * sign
        matrix, empty = np.ascontiguousarray(sign[:, None] * columns[index]), np.zeros((0, index.size))
        rest = np.ones(d, dtype=bool)
        rest[index] = False
        block = Gram(np.ascontiguousarray(columns[rest]), empty, norms[rest])
        return Gram(matrix, empty, norms[index]), Others(self.r[rest], base[rest], b.upper[rest], b.lower[rest], block)

    @cached_property
    def _factor(self) -> Floats:
        """``X / n^(1/2)``, by rows."""
        n, d = self.problem.design.shape
        return np.ascontiguousarray(self.problem.design.columns(np.arange(d)) / math.sqrt(n))

    def _gradient_of(self, z: Floats) -> Floats:
        """``M z``: one pass."""
        moved, n = np.flatnonzero(z), self.problem.n_samples
        if not moved.size:
            return np.zeros_like(z)
        if moved.size > _WIDE * n:
            fitted = self._factor @ z / math.sqrt(n)
        else:
            fitted = self.problem.design.columns(moved) @ z[moved] / n
        return self.problem.design.rmatvec(fitted)
