"""Flows that stop where their loss has come down to a level."""

import numpy as np
import pytest

import lassoflow as lf

DECAYS = [0.0, 0.05]
NETWORKS = [
    lf.ProductNetwork(1e-4),
    lf.SquareNetwork(1e-30),
    lf.PowerNetwork(3, 1e-2),
    lf.LayeredNetwork([0.2, 1, 2], 0.1),
]


def problem_of():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((8, 4))
    return lf.LeastSquares(X, X @ np.array([2.0, 0.5, 1.0, 0.0]) + 0.3 * rng.standard_normal(8))


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
@pytest.mark.parametrize("decay", DECAYS)
def test_the_loss_is_the_level_where_it_stops_and_above_it_before(network, decay):
    problem = problem_of()
    whole = lf.gradient_flow(problem, network, weight_decay=decay)
    first, last = problem.loss(whole(0.0)), problem.loss(whole.end)
    level = 0.5 * first + 0.5 * last
    flow = lf.gradient_flow(problem, network, weight_decay=decay, stop_when=level)
    end = flow.domain[1]
    assert flow.status == "stopped"
    assert problem.loss(flow.end) == pytest.approx(level, rel=1e-10)
    s = np.linspace(0, end, 50)[:-1]
    assert (problem.loss(flow(s)) > level).all()
    np.testing.assert_array_equal(flow(s), whole(s))
    np.testing.assert_allclose(flow.average(s), whole.average(s), rtol=1e-12)
    assert flow.mesh.max() <= end
    with pytest.raises(ValueError, match="beyond the end"):
        flow(1.01 * end)


def test_a_level_below_the_end_stops_nothing():
    problem = problem_of()
    flow = lf.gradient_flow(problem, lf.ProductNetwork(1e-4), stop_when=0.0)
    assert flow.status == "complete"


def test_a_level_above_the_start_stops_at_once():
    problem = problem_of()
    flow = lf.gradient_flow(problem, lf.ProductNetwork(1e-4), stop_when=1e9)
    assert flow.status == "stopped"
    np.testing.assert_array_equal(flow.end, flow(0.0))


def test_a_flow_that_is_its_limit_stops_at_a_jump():
    problem = problem_of()
    limit = lf.limit_flow(problem)
    losses = problem.loss(limit(limit.knots))
    flow = lf.gradient_flow(problem, lf.PowerNetwork(4, log_scale=-1e5), stop_when=float(losses[1]) * 1.001)
    assert flow.knots.size == 2
    np.testing.assert_array_equal(flow.end, limit(limit.knots[1]))


@pytest.mark.parametrize("level", [-1.0, np.nan])
def test_levels_that_make_no_sense_are_refused(level):
    with pytest.raises(ValueError, match="stop_when"):
        lf.gradient_flow(problem_of(), lf.ProductNetwork(1e-4), stop_when=level)
