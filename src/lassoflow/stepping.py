"""Steps of a gradient flow on a fixed set of active coordinates, until one arrives, leaves or turns, or all rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.branches import Maps
from lassoflow.kernels import (
    Gram,
    coefficients,
    compile_kernel,
    largest_branch,
    rounding,
    steepness,
    times_gram,
    turning_point,
)
from lassoflow.rosenbrock import State, Step, implicit_step
from lassoflow.runge_kutta import explicit_step

FULL, STOP, ARRIVAL, LEAVE, FLIP, STATIONARY, STUCK = range(7)

ROWS = 64
"""Steps at most before the record is handed over."""
_FORCED = 100
"""Steps that may be taken in a row against the error's estimate, because shorter ones make no sense."""


class Others(NamedTuple):
    """The coordinates that are not active: their duals are ``base + s r - M z``, their faces the box's."""

    r: Floats
    base: Floats
    upper: Floats
    lower: Floats
    gram: Gram
    """Its matrix is the block of M, its factor the other columns of F."""


class Limits(NamedTuple):
    """What the integration is held to."""

    tol: float
    """Error of a step relative to the size of the coefficients."""
    size: float
    """Their size: of x, at least."""
    threshold: float
    """The gap at which a coordinate becomes active."""
    leave: float
    """The gap at which it ceases to be."""
    steepest: float
    """The steepness of a branch at the size of the coefficients."""
    least_rate: float
    """A speed of the dual that counts as rest."""


@compile_kernel
def _times_others(others: Others, gram: Gram, x: Floats) -> Floats:
    """``M x`` on the coordinates that are not active."""
    if gram.factor.shape[0]:
        return np.dot(others.gram.factor.T, np.dot(gram.factor, x))
    return np.dot(others.gram.matrix, x)


@compile_kernel
def _wait(others: Others, gram: Gram, limits: Limits, decay: float, s: float, now: State, beyond: float) -> float:
    """How long until the next of the others is ``beyond`` the threshold at its present speed."""
    wait, grown = np.inf, decay * s
    cumulated, present = _times_others(others, gram, now.z), _times_others(others, gram, now.x)
    for j in range(cumulated.size):
        dual, speed = others.base[j] + s * others.r[j] - cumulated[j], others.r[j] - present[j]
        if speed - decay > limits.least_rate:
            gap = others.upper[j] + grown - dual - limits.threshold
            wait = min(wait, (max(gap, 0.0) + beyond) / (speed - decay))
        if -speed - decay > limits.least_rate:
            gap = others.lower[j] + grown + dual - limits.threshold
            wait = min(wait, (max(gap, 0.0) + beyond) / (-speed - decay))
    return wait


@compile_kernel
def _passage(maps: Maps, r: Floats, now: State, largest: float) -> float:
    """How long the coordinates on their way may go on at their present speed: not far beyond a power branch's face.

    Such a step can be so far out of reach of the method that its estimate of the error is none.
    """
    longest = np.inf
    if maps.power < np.inf:
        fast = 1e-6 * np.abs(r).max()
        for j in range(now.g.size):
            if -now.rise[j] > fast and np.abs(now.x[j]) < 1e-3 * largest:
                longest = min(longest, 3.0 * now.g[j] / -now.rise[j])
    return longest


@compile_kernel
def _nearest(others: Others, gram: Gram, z: Floats, s: float, decay: float) -> float:
    """The smallest gap of the others."""
    nearest, cumulated = np.inf, _times_others(others, gram, z)
    for j in range(cumulated.size):
        dual = others.base[j] + s * others.r[j] - cumulated[j]
        nearest = min(nearest, others.upper[j] - dual, others.lower[j] + dual)
    return nearest + decay * s


