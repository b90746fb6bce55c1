"""Products of layers: what their flow keeps, and the exponential that its loss stays below.

``u_k^2 - u_m^2`` is conserved, and with ``c = min_j prod_{k != m} (u_k^2 - u_m^2)``, m the smallest layer, the excess
loss falls at least like ``exp(-2 mu c t)`` (Labarriere et al. 2024; derived, see docs, section 9).
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lassoflow as lf
from oracles import multiprecision
from oracles.multiprecision import Spec

N, D = 8, 4
TIMES = np.linspace(0.0, 40.0, 201)


def trained(depth, seed):
    """A network of random layers, its coefficients and weights at TIMES, the problem's M and solution."""
    rng = np.random.default_rng([seed, depth])
    layers = rng.uniform(0.2, 1.5, (depth, D)) * rng.choice([-1, 1], (depth, D))
    network, X, y = lf.LayeredNetwork(layers, 0.3), rng.standard_normal((N, D)), rng.standard_normal(N)

    def rate(t, state):
        weights = state.reshape(depth, D)
        return -network.pullback(weights, X.T @ (X @ network.coefficients(weights) - y) / N).ravel()

    start = network.initial_weights(D).ravel()
    found = solve_ivp(rate, TIMES[[0, -1]], start, method="DOP853", t_eval=TIMES, rtol=1e-12, atol=1e-14)
    return network, found.y.T.reshape(-1, depth, D), X.T @ X / N, np.linalg.lstsq(X, y, rcond=None)[0]


def products_of_differences(weights):
    """``prod_{k != m} (u_k^2 - u_m^2)``, shape (..., d)."""
    squares = np.sort(weights**2, axis=-2)
    return np.prod(squares[..., 1:, :] - squares[..., :1, :], axis=-2)


CASES = pytest.mark.parametrize(("depth", "seed"), [(depth, seed) for depth in (2, 3, 4) for seed in range(4)])


@CASES
def test_differences_of_squares_are_conserved(depth, seed):
    network, weights, *_ = trained(depth, seed)
    kept, size = network.conserved(weights), np.square(weights).max()
    assert np.abs(kept - kept[0]).max() <= 1e-10 * size
    smallest = np.abs(weights).argmin(axis=1)
    assert (smallest == smallest[0]).all()
    others = np.arange(depth)[:, None] != smallest[0]
    assert (np.sign(weights) == np.sign(weights[0]))[:, others].all()  # only the smallest layer can pass zero


@CASES
def test_the_loss_stays_below_its_exponential(depth, seed):
    network, weights, M, solution = trained(depth, seed)
    c, mu = products_of_differences(weights[0]).min(), np.linalg.eigvalsh(M)[0]
    assert np.exp(network.log_least_gain(D)) == pytest.approx(c, rel=1e-12)
    gap = network.coefficients(weights) - solution
    excess = np.einsum("ti,ij,tj->t", gap, M, gap)
    assert (excess <= excess[0] * np.exp(-2 * mu * c * TIMES) * (1 + 1e-9)).all()


@CASES
def test_the_least_gain_is_that_of_a_coefficient_passing_zero(depth, seed):
    """``dx/dg = sum_j prod_{k != j} u_k^2`` at any weights of the same conserved quantities, and where u_m = 0."""
    network, weights, *_ = trained(depth, seed)
    gain = (network.pullback(weights, np.ones_like(weights[:, 0])) ** 2).sum(axis=1)
    least = products_of_differences(weights[0])
    assert (gain >= least * (1 - 1e-9)).all()
    squares = weights[0] ** 2 - np.square(weights[0]).min(axis=0)
    at_zero = (network.pullback(np.sqrt(squares), np.ones(D)) ** 2).sum(axis=0)
    np.testing.assert_allclose(at_zero, least, rtol=1e-12)


@pytest.mark.parametrize(("seed", "scale"), [(0, 1e-2), (1, 1e-4), (4, 1e-4), (6, 1e-2), (7, 1e-4)])
def test_weights_in_fifty_digits(seed, scale):
    """To a training time of 1e3 at most, noisy and not, of three and four layers."""
    rng = np.random.default_rng(seed)
    depth, noisy = 3 + seed % 2, seed % 2 == 0
    X = rng.standard_normal((5, 3) if noisy else (3, 4))
    y = 2 * X[:, 0] - X[:, 1] + noisy * 0.5 * rng.standard_normal(len(X))
    layers = rng.uniform(0.3, 1.5, (depth, X.shape[1])) * rng.choice([-1, 1], (depth, X.shape[1]))
    layers[0] *= 0.5
    network = lf.LayeredNetwork(layers, scale)
    times = np.linspace(0, min(1e3 / network.unit, 20.0), 13)[1:]
    exact = multiprecision.train(X, y, Spec("layers", scale, depth=depth, first=layers.tolist()), times)
    flow = lf.gradient_flow(lf.LeastSquares(X, y), network, until=float(times[-1]))
    size = np.abs(exact.x).max()
    np.testing.assert_allclose(flow(times), exact.x, rtol=0, atol=1e-5 * size)
    np.testing.assert_allclose(flow.average(times), exact.average, rtol=0, atol=1e-5 * size)
