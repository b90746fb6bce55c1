"""Ordinary knots, walked in one compiled loop.

Nearly every knot of a path is ordinary: one coordinate reaches the box, or one z_j comes back to zero, well apart from
all else, and the columns stay independent. :func:`walk_on` takes a walk from one such knot to the next and stops before
anything else (ties, dependent columns, the end), which :class:`lassoflow.state.State` and
:class:`lassoflow.cone.ConeFit` decide. Without numba they walk every knot, to the same path but for rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.kernels import compile_kernel, compile_part, compile_sums
from lassoflow.qr_updates import Passive, append, back_substitute, delete, dot

TURNED, ADVANCED, FULL = 0, 1, 2
"""Where an ordinary walk stops: at a knot whose direction is known and noted, at one it has just come to, or where
there is no room to note another.
"""

_APART = 1e-6
"""Relative distance in time between events that are surely two."""
SIMULTANEOUS = 1e-12
"""Relative distance, in time and in z, below which the path shows two events as one knot."""
FORGET = 8.0
"""How many times larger z must have been for its rounding to be worth a solve and a pass over X."""


class Columns(NamedTuple):
    """The columns of a walk, one a row, and what is known of each."""

    rows: Floats
    """Shape (d, n)."""
    norms: Floats
    upper: Floats
    lower: Floats
    noise: Floats
    """To which a rate of the dual is known."""


class Place(NamedTuple):
    """Where a walk is, by coordinate."""

    dual: Floats
    integral: Floats
    rate: Floats
    impulse: Floats
    """The residual, cumulated over time."""
    is_passive: NDArray[np.bool_]
    idle: Floats
    """Faces that were left behind, as (coordinate, sign), shape (k, 2)."""


class Log(NamedTuple):
    """Knots as a record keeps them, in arrays with room for more."""

    times: Floats
    starts: Ints
    """Where each knot's entries begin, shape (2, k): of averages and of slopes."""
    columns: Ints
    """Shape (2, entries)."""
    values: Floats


@compile_part
def next_arrival(columns: Columns, at: Place) -> tuple[float, int, float]:
    """How long until the first coordinate reaches the box, which one, and how long until the second one does."""
    best, second, which = np.inf, np.inf, -1
    for j in range(at.rate.size):
        rate = at.rate[j]
        if rate > columns.noise[j]:
            wait = (columns.upper[j] - at.dual[j]) / rate
        elif -rate > columns.noise[j]:
            wait = (columns.lower[j] + at.dual[j]) / -rate
        else:
            continue
        if wait < second and not at.is_passive[j]:
            if wait < best:
                best, second, which = wait, best, j
            else:
                second = wait
    return best, which, second


@compile_part
def next_return(fit: Passive, m: int, at: Place, noise: float) -> tuple[float, int, float]:
    """How long until the first passive z_j comes back to zero, its position, and how long until the second one does."""
    best, second, which = np.inf, np.inf, -1
    for p in range(m):
        if fit.sign[p] * fit.coef[p] * fit.norm[p] < -noise:
            wait = abs(at.integral[fit.column[p]] / fit.coef[p])
            if wait < best:
                best, second, which = wait, best, p
            elif wait < second:
                second = wait
    return best, which, second


@compile_part
def descend(fit: Passive, m: int, noise: float, at: Place, first: int) -> tuple[bool, int, int]:
    """Move to least squares on the passive columns, dropping the first one, if any, and those whose sign would turn.

    Returns whether it was clear which, the number of passive columns, and that of faces left behind.
    """
    goal, idle = np.empty(m), 0
    while True:
        if first >= 0:
            leave(fit, m, first, at, idle)
            m, idle = m - 1, idle + 1
        for p in range(m):
            goal[p] = fit.projection[p]
        back_substitute(fit.R, m, goal)
        share, first, unclear = np.inf, -1, False
        for p in range(m):
            kept = fit.bound[p] * goal[p]
            if fit.bound[p] != 0.0 and kept * fit.norm[p] <= noise:
                here = fit.coef[p]
                unclear |= -kept * fit.norm[p] <= noise or here == 0.0 or here / (here - goal[p]) == share
                if not unclear and here / (here - goal[p]) < share:
                    share, first = here / (here - goal[p]), p
        if unclear or idle == at.idle.shape[0]:
            return False, m, idle
        if first < 0:
            for p in range(m):
                fit.coef[p] = goal[p]
            return True, m, idle
        for p in range(m):
            fit.coef[p] += share * (goal[p] - fit.coef[p])


@compile_part
def leave(fit: Passive, m: int, position: int, at: Place, idle: int) -> None:
    """Drop a passive column and note its face."""
    j = fit.column[position]
    at.idle[idle, 0], at.idle[idle, 1] = j, fit.sign[position]
    at.is_passive[j] = False
    delete(fit, m, position)


@compile_part
def enter(columns: Columns, fit: Passive, m: int, j: int, sign: float, at: Place) -> bool:
    """Make a column passive unless it may depend on the others."""
    if m == fit.Q.shape[0] or not append(fit, m, columns.rows[j], columns.norms[j]):
        return False
    fit.column[m], fit.sign[m], fit.bound[m], fit.coef[m], fit.norm[m] = j, sign, sign, 0.0, columns.norms[j]
    at.is_passive[j] = True
    return True


@compile_part
def note(log: Log, count: int, s: float, fit: Passive, m: int, at: Place) -> None:
    """Write down a knot, its averages and its slopes."""
    averages, slopes = log.starts[0, count], log.starts[1, count]
    log.times[count] = s
    for j in range(at.integral.size):
        if at.integral[j] != 0.0:
            log.columns[0, averages] = j
            log.values[0, averages] = at.integral[j] / s
            averages += 1
    for p in range(m):
        log.columns[1, slopes + p] = fit.column[p]
        log.values[1, slopes + p] = fit.coef[p]
    log.starts[0, count + 1], log.starts[1, count + 1] = averages, slopes + m


