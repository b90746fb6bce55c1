"""Gradient flow of a diagonal network of any initialisation, integrated in the dual on the active coordinates.

In lasso time ``z' = phi(theta)``, ``theta = s r - M z``: convex, and smooth however small the scale. A coordinate takes
part while its branch is above a small share of rtol; all others follow by the identity. The stepping itself is in
:mod:`lassoflow.rosenbrock`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats, Ints, read_nonnegative
from lassoflow.decay import decayed_flow
from lassoflow.dense import Effort, Smooth, Stretch
from lassoflow.network import Branches, Network
from lassoflow.path import Frame, Path, Status
from lassoflow.problem import LeastSquares

_SMALL = 1e-3
"""Share of rtol, of the coefficients' size, from which on a coordinate takes part."""
_WIDE = 1.5
"""Active coordinates per sample from which on the steps solve in the samples."""
_LOCAL = 1.5
"""Error allowed in a step over rtol: flows are contractive, and what is left in the end is a few rtol inside a jump."""
_LEAVE = 0.01
"""Share of that below which it no longer does."""


class FlowProgress(NamedTuple):
    """What a ``callback`` is told: the steps so far, the time, and how many coordinates are active."""

    steps: int
    s: float
    n_active: int


@dataclass
class _Active:
    """The coordinates that are integrated: their faces, gaps and cumulated coefficients times the sign."""

    index: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    sign: Floats = field(default_factory=lambda: np.zeros(0))
    gap: Floats = field(default_factory=lambda: np.zeros(0))


