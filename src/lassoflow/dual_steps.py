"""One step of Rodas5P for the dual of a diagonal network on a loss that is no square.

The state is the dual, ``theta' = -grad l(phi(theta))``, or where there are fewer rows than columns the cumulated
residuals R with ``theta = X'R / n``. With H the curvatures of the loss, an intercept projected out, and S^2 the slopes
``dx / d theta`` the Jacobian is ``-X'H X S^2 / n``: similar to ``-G'G / n`` with ``G = H^(1/2) X S`` on the coordinates
that move at all, so that a step costs one Cholesky factor of the smaller side of G.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.branches import Branches
from lassoflow.convex import ConvexProblem
from lassoflow.kernels import coefficients
from lassoflow.rosenbrock import GAMMA, SHIFTS, TIMES, A, C, H

_NEGLIGIBLE = 1e-18
"""Share of the largest slope dx / d theta below which one counts as none."""
_NEWTON = 12


class Point(NamedTuple):
    """Everything at one state: working coefficients, slopes dx / d theta, those of the far branch, and the rates."""

    x: Floats
    slope: Floats
    far: Floats
    eta: Floats
    rate: Floats
    """Of the state."""


class Step(NamedTuple):
    """Where a step ends, its estimated error, and the bends of its dense output, of shape (3, m)."""

    state: Floats
    error: Floats
    bends: Floats


class DualEquation:
    """The equation of a flow, in working units."""

    def __init__(self, problem: ConvexProblem, branches: Branches) -> None:
        self.problem, self.branches = problem, branches
        self.n, self.d = problem.design.shape
        self.by_rows = self.n < self.d
        self._maps = branches.on(np.arange(self.d))
        self._offset = float(problem.best_offset(np.zeros(self.n)))

    def zero(self) -> Floats:
        """The state at the start."""
        return np.zeros(min(self.n, self.d))

    def dual(self, state: Floats) -> Floats:
        """The dual at a state, or its rate at that of the state: shape (d,)."""
        return self.problem.design.rmatvec(state / self.n) if self.by_rows else state

    def gaps(self, state: Floats, s: float) -> tuple[Floats, Floats]:
        """Distances of the dual from the upper and the lower face."""
        return self.branches.gaps(self.dual(state), s)

    def at(self, state: Floats, s: float, log_cap: float = 700.0) -> Point:
        """The coefficients and rates at a state; above the cap branches go on linearly."""
        upper, lower = self.gaps(state, s)
        x, slope, far = coefficients(self._maps, upper, upper + lower, log_cap)
        moved = np.flatnonzero(np.abs(x) > _NEGLIGIBLE * np.abs(x).max(initial=0.0))
        with np.errstate(over="ignore", invalid="ignore"):  # of a stage far out of reach; the step is tried again
            eta = self.problem.design.columns(moved) @ x[moved]
        eta = eta + self._best_offset(eta)
        residual = -self.problem.weights * self.problem.loss_of.slope(eta, self.problem.response)
        return Point(x, slope, far, eta, self._pull(residual))

    def _pull(self, residual: Floats) -> Floats:
        return residual if self.by_rows else self.problem.design.rmatvec(residual / self.n)

    def _best_offset(self, eta: Floats) -> float:
        """The best intercept, by Newton's method from the last one."""
        if not self.problem.fit_intercept or not np.isfinite(eta).all():
            return 0.0
        loss, y, weights, offset = self.problem.loss_of, self.problem.response, self.problem.weights, self._offset
        for _ in range(_NEWTON):
            bend = float(loss.curvature(eta + offset, y) @ weights)
            step = float(loss.slope(eta + offset, y) @ weights) / bend if bend > 0 else np.inf
            if not abs(step) < 2.0:
                break
            offset -= step
            if abs(step) <= 4 * EPS * np.sqrt(self.n) * (1.0 + abs(offset)):
                self._offset = offset
                return offset
        self._offset = float(self.problem.best_offset(eta))
        return self._offset

    def step(self, state: Floats, s: float, h: float, now: Point, log_cap: float) -> Step:
        """One step of length h; not a number where it failed."""
        with np.errstate(over="ignore", invalid="ignore"):  # of a step far out of reach; it is tried again
            return self._step(state, s, h, now, log_cap)

    def _step(self, state: Floats, s: float, h: float, now: Point, log_cap: float) -> Step:
        jacobian = _Jacobian.of(self, now, h * GAMMA)
        drift = self._drift(now, jacobian)
        stages, point = np.zeros((8, state.size)), now
        for i in range(8):
            correction = C[i, :i] @ stages[:i] / h
            if i:
                point = self.at(state + A[i, :i] @ stages[:i], s + TIMES[i] * h, log_cap)
            stages[i] = jacobian.respond(point.rate + correction + h * SHIFTS[i] * drift)
            if not np.isfinite(stages[i]).all():
                return Step(np.full_like(state, np.nan), stages[i], stages[:3])
        end = state + A[7, :5] @ stages[:5] + stages[5:].sum(axis=0)
        return Step(end, stages[7], H @ stages)

    def _drift(self, now: Point, jacobian: _Jacobian) -> Floats:
        """How the rate changes with s alone: under weight decay the faces move away."""
        decay = self.branches.decay
        if not decay:
            return np.zeros_like(now.rate)
        x_rate = decay * (2.0 * now.far - now.slope)
        moved = np.flatnonzero(x_rate)
        return -jacobian.back(jacobian.project(jacobian.root * (self.problem.design.columns(moved) @ x_rate[moved])))


