"""Gradient flow of a diagonal network on a loss that is no square, integrated in the dual.

``theta' = -grad l(phi(theta))`` is the flow however small the scale (docs, section 4). All coordinates are part of the
state; a step is no longer than until the next one comes into play, and is tried again where one came unforeseen.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.dense import Effort
from lassoflow.dual_curve import DualCurve, Sampled, Steps, nodes_of
from lassoflow.dual_steps import DualEquation, Point, Step
from lassoflow.layered import LayeredNetwork
from lassoflow.network import Network
from lassoflow.path import Frame, Path
from lassoflow.recession import recession_columns

_SMALL = 1e-3
"""Share of rtol, of the coefficients' size, from which on a coordinate is in play."""
_LOCAL = 1.5
"""Error allowed in a step over rtol."""
_REST, _STILL = 1e-10, 1e-2
"""Share of the fastest dual below which none moves; of rtol, by how much coefficients at rest may change."""
_SHORTEST = 1e-9
"""Share of the width of a jump at the fastest rate below which steps are too short to go on."""
_NEAR = 0.02
"""Share of a step, at its ends, within which a jump of the curvature does not matter."""
_BLOCK = 512


class DualIntegration:
    """The state of an integration, in working units."""

    def __init__(self, problem: ConvexProblem, network: Network, decay: float, rtol: float) -> None:
        units, norms = problem.units, problem.design.norms
        if isinstance(network, LayeredNetwork):
            kind = type(problem).__name__
            raise ValueError(
                f"network must not be a LayeredNetwork for a {kind} problem: its flow is for squares only."
            )
        branches = network.branches(problem.n_features, float(units.working_penalty(decay)))
        self.branches = branches.rescaled(math.log(2.0) * (units.design - units.target))
        self.problem, self.rtol = problem, rtol
        self.equation, self.effort = DualEquation(problem, self.branches), Effort()
        self.size = math.sqrt(problem.n_samples) / (float(norms.max(initial=0.0)) or 1.0)
        """The coefficient that moves predictors by 1: their scale, until there are larger ones."""
        self.s, self.state = 0.0, self.equation.zero()
        self.now = self.equation.at(self.state, 0.0)
        self.fastest = float(np.abs(self.equation.dual(self.now.rate)).max(initial=0.0))
        self.threshold = float(self.branches.gap_of(math.log(_SMALL * rtol * self.size)))
        self.steep = float(self.branches.steepness(self.threshold))
        self.times, self.rows, self.ever = [0.0], list[Floats](), np.zeros(problem.n_features, dtype=np.bool_)
        self._refuse_rounding(network)

    def _refuse_rounding(self, network: Network) -> None:
        """The dual is a number near the face: at depth 3 and more its gap to the face must have digits left."""
        gap = float(self.branches.gap_of(math.log(self.size)))
        lost = 0.0 if self.branches.power == np.inf else self.branches.power * 4 * EPS / gap
        if lost > self.rtol:
            kind = type(self.problem).__name__
            raise ValueError(
                f"{network!r} has a scale so small that rounding of the dual would hide the coefficients of a {kind} "
                f"problem: rtol must be above {lost:.1g}, or the scale larger."
            )

    def run(self, horizon: float, callback: Callable[[int, float, int], object] | None) -> None:
        """Integrate to the horizon, or to rest if that is inf.

        Raises
        ------
        ArithmeticError
            If steps become too short to go on.
        """
        h, count = np.inf, -1
        while self.s < horizon:
            largest = max(float(np.abs(self.now.x).max(initial=0.0)), self.size)
            wait = self._wait(largest)
            if wait == np.inf and horizon == np.inf and self._rests(largest):
                break
            longest = wait if wait < np.inf else 4.0 * self.s or 1.0 / (self.steep * (self.fastest or 1.0))
            taken = min(h, longest, horizon - self.s)
            step, error = self._attempt(taken, largest)
            factor = min(5.0, max(0.15, 0.9 * max(error, 1e-10) ** -0.2))
            if error > 1.0:
                self.effort.rejected += 1
                h = taken * min(factor, 0.7)
                if h * self.steep * self.fastest < _SHORTEST or self.s + h == self.s:
                    at = float(self.problem.units.time(self.s))
                    raise ArithmeticError(f"The flow needs steps below rounding at s = {at:.6g}.")
                continue
            then = self.equation.at(step.state, self.s + taken)
            share = self._before_kink(then)
            if _NEAR < share < 1.0 - _NEAR:
                h = (1.0 + _NEAR / 2) * share * taken
                continue
            h = max(h, taken * factor) if taken < h else taken * factor
            self._accept(step, then, taken, horizon)
            active = int(self._in_play().sum())
            if callback and active != count:
                callback(self.effort.steps, float(self.problem.units.time(self.s)), active)
            count = active

    def _in_play(self) -> NDArray[np.bool_]:
        return np.asarray(np.minimum(*self.equation.gaps(self.state, self.s)) <= self.threshold)

    def _wait(self, largest: float) -> float:
        """The longest step that makes sense: until the next coordinate comes into play, and a little further."""
        gaps = self.equation.gaps(self.state, self.s)
        rate, decay = self.equation.dual(self.now.rate), self.branches.decay
        still, wait = np.maximum(_REST * self.fastest, self._noise()), np.inf
        for gap, speed in ((gaps[0], rate - decay), (gaps[1], -rate - decay)):
            comes = (speed > still) & (gap > self.threshold) & (gap < np.inf)
            wait = min(
                wait, float(((gap - self.threshold + 0.3 / self.steep)[comes] / speed[comes]).min(initial=np.inf))
            )
            if self.branches.power < np.inf:  # not far beyond a face, where the estimate of the error is none
                passes = (speed > 1e-6 * self.fastest) & (np.abs(self.now.x) < 1e-3 * largest)
                wait = min(wait, float((3.0 * gap[passes] / speed[passes]).min(initial=np.inf)))
        return wait

    def _rests(self, largest: float) -> bool:
        """Whether no coefficient would change while s doubles, but for a small share of rtol, or for rounding.

        One that grows is not at rest however small it is, unless it grows by less than a factor e.
        """
        now, decay, rate = self.now, self.branches.decay, self.equation.dual(self.now.rate)
        upper, lower = self.equation.gaps(self.state, self.s)
        speed = np.where(upper <= lower, rate, -rate) - decay
        change, small = np.abs(now.slope * rate + decay * (2.0 * now.far - now.slope)), _STILL * self.rtol * largest
        slow = (change * self.s <= small) & (speed * self.s * self.branches.steepness(np.minimum(upper, lower)) <= 1.0)
        fades = (speed <= 0.0) & (np.abs(now.x) <= small)
        still = self.s > 0.0 and (slow | fades)
        return bool((still | (np.minimum(np.abs(rate - decay), np.abs(rate + decay)) <= self._noise())).all())

    def _noise(self) -> Floats:
        """What rounding of y and of the duals, which moves coefficients, leaves of rates that are zero: shape (d,)."""
        problem, norms, n = self.problem, self.problem.design.norms, self.problem.n_samples
        bend = (problem.weights * problem.loss_of.curvature(self.now.eta, problem.response)).max(initial=0.0)
        moved = norms @ (self.now.slope * np.maximum(1.0, np.abs(self.equation.dual(self.state))))
        return np.asarray(EPS * norms / n * (16 * math.sqrt(n) * problem.size + 4 * bend * moved))

    def _attempt(self, h: float, largest: float) -> tuple[Step, float]:
        """A step of length h and its error over what is allowed; large where it makes no sense."""
        cap = math.log(1e3 * largest)
        step = self.equation.step(self.state, self.s, h, self.now, cap)
        if not np.isfinite(step.state).all():
            return step, 1e3
        before, after = self.equation.gaps(self.state, self.s), self.equation.gaps(step.state, self.s + h)
        near = np.minimum(*after)
        late = (np.minimum(*before) > self.threshold) & (near < self.threshold - 0.7 / self.steep - 1e-14)
        if late.any() or self.branches.log_branch(near.min(initial=np.inf)) > cap:
            return step, 40.0
        steep = self.branches.steepness(np.maximum(near, float(self.branches.gap_of(cap))))
        allowed = _LOCAL * self.rtol / np.maximum(steep, self.steep) + 4 * EPS * (1.0 + near)
        return step, float((np.abs(self.equation.dual(step.error)) / allowed).max(initial=0.0))

    def _before_kink(self, then: Point) -> float:
        """The share of a step up to where the curvature of the loss first jumps, by linear interpolation; 1 if nowhere.

        The estimate of the error does not see a jump, but a step that ends just after one hardly feels it.
        """
        loss, y = self.problem.loss_of, self.problem.response
        before, after = loss.kinks(self.now.eta, y), loss.kinks(then.eta, y)
        crossed = before * after < 0.0
        return float((before[crossed] / (before[crossed] - after[crossed])).min(initial=1.0))

    def _accept(self, step: Step, then: Point, h: float, horizon: float) -> None:
        self.rows.append(np.vstack([self.state, step.bends]))
        self.s = horizon if h >= horizon - self.s else self.s + h
        self.times.append(self.s)
        self.state, self.now = step.state, then
        self.ever |= np.abs(self.now.x) > _SMALL * self.rtol * self.size
        self.effort.add(1, 0, False)

    def curve(self, stop: float) -> DualCurve:
        """All steps as a curve."""
        last = np.vstack([self.state, np.zeros((3, self.state.size))])
        state = Steps(np.array(self.times), np.array([*self.rows, last]))
        index, rows = np.flatnonzero(self.ever), state.rows
        if self.equation.by_rows:
            columns = self.problem.design.columns(index) / self.problem.n_samples
            dual = Steps(state.times, rows @ columns)
        else:
            dual = Steps(state.times, rows[:, :, index])
        return DualCurve(
            self.problem, self.problem.units, self.branches, state, index, dual, stop, self.rtol, self.effort
        )


