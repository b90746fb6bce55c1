"""The weights along a flow: gradient flow on them, and what it conserves.

(Labarriere et al. 2024; derived, see docs, section 9.)

``u^2 - v^2`` of products, ``u v`` of differences of squares, ``u^(2-D) + v^(2-D)`` of powers, differences of squares of
layers; weight decay lambda multiplies the quadratic ones by ``exp(-2 kappa lambda t)``, kappa the network's factor.
"""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.mirror import weights
from oracles import multiprecision
from oracles.networks import SPECS, TRAINED, X, Y, network_of

D = 3
LAYERS = {
    "2 layers": lf.LayeredNetwork([[0.5, -2.0, 0.3], [1.0, 0.7, -1.5]], 1e-4),
    "3 layers": lf.LayeredNetwork([[2.0, -0.3, 1.0], [-1.0, 2.0, 0.4], [0.5, 1.0, -2.0]], 1e-5),
    "4 layers": lf.LayeredNetwork([0.2, 1.0, -1.5, 0.7], 1e-4),
}
NETWORKS = {name: network_of(spec) for name, spec in SPECS.items()} | LAYERS
EVERY = pytest.mark.parametrize("name", NETWORKS)


def duals(branches):
    """Duals inside the box, shape (9, D)."""
    lower = np.where(np.isinf(branches.lower), 2.0, branches.lower)
    return -lower + np.linspace(0.03, 0.97, 9)[:, None] * (branches.upper + lower)[:D]


@EVERY
def test_weights_start_at_the_start_and_make_the_coefficients(name):
    network = NETWORKS[name]
    branches = network.branches(D)
    start = network.initial_weights(D)
    assert np.abs(network.weights(branches.gaps(np.zeros(D))) - start).max() <= 1e-12 * np.abs(start).max()
    gaps = branches.gaps(duals(branches))
    w = network.weights(gaps)
    assert w.shape == (9, *start.shape)
    rounding = 1e-11 * np.abs(w).max(axis=1) ** network.depth
    assert (np.abs(network.coefficients(w) - branches.coef(gaps)) <= rounding).all()


@EVERY
def test_weights_follow_their_own_gradient_flow(name):
    """``dw / dtheta = unit dx/dw``: what training does to the weights while the dual moves; by central differences."""
    network = NETWORKS[name]
    branches, h = network.branches(D), 1e-6
    theta = duals(branches)
    slope = (network.weights(branches.gaps(theta + h)) - network.weights(branches.gaps(theta - h))) / (2 * h)
    expected = network.unit * network.pullback(network.weights(branches.gaps(theta)), np.ones(theta.shape))
    assert (np.abs(slope - expected) <= 1e-6 * np.abs(expected).max(axis=(1, 2), keepdims=True)).all()


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.depth == 2])
def test_weight_decay_shrinks_weights_and_what_they_conserve(name):
    """``dw / ds = -unit kappa lambda w`` at a dual that rests; conserved quantities by the square of that."""
    network, decay, s = NETWORKS[name], 0.3, np.array([0.0, 0.8, 4.0])
    branches = network.branches(D, decay)
    w = network.weights(branches.gaps(np.full((3, D), 0.2), s))
    shrunk = np.exp(-decay * network.decay_factor * network.unit * s)[:, None, None]
    np.testing.assert_allclose(w, w[0] * shrunk, rtol=1e-12)
    if name != "square":
        expected = network.conserved(network.initial_weights(D)) * shrunk**2
        rounding = 1e-12 * np.abs(w).max(axis=(1, 2)) ** 2
        assert (np.abs(network.conserved(w) - expected).max(axis=(1, 2)) <= rounding).all()


@EVERY
def test_weights_along_a_flow_keep_what_is_conserved(name):
    network = NETWORKS[name]
    flow = lf.gradient_flow(lf.LeastSquares(X, Y), network)
    w = weights(flow, np.append(flow.mesh, 2 * flow.mesh[-1]))
    start = network.conserved(network.initial_weights(D))
    size = np.abs(start) if network.depth > 2 and name not in LAYERS else np.abs(w).max() ** 2
    assert (np.abs(network.conserved(w) - start) <= 1e-12 * size).all()
    x = flow(np.append(flow.mesh, 2 * flow.mesh[-1]))
    assert np.abs(network.coefficients(w) - x).max() <= 1e-11 * np.abs(x).max()


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", TRAINED)
def test_weights_along_a_flow_against_multiprecision(name, decay):
    """Against Taylor series of the weights' own equations, which know of no dual."""
    network, times = network_of(SPECS[name]), [0.0, 0.5, 1.5, 4.0]
    if decay and network.depth > 2:
        pytest.skip("no closed form")
    reference = multiprecision.train(X, Y, SPECS[name], times, decay)
    expected = np.array([[[float(w) for w in layer] for layer in layers] for layers in reference.weights])
    flow = lf.gradient_flow(lf.LeastSquares(X, Y), network, rtol=1e-9, weight_decay=decay)
    found = weights(flow, times)
    error = np.abs(found - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))
    assert error.max() <= 1e-8


@pytest.mark.parametrize("name", ["product", "product of two shapes", "depth 2", "depth 3", "2 layers", "3 layers"])
def test_descent_conserves_as_its_steps_shrink(name):
    """The drift falls with the step size, with weight decay against its exponential."""
    network = NETWORKS[name]
    for decay in (0.0, 0.05) if network.depth == 2 else (0.0,):
        drift = []
        for count in (1000, 2000, 4000):
            run = lf.gradient_descent(
                lf.LeastSquares(X, Y), network, step_size=4.0 / count, n_steps=count, weight_decay=decay, record=2
            )
            before, after = network.conserved(run.curve.weights)
            drift.append(np.abs(after / (before * np.exp(-8.0 * network.decay_factor * decay)) - 1).max())
        assert drift[0] < 0.2
        assert (np.array(drift[1:]) <= 0.55 * np.array(drift[:-1])).all()


def test_weights_need_a_flow_and_its_network(tmp_path):
    problem, network = lf.LeastSquares(X, Y), lf.ProductNetwork(1e-4)
    flow = lf.gradient_flow(problem, network, until=2.0)
    with pytest.raises(ValueError, match="s must hold times from 0 to the end of the flow, 2;"):
        weights(flow, 3.0)
    flow.save(tmp_path / "flow.npz")
    np.testing.assert_array_equal(weights(lf.load(tmp_path / "flow.npz", problem), 1.5), weights(flow, 1.5))
    with pytest.raises(ValueError, match="need gradient_flow and its network"):
        weights(lf.gradient_descent(problem, network, n_steps=10), 0.0)
    tiny = weights(lf.gradient_flow(problem, lf.PowerNetwork(2, log_scale=-1e5)), [0.0, 4.0])
    assert tiny.shape == (2, 2, 3)
    assert (tiny[0] == 0).all()
    assert tiny[1].max() > 0.1
