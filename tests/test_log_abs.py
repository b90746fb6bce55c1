"""Logarithms of coefficients: where these underflow against multiprecision, elsewhere against their values."""

import numpy as np
import pytest

import lassoflow as lf
from oracles import multiprecision
from oracles.multiprecision import Spec

RNG = np.random.default_rng(11)
X = RNG.standard_normal((5, 4))
Y = 2 * X[:, 0] - X[:, 1] + 0.5 * RNG.standard_normal(5)
PROBLEM = lf.LeastSquares(X, Y)


@pytest.mark.parametrize("kind", ["product", "square", "power"])
def test_where_coefficients_underflow_they_are_those_of_multiprecision(kind):
    """At log_scale -1e4: logarithms are known to their size times the error of the dual."""
    spec = Spec(kind, log_scale=-1e4)
    network = {"product": lf.ProductNetwork, "square": lf.SquareNetwork}.get(kind, lambda **a: lf.PowerNetwork(2, **a))
    flow = lf.gradient_flow(PROBLEM, network(log_scale=-1e4), rtol=1e-8)
    times = np.array([0.05, 0.3, 0.9, 2.5, 6.0])
    exact = multiprecision.solve(X, Y, spec, times)
    found = flow.log_abs(times)
    assert found.shape == (5, 4)
    assert (exact.x == 0).any()  # of floats
    np.testing.assert_allclose(found, exact.log_abs, rtol=1e-10, atol=1e-6)
    assert flow.log_abs(times[1]).shape == (4,)
    np.testing.assert_array_equal(flow.log_abs(times.reshape(5, 1))[:, 0], found)


def test_units_are_the_users():
    flow = lf.gradient_flow(lf.LeastSquares(X / 64, 1e5 * Y), lf.PowerNetwork(3, 1e-3), rtol=1e-8)
    s = np.array([0.0, 1e-6, 1e-4, 1.0, np.inf])
    expected = np.abs(flow(s))
    known = expected > 1e-6 * expected.max()
    np.testing.assert_allclose(np.exp(flow.log_abs(s))[known], expected[known], rtol=1e-12)


@pytest.mark.parametrize("network", [lf.LayeredNetwork([2.0, 1.0, 0.1], 1e-4), lf.PowerNetwork(2, 30.0)], ids=repr)
def test_of_every_network_they_are_logarithms(network):
    flow = lf.gradient_flow(PROBLEM, network)
    s = np.array([0.01, 0.4, 5.0])
    np.testing.assert_allclose(flow.log_abs(s), np.log(np.abs(flow(s))), rtol=0, atol=1e-9)


def test_of_other_views_and_paths_they_are_logarithms_of_values():
    network = lf.ProductNetwork(1e-4)
    flow, run = lf.gradient_flow(PROBLEM, network), lf.gradient_descent(PROBLEM, network, n_steps=200)
    lasso, s = lf.lasso_path(PROBLEM), np.array([[0.2, 0.8], [0.9, 1.0]])
    for path in (flow.averaged(), flow.relaxed(0.3), run, lasso, lasso.instantaneous()):
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(path.log_abs(s), np.log(np.abs(path(s))))
    jump = lasso.knots[1]
    left, right = (lasso.instantaneous().log_abs(jump, side=side) for side in ("left", "right"))
    assert (left == -np.inf).sum() == (right == -np.inf).sum() + 1


def test_zero_has_the_logarithm_minus_infinity():
    flow = lf.gradient_flow(PROBLEM, lf.PowerNetwork(2, 1e-3))
    assert (flow.log_abs(0.0) == -np.inf).all()
    with pytest.raises(ValueError, match="s must be a time"):
        flow.log_abs(-1.0)
