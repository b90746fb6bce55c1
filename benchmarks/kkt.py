"""An independent judge in plain numpy: how far curves of coefficients are from what they should be.

All measures are shares of the largest penalty, ``lambda_max = max_j |X_j'y| / n``, so they have no units. None of them
uses any code of the solvers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_BLOCK = 2**14
"""Columns that are looked at together."""

WRONG = 1e-6
"""A solution that is further off than this is wrong."""


class Data(NamedTuple):
    """One lasso problem, ``|y - X x|^2 / (2 n) + lambda |x|_1``, with ``x >= 0`` where asked for.

    X may be sparse (CSC), and may be mapped from a file: it is judged a block of columns at a time.
    """

    X: Any
    y: Floats
    positive: bool = False

    @property
    def exact(self) -> Data:
        """The same numbers in double precision."""
        return Data(np.asarray(self.X, dtype=np.float64), np.asarray(self.y, dtype=np.float64), self.positive)

    @property
    def lambda_max(self) -> float:
        """The smallest penalty whose solution is zero."""
        correlation = np.concatenate([part.T @ self.y for _, part in self.blocks()]) / self.y.size
        return float((correlation if self.positive else np.abs(correlation)).max())

    def blocks(self) -> Iterator[tuple[slice, Any]]:
        """Some columns at a time, in double precision."""
        for start in range(0, self.X.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            yield block, self.X[:, block].astype(np.float64, copy=False)

    def residual(self, coefs: Floats) -> Floats:
        """``y - X x`` for coefficients of shape (d, k): shape (n, k)."""
        active = np.flatnonzero(coefs.any(axis=1))
        return self.y[:, None] - self.X[:, active].astype(np.float64, copy=False) @ coefs[active]


class Curve(NamedTuple):
    """Solutions, one a column of ``coefs`` (d, k), at falling penalties ``lambdas`` (k,)."""

    lambdas: Floats
    coefs: Floats


def violation(data: Data, curve: Curve) -> float:
    """The worst optimality residual of a lasso path over its knots, as a share of lambda_max.

    With ``c_j = |X_j|^2 / n`` and g the negative gradient, x is a solution if and only if
    ``c_j x_j = soft(c_j x_j + g_j, lambda)``; the difference is what is reported. Unlike a comparison of signs it does
    not care for dust where a coefficient has just become zero.
    """
    residual, worst = data.residual(curve.coefs) / data.y.size, 0.0
    for block, X in data.blocks():
        step = _squares(X)[:, None] / data.y.size * curve.coefs[block]
        goal = _soft(step + X.T @ residual, curve.lambdas, data.positive)
        worst = max(worst, float(np.abs(step - goal).max(initial=0.0)))
    return _share(worst, data.lambda_max)


def duality_gap(data: Data, curve: Curve) -> float:
    """The worst duality gap over the penalties, as a share of the loss of zero coefficients, ``|y|^2 / (2 n)``.

    The dual point is the residual, made shorter until no column is correlated with it by more than the penalty.
    """
    n, residual = data.y.size, data.residual(curve.coefs)
    largest = np.max([np.abs(X.T @ residual).max(axis=0) for _, X in data.blocks()], axis=0) / n
    dual = residual * np.minimum(1.0, curve.lambdas / np.maximum(largest, np.finfo(float).tiny))
    apart = np.sum((residual - dual) ** 2, axis=0) / (2 * n)
    slack = curve.lambdas * np.abs(curve.coefs).sum(axis=0) - np.sum(dual * (data.y[:, None] - residual), axis=0) / n
    return float((apart + slack).max(initial=0.0)) / (float(data.y @ data.y) / (2 * n))


def end_violation(data: Data, end: Floats) -> float:
    """How far coefficients are from the end of the path: optimality at penalty 0, and least l1 norm among such."""
    residual = violation(data, Curve(np.zeros(1), end[:, None]))
    if residual > WRONG or np.linalg.matrix_rank(data.X) == end.size:
        return residual
    least = least_l1_norm(data)
    return max(residual, abs(float(np.abs(end).sum()) - least) / least if least else 0.0)


def least_l1_norm(data: Data) -> float:
    """The least l1 norm of a (nonnegative) least-squares solution, by linear programming."""
    X, y, positive = data
    if positive:
        fitted = X @ nnls(X, y)[0]
        return float(linprog(np.ones(X.shape[1]), A_eq=X, b_eq=fitted, bounds=(0, None)).fun)
    fitted = X @ np.linalg.lstsq(X, y)[0]
    both = np.hstack([X, -X])
    return float(linprog(np.ones(both.shape[1]), A_eq=both, b_eq=fitted, bounds=(0, None)).fun)


def flow_violation(data: Data, knots: Floats, averages: Floats, slopes: Floats) -> float:
    """The worst violation of the limit flow's law ``z' in N(theta)``, as a share of lambda_max.

    Parameters
    ----------
    knots : times, shape (k,)
    averages : z / s at the knots, shape (k, d)
    slopes : z' after the knots, shape (k, d); theta is linear in between, so both ends of a segment prove all of it.
    """
    X, y, _ = data
    gradient = (y - averages @ X.T) @ X / y.size  # theta / s at the knots
    bound = 1.0 / knots[:, None]
    outside = np.abs(gradient) - bound
    last = slopes[-1:]
    final = np.abs((y - last @ X.T) @ X / y.size)  # the last slope goes on for ever: theta stays bounded
    starts = np.where(slopes != 0, bound - np.sign(slopes) * gradient, 0.0)
    stops = np.where(slopes[:-1] != 0, bound[1:] - np.sign(slopes[:-1]) * gradient[1:], 0.0)
    return _share(max(part.max(initial=0.0) for part in (outside, starts, stops, final)), data.lambda_max)


def _squares(X: Any) -> Floats:
    """The squares of the column norms."""
    return np.asarray(X.multiply(X).sum(axis=0)).ravel() if sp.issparse(X) else np.einsum("ij,ij->j", X, X)


def _soft(values: Floats, threshold: Floats, positive: bool) -> Floats:
    up = np.maximum(values - threshold, 0.0)
    return up if positive else up - np.maximum(-values - threshold, 0.0)


def _share(residual: float, lambda_max: float) -> float:
    return float(residual) / lambda_max if lambda_max > 0 else float(residual)
