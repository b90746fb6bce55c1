"""The averaged limit flow is the lasso if every ``|z_i|`` of the lasso is non-decreasing (Berthier 2025)."""

import numpy as np
import pytest

import lassoflow as lf
from oracles import monotone


def distance(X, y, box):
    """The largest difference of averaged flow and lasso over knots and times between, and whether it must be zero."""
    problem = lf.LeastSquares(X, y)
    lasso, flow = lf.lasso_path(problem, **box), lf.limit_flow(problem, **box)
    knots = np.union1d(lasso.knots, flow.knots)
    times = np.concatenate([knots, monotone.middles(knots), 1e3 * knots[-1:]])
    scale = max(1.0, np.abs(lasso(times)).max())
    return np.abs(flow.average(times) - lasso(times)).max() / scale, monotone.is_monotone(lasso)


@pytest.mark.parametrize("box", [{}, {"positive": True}, {"penalty_factor": [1, 2, 0.5, 1]}], ids=str)
def test_average_of_the_flow_is_the_lasso_on_monotone_instances(box):
    found = 0
    for X, y in monotone.gaussian_instances(600, seed=2):
        if box.get("positive"):
            y = X.sum(axis=1)  # then some correlation is positive
        difference, is_monotone = distance(X, y, box)
        found += is_monotone
        assert difference <= 1e-10 or not is_monotone
    assert found >= 300


def test_average_of_the_flow_is_not_the_lasso_on_other_instances():
    pairs = [distance(X, y, {}) for X, y in monotone.gaussian_instances(600, seed=3)]
    apart = np.array([difference for difference, is_monotone in pairs if not is_monotone])
    assert apart.size >= 100
    assert (apart > 1e-6).mean() >= 0.95


def test_orthogonal_designs_are_monotone_and_agree():
    rng = np.random.default_rng(4)
    for _ in range(50):
        X = np.linalg.qr(rng.standard_normal((12, 6)))[0] * rng.random(6)
        difference, is_monotone = distance(X, rng.standard_normal(12), {})
        assert is_monotone
        assert difference <= 1e-10
