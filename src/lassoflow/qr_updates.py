"""A thin QR factorisation of passive columns, updated in compiled loops.

Columns and the orthonormal vectors are rows here, so that all sums run along memory. Columns that may depend on others
are left to :class:`lassoflow.cone.Factor`, which keeps the same arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.kernels import compile_kernel, compile_sums

_INDEPENDENT = 1e-5
"""Relative distance from the span of others from which on a column is surely independent of them."""


class Passive(NamedTuple):
    """The passive columns of a cone fit: their factor and what is kept with each, in arrays with room for more."""

    Q: Floats
    """Orthonormal rows."""
    R: Floats
    """Row j holds column j of the triangle."""
    projection: Floats
    target: Floats
    residual: Floats
    column: Ints
    sign: Floats
    bound: Floats
    coef: Floats
    norm: Floats


@compile_sums
def dot(a: Floats, b: Floats) -> float:
    """The scalar product."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compile_sums
def times(rows: Floats, vector: Floats, out: Floats) -> None:
    """Put ``rows vector`` into out: as fast as a BLAS of one thread, and the same however many threads there are."""
    k, n = rows.shape
    for j in range(0, k - 3, 4):
        a, b, c, d = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        p, q, r, s = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            value = vector[i]
            p += a[i] * value
            q += b[i] * value
            r += c[i] * value
            s += d[i] * value
        out[j], out[j + 1], out[j + 2], out[j + 3] = p, q, r, s
    for j in range(k - k % 4, k):
        out[j] = dot(rows[j], vector)


@compile_sums
def subtract(weights: Floats, rows: Floats, out: Floats) -> None:
    """Take ``weights rows`` from out."""
    k, n = rows.shape
    for j in range(0, k - 3, 4):
        a, b, c, d = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        p, q, r, s = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for i in range(n):
            out[i] -= p * a[i] + q * b[i] + r * c[i] + s * d[i]
    for j in range(k - k % 4, k):
        for i in range(n):
            out[i] -= weights[j] * rows[j, i]


@compile_kernel
def back_substitute(R: Floats, m: int, values: Floats) -> None:
    """Solve the triangular system in place."""
    for j in range(m - 1, -1, -1):
        row = R[j]
        value = values[j] / row[j]
        values[j] = value
        for i in range(j):
            values[i] -= value * row[i]


@compile_kernel
def append(fit: Passive, m: int, column: Floats, norm: float) -> bool:
    """Add a column to the factor unless it may depend on the others."""
    if m == column.size:
        return False
    Q, inner, rest = fit.Q[:m], fit.R[m], column.copy()
    times(Q, column, inner)
    subtract(inner, Q, rest)
    height = np.sqrt(dot(rest, rest))
    if height < 0.25 * norm:  # "twice is enough" (Giraud et al. 2005)
        correction = np.empty(m)
        times(Q, rest, correction)
        subtract(correction, Q, rest)
        inner[:m] += correction
        height = np.sqrt(dot(rest, rest))
    if height <= _INDEPENDENT * norm:
        return False
    rest /= height
    fit.Q[m] = rest
    inner[m] = height
    along = dot(rest, fit.residual)
    fit.projection[m] = along
    fit.residual[:] -= along * rest
    return True


@compile_kernel
def delete(fit: Passive, m: int, position: int) -> None:
    """Take a column out of the factor by rotations."""
    Q, R, projection = fit.Q, fit.R, fit.projection
    count = m - 1 - position
    cosines, sines = np.empty(count), np.empty(count)
    for k in range(count):
        j = position + k
        column = R[j + 1]
        for i in range(k):
            above, below = column[position + i], column[position + i + 1]
            column[position + i] = cosines[i] * above + sines[i] * below
            column[position + i + 1] = cosines[i] * below - sines[i] * above
        height = np.hypot(column[j], column[j + 1])
        cosines[k], sines[k] = column[j] / height, column[j + 1] / height
        R[j, :j] = column[:j]
        R[j, j] = height
    for k in range(count):
        i, c, s = position + k, cosines[k], sines[k]
        first, second = Q[i], Q[i + 1]
        for row in range(first.size):
            above, below = first[row], second[row]
            first[row] = c * above + s * below
            second[row] = c * below - s * above
    kept, again = Q[: m - 1], np.empty(m - 1)
    times(kept, fit.target, projection)  # anew, that no rounding is carried along
    fit.residual[:] = fit.target
    subtract(projection, kept, fit.residual)
    times(kept, fit.residual, again)
    subtract(again, kept, fit.residual)
    for values in (fit.sign, fit.bound, fit.coef, fit.norm):
        for p in range(position, m - 1):
            values[p] = values[p + 1]
    for p in range(position, m - 1):
        fit.column[p] = fit.column[p + 1]
