"""Rodas5P for the dual of a diagonal network: steps on the active coordinates, compiled where numba is installed.

The state of an active coordinate is its *gap*, the distance ``g`` of its dual from the face it is near, and its
cumulated coefficient ``z``, both signed so that the face is the upper one:

    g' = decay - r + M x,    z' = x,    x = f(g) - f(w - g),

with f the branch of the network (``exp(-rate g)`` or ``scale g^-power``) and w the width of the box. The Jacobian
``-M S^2``, ``S^2 = -dx/dg``, is similar to a symmetric matrix, so a step costs one Cholesky factor. Linear relations
between g, z and s hold along a Rosenbrock method, in its stages and in its dense output: ``g = k - s r + M z`` stays
true to rounding, and g keeps its relative accuracy where it is as small as 1e-14.

Coefficients: Steinebach, *Construction of Rosenbrock-Wanner method Rodas5P* (2023).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats

try:
    import numba
except ImportError:  # slower, with equal results
    numba = None  # type: ignore[assignment]

compiled: Final[bool] = numba is not None


def _compile(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, error_model="numpy")(function) if compiled else function


_GAMMA = 0.21193756319429014
_LAST = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
_A = np.zeros((8, 8))
_A[1, :1] = 3.0
_A[2, :2] = 2.849394379747939, 0.45842242204463923
_A[3, :3] = -6.954028509809101, 2.489845061869568, -10.358996098473584
_A[4, :4] = 2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641
_A[5, :5] = _LAST
_A[6, :6] = *_LAST, 1.0
_A[7, :7] = *_LAST, 1.0, 1.0
_C = np.zeros((8, 8))
_C[1, :1] = -14.155112264123755
_C[2, :2] = -17.97296035885952, -2.859693295451294
_C[3, :3] = 147.12150275711716, -1.41221402718213, 71.68940251302358
_C[4, :4] = 165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306
_C[5, :5] = 24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471
_C[6, :6] = (
    30.91273214028599,
    -3.1208243349937974,
    77.79954646070892,
    34.28646028294783,
    -19.097331116725623,
    -28.087943162872662,
)
_C[7, :7] = (
    37.80277123390563,
    -3.2571969029072276,
    112.26918849496327,
    66.9347231244047,
    -40.06618937091002,
    -54.66780262877968,
    -9.48861652309627,
)
_TIMES = np.array([0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0])
_SHIFTS = np.zeros(8)
_SHIFTS[:5] = 0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069
_H = np.array(
    [
        [25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204,
         0.524948541321073, 1.1241088310450404, 0.4272876194431874, -0.17202221070155493],
        [-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796,
         20.176138334709044, 15.98066361424651, -6.789040303419874, -6.710236069923372],
        [11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643,
         -52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722],
    ]
)  # fmt: skip


@_compile
def branch(power: float, rate: float, log_scale: float, g: Floats, log_cap: float) -> tuple[Floats, Floats]:
    """The branch f(g) and -f'(g), continued linearly above the cap so that nothing overflows."""
    if power == np.inf:
        exponent = log_scale - rate * g
        inside = np.exp(np.minimum(exponent, log_cap))
        return inside * (1.0 + np.maximum(exponent - log_cap, 0.0)), rate * inside
    least = np.exp((log_scale - log_cap) / power)
    inner = np.maximum(g, least)
    inside = np.exp(log_scale - power * np.log(inner))
    return inside * (1.0 + power * (inner - g) / inner), power * inside / inner


def _solve_loops(factor: Floats, transposed: Floats, vector: Floats) -> Floats:
    """``(F F')^-1 vector`` with both triangles stored by rows, so that the inner loops vectorise."""
    m = vector.size
    solution = vector.copy()
    for i in range(m):
        pivot = solution[i] / factor[i, i]
        solution[i] = pivot
        for j in range(i + 1, m):
            solution[j] -= transposed[i, j] * pivot
    for i in range(m - 1, -1, -1):
        pivot = solution[i] / factor[i, i]
        solution[i] = pivot
        for j in range(i):
            solution[j] -= factor[i, j] * pivot
    return solution