@compile_kernel
def _at_rest(
    gram: Gram, limits: Limits, decay: float, s: float, now: State, largest: float, moved: float, noise: float
) -> tuple[bool, bool]:
    """Whether no dual moves but those that both faces run away from; and whether x is where it will be, too."""
    reach = now.slope / limits.steepest  # what a branch still holds, also where two of them cancel, as at a start
    share = reach / (reach + 0.01 * limits.tol * largest)
    still = np.abs(now.rise) * np.where((now.rise > 0) & (now.rise < 2 * decay), share, 1.0)
    if still.max() <= max(1e-4 * limits.least_rate, 4.0 * noise):  # what moves is rounding
        return True, True
    if still.max() > limits.least_rate or moved > 0.01 * limits.tol * largest:
        return False, False
    left = still.max() / limits.least_rate * limits.tol * largest
    if gram.matrix.shape[0] and gram.norms.any():  # flat directions: how far Newton's method would go
        ridge = gram.matrix + 1e-13 * np.trace(gram.matrix) * np.eye(reach.size)
        left = np.abs(np.linalg.solve(ridge, np.where(still > 0, now.rise, 0.0))).max()
    return True, left <= limits.tol * largest or s * limits.least_rate > 1e2


@compile_kernel
def _error(
    maps: Maps, gram: Gram, limits: Limits, decay: float, r: Floats, now: State, end: float, h: float, step: Step,
    width: Floats, slope: Floats, largest: float,
) -> float:  # fmt: skip
    """Of a step that ends at time ``end``: over what is allowed; 1 is just right.

    That of log x or of x over the largest: a coordinate on its way has to arrive on time, so all count with the
    steepness of one that is there. Nothing is asked for below what rounding leaves of the estimate and of the gap
    itself. That of z, which g does not show where it is driven by other things than M x. And by how much the two no
    longer are of one dual: in stages far out of reach their relation is lost in rounding.
    """
    relative = np.maximum(np.maximum(steepness(maps, step.g, width), limits.steepest), slope / largest)
    allowed = limits.tol / relative + step.noise + 6.6e-15 * np.abs(step.g)
    worst = max((np.abs(step.error) / allowed).max(), np.abs(step.z_error).max() / (limits.tol * largest * end))
    if step.strained:
        moved = step.z - now.z
        conflict = np.abs(step.g - now.g - h * (decay - r) - times_gram(gram, moved))
        rounded = gram.norms * np.dot(gram.norms, 1e-13 * np.abs(moved) + 1e-15 * np.abs(step.z))
        worst = max(worst, (conflict / (allowed + rounded + 1e-13 * h * np.abs(r).max())).max())
    return worst


class Attempt(NamedTuple):
    """A step that was tried, and where it ends."""

    step: Step
    width: Floats
    x: Floats
    slope: Floats
    far: Floats
    error: float
    """Over what is allowed."""
    sound: bool
    """Whether the end makes sense at all."""
    nearest: float
    """How far the nearest of the others is from the threshold."""


@compile_kernel
def _attempt(
    maps: Maps, gram: Gram, others: Others, limits: Limits, decay: float, r: Floats, now: State, s: float, h: float,
    largest: float, explicit: bool,
) -> Attempt:  # fmt: skip
    """One step of length h at time s. No coordinate may grow out of all proportion, or arrive too late to be seen."""
    top = max(largest, largest_branch(maps, now.g, now.width))
    if explicit:
        step = explicit_step(maps, gram, decay, r, now, h, np.log(1e3 * top))
    else:
        step = implicit_step(maps, gram, decay, r, now, h, np.log(1e3 * top))
    width = now.width + 2 * decay * h
    if not (np.isfinite(step.g).all() and np.isfinite(step.z).all()):
        return Attempt(step, width, now.x, now.slope, now.far, 1e3, False, np.inf)
    x, slope, far = coefficients(maps, step.g, width, 700.0)
    if np.abs(x).max() > 1e3 * top or (maps.series.shape[0] > 0 and (step.g > 0.75 * width).any()):
        return Attempt(step, width, x, slope, far, 1e3, False, np.inf)
    error = _error(maps, gram, limits, decay, r, now, s + h, h, step, width, slope, largest)
    nearest = np.inf
    if error <= 1.0 and others.r.size:
        nearest = _nearest(others, gram, step.z, s + h, decay) - limits.threshold
        rounding_of_duals = 2e-15 * max(1.0, (s + h) * np.abs(others.r).max())
        if nearest < -max(0.7 / _steepness_at_threshold(maps, limits), rounding_of_duals):
            error = 40.0
    return Attempt(step, width, x, slope, far, error, True, nearest)


@compile_kernel
def _steepness_at_threshold(maps: Maps, limits: Limits) -> float:
    return maps.rate if maps.power == np.inf else maps.power / limits.threshold


