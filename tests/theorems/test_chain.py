"""The chain finite flow -> limit flow -> lasso, and the flow as a mirror flow: every bound, on random instances.

``python -m benchmarks bounds`` does the same on 500 instances a network and reports how tight the bounds are.
"""

import numpy as np
import pytest
from benchmarks import networks

import lassoflow as lf
from lassoflow import distances

LINKS = ("distance of averaged flow and its limit's", "distance of averaged limit flow and lasso")


@pytest.mark.parametrize("kind", networks.KINDS)
def test_every_bound_holds_and_some_say_something(kind):
    telling = 0
    for seed in range(12):
        problem, network = networks.instance(kind, seed)
        flow = lf.gradient_flow(problem, network)
        law, chain = lf.certify(flow), lf.compare(flow)
        assert law.holds, f"{kind} {seed}\n{law}"
        assert chain.holds, f"{kind} {seed}\n{chain}"
        lasso = lf.lasso_path(problem, np.stack([flow.box.upper, flow.box.lower]))
        size = np.linalg.norm(problem.fitted(lasso.average(chain.s, side="left")), axis=1)
        telling += (chain.bound < size / np.linalg.norm(problem.target)).any()
    assert telling >= 6  # vacuous: not below the distance of the lasso from zero


def test_bound_of_a_finite_network_is_nearly_reached():
    """Its size is right, too: on one coordinate, long after the jump, the observed distance is over half the bound."""
    problem = lf.LeastSquares([[1.0]], [2.0])
    flow = lf.gradient_flow(problem, lf.SquareNetwork(log_scale=-1000.0))
    limit = lf.limit_flow(problem, positive=True)
    link = distances.network_to_limit(flow, limit, problem, np.array([1.0, 5.0]))
    assert (link.observed <= link.bound).all()
    assert (link.observed >= 0.5 * link.bound).all()


def test_distance_to_the_limit_falls_as_one_over_the_logarithm():
    rng = np.random.default_rng(7)
    X = rng.standard_normal((20, 30))
    problem = lf.LeastSquares(X, X[:, :4].sum(axis=1) + 0.3 * rng.standard_normal(20))
    limit = lf.limit_flow(problem)
    apart = []
    for size in (1e2, 1e3, 1e4, 1e5):
        flow = lf.gradient_flow(problem, lf.PowerNetwork(2, log_scale=-size))
        s = flow.mesh
        apart.append(np.abs(flow.dual(s) - limit.dual(s)).max())
    slope = np.polyfit([2, 3, 4, 5], np.log10(apart), 1)[0]
    assert abs(slope + 1.0) <= 0.03


@pytest.mark.parametrize("depth", [3, 4])
def test_distance_to_the_limit_falls_as_a_power_of_the_scale(depth):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((20, 30))
    problem = lf.LeastSquares(X, X[:, :4].sum(axis=1) + 0.3 * rng.standard_normal(20))
    limit = lf.limit_flow(problem)
    scales = 10.0 ** np.array([-8.0, -12.0, -16.0])
    apart = []
    for scale in scales:
        flow = lf.gradient_flow(problem, lf.PowerNetwork(depth, scale=scale))
        apart.append(np.abs(flow.dual(flow.mesh) - limit.dual(flow.mesh)).max())
    slope = np.polyfit(np.log10(scales), np.log10(apart), 1)[0]
    assert abs(slope - (depth - 2) / depth) <= 0.03


def test_averages_are_the_lasso_where_it_is_monotone():
    """Orthogonal columns: the average of a network of tiny scale is soft thresholding (Berthier 2025, Theorem 2.1)."""
    problem = lf.LeastSquares(np.eye(3) * np.sqrt(3), np.array([3.0, -2.0, 0.5]) * np.sqrt(3))
    flow = lf.gradient_flow(problem, lf.ProductNetwork(log_scale=-1e5))
    s = np.array([0.5, 1.0, 4.0])
    expected = np.sign([3.0, -2.0, 0.5]) * np.maximum(np.abs([3.0, -2.0, 0.5]) - 1 / s[:, None], 0.0)
    np.testing.assert_allclose(flow.average(s), expected, atol=1e-4)


def test_descent_reports_its_distance_without_a_verdict():
    from lassoflow.descent import gradient_descent

    problem, network = networks.instance("power 2", 3)
    run = gradient_descent(problem, network, n_steps=500)
    check = lf.compare(run).checks[-1]
    assert check.bound is None
    assert check.holds is None
    with pytest.raises(ValueError, match="no law"):
        lf.certify(run)