def _solve_lapack(factor: Floats, transposed: Floats, vector: Floats) -> Floats:
    solution: Floats = sla.cho_solve((factor, True), vector, check_finite=False)
    return solution


_solve = _compile(_solve_loops) if compiled else _solve_lapack


@_compile
def layered(
    log_factor: float,
    series: Floats,
    mu: Floats,
    span: Floats,
    g: Floats,
    log_cap: float,
    power: float,
    log_scale: float,
) -> tuple[Floats, Floats]:
    """The same of a product of layers, by the series for the smallest one (:mod:`lassoflow.layered`)."""
    excess = mu.shape[0] - 1
    least = np.exp((log_scale - log_cap) / power)
    inner = np.maximum(g, least)
    w = np.minimum(inner ** (1.0 / excess), span)
    at = 2.0 * w / span - 1.0
    later, last = np.zeros_like(at), np.zeros_like(at)
    for row in range(series.shape[0] - 1, 0, -1):
        later, last = 2.0 * at * later - last + series[row], later
    z = (at * later - last + series[0]) / w
    product, total = np.exp(log_factor) * np.ones_like(z), np.ones_like(z)
    root = product * z
    for layer in range(mu.shape[0]):
        both = z * z + mu[layer] * mu[layer]
        product = product * both
        root = root * np.sqrt(both)
        total = total + z * z / both
    slope = product * total
    return root + slope * (inner - g), slope