@compile_kernel
def _event(maps: Maps, limits: Limits, g: Floats, width: Floats, nearest: float) -> int:
    """What has happened at the end of a step; FULL if nothing."""
    if nearest <= 0.0:
        return ARRIVAL
    if ((g > limits.leave) & (width - g > limits.leave)).any():
        return LEAVE
    if (g > turning_point(maps.power, maps.rate, width)).any():
        return FLIP
    return FULL


@compile_kernel
def _plan(
    maps: Maps, gram: Gram, others: Others, limits: Limits, decay: float, r: Floats, now: State, s: float,
    largest: float, moved: float,
) -> float:  # fmt: skip
    """The longest step that makes sense, just beyond the next arrival; 0 if the flow is at rest.

    ``moved`` is how far x came lately, while s grew by a third.
    """
    wait = _passage(maps, r, now, largest)
    if others.r.size:
        wait = min(wait, _wait(others, gram, limits, decay, s, now, 0.3 / _steepness_at_threshold(maps, limits)))
    if s * limits.least_rate > 1e3:
        return 0.0
    if wait < np.inf:
        return wait
    noise = rounding(gram, r, now.x, now.slope * now.g)
    still, ended = _at_rest(gram, limits, decay, s, now, largest, moved, noise)
    if ended:
        return 0.0
    return 4.0 * s if still else np.inf


@compile_kernel
def advance(
    maps: Maps, gram: Gram, others: Others, limits: Limits, decay: float, r: Floats, g: Floats, z: Floats,
    width: Floats, s: float, h: float, length: float, explicit: bool, rows: int,
    moved_before: float,
) -> tuple[int, int, int, float, Floats, Floats, Floats]:  # fmt: skip
    """Step from s on, for a length at most, until something happens.

    ``moved_before`` is how far x came while s grew by a third. Returns what, the steps taken and rejected, the next
    step, and the record: times from s on, and start and bends of g and z on each step, with the state at the end as the
    last row.
    """
    m = g.size
    times, gaps, sums = np.zeros(rows + 1), np.zeros((rows + 1, 4, m)), np.zeros((rows + 1, 4, m))
    count, rejected, forced, passed, moved, why = 0, 0, 0, 0.0, moved_before, FULL
    x, slope, far = coefficients(maps, g, width, 700.0)
    now = State(g, z, width, x, slope, far, decay - r + times_gram(gram, x))
    shortest = 1e-9 / (limits.steepest * max(np.abs(r).max(), np.abs(now.rise).max()))
    while count < rows and why == FULL:
        largest = max(np.abs(now.x).max(), limits.size)
        longest = _plan(maps, gram, others, limits, decay, r, now, s + passed, largest, moved)
        if longest == 0.0:
            why = STATIONARY
            break
        taken = min(h, longest, length - passed)
        found = _attempt(maps, gram, others, limits, decay, r, now, s + passed, taken, largest, explicit)
        factor = min(5.0, max(0.15, 0.9 * max(found.error, 1e-10) ** -0.2))
        if found.error > 1.0 and (not found.sound or taken > shortest):
            rejected += 1
            h = taken * min(factor, 0.7)
            if not h > 1e-3 * shortest:
                why = STUCK
            continue
        forced = forced + 1 if found.error > 1.0 else 0  # shorter steps make no sense
        gaps[count, 0], sums[count, 0] = now.g, now.z
        gaps[count, 1:], sums[count, 1:] = found.step.g_bends, found.step.z_bends
        moved = np.abs(found.x - now.x).max() if taken >= 0.25 * (s + passed + taken) else moved_before
        passed += taken
        rise = found.step.rise if explicit else decay - r + times_gram(gram, found.x)
        now = State(found.step.g, found.step.z, found.width, found.x, found.slope, found.far, rise)
        count += 1
        times[count] = passed
        h = max(h, taken * factor) if taken < h else taken * factor
        why = STOP if passed >= length else _event(maps, limits, now.g, now.width, found.nearest)
        if forced > _FORCED:
            why = STUCK
    gaps[count, 0], sums[count, 0] = now.g, now.z
    return why, count, rejected, h, times[: count + 1], gaps[: count + 1], sums[: count + 1]
