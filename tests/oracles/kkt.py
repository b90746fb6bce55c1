"""The laws of the two paths, checked in plain numpy from X, y and a claimed solution alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def gradient(X: Floats, y: Floats, coef: Floats) -> Floats:
    """``X'(y - X x) / n``, shape (d,)."""
    return X.T @ (y - X @ coef) / len(y)


def normal_cone_violation(coef: Floats, dual: Floats, upper: ArrayLike = 1.0, lower: ArrayLike = 1.0) -> float:
    """How far ``coef in N_B(dual)`` is from holding for the box ``[-lower, upper]``, in units of the dual."""
    upper, lower = np.broadcast_to(upper, dual.shape), np.broadcast_to(lower, dual.shape)
    outside = np.maximum(dual - upper, -dual - lower).max(initial=0.0)
    inside = np.abs(np.where(coef > 0, dual - upper, dual + lower))[coef != 0].max(initial=0.0)
    return float(max(outside, inside))


def lasso_violation(
    X: Floats, y: Floats, coef: Floats, lam: float, upper: ArrayLike = 1.0, lower: ArrayLike = 1.0
) -> float:
    """The violation of the lasso's optimality conditions in the gradient, relative to lambda_max."""
    slope = gradient(X, y, coef)
    violation = normal_cone_violation(coef, slope, lam * np.asarray(upper), lam * np.asarray(lower))
    return violation / lambda_max(X, y)


def dual(X: Floats, y: Floats, integral: Floats, s: float) -> Floats:
    """``theta(s) = s r - M z``, shape (d,)."""
    return X.T @ (s * y - X @ integral) / len(y)


def lambda_max(X: Floats, y: Floats) -> float:
    """``max |X'y| / n``."""
    return float(np.abs(X.T @ y).max() / len(y))
