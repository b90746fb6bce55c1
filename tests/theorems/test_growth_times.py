"""Where deep flows end: the least l1 norm, weighted by the growth times of their layers (Zhao et al. 2026).

``t+ = int_{z_0}^inf dz / prod_j (z^2 + mu_j^2)^(1/2)`` and ``t- = int_{-inf}^{z_0}``, z_0 the smallest layer with the
sign of the others' product and ``mu_j^2 = a_j^2 - z_0^2``. Quadrature and linear programming know nothing of flows.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import agm

import lassoflow as lf

N, D = 3, 6


def growth_times(layers):
    """Of one coordinate: t+ and t-."""
    order = np.argsort(np.abs(layers))
    start = layers[order[0]] * np.sign(layers[order[1:]]).prod()
    squares = layers[order[1:]] ** 2 - start**2

    def rate(z):
        return 1 / np.sqrt(z**2 + squares).prod()

    half, part = quad(rate, 0, np.inf, epsrel=1e-12)[0], quad(rate, 0, start, epsrel=1e-12)[0]
    return half - part, half + part


def least(factors, X, y):
    """The interpolator of least weighted l1 norm."""
    found = linprog(factors.ravel(), A_eq=np.hstack([X, -X]), b_eq=y).x
    return found[:D] - found[D:]


@pytest.mark.parametrize("depth", [3, 4])
def test_the_end_is_the_weighted_linear_program(depth):
    rng, differ = np.random.default_rng(depth), 0
    for _ in range(8):
        X, y = rng.standard_normal((N, D)), rng.standard_normal(N)
        layers = rng.uniform(0.2, 1.5, (depth, D)) * rng.choice([-1, 1], (depth, D))
        network = lf.LayeredNetwork(layers, scale=1e-5**depth)
        factors = np.array([growth_times(column) for column in layers.T]).T
        box = network.box(D)
        np.testing.assert_allclose([box.upper, box.lower], factors, rtol=1e-10)
        end, expected = lf.gradient_flow(lf.LeastSquares(X, y), network).end, least(factors, X, y)
        assert np.abs(end - expected).max() <= 1e-9 * np.abs(expected).max()
        differ += np.abs(expected - least(np.ones((2, D)), X, y)).max() > 0.1
    assert differ >= 2  # initial directions do choose another solution


def test_growth_times_of_three_layers_from_zero_are_an_arithmetic_geometric_mean():
    a, b = np.array([1.0, 2.0, 0.3, 1.0]), np.array([1.0, 0.5, 5.0, 1e-2])
    box = lf.LayeredNetwork([a, b, 0.0], 1e-9).box(4)
    np.testing.assert_allclose(box.upper, np.pi / 2 / agm(a, b), rtol=1e-13)
    np.testing.assert_allclose(box.lower, box.upper, rtol=1e-15)