@compile_part
def has_room(log: Log, count: int, d: int) -> bool:
    """Whether one more knot can be written down."""
    used = max(log.starts[0, count], log.starts[1, count])
    return count + 1 < log.times.size and used + d <= log.columns.shape[1]


@compile_part
def next_event(
    columns: Columns, fit: Passive, m: int, at: Place, noise: float, is_lasso: bool
) -> tuple[float, float, int, int]:
    """How long until the first event and until the second one, and the first: a coordinate that arrives, or -1, and
    the position of one that returns, or -1.
    """
    wait, j, second = next_arrival(columns, at)
    if not is_lasso:
        return wait, second, j, -1
    wait_back, p, second_back = next_return(fit, m, at, noise)
    if wait_back < wait:
        return wait_back, min(wait, second_back), -1, p
    return wait, min(second, wait_back), j, -1


@compile_part
def size_then(fit: Passive, m: int, at: Place, wait: float, returning: int, least: float) -> float:
    """The size of the passive z in a while, if all but a returning one are then away from zero; else -1."""
    size = 0.0
    for p in range(m):
        length = abs(at.integral[fit.column[p]] + wait * fit.coef[p]) * fit.norm[p]
        if length <= least and p != returning:
            return -1.0
        size += length
    return size


@compile_part
def move(fit: Passive, m: int, at: Place, wait: float) -> None:
    """Let time pass."""
    for j in range(at.dual.size):
        at.dual[j] += wait * at.rate[j]
    for i in range(at.impulse.size):
        at.impulse[i] += wait * fit.residual[i]
    for p in range(m):
        at.integral[fit.column[p]] += wait * fit.coef[p]


@compile_sums
def rest_or_move(columns: Columns, residual: Floats, at: Place) -> None:
    """The rate of the dual along a direction: passive coordinates rest on the box."""
    free = np.empty(at.rate.size, dtype=np.intp)
    count, n = 0, residual.size
    for j in range(at.rate.size):
        at.rate[j] = 0.0
        free[count] = j
        count += not at.is_passive[j]
    for k in range(0, count - 3, 4):  # as in take_out(): one function for both makes a walk a sixth slower
        e, f, g, h = free[k], free[k + 1], free[k + 2], free[k + 3]
        a, b, c, d = columns.rows[e], columns.rows[f], columns.rows[g], columns.rows[h]
        p, q, r, s = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            value = residual[i]
            p += a[i] * value
            q += b[i] * value
            r += c[i] * value
            s += d[i] * value
        at.rate[e], at.rate[f], at.rate[g], at.rate[h] = p / n, q / n, r / n, s / n
    for k in range(count - count % 4, count):
        at.rate[free[k]] = dot(columns.rows[free[k]], residual) / n


@compile_part
def turn(columns: Columns, fit: Passive, m: int, at: Place, j: int, p: int, noise: float) -> tuple[bool, int, int]:
    """The direction after an event, the arrival of j or the return of the one at p, and the rate of the dual along it.

    Returns whether it is found, the number of passive columns, and that of faces left behind.
    """
    if p >= 0:
        j, sign = fit.column[p], fit.sign[p]
        at.integral[j] = 0.0
    else:
        sign = 1.0 if at.rate[j] > 0.0 else -1.0
    at.dual[j] = columns.upper[j] if sign > 0.0 else -columns.lower[j]
    if p < 0:
        if not enter(columns, fit, m, j, sign, at):
            at.idle[0, 0], at.idle[0, 1] = j, sign
            return False, m, 1
        m += 1
    found, m, idle = descend(fit, m, noise, at, p)
    if not found:
        return False, m, idle
    rest_or_move(columns, fit.residual, at)
    for k in range(idle):
        face = int(at.idle[k, 0])
        if at.idle[k, 1] * at.rate[face] >= -columns.noise[face]:  # it does not leave the box
            return False, m, idle
    return True, m, idle


@compile_kernel
def walk_on(
    columns: Columns,
    fit: Passive,
    at: Place,
    log: Log,
    impulses: Floats,
    first: int,
    m: int,
    count: int,
    s: float,
    peak: float,
    target_norm: float,
    noise: float,
    is_lasso: bool,
    horizon: float,
    most: int,
) -> tuple[int, int, int, float, float, int]:
    """Walk from one ordinary knot to the next, while the log has less than so many entries.

    Returns where it stops, the number of passive columns, of entries, s, the largest z and the number of idle faces.
    The residual cumulated over time is written to ``impulses``, if that has rows, from the entry ``first`` on.
    """
    while count < most:
        if not has_room(log, count, at.rate.size):
            return FULL, m, count, s, peak, 0
        wait, second, j, p = next_event(columns, fit, m, at, noise, is_lasso)
        then = s + wait
        if not then < horizon or wait <= SIMULTANEOUS * then or second <= wait + _APART * then:
            break
        if is_lasso:
            size = size_then(fit, m, at, wait, p, noise * then)
            if size < 0.0 or (p >= 0 and peak > FORGET * max(size, then * target_norm)):
                break
            peak = max(peak, size)
            for k in range(m):
                fit.bound[k] = 0.0
        s = then
        move(fit, m, at, wait)
        found, m, idle = turn(columns, fit, m, at, j, p, noise)
        if not found:
            return ADVANCED, m, count, s, peak, idle
        note(log, count, s, fit, m, at)
        if impulses.shape[0]:
            for i in range(at.impulse.size):
                impulses[count - first, i] = at.impulse[i]
        count += 1
    return TURNED, m, count, s, peak, 0
