"""Least-squares fits refined until entries far below the rounding of the largest are right, or exactly zero.

A fit on columns that reproduce the target in few of them leaves the others zero, or of the size of the rounding of the
data. In double precision the two look alike. Here residuals are sums of products that are exact: matrices are cut into
slices of so few bits that BLAS multiplies them without rounding (Ozaki et al. 2012), and the products are added up with
their rounding errors (Knuth's two-sum). The fit, kept as a sum of two floats, then has about twice the usual digits.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats

_SUSPECT = 1e-3
"""Share of the largest entry below which rounding may have taken digits of an entry."""
_ZERO = 1e-27
"""The same below which an entry of a refined fit is zero: the residual is known to about 1e-32."""
_ROUNDS = 5
_SLICES = 5
"""Of so many bits that products of up to 2^9 terms are exact: 110 bits, twice those of a float."""
_BITS = 21


def refined_fit(A: Floats, y: Floats, factors: tuple[Floats, Floats] | None = None) -> Floats:
    """The least-squares fit of y, (n,), on columns A of full rank, (n, r), perhaps factored: shape (r,)."""
    Q, R = factors or np.linalg.qr(A)
    fit = np.asarray(sla.solve_triangular(R, Q.T @ y))
    size = np.abs(fit).max(initial=0.0)
    if not size or np.abs(fit).min() > _SUSPECT * size:
        return fit
    rows, columns, rest = _slices(A), _slices(A.T), np.zeros_like(fit)
    for _ in range(_ROUNDS):
        residual = _sum([y, *_products(rows, -fit), *_products(rows, -rest)])
        slope = sum(_sum([*_products(columns, residual[0]), *_products(columns, residual[1])]))
        change = sla.cho_solve((R, False), slope, check_finite=False)
        moved = fit + change
        rest, fit = rest + ((fit - moved) + change), moved
        if np.abs(change).max() <= 1e-31 * size:
            break
    fit = fit + rest
    return np.where(np.abs(fit) < _ZERO * size, 0.0, fit)


def _slices(matrix: Floats) -> list[Floats]:
    """Matrices of few bits, row by row, that add up to one."""
    found = []
    for _ in range(_SLICES):
        exponent = np.frexp(np.abs(matrix).max(axis=1, keepdims=True))[1]
        anchor = np.ldexp(1.5, exponent + 52 - _BITS)
        high = (matrix + anchor) - anchor
        found.append(high)
        matrix = matrix - high
        if not matrix.any():
            break
    return found


def _products(slices: list[Floats], x: Floats) -> list[Floats]:
    """Exact vectors that add up to the product of a sliced matrix with x."""
    return [part @ piece for piece in (row[0] for row in _slices(x[None])) for part in slices]


def _sum(terms: list[Floats]) -> tuple[Floats, Floats]:
    """The sum of vectors as a sum of two, the second one rounding of the first."""
    total, error = terms[0], np.zeros_like(terms[0])
    for term in terms[1:]:
        larger = total + term
        part = larger - total
        error = error + ((total - (larger - part)) + (term - part))
        total = larger
    result = total + error
    return result, (total - result) + error
