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
def _wait(others: Others, limits: Limits, decay: float, s: float, dual: Floats, speed: Floats, beyond: float) -> float:
    """How long until the next of the others is ``beyond`` the threshold at its present speed."""
    wait, grown = np.inf, decay * s
    for j in range(dual.size):
        approach, descend = speed[j] - decay, -speed[j] - decay
        if approach > limits.least_rate:
            gap = others.upper[j] + grown - dual[j] - limits.threshold
            wait = min(wait, (max(gap, 0.0) + beyond) / approach)
        if descend > limits.least_rate:
            gap = others.lower[j] + grown + dual[j] - limits.threshold
            wait = min(wait, (max(gap, 0.0) + beyond) / descend)
    return wait


@compile_kernel
def _nearest(others: Others, gram: Gram, z: Floats, s: float, decay: float) -> float:
    """The smallest gap of the others."""
    dual = others.base + s * others.r - _times_others(others, gram, z)
    return min((others.upper - dual).min(), (others.lower + dual).min()) + decay * s


@compile_kernel
def _at_rest(
    gram: Gram, limits: Limits, decay: float, s: float, now: State, largest: float, moved: float, noise: float
) -> tuple[bool, bool]:
    """Whether no dual moves but those that both faces run away from; and whether x is where it will be, too."""
    x = np.abs(now.x)
    share = x / (x + 0.01 * limits.tol * largest)
    still = np.abs(now.rise) * np.where((now.rise > 0) & (now.rise < 2 * decay), share, 1.0)
    if still.max() <= max(1e-4 * limits.least_rate, 4.0 * noise):  # what moves is rounding
        return True, True
    if still.max() > limits.least_rate or moved > 0.01 * limits.tol * largest:
        return False, False
    left = still.max() / limits.least_rate * limits.tol * largest
    if gram.matrix.shape[0]:  # flat directions: how far Newton's method would go
        ridge = gram.matrix + 1e-13 * np.trace(gram.matrix) * np.eye(x.size)
        left = np.abs(np.linalg.solve(ridge, np.where(still > 0, now.rise, 0.0))).max()
    return True, left <= limits.tol * largest or s * limits.least_rate > 1e2


@compile_kernel
def _error(maps: Maps, limits: Limits, width: Floats, step: Step, slope: Floats, largest: float) -> float:
    """Of a step: that of log x or of x over the largest, over what is allowed; 1 is just right.

    A coordinate on its way has to arrive on time, so all count with the steepness of one that is there. Nothing is
    asked for below what rounding leaves of the estimate and of the gap itself.
    """
    relative = np.maximum(np.maximum(steepness(maps, step.g, width), limits.steepest), slope / largest)
    return (np.abs(step.error) / (limits.tol / relative + step.noise + 6.6e-15 * np.abs(step.g))).max()


@compile_kernel
def advance(
    maps: Maps, gram: Gram, others: Others, limits: Limits, decay: float, r: Floats, g: Floats, z: Floats,
    width: Floats, s: float, h: float, length: float, explicit: bool, rows: int,
) -> tuple[int, int, int, float, Floats, Floats, Floats]:  # fmt: skip
    """Step from s on, for a length at most, until something happens.

    Returns what, the steps taken and rejected, the next step, and the record: times from s on, and start and bends of
    g and z on each step, with the state at the end as the last row.
    """
    m = g.size
    times, gaps, sums = np.zeros(rows + 1), np.zeros((rows + 1, 4, m)), np.zeros((rows + 1, 4, m))
    kappa = maps.rate if maps.power == np.inf else maps.power / limits.threshold
    shortest = 1e-9 / (limits.steepest * np.abs(r).max())
    count, rejected, forced, passed, moved_x, why = 0, 0, 0, 0.0, np.inf, FULL
    nearest = np.inf
    x, slope, far = coefficients(maps, g, width, 700.0)
    rise = decay - r + times_gram(gram, x)
    while count < rows:
        now = State(g, z, width, x, slope, far, rise)
        largest = max(np.abs(x).max(), limits.size)
        top = max(largest, largest_branch(maps, g, width))
        wait = np.inf
        if others.r.size:
            dual = others.base + (s + passed) * others.r - _times_others(others, gram, z)
            speed = others.r - _times_others(others, gram, x)
            wait = _wait(others, limits, decay, s + passed, dual, speed, 0.3 / kappa)
        if (s + passed) * limits.least_rate > 1e3:
            why = STATIONARY
            break
        if wait == np.inf:
            still, ended = _at_rest(
                gram, limits, decay, s + passed, now, largest, moved_x, rounding(gram, r, x, slope * g)
            )
            if ended:
                why = STATIONARY
                break
            if still:
                wait = 4.0 * (s + passed)
        # -- one attempt
        taken = min(h, wait, length - passed)
        if explicit:
            step = explicit_step(maps, gram, decay, r, now, taken, np.log(1e3 * top))
        else:
            step = implicit_step(maps, gram, decay, r, now, taken, np.log(1e3 * top))
        moved = width + 2 * decay * taken
        error, sound = 1e3, np.isfinite(step.g).all()
        if sound:
            reached, reached_slope, reached_far = coefficients(maps, step.g, moved, 700.0)
            sound = np.abs(reached).max() <= 1e3 * top
            sound = sound and (maps.series.shape[0] == 0 or (step.g <= 0.75 * moved).all())
        if sound:
            error = _error(maps, limits, moved, step, reached_slope, largest)
        if sound and error <= 1.0 and others.r.size:
            nearest = _nearest(others, gram, step.z, s + passed + taken, decay) - limits.threshold
            beyond = max(0.7 / kappa, 2e-15 * max(1.0, (s + passed) * np.abs(others.r).max()))
            if nearest < -beyond:
                error = 40.0
        factor = min(5.0, max(0.15, 0.9 * max(error, 1e-10) ** -0.2))
        if error > 1.0 and (not sound or taken > shortest):
            rejected += 1
            h = taken * min(factor, 0.7)
            if not h > 1e-3 * shortest:
                why = STUCK
                break
            continue
        forced = forced + 1 if error > 1.0 else 0
        if forced > _FORCED:
            why = STUCK
            break
        # -- recorded
        gaps[count, 0], sums[count, 0] = g, z
        gaps[count, 1:], sums[count, 1:] = step.g_bends, step.z_bends
        moved_x = np.abs(reached - x).max() if taken >= 0.25 * (s + passed + taken) else np.inf
        passed += taken
        g, z, width, x, slope, far = step.g, step.z, moved, reached, reached_slope, reached_far
        rise = step.rise if explicit else decay - r + times_gram(gram, x)
        count += 1
        times[count] = passed
        h = max(h, taken * factor) if taken < h else taken * factor
        if passed >= length:
            why = STOP
        elif nearest <= 0.0:
            why = ARRIVAL
        elif ((g > limits.leave) & (width - g > limits.leave)).any():
            why = LEAVE
        elif (g > turning_point(maps.power, maps.rate, width)).any():
            why = FLIP
        if why != FULL:
            break
    gaps[count, 0], sums[count, 0] = g, z
    return why, count, rejected, h, times[: count + 1], gaps[: count + 1], sums[: count + 1]
