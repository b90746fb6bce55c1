"""Where a gradient flow about ends, as a start for :mod:`lassoflow.dual_newton`: Newton's method in the samples.

The dual is ``theta = X'nu``, and nu minimises the convex function ``sum_j Phi_j(X_j'nu) - nu'y``. As long as the gaps
of large coefficients are well above the rounding of theta, and their weights ``dx/dtheta`` not too far apart, that is
solved as it stands, in n x n systems.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.linalg as sla
from scipy.optimize import brentq

from lassoflow.arrays import Floats
from lassoflow.branches import Branches

_FAST, _CLOSE = 30.0, 1e-6
"""The largest rate, and the smallest gap of large coefficients, at which this is tried."""
_SEEN = 1e-9
"""Share of the heaviest weight from which on a column takes part in the matrix; all do in the residual."""
_RIDGE = 1e-13
"""Added to the diagonal, as its share, where samples depend on each other."""
_INSIDE = 0.9
"""Share of the way to a face that a step may go."""
_LARGE, _ENOUGH = 0.01, 0.3
"""Share of the largest coefficient from which on one counts, and the step, in logarithms of these, that is enough."""
_SHORTER = 8.0
_STEPS = 60


def plain(branches: Branches, log_size: float) -> Branches:
    """These branches, or those of the nearest rate or scale at which double precision is enough for coefficients of a
    size.
    """
    if branches.power == np.inf:
        return branches if branches.rate <= _FAST else replace(branches, rate=_FAST)
    farther = log_size + branches.power * math.log(_CLOSE) - branches.log_scale
    return branches if farther <= 0.0 else branches.rescaled(farther)


def rough_dual(X: Floats, y: Floats, branches: Branches) -> Floats | None:
    """Theta about where the flow ends, shape (d,); None if it is not found."""
    theta = np.zeros(X.shape[1])
    for _ in range(_STEPS if X.any() and y.any() else 0):
        gaps = branches.gaps(theta)
        x = branches.coef(gaps)
        step = _direction(X, y - X @ x, branches.log_derivative(gaps))
        if step is None:
            return None
        moved = X.T @ step
        theta = theta + _share(branches, gaps, moved, float(step @ y)) * moved
        large = np.abs(x) >= _LARGE * np.abs(x).max(initial=0.0)
        if (branches.steepness(np.minimum(*gaps)) * np.abs(moved))[large].max(initial=0.0) <= _ENOUGH:
            return theta
    return None


def _direction(X: Floats, residual: Floats, weights: Floats) -> Floats | None:
    """Newton's step of nu."""
    top = weights.max()
    share = np.exp(weights - top)
    seen = share > _SEEN
    scaled = X[:, seen] * np.sqrt(share[seen])
    matrix = scaled @ scaled.T
    matrix.flat[:: matrix.shape[0] + 1] += _RIDGE * np.trace(matrix)
    try:
        factor = sla.cho_factor(matrix, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(sla.cho_solve(factor, residual * math.exp(-top), check_finite=False))


def _share(branches: Branches, gaps: tuple[Floats, Floats], moved: Floats, goal: float) -> float:
    """The share of a step at which the convex function is about least."""
    largest = 1.0
    if branches.power < np.inf:
        room = np.where(moved > 0, *gaps)
        largest = min(1.0, _INSIDE * float((room / np.maximum(np.abs(moved), 1e-300)).min()))
    slope = slope_along(branches, gaps, moved, goal)
    if slope(largest)[0] <= 0.0:
        return largest
    return least_along(slope, largest)


def least_along(slope: Callable[[float], tuple[float, float]], beyond: float) -> float:
    """The share of a step at which the slope vanishes, to a tenth, where it is positive beyond and negative at 0.

    Slopes grow exponentially, so the first bracket is sought in powers.
    """
    before = beyond / _SHORTER
    while before > 0.0 and slope(before)[0] > 0.0:
        before, beyond = before / _SHORTER, before
    return float(brentq(lambda share: slope(share)[0], before, beyond, xtol=1e-300, rtol=0.1))


def slope_along(
    branches: Branches, gaps: tuple[Floats, Floats], moved: Floats, goal: float
) -> Callable[[float], tuple[float, float]]:
    """The slope of the convex function at a share of a step of theta, and the size of its terms.

    ``goal`` is the slope of the linear part.
    """

    def slope(share: float) -> tuple[float, float]:
        with np.errstate(over="ignore"):
            x = np.clip(branches.coef((gaps[0] - share * moved, gaps[1] + share * moved)), -1e200, 1e200)
            return float(moved @ x) - goal, float(np.abs(moved) @ np.abs(x)) + abs(goal)

    return slope