class _Integration:
    """The state of an integration, in working units."""

    def __init__(self, problem: LeastSquares, branches: Branches, rtol: float) -> None:
        n, d = problem.design.shape
        self.problem, self.branches, self.rtol = problem, branches, rtol
        self.r = problem.design.rmatvec(problem.target / n)
        norms = problem.design.norms
        with np.errstate(divide="ignore", invalid="ignore"):
            single = np.where(norms > 0, np.abs(self.r) * n / norms**2, 0.0)
        self.size = float(single.max(initial=0.0))
        """The largest coefficient of a fit on a single column."""
        self.fastest = float(np.abs(self.r).max(initial=0.0))
        log_small = math.log(_SMALL * rtol * self.size) if self.size else 0.0
        if branches.power < np.inf and self.size:  # tails are heavy: what is left out adds up over a jump's width
            log_small += 0.25 * min(0.0, (branches.log_scale - math.log(self.size)) / branches.power)
        self.threshold = float(branches.gap_of(log_small))
        self.leave = float(branches.gap_of(log_small + math.log(_LEAVE)))
        self.steepest = float(branches.steepness(branches.gap_of(math.log(self.size)))) if self.size else 1.0
        self.s, self.step = 0.0, 0.0
        self.z, self.theta = np.zeros(d), np.zeros(d)
        self.active = _Active()
        self.effort = Effort()
        self._gram: dict[int, Floats] = {}

    def gaps(self) -> tuple[Floats, Floats]:
        """Gaps of all coordinates to the two faces."""
        return self.branches.gaps(self.theta, self.s)

    def arrived(self, gap: Floats) -> NDArray[np.bool_]:
        """Which gaps are at the threshold, but for rounding of the dual."""
        rounding = 8 * EPS * np.maximum(1.0, self.s * np.abs(self.r))
        return gap <= self.threshold * (1 + 1e-9) + rounding

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
        from lassoflow import rosenbrock

        upper, lower = self.gaps()
        old = self.active
        width = (self.branches.upper + self.branches.lower)[old.index] + 2 * self.branches.decay * self.s
        stay = ~((old.gap > self.leave) & (width - old.gap > self.leave))
        turn = old.gap > rosenbrock.turning_point(self.branches.power, self.branches.rate, width)
        gap, sign = np.where(turn, width - old.gap, old.gap), np.where(turn, -old.sign, old.sign)
        near = np.minimum(upper, lower)
        near[old.index] = np.inf
        new = np.flatnonzero(self.arrived(near))
        self.active = _Active(
            np.concatenate([old.index[stay], new]),
            np.concatenate([sign[stay], np.where(upper[new] <= lower[new], 1.0, -1.0)]),
            np.concatenate([gap[stay], near[new]]),
        )
        self.effort.active_sets += 1

    def stretches(self, stop: float) -> tuple[list[Stretch], int]:
        """Integrate on the present active set until it changes; what ended it."""
        from lassoflow import rosenbrock  # numba takes a while to import

        active, d = self.active, self.theta.size
        index, sign = active.index, active.sign
        rest = np.setdiff1d(np.arange(d), index)
        frozen = self.z.copy()
        frozen[index] = 0.0
        base = -self._gradient_of(frozen)
        matrix, factor, others = self._products(index, sign, rest)
        b, found = self.branches, []
        maps = b.on(index)
        width = (b.upper + b.lower)[index] + 2 * b.decay * self.s
        gap, z, why = active.gap, sign * self.z[index], rosenbrock.FULL
        if not self.step:
            self.step = 1e-3 * self.s if self.s else 1e-3 / (1.0 + self.fastest)
        while why == rosenbrock.FULL:
            why, count, rejected, self.step, times, gaps, sums = rosenbrock.advance(
                *maps, b.decay, sign * self.r[index], matrix, factor, gap, z, width, self.s, self.step,
                stop, _LOCAL * self.rtol, self.size, self.r[rest], others, base[rest], b.upper[rest], b.lower[rest],
                self.threshold, self.leave, self.steepest, 1e-10 * self.fastest,
            )  # fmt: skip
            found.append(Stretch(index, sign, times, gaps, sums, frozen))
            gap, z = gaps[-1, 0], sums[-1, 0]
            width = width + 2 * b.decay * (times[-1] - self.s)
            self.s = float(times[-1])
            self.effort.steps += count
            self.effort.rejected += rejected
        self.effort.factorisations = self.effort.steps + self.effort.rejected
        self.effort.evaluations = 8 * self.effort.factorisations
        active.gap = gap
        self.z[index] = sign * z
        self.theta = self.s * self.r - self._gradient_of(self.z)
        return found, why

    def _products(self, index: Ints, sign: Floats, rest: Ints) -> tuple[Floats, Floats, Floats]:
        """``M`` on the active coordinates or a factor F of it, whichever is smaller, and M of the others on them."""
        n = self.problem.n_samples
        if index.size > _WIDE * n:
            active = self.problem.design.columns(index) * sign / n
            others = self.problem.design.columns(rest).T @ active
            none = np.zeros((0, 0))
            return none, np.ascontiguousarray(active * math.sqrt(n)), np.ascontiguousarray(others)
        missing = [j for j in index.tolist() if j not in self._gram]
        if missing:
            columns = self.problem.design.rmatvec(self.problem.design.columns(missing) / n)
            self._gram |= {j: np.ascontiguousarray(columns[:, i]) for i, j in enumerate(missing)}
        columns = np.column_stack([self._gram[j] for j in index.tolist()]) * sign
        matrix = np.ascontiguousarray(sign[:, None] * columns[index])
        return matrix, np.zeros((0, index.size)), np.ascontiguousarray(columns[rest])

    def _gradient_of(self, z: Floats) -> Floats:
        """``M z``: one pass."""
        moved = np.flatnonzero(z)
        if not moved.size:
            return np.zeros_like(z)
        fitted = self.problem.design.columns(moved) @ z[moved]
        return self.problem.design.rmatvec(fitted / self.problem.n_samples)


