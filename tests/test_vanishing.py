"""Deep networks from scales at which the limit flow is the answer: its bound against flows that were integrated."""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.flow import _integrated
from lassoflow.vanishing import distance_factor


def instance(seed):
    """Noisy or not, more columns than rows or not, some columns dependent."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(3, 9, 2)
    X = rng.standard_normal((n, d)) * rng.choice([0.1, 1.0, 10.0], d)
    if seed % 3 == 0:
        X[:, -1] = X[:, 0] + X[:, 1]
    return lf.LeastSquares(X, X @ rng.standard_normal(d) + rng.choice([0.0, 1.0]) * rng.standard_normal(n))


@pytest.mark.parametrize("depth", [3, 4, 7])
@pytest.mark.parametrize("seed", range(8))
def test_the_bound_holds_and_follows_the_scale(seed, depth):
    problem = instance(seed)
    limit, factors = lf.limit_flow(problem), []
    s = limit.knots[0] * np.geomspace(1, 1e3, 200)
    for log_scale in (-30.0, -60.0):
        network = lf.PowerNetwork(depth, log_scale=log_scale)
        factors.append(distance_factor(problem, network))
        flow = _integrated(problem, network, network.box(problem.n_features), None, 1e-8, None)
        gap = problem.fitted(flow.average(s) - limit.average(s))
        distance = np.linalg.norm(gap, axis=1) / np.linalg.norm(problem.target)
        bound = factors[-1] / np.sqrt(problem.units.working_time(s))
        assert (distance <= bound + 1e-7).all()
    if np.isfinite(factors[0]):
        assert np.log(factors[0] / factors[1]) == pytest.approx(15 * (depth - 2) / depth, rel=1e-10)


@pytest.mark.parametrize(("depth", "log_scale"), [(3, -150.0), (4, -1e5), (20, -1e9)])
def test_the_limit_flow_is_the_answer_and_says_so(depth, log_scale, tmp_path):
    problem = instance(1)
    flow = lf.gradient_flow(problem, lf.PowerNetwork(depth, log_scale=log_scale))
    limit = lf.limit_flow(problem)
    assert flow.status == "limit"
    assert "complete, as its limit" in repr(flow)
    np.testing.assert_array_equal(flow.end, limit.end)
    assert lf.certify(flow).holds
    chain = lf.compare(flow)
    assert chain.holds
    assert chain["distance of averaged flow and its limit's"].bound <= 1e-6
    flow.save(tmp_path / "flow.npz")
    loaded = lf.load(tmp_path / "flow.npz", problem)
    s = limit.knots[0] * np.array([0.5, 1.5, 4.0])
    np.testing.assert_array_equal(loaded.curve.log_abs(s), flow.curve.log_abs(s))


def test_logarithms_follow_the_gap():
    """Of one column: ``x = scale (1 - s r)^-p`` before the knot, to first order in the scale."""
    problem = lf.LeastSquares([[2.0]], [3.0])
    flow = lf.gradient_flow(problem, lf.PowerNetwork(4, log_scale=-1e4))
    s = np.array([0.25, 0.5, 0.75]) / 6.0
    exact = -1e4 + np.log((1 - 6 * s) ** -2 - (1 + 6 * s) ** -2)
    np.testing.assert_allclose(flow.curve.log_abs(s)[:, 0], exact, rtol=1e-15, atol=1e-11)
    np.testing.assert_allclose(flow.curve.log_abs(np.array([1.0])), [[np.log(1.5)]])


def test_not_where_it_is_not_certified():
    problem = instance(1)
    assert lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-20)).status == "complete"
    assert lf.gradient_flow(problem, lf.PowerNetwork(3, log_scale=-150.0), rtol=1e-12).status == "complete"
    assert lf.gradient_flow(problem, lf.PowerNetwork(2, log_scale=-1e6)).status == "complete"


def test_until():
    problem = instance(1)
    knots = lf.limit_flow(problem).knots
    flow = lf.gradient_flow(problem, lf.PowerNetwork(4, log_scale=-1e5), until=1.01 * knots[1])
    assert flow.status == "until"
    assert flow.domain[1] == 1.01 * knots[1]
    np.testing.assert_array_equal(flow.end, lf.limit_flow(problem)(1.01 * knots[1]))


@pytest.mark.parametrize("log_scale", [-50.0, -200.0])
@pytest.mark.parametrize("network", ["power 3", "power 4", "layers 3", "layers 4"])
def test_gaps_far_below_the_rounding_of_duals(network, log_scale):
    """Jumps take place between two floats; between them the flow is its limit, and all that holds of it holds."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 6))
    problem = lf.LeastSquares(X, X @ np.array([1, -2, 0, 0, 0.5, 0]) + 0.3 * rng.standard_normal(8))
    kind, depth = network.split()
    made = lf.PowerNetwork(int(depth), log_scale=log_scale)
    if kind == "layers":
        directions = rng.uniform(0.5, 1.5, (int(depth), 6)) * rng.choice([-1, 1], (int(depth), 6))
        directions[0] *= 0.3
        made = lf.LayeredNetwork(directions, log_scale=log_scale)
    box = made.box(6)
    flow = _integrated(problem, made, box, None, 1e-6, None)
    limit = lf.limit_flow(problem, np.stack([box.upper, box.lower]))
    s = np.append((limit.knots[1:] + limit.knots[:-1]) / 2, 1.5 * limit.knots[-1])
    np.testing.assert_allclose(flow(s), limit(s), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(flow.end, limit.end, rtol=1e-10, atol=1e-10)
    assert lf.certify(flow).holds
    assert lf.compare(flow).holds
