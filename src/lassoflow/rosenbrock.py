"""One step of Rodas5P for the dual of a diagonal network, of order 5, for stiff problems.

The state of an active coordinate is its gap g and its cumulated coefficient z, both signed so that the face it is near
is the upper one:

    g' = decay - r + M x,    z' = x.

The Jacobian ``-M S^2``, ``S^2 = -dx/dg``, is similar to a symmetric matrix, so a step costs one Cholesky factor.
Linear relations between g, z and s hold along a Rosenbrock method, in its stages and in its dense output:
``g = k - s r + M z`` stays true to rounding, and g keeps its relative accuracy however small it is.

Coefficients: Steinebach, *Construction of Rosenbrock-Wanner method Rodas5P* (2023).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats
from lassoflow.branches import Maps
from lassoflow.kernels import Gram, coefficients, compile_kernel, compiled, rounding, times_gram

GAMMA = 0.21193756319429014
_LAST = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
A = np.zeros((8, 8))
A[1, :1] = 3.0
A[2, :2] = 2.849394379747939, 0.45842242204463923
A[3, :3] = -6.954028509809101, 2.489845061869568, -10.358996098473584
A[4, :4] = 2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641
A[5, :5] = _LAST
A[6, :6] = *_LAST, 1.0
A[7, :7] = *_LAST, 1.0, 1.0
C = np.zeros((8, 8))
C[1, :1] = -14.155112264123755
C[2, :2] = -17.97296035885952, -2.859693295451294
C[3, :3] = 147.12150275711716, -1.41221402718213, 71.68940251302358
C[4, :4] = 165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306
C[5, :5] = 24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471
C[6, :6] = (
    30.91273214028599,
    -3.1208243349937974,
    77.79954646070892,
    34.28646028294783,
    -19.097331116725623,
    -28.087943162872662,
)
C[7, :7] = (
    37.80277123390563,
    -3.2571969029072276,
    112.26918849496327,
    66.9347231244047,
    -40.06618937091002,
    -54.66780262877968,
    -9.48861652309627,
)
TIMES = np.array([0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0])
SHIFTS = np.zeros(8)
SHIFTS[:5] = 0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069
H = np.array(
    [
        [25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204,
         0.524948541321073, 1.1241088310450404, 0.4272876194431874, -0.17202221070155493],
        [-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796,
         20.176138334709044, 15.98066361424651, -6.789040303419874, -6.710236069923372],
        [11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643,
         -52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722],
    ]
)  # fmt: skip


_FAR = 100.0
"""Stages over the step from which on these are far out of reach."""


class State(NamedTuple):
    """Of m coordinates at the start of a step: gaps, cumulated coefficients, widths; coefficients and their slopes."""

    g: Floats
    z: Floats
    width: Floats
    x: Floats
    slope: Floats
    far: Floats
    rise: Floats
    """``decay - r + M x``, the derivative of g."""


class Step(NamedTuple):
    """What a step ends with."""

    g: Floats
    z: Floats
    error: Floats
    """Of g, estimated."""
    noise: Floats
    """What of that may be rounding."""
    z_error: Floats
    strained: bool
    """Whether stages are so far above the step that the relation of g and z may be lost in their rounding."""
    g_bends: Floats
    """Of the dense output, shape (3, m)."""
    z_bends: Floats
    rise: Floats
    """The derivative of g at the end, or nothing where it is not known yet."""


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


_solve = compile_kernel(_solve_loops) if compiled else _solve_lapack


class _System(NamedTuple):
    """``I + a S M S``, or where M has a factor F the smaller ``I + a F S^2 F'``, by its Cholesky factor."""

    gram: Gram
    root: Floats
    scaled: Floats
    """F S."""
    a: float
    lower: Floats
    upper: Floats


@compile_kernel
def _system(gram: Gram, root: Floats, a: float) -> _System:
    if gram.factor.shape[0]:
        scaled = gram.factor * root
        matrix = a * np.dot(scaled, scaled.T)
    else:
        scaled = gram.factor
        matrix = a * root.reshape(root.size, 1) * gram.matrix * root
    for i in range(matrix.shape[0]):
        matrix[i, i] += 1.0
    lower = np.full_like(matrix, np.nan)
    if np.isfinite(matrix).all():
        try:
            lower = np.linalg.cholesky(matrix)
        except Exception:  # the identity is lost in the rounding of the rest: for shorter steps
            lower[:] = np.nan
    return _System(gram, root, scaled, a, lower, np.ascontiguousarray(lower.T))


@compile_kernel
def _respond(system: _System, right: Floats) -> Floats:
    """``a (I + a M S^2)^-1 right``."""
    root, a = system.root, system.a
    if system.gram.factor.shape[0]:  # by the identity of Woodbury, in as many unknowns as F has rows
        inner = _solve(system.lower, system.upper, np.dot(system.scaled, root * right))
        return a * (right - a * np.dot(system.gram.factor.T, inner))
    return a * _solve(system.lower, system.upper, root * right) / root


@compile_kernel
def implicit_step(maps: Maps, gram: Gram, decay: float, r: Floats, now: State, h: float, log_cap: float) -> Step:
    """One step; not a number where it failed."""
    m = now.g.size
    stages, cumulated = np.zeros((8, m)), np.zeros((8, m))
    system = _system(gram, np.sqrt(now.slope), h * GAMMA)
    drift_x = 2.0 * decay * now.far  # how x changes with s alone: the far face moves away at twice the decay
    drift = times_gram(gram, drift_x) if decay > 0.0 else drift_x
    x, rise = now.x, now.rise
    for i in range(8):
        correction, z_correction = np.zeros(m), np.zeros(m)
        if i > 0:
            at = now.g.copy()
            for j in range(i):
                at += A[i, j] * stages[j]
                correction += C[i, j] / h * stages[j]
                z_correction += C[i, j] / h * cumulated[j]
            x = coefficients(maps, at, now.width + 2.0 * decay * TIMES[i] * h, log_cap)[0]
            rise = decay - r + times_gram(gram, x)
        stages[i] = _respond(system, rise + correction + h * SHIFTS[i] * drift)
        cumulated[i] = system.a * (x + z_correction + h * SHIFTS[i] * drift_x - now.slope * stages[i])
    g, z = now.g.copy(), now.z.copy()
    for j in range(8):
        weight = A[7, j] if j < 5 else 1.0
        g += weight * stages[j]
        z += weight * cumulated[j]
    # right-hand sides are sums of terms as large as r and as the corrections; stages far above the step are no excuse
    size = 10.0 * rounding(gram, r, now.x, now.slope * now.g) + 2e-14 / h * np.abs(g - now.g).max()
    noise = np.abs(_respond(system, size * np.where(np.cos(1e3 / h * np.arange(m)) > 0.0, 1.0, -1.0)))
    strained = h * (now.slope * np.abs(stages)).max() > _FAR * np.abs(z - now.z).max()
    bends = np.dot(H, stages), np.dot(H, cumulated)
    return Step(g, z, stages[7].copy(), noise, cumulated[7].copy(), strained, bends[0], bends[1], np.zeros(0))
