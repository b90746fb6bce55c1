"""Bounds of the distance to the l1 solution: never violated, tight where they are to be, with the slopes they state."""

import math

import numpy as np
import pytest

import lassoflow as lf


def instance(seed, noisy=None):
    """A small wide problem with its l1 solution and constants."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    d = n + int(rng.integers(1, 8))
    X = rng.standard_normal((n, d))
    w = np.zeros(d)
    w[: max(1, n // 3)] = rng.choice([-1.0, 1.0], max(1, n // 3)) * rng.uniform(0.5, 3.0, max(1, n // 3))
    noisy = seed % 2 if noisy is None else noisy
    problem = lf.LeastSquares(X, X @ w + 0.3 * noisy * rng.standard_normal(n))
    solution = lf.min_l1(problem)
    return problem, {"solution": solution, "constants": lf.null_space_constants(problem, solution.coef)}


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_bounds_hold(depth):
    """Below ``1e-13`` of the data an instance without noise is one up to rounding only."""
    for seed in range(30):
        problem, known = instance(seed)
        for log_scale in (-4.0, -10.0, -20.0) if seed % 2 == 0 else (-4.0, -10.0, -30.0, -60.0):
            network = lf.PowerNetwork(depth, log_scale=log_scale)
            bounds = lf.accuracy_bounds(problem, network, **known)
            distance = lf.log_distance(lf.flow_endpoint(problem, network), bounds.solution)
            assert bounds.log_lower <= distance + 1e-9
            assert distance <= bounds.log_upper + 1e-9
            assert bounds.lower <= bounds.upper


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_distance_falls_at_the_stated_rate(depth):
    """Over 20 decades of the scale, from 1e-400 at depth 2 and 1e-20 beyond."""
    for seed in range(1, 21, 2):
        problem, known = instance(seed, noisy=1)
        start = -400 * math.log(10) if depth == 2 else -20 * math.log(10)
        scales = start - np.array([0.0, 10.0, 20.0]) * math.log(10)
        ends = [lf.flow_endpoint(problem, lf.PowerNetwork(depth, log_scale=scale)) for scale in scales]
        distances = [lf.log_distance(end, known["solution"]) for end in ends]
        rate = lf.accuracy_bounds(problem, lf.PowerNetwork(depth, log_scale=start), **known).rate
        slope = np.polyfit(scales, distances, 1)[0]
        assert slope == pytest.approx(rate, abs=0.002)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_exact_constant_of_a_kernel_of_dimension_one(depth):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((4, 5))
        problem = lf.LeastSquares(X, rng.standard_normal(4))
        network = lf.PowerNetwork(depth, log_scale=-600.0 if depth == 2 else -60.0)
        bounds = lf.accuracy_bounds(problem, network)
        distance = lf.log_distance(lf.flow_endpoint(problem, network), bounds.solution)
        assert distance == pytest.approx(bounds.log_asymptotic, abs=1e-4)


def test_the_upper_bound_is_attained():
    """Equal entries on the support, and equal ones of the kernel outside of it."""
    problem = lf.LeastSquares([[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]], [1.0, 1.0])
    network = lf.PowerNetwork(2, log_scale=-200.0)
    bounds = lf.accuracy_bounds(problem, network)
    distance = lf.log_distance(lf.flow_endpoint(problem, network), bounds.solution)
    assert bounds.log_upper - 1.0 <= distance <= bounds.log_upper


@pytest.mark.parametrize("depth", [2, 3])
def test_a_scale_that_is_enough(depth):
    for seed in range(6):
        problem, known = instance(seed, noisy=0)
        log_scale, log_time = lf.scale_for_accuracy(problem, depth, 1e-2, **known)
        end = lf.flow_endpoint(problem, lf.PowerNetwork(depth, log_scale=log_scale))
        size = np.abs(known["solution"].coef).sum()
        assert math.exp(lf.log_distance(end, known["solution"])) <= 1e-2 * size * (1 + 1e-9)
        assert math.isfinite(log_time)


def test_what_has_no_bounds():
    problem = lf.LeastSquares([[1.0, 1.0]], [1.0])  # not unique
    bounds = lf.accuracy_bounds(problem, lf.PowerNetwork(2, 1e-6))
    assert (bounds.lower, bounds.upper) == (0.0, math.inf)
    assert lf.scale_for_accuracy(problem, 2, 1e-3)[0] == -math.inf
    tall = lf.LeastSquares([[1.0], [2.0]], [1.0, 1.0])
    assert lf.accuracy_bounds(tall, lf.PowerNetwork(2, 1e-6)).upper == 0.0
    with pytest.raises(TypeError, match="PowerNetwork"):
        lf.accuracy_bounds(problem, lf.SquareNetwork(1e-6))
    with pytest.raises(ValueError, match="lasso clock"):
        lf.accuracy_bounds(problem, lf.PowerNetwork(2, 10.0))
    with pytest.raises(ValueError, match="error must be positive"):
        lf.scale_for_accuracy(problem, 2, 0.0)
