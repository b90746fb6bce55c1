"""A flow of L d weights is a flow of n numbers: ``nu' = y - X phi(X'nu / n)``, and ``X xbar(s) = y - nu(s) / s``."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lassoflow as lf

N, D = 4, 6
RNG = np.random.default_rng(11)
X, Y = RNG.standard_normal((N, D)), RNG.standard_normal(N)
PROBLEM = lf.LeastSquares(X, Y)
TIMES = np.linspace(0.25, 4.0, 16)
NETWORKS = {
    "product": lf.ProductNetwork(1e-3, shape_u=RNG.uniform(0.8, 1.5, D), shape_v=RNG.uniform(-0.6, 0.6, D)),
    "power 2": lf.PowerNetwork(2, 1e-3),
    "power 3": lf.PowerNetwork(3, 1e-3),
} | {
    f"layers {depth}": lf.LayeredNetwork(RNG.uniform(0.2, 1.5, (depth, D)) * RNG.choice([-1, 1], (depth, D)), 1e-2)
    for depth in (2, 3, 4)
}
EVERY = pytest.mark.parametrize("name", NETWORKS)


def integrate(rate, start):
    """Values at TIMES, a row each, by an explicit method of order 8."""
    found = solve_ivp(rate, (0.0, TIMES[-1]), start, method="DOP853", t_eval=TIMES, rtol=1e-12, atol=1e-14)
    return found.y.T


def by_weights(network):
    """Gradient flow of the weights as written down, in lasso time, and the integral of its coefficients."""
    start = network.initial_weights(D)

    def rate(s, state):
        weights = state[:-D].reshape(start.shape)
        x = network.coefficients(weights)
        return np.append(-network.unit * network.pullback(weights, X.T @ (X @ x - Y) / N), x)

    found = integrate(rate, np.append(start, np.zeros(D)))
    return network.coefficients(found[:, :-D].reshape(-1, *start.shape)), found[:, -D:]


@EVERY
def test_the_dual_flow_is_the_flow_of_the_weights(name):
    network = NETWORKS[name]
    coef, cumulated = by_weights(network)
    branches = network.branches(D)
    nu = integrate(lambda s, nu: Y - X @ branches.coef(branches.gaps(X.T @ nu / N)), np.zeros(N))
    assert np.abs(branches.coef(branches.gaps(nu @ X / N)) - coef).max() <= 1e-8 * np.abs(coef).max()
    assert np.abs(cumulated @ X.T - (TIMES[:, None] * Y - nu)).max() <= 1e-8 * np.abs(nu).max()
    flow = lf.gradient_flow(PROBLEM, network, rtol=1e-10)
    assert np.abs(flow(TIMES) - coef).max() <= 1e-8 * np.abs(coef).max()


@EVERY
def test_the_average_is_known_from_the_dual(name):
    flow = lf.gradient_flow(PROBLEM, NETWORKS[name])
    s = np.concatenate([TIMES, [20.0, 500.0]])[:, None]
    theta = flow.dual(s[:, 0])
    nu = np.linalg.lstsq(X.T / N, theta.T, rcond=None)[0].T
    assert np.abs(nu @ X / N - theta).max() <= 1e-12 * np.abs(theta).max()  # theta never leaves the row space
    assert np.abs(flow.average(s[:, 0]) @ X.T - (Y - nu / s)).max() <= 1e-12 * np.abs(Y).max()
