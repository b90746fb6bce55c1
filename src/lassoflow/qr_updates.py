"""A thin QR factorisation of passive columns, updated in compiled loops.

Columns and the orthonormal vectors are rows here, so that all sums run along memory. Columns that may depend on others
are left to :class:`lassoflow.cone.Factor`, which keeps the same arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.kernels import compile_part, compile_sums

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
def take_out(rows: Floats, vector: Floats, along: Floats) -> None:
    """Take from a vector what it has along orthonormal rows, some at a time, and add that up: one read of them.

    As fast as a BLAS of one thread, and the same however many threads there are.
    """
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
        for i in range(n):
            vector[i] -= p * a[i] + q * b[i] + r * c[i] + s * d[i]
        along[j] += p
        along[j + 1] += q
        along[j + 2] += r
        along[j + 3] += s
    for j in range(k - k % 4, k):
        p = dot(rows[j], vector)
        for i in range(n):
            vector[i] -= p * rows[j, i]
        along[j] += p


@compile_part
def back_substitute(R: Floats, m: int, values: Floats) -> None:
    """Solve the triangular system in place."""
    for j in range(m - 1, -1, -1):
        row = R[j]
        value = values[j] / row[j]
        values[j] = value
        for i in range(j):
            values[i] -= value * row[i]


@compile_part
def orthogonalise(Q: Floats, vector: Floats, along: Floats, enough: float) -> float:
    """Take from a vector what it has along orthonormal rows, and note it; again if less is left of it than enough.

    Twice is always enough (Giraud et al. 2005). Returns the norm of what is left.
    """
    height = 0.0
    for j in range(Q.shape[0]):
        along[j] = 0.0
    for _ in range(2):
        take_out(Q, vector, along)
        height = np.sqrt(dot(vector, vector))
        if height >= enough:
            break
    return height


@compile_part
def append(fit: Passive, m: int, column: Floats, norm: float) -> bool:
    """Add a column to the factor unless it may depend on the others."""
    if m == column.size:
        return False
    inner, rest = fit.R[m], fit.Q[m]
    for i in range(column.size):
        rest[i] = column[i]
    height = orthogonalise(fit.Q[:m], rest, inner, 0.25 * norm)
    if height <= _INDEPENDENT * norm:
        return False
    for i in range(rest.size):
        rest[i] /= height
    inner[m] = height
    along = dot(rest, fit.residual)
    fit.projection[m] = along
    for i in range(rest.size):
        fit.residual[i] -= along * rest[i]
    return True


@compile_part
def delete(fit: Passive, m: int, position: int) -> None:
    """Take a column out of the factor by rotations."""
    Q, R = fit.Q, fit.R
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
        for i in range(j):
            R[j, i] = column[i]
        R[j, j] = height
    for k in range(count):
        i, c, s = position + k, cosines[k], sines[k]
        first, second = Q[i], Q[i + 1]
        for row in range(first.size):
            above, below = first[row], second[row]
            first[row] = c * above + s * below
            second[row] = c * below - s * above
    for i in range(fit.target.size):
        fit.residual[i] = fit.target[i]
    orthogonalise(Q[: m - 1], fit.residual, fit.projection, np.inf)  # anew, that no rounding is carried along
    for values in (fit.sign, fit.bound, fit.coef, fit.norm):
        for p in range(position, m - 1):
            values[p] = values[p + 1]
    for p in range(position, m - 1):
        fit.column[p] = fit.column[p + 1]
