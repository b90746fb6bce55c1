"""Layers trained on a scale-invariant loss keep their lengths; balanced ones the quasi-norm of their product.

``d|u_j|^2 / dt = -2 <x, J'(x)>`` for every layer of ``x = u_1 ... u_L``, which is zero by Euler's theorem where
``J(c x) = J(x)``. From ``|u_1| = ... = |u_L|`` all stay ``|x|^(1/L)``, so ``sum_i |x_i|^(2/L)`` is kept. Derived, see
docs, section 13; the loss here is the Fisher ratio of deep linear discriminant analysis.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lassoflow as lf

D = 6
RNG = np.random.default_rng(8)
ROOT, MEAN = RNG.standard_normal((2 * D, D)), RNG.standard_normal(D)
WITHIN = ROOT.T @ ROOT / (2 * D)


def slope(x):
    """The gradient of ``J(x) = -<m, x>^2 / <x, W x>``."""
    between, within = MEAN @ x, x @ WITHIN @ x
    return -2 * between / within * (MEAN - between / within * (WITHIN @ x))


def trained(network, start):
    """Weights at some times of their gradient flow, by an explicit method of order 8."""

    def rate(t, state):
        weights = state.reshape(start.shape)
        return -network.pullback(weights, slope(network.coefficients(weights))).ravel()

    times = np.linspace(0.0, 3.0, 31)
    found = solve_ivp(rate, (0.0, times[-1]), start.ravel(), method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14)
    return found.y.T.reshape(-1, *start.shape)


def layered(depth):
    """A network of this depth; its map of weights to coefficients is that of any weights, equal ones too."""
    return lf.LayeredNetwork(np.arange(1.0, depth + 1), 0.5)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_layers_keep_a_quasi_norm(depth):
    network, signs = layered(depth), RNG.choice([-1.0, 1.0], (depth, D))
    weights = trained(network, RNG.uniform(0.4, 1.2, D) * signs)
    x = network.coefficients(weights)
    assert np.abs(np.abs(weights) - np.abs(x[:, None]) ** (1 / depth)).max() <= 1e-10 * np.abs(weights).max()
    kept = (np.abs(x) ** (2 / depth)).sum(axis=1)
    np.testing.assert_allclose(kept, kept[0], rtol=1e-10)
    moved = np.linalg.norm(x, axis=1)
    assert moved.max() / moved.min() > 1.01  # and no other norm is
    assert np.abs(x[-1] - x[0]).max() > 0.1


@pytest.mark.parametrize("network", [layered(2), layered(3), layered(4), lf.PowerNetwork(3, 0.5)], ids=repr)
def test_all_other_weights_keep_the_lengths_of_layers(network):
    start = RNG.uniform(0.2, 1.2, network.initial_weights(D).shape)
    weights = trained(network, start)
    squares = np.square(weights).sum(axis=2)
    if isinstance(network, lf.PowerNetwork):  # u and v share one length
        squares = squares.sum(axis=1)
    np.testing.assert_allclose(squares, np.broadcast_to(squares[0], squares.shape), rtol=1e-10)
    assert np.abs(weights[-1] - start).max() > 0.1