@_compile
def active(
    power: float, rate: float, log_scale: float, log_factor: float, series: Floats, mu: Floats, span: Floats,
    g: Floats, width: Floats, log_cap: float,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Coefficients x and -dx/dg of active coordinates, and the slope of the far branch alone."""
    if series.shape[0]:
        x, steep = layered(log_factor, series, mu, span, g, log_cap, power, log_scale)
        return x, steep, np.zeros_like(x)
    near, near_slope = branch(power, rate, log_scale, g, log_cap)
    far, far_slope = branch(power, rate, log_scale, width - g, log_cap)
    x = near - far
    if power == np.inf:  # where the branches are nearly equal their difference cancels
        apart = rate * (width - 2.0 * g)
        x = np.where(np.abs(apart) < 1.0, -near * np.expm1(-np.minimum(np.maximum(apart, -1.0), 1.0)), x)
    return x, near_slope + far_slope, far_slope


@_compile
def turning_point(power: float, rate: float, width: Floats) -> Floats:
    """The gap from which on a coordinate counts as near the other face; widths of exponential branches may be < 0."""
    return 0.5 * width + 0.1 * np.abs(width) + (1.0 / rate if power == np.inf else 0.0)


@_compile
def times_gram(M: Floats, F: Floats, x: Floats) -> Floats:
    """``M x``, from M itself or, where that is larger, from F with ``M = F'F``."""
    if F.shape[0]:
        return np.dot(F.T, np.dot(F, x))
    return np.dot(M, x)


@_compile
def step(
    power: float, rate: float, log_scale: float, log_factor: float, series: Floats, mu: Floats, span: Floats,
    decay: float, r: Floats, M: Floats, F: Floats, g: Floats, width: Floats, h: float, log_cap: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """One step: the stages of g and z, shape (8, m) each; not a number where it failed."""
    m = g.size
    x, slope, far = active(power, rate, log_scale, log_factor, series, mu, span, g, width, log_cap)
    root = np.sqrt(slope)
    a = h * _GAMMA
    wide = F.shape[0] > 0
    if wide:
        scaled = F * root
        matrix = a * np.dot(scaled, scaled.T)
    else:
        scaled = F
        matrix = a * root.reshape(m, 1) * M * root
    for i in range(matrix.shape[0]):
        matrix[i, i] += 1.0
    stages, cumulated = np.zeros((8, m)), np.zeros((8, m))
    if not np.isfinite(matrix).all():
        stages[:] = np.nan
        return stages, cumulated
    factor = np.linalg.cholesky(matrix)
    transposed = np.ascontiguousarray(factor.T)
    drift_x = 2.0 * decay * far  # how x changes with s alone: the far face moves away at twice the decay
    drift = times_gram(M, F, drift_x)
    for i in range(8):
        at, correction, z_correction = g.copy(), np.zeros(m), np.zeros(m)
        for j in range(i):
            at += _A[i, j] * stages[j]
            correction += _C[i, j] / h * stages[j]
            z_correction += _C[i, j] / h * cumulated[j]
        if i > 0:
            moved = width + 2.0 * decay * _TIMES[i] * h
            x = active(power, rate, log_scale, log_factor, series, mu, span, at, moved, log_cap)[0]
        right = decay - r + times_gram(M, F, x) + correction + h * _SHIFTS[i] * drift
        if wide:  # (I + a S F'F S)^-1 by the identity of Woodbury, in as many unknowns as there are samples
            inner = _solve(factor, transposed, np.dot(scaled, root * right))
            k = a * (right - a * np.dot(F.T, inner))
        else:
            k = a * _solve(factor, transposed, root * right) / root
        stages[i] = k
        cumulated[i] = a * (x + z_correction + h * _SHIFTS[i] * drift_x - slope * k)
    return stages, cumulated


FULL, STOP, ARRIVAL, LEAVE, FLIP, STATIONARY, STUCK = range(7)


@_compile
def advance(
    power: float, rate: float, log_scale: float, log_factor: float, series: Floats, mu: Floats, span: Floats,
    decay: float, r: Floats, M: Floats, F: Floats, g: Floats, z: Floats, width: Floats, s: float, h: float, stop: float,
    tol: float, size: float,
    others_r: Floats, others_M: Floats, others_dual: Floats, upper: Floats, lower: Floats,
    threshold: float, leave: float, steepest: float, least_rate: float,
) -> tuple[int, int, int, float, Floats, Floats, Floats]:  # fmt: skip
    """Step until something happens; returns what, the state there, and the record of the steps taken."""
    m, rows = g.size, 64
    times, gaps, sums = np.zeros(rows + 1), np.zeros((rows + 1, 4, m)), np.zeros((rows + 1, 4, m))
    count, rejected, why = 0, 0, FULL
    kappa = rate if power == np.inf else power / threshold
    times[0] = s
    moved_x = np.inf
    while count < rows:
        x, slope, _ = active(power, rate, log_scale, log_factor, series, mu, span, g, width, 700.0)
        largest = max(np.abs(x).max(), size)
        # How much faster x moves than inside a jump, as branches may be huge, and the rounding of the dual's rate.
        pace = max(1.0, slope.max() / (steepest * largest))
        rounding = times_gram(np.abs(M), np.abs(F), 1e-14 * np.abs(x) + 1e-15 * slope * np.abs(g)).max()
        calm = max(least_rate, rounding)
        top = largest  # of the branches, which may be far larger than their difference
        if not series.shape[0]:
            top = max(top, branch(power, rate, log_scale, g, 700.0)[0].max())
            top = max(top, branch(power, rate, log_scale, width - g, 700.0)[0].max())
        log_cap = np.log(1e3 * top)
        dual = others_dual + s * others_r - np.dot(others_M, z)
        speed = others_r - np.dot(others_M, x)
        rise = decay - r + times_gram(M, F, x)
        # -- what may happen next
        approach = speed - decay
        descend = -speed - decay
        wait = np.inf
        for j in range(dual.size):
            if approach[j] > least_rate:
                gap = upper[j] + decay * s - dual[j] - threshold
                wait = min(wait, (max(gap, 0.0) + 0.3 / kappa) / approach[j])
            if descend[j] > least_rate:
                gap = lower[j] + decay * s + dual[j] - threshold
                wait = min(wait, (max(gap, 0.0) + 0.3 / kappa) / descend[j])
        # At rest: no dual moves, but for those that both faces run away from, none is about to arrive, and x has not
        # changed while s grew by a third.
        share = np.abs(x) / (np.abs(x) + 0.01 * tol * largest)
        still = np.abs(rise) * np.where((rise > 0) & (rise < 2 * decay), share, 1.0)
        if wait == np.inf and still.max() <= calm and moved_x <= 0.01 * tol * largest:
            left = still.max() / calm * tol * largest
            if M.shape[0] and still.max() > max(
                1e-4 * least_rate, rounding
            ):  # flat directions: how far Newton's method would go
                ridge = M + 1e-13 * np.trace(M) * np.eye(m)
                left = np.abs(np.linalg.solve(ridge, np.where(still > 0, rise, 0.0))).max()
            if left > tol * largest and s * least_rate * pace < 1e2:  # later, what moves is rounding
                wait = 4.0 * s
        if wait == np.inf and still.max() <= calm and moved_x <= 0.01 * tol * largest:
            why = STATIONARY
            break
        if s * least_rate * pace > 1e3:
            why = STATIONARY
            break
        taken = min(h, wait, stop - s)
        # -- the step and its error: of log x, by the slope of log x in g
        ok, error = True, 0.0
        stages, cumulated = step(
            power, rate, log_scale, log_factor, series, mu, span, decay, r, M, F, g, width, taken, log_cap
        )
        end = g.copy()
        z_end = z.copy()
        for j in range(5):
            end += _A[7, j] * stages[j]
            z_end += _A[7, j] * cumulated[j]
        for j in range(5, 8):
            end += stages[j]
            z_end += cumulated[j]
        if not np.isfinite(end).all():
            ok, error = False, 1e3
        else:
            moved = width + 2 * decay * taken
            reached, slope, _ = active(power, rate, log_scale, log_factor, series, mu, span, end, moved, 700.0)
            if np.abs(reached).max() > 1e3 * top or (series.shape[0] > 0 and (end > 0.75 * moved).any()):
                ok, error = False, 1e3
            else:
                relative = np.full(m, rate)
                if power < np.inf:
                    relative = power / np.minimum(end, moved - end)
                relative = np.maximum(relative, steepest)
                steep = slope / largest  # of x itself, where the branches are far larger
                error = (np.maximum(relative, steep) * np.abs(stages[7])).max()
                noise = 30 * 2.2e-16 * np.maximum(relative * (s + taken) * np.abs(r), steep * np.abs(end)).max()
                error /= max(tol, noise)
                ok = error <= 1.0
        if ok and dual.size:
            ahead = others_dual + (s + taken) * others_r - np.dot(others_M, z_end)
            grown = decay * (s + taken)
            nearest = min((upper + grown - ahead).min(), (lower + grown + ahead).min()) - threshold
            if nearest < -0.7 / kappa:
                ok, error = False, 40.0
        factor = min(5.0, max(0.15, 0.9 * max(error, 1e-10) ** -0.2))
        if not ok:
            rejected += 1
            h = taken * min(factor, 0.7)
            if h <= 4e-16 * s:
                why = STUCK
                break
            continue
        # -- record and go on
        moved_x = np.abs(reached - x).max() if taken >= 0.25 * (s + taken) else np.inf
        gaps[count, 0], sums[count, 0] = g, z
        for row in range(3):
            for j in range(8):
                gaps[count, row + 1] += _H[row, j] * stages[j]
                sums[count, row + 1] += _H[row, j] * cumulated[j]
        s += taken
        g, z, width = end, z_end, width + 2 * decay * taken
        count += 1
        times[count] = s
        h = max(h, taken * factor) if taken < h else taken * factor
        if s >= stop:
            why = STOP
            break
        if dual.size and nearest <= 0.0:
            why = ARRIVAL
            break
        if ((g > leave) & (width - g > leave)).any():
            why = LEAVE
            break
        if (g > turning_point(power, rate, width)).any():
            why = FLIP
            break
    gaps[count, 0], sums[count, 0] = g, z
    return why, count, rejected, h, times[: count + 1], gaps[: count + 1], sums[: count + 1]
