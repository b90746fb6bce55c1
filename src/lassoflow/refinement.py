"""Least-squares fits refined until entries far below the rounding of the largest are right, or exactly zero.

A fit on columns that reproduce the target in few of them leaves the others zero, or of the size of the rounding of the
data. In double precision the two look alike. Residuals here are sums of exact products (Dekker 1971), rounded once
(:func:`math.fsum`), so that the fit, kept as a sum of two floats, converges to about twice the usual digits.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats

_SUSPECT = 1e-8
"""Share of the largest entry below which an entry may be rounding."""
_ZERO = 1e-27
"""The same, of a refined fit: the residual is known to about 1e-32."""
_ROUNDS = 5


def refined_fit(A: Floats, y: Floats) -> Floats:
    """The least-squares fit of y, (n,), on columns A of full rank, (n, r): shape (r,)."""
    Q, R = np.linalg.qr(A)
    fit = np.asarray(sla.solve_triangular(R, Q.T @ y))
    size = np.abs(fit).max(initial=0.0)
    if not size or np.abs(fit).min() > _SUSPECT * size:
        return fit
    rest = np.zeros_like(fit)
    for _ in range(_ROUNDS):
        residual = _sums(y[:, None], *_products(A, -fit), *_products(A, -rest))
        slope = _sums(*_products(A.T, residual[0]), *_products(A.T, residual[1]))[0]
        change = sla.solve_triangular(R, sla.solve_triangular(R, slope, trans=1))
        moved = fit + change
        rest, fit = rest + ((fit - moved) + change), moved
        if np.abs(change).max() <= 1e-31 * size:
            break
    fit = fit + rest
    return np.where(np.abs(fit) < _ZERO * size, 0.0, fit)


def _products(A: Floats, x: Floats) -> tuple[Floats, Floats]:
    """``A_ij x_j`` and its rounding error, each of shape (n, r)."""
    product = A * x
    (A_high, A_low), (x_high, x_low) = _halves(A), _halves(x)
    return product, ((A_high * x_high - product) + A_high * x_low + A_low * x_high) + A_low * x_low


def _halves(value: Floats) -> tuple[Floats, Floats]:
    """Two floats of half the digits."""
    spread = 134217729.0 * value
    high = spread - (spread - value)
    return high, value - high


def _sums(*terms: Floats) -> tuple[Floats, Floats]:
    """Sums of rows as sums of two floats, each of shape (n,)."""
    rows = np.concatenate(terms, axis=1).tolist()
    high = [math.fsum(row) for row in rows]
    low = [math.fsum([*row, -total]) for row, total in zip(rows, high, strict=True)]
    return np.array(high), np.array(low)