class _Jacobian:
    """``(I - a J)^-1`` at a point."""

    def __init__(self, equation: DualEquation, index: Ints, root: Floats, spread: Floats, a: float) -> None:
        self.equation, self.index, self.root, self.spread, self.a = equation, index, root, spread, a
        norm = float(np.linalg.norm(root))
        self._unit = root / norm if equation.problem.fit_intercept and norm else np.zeros_like(root)
        """The direction in which an intercept moves, over the roots of the curvatures."""
        columns = equation.problem.design.columns(index)
        self._columns = columns
        self.G = self.project(root[:, None] * columns * spread)
        n, m = self.G.shape
        small = self.G.T @ self.G if m <= n else self.G @ self.G.T
        small *= a / equation.n
        small.flat[:: small.shape[0] + 1] += 1.0
        self.factor = None
        if np.isfinite(small).all():
            try:
                self.factor = sla.cho_factor(small, lower=True, check_finite=False)
            except sla.LinAlgError:  # the identity is lost in the rounding of the rest: for shorter steps
                self.factor = None

    @classmethod
    def of(cls, equation: DualEquation, now: Point, a: float) -> _Jacobian:
        """At a point of the flow."""
        index = np.flatnonzero(now.slope > _NEGLIGIBLE * now.slope.max(initial=0.0))
        bend = equation.problem.weights * equation.problem.loss_of.curvature(now.eta, equation.problem.response)
        return cls(equation, index, np.sqrt(bend), np.sqrt(now.slope[index]), a)

    def project(self, rows: Floats) -> Floats:
        """Without the part that the intercept takes."""
        return rows - np.multiply.outer(self._unit, self._unit @ rows)

    def back(self, rows: Floats) -> Floats:
        """The change of the state's rate that belongs to one of the projected predictors, up to the sign."""
        return self.equation._pull(self.root * self.project(rows))

    def respond(self, right: Floats) -> Floats:
        """``a (I - a J)^-1 right``."""
        a, n = self.a, self.equation.n
        if self.factor is None:
            return np.full_like(right, np.nan)
        own = self._columns.T @ right / n if self.equation.by_rows else right[self.index]
        inner = self.spread * own
        if self.G.shape[1] <= n:
            inner = sla.cho_solve(self.factor, inner, check_finite=False)
        else:  # by the identity of Woodbury
            inner = inner - (a / n) * (self.G.T @ sla.cho_solve(self.factor, self.G @ inner, check_finite=False))
        return a * (right - a * self.back(self.G @ inner))
