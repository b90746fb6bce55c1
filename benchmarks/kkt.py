"""An independent judge in plain numpy: how far curves of coefficients are from what they should be.

All measures are shares of the largest penalty, ``lambda_max = max_j |X_j'y| / n``, so they have no units. None of them
uses any code of the solvers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

Floats = NDArray[np.float64]

WRONG = 1e-6
"""A solution that is further off than this is wrong."""


class Data(NamedTuple):
    """One lasso problem, ``|y - X x|^2 / (2 n) + lambda |x|_1``, with ``x >= 0`` where asked for."""

    X: Floats
    y: Floats
    positive: bool = False

    @property
    def exact(self) -> Data:
        """The same numbers in double precision."""
        return Data(np.asarray(self.X, dtype=np.float64), np.asarray(self.y, dtype=np.float64), self.positive)

    @property
    def lambda_max(self) -> float:
        """The smallest penalty whose solution is zero."""
        correlation = self.X.T @ self.y / self.y.size
        return float((correlation if self.positive else np.abs(correlation)).max())


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
    X, y, positive = data
    curvature = (np.einsum("ij,ij->j", X, X) / y.size)[:, None]
    gradient = X.T @ (y[:, None] - X @ curve.coefs) / y.size
    step = curvature * curve.coefs
    goal = _soft(step + gradient, curve.lambdas, positive)
    return _share(np.abs(step - goal).max(initial=0.0), data.lambda_max)


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


def _soft(values: Floats, threshold: Floats, positive: bool) -> Floats:
    up = np.maximum(values - threshold, 0.0)
    return up if positive else up - np.maximum(-values - threshold, 0.0)


def _share(residual: float, lambda_max: float) -> float:
    return float(residual) / lambda_max if lambda_max > 0 else float(residual)