def convex_flow(
    problem: ConvexProblem,
    network: Network,
    decay: float,
    until: float | None,
    rtol: float,
    callback: Callable[[int, float, int], object] | None,
) -> Path:
    """The path of a flow on a loss that is no square; arguments are those of :func:`lassoflow.gradient_flow`."""
    run = DualIntegration(problem, network, decay, rtol)
    box = network.faces(problem.n_features, decay)
    if until is None and not decay:
        _require_minimum(problem, box)
    run.run(np.inf if until is None else float(problem.units.working_time(until)), callback)
    stop = np.inf if until is None else until
    curve = run.curve(stop)
    frame = Frame(problem.feature_names, problem.feature_means, 0.0)
    status = "complete" if until is None else "until"
    return Path(curve, "network", problem, box, frame, status, 0.0, network, _offset(problem, curve, stop))  # type: ignore[arg-type]


def _require_minimum(problem: ConvexProblem, box: Box) -> None:
    """Raise where the flow would go on for ever."""
    signs = np.where(np.isinf(box.lower), 1.0, np.where(np.isinf(box.upper), -1.0, 0.0))
    columns = recession_columns(problem, np.arange(problem.n_features), signs)
    if columns is not None:
        names = ", ".join(repr(problem.feature_names[j]) for j in columns[:4].tolist()) + ", ..." * (columns.size > 4)
        raise ValueError(
            f"until must be given: the loss has no minimum, it falls for ever along {names or 'the intercept'}."
        )


def _offset(problem: ConvexProblem, curve: DualCurve, stop: float) -> Sampled | None:
    """The intercept of centred columns along a flow."""
    if not problem.fit_intercept:
        return None
    times = np.concatenate([[0.0], curve.mesh if curve.mesh.size else [float(problem.units.time(1.0))]])
    nodes = nodes_of(times)
    rows = [
        problem.best_offset(problem.fitted(curve.slope(part.ravel())))
        for part in np.array_split(nodes, 1 + nodes.size // _BLOCK)
    ]
    return Sampled(times, np.ldexp(np.concatenate(rows).reshape(nodes.shape), problem.units.target), stop)
