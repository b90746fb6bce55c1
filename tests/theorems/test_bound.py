"""The distance of the averaged limit flow from the lasso is bounded by the lasso's backward slopes (docs, section 5).

``|xbar(s) - x_lasso(1/s)|_M <= (1/s) * integral over [0, s] of |(z_lasso')_minus|_M``
"""

import numpy as np
import pytest

import lassoflow as lf
from oracles import monotone

SHAPES = [(3, 4), (4, 4), (5, 10), (8, 6)]


def rms(X, coef):
    """``|coef|_M`` of rows of coefficients: the root mean square of their fits."""
    return np.linalg.norm(coef @ X.T, axis=-1) / np.sqrt(len(X))


def both_sides(X, y, factor):
    """The distance and its bound at knots and between them, or None for a monotone lasso path."""
    problem = lf.LeastSquares(X, y)
    lasso, flow = (solver(problem, penalty_factor=factor) for solver in (lf.lasso_path, lf.limit_flow))
    backward = monotone.backward_slopes(lasso)
    if not backward.any():
        return None
    knots = np.union1d(lasso.knots, flow.knots)
    times = np.concatenate([knots, monotone.middles(knots)])
    lengths = np.clip(times[:, None] - lasso.knots, 0, np.append(np.diff(lasso.knots), np.inf))
    return rms(X, flow.average(times) - lasso(times)), lengths @ rms(X, backward) / times


@pytest.mark.parametrize("shape", SHAPES)
def test_distance_of_the_averages_is_bounded(shape):
    rng = np.random.default_rng(shape)
    checked, tightest = 0, 0.0
    while checked < 250:
        X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
        factor = rng.uniform(0.5, 2, (2, shape[1])) if checked % 2 else None
        sides = both_sides(X, y, factor)
        if sides is None:
            continue
        checked += 1
        distance, bound = sides
        assert (distance <= bound * (1 + 1e-12) + 1e-13 * np.linalg.norm(y)).all()
        tightest = max(tightest, (distance / np.maximum(bound, 1e-9)).max())
    assert tightest >= 0.5  # the bound is of the right size