def gradient_flow(
    problem: LeastSquares,
    network: Network,
    until: float | None = None,
    rtol: float = 1e-6,
    weight_decay: float = 0.0,
    callback: Callable[[FlowProgress], object] | None = None,
) -> Path:
    """Gradient flow of a diagonal linear network, from its own initialisation.

    Parameters
    ----------
    problem : LeastSquares
        n samples, d features.
    network : Network
        With its scale.
    until : float, optional
        The lasso time s at which to stop (``network.lasso_time(t)`` for a training time t). By default the flow goes
        on until it has come to rest; the path then covers all s.
    rtol : float
        Relative error of every coefficient above it, a step.
    weight_decay : float
        lambda of ``(lambda / 2) (|u|^2 + |v|^2)`` for products, ``lambda |w|^2`` for squares, ``(lambda / 2) |w|^2``
        at depth 3 and more. There it has no box of its own, and the path has the box without it (docs, section 8).
    callback : callable, optional
        Called with a :class:`FlowProgress` whenever the active set changes.

    Returns
    -------
    Path
        ``path(s)`` is the network's coefficients at lasso time s, ``path.averaged()`` their running average, to be
        compared with the lasso at 1/s; ``path.curve.effort`` counts steps, evaluations and factorisations.

    Raises
    ------
    ValueError
        If the network does not fit the problem, or an argument makes no sense.
    ArithmeticError
        If steps become too short to go on. With weight decay at depth 3 and more also if the flow is not at rest after
        10000 decay times, or passes a saddle so close by that rounding decides where it goes.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> flow = lf.gradient_flow(problem, lf.PowerNetwork(depth=2, scale=1e-100))
    >>> flow([0.5, 2.0, 50.0]).round(4) + 0.0
    array([[ 0.    ,  0.    ],
           [ 1.6   ,  0.    ],
           [ 2.6667, -1.3333]])
    """
    from lassoflow import rosenbrock

    if not isinstance(network, Network):
        raise TypeError(f"network must be a network, such as PowerNetwork(depth=2, scale=1e-6); got {network!r}.")
    decay = read_nonnegative(weight_decay, "weight_decay")
    rtol = read_nonnegative(rtol, "rtol")
    if not 1e-12 <= rtol <= 0.1:
        raise ValueError(f"rtol must lie between 1e-12 and 0.1; got {rtol!r}.")
    if decay and network.depth > 2:
        stop = None if until is None else read_nonnegative(until, "until")
        told = None if callback is None else (lambda *at: callback(FlowProgress(*at)))
        return decayed_flow(problem, network, decay, stop, rtol, told)
    box = network.box(problem.n_features, decay)
    units = problem.units
    working_decay = float(units.working_penalty(decay))
    branches = network.branches(problem.n_features, working_decay).rescaled(
        math.log(2.0) * (units.design - units.target)
    )
    horizon = np.inf if until is None else float(units.working_time(read_nonnegative(until, "until")))
    run = _Integration(problem, branches, rtol)
    stretches: list[Stretch] = []
    status: Status = "complete"
    at_rest = until is None
    while True:
        if run.s >= horizon:
            break
        if not run.active.index.size and not run.arrived(np.minimum(*run.gaps())).any():
            wait = run.wait()
            if run.s + wait >= horizon or wait == np.inf:
                break
            run.s += wait
            run.theta = run.theta + wait * run.r
            continue
        run.choose()
        if not run.active.index.size:
            continue
        found, why = run.stretches(horizon)
        stretches += found
        if callback:
            callback(FlowProgress(run.effort.steps, float(units.time(run.s)), run.active.index.size))
        if why == rosenbrock.STUCK:
            raise ArithmeticError(f"The flow needs steps below rounding at s = {float(units.time(run.s)):.6g}.")
        if why in (rosenbrock.STOP, rosenbrock.STATIONARY):
            at_rest = why == rosenbrock.STATIONARY
            break
    if until is not None:
        status = "until"
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    stop = np.inf if until is None else float(until)
    curve = Smooth(problem, units, branches, stretches, stop, rtol, at_rest, run.effort)
    return Path(curve, "network", problem, box, frame, status, 0.0, network)
