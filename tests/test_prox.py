"""The proximal map of deep diagonal layers: against fifty digits, at its jump, and against trained networks."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lassoflow as lf

R = np.array([3.0, -2.2, 1.9, 0.8, -0.3, 1.2])


def orthonormal(r=R, n=8):
    """A problem with the loss ``|x - r|^2 / 2`` and a constant."""
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, r.size)))[0]
    return lf.LeastSquares(np.sqrt(n) * Q, np.sqrt(n) * Q @ r)


def objective(x, r, decay, depth):
    return (x - r) ** 2 / 2 + depth / 2 * decay * np.abs(x) ** (2 / depth)


# -- the map ----------------------------------------------------------------------------------------------------------


@given(
    st.integers(2, 9), st.floats(-6, 6), st.floats(-0.1, 3), st.sampled_from([-1.0, 1.0])
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_against_fifty_digits(depth, log_decay, log_r, sign):
    decay = 10.0**log_decay
    r = sign * lf.prox_landscape(1.0, decay, depth).critical * 10.0**log_r
    found = lf.prox_landscape(r, decay, depth)
    roots = {root.name: root for root in lf.scalar_roots(abs(r), Decimal(decay) ** depth, depth)}
    if "large" not in roots:
        assert found.minimiser == 0
        return
    apart = abs(abs(r) / found.critical - 1)  # two roots come near like its root
    rtol = 1e-14 * max(1.0, 1 / math.sqrt(apart)) if depth > 2 else 1e-14 + 2e-16 / apart
    assert found.large == pytest.approx(sign * roots["large"].product, rel=rtol)
    if depth > 2:
        assert found.small == pytest.approx(sign * roots["small"].product, rel=rtol)
        if abs(abs(r) / found.jump - 1) > 1e-13:
            better = roots["large"].value < roots["zero"].value
            assert found.minimiser == pytest.approx(better * found.large, rel=1e-14)


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
def test_it_minimises(depth):
    x = np.linspace(-4, 4, 4001)
    for decay in (0.1, 0.7, 3.0):
        for r in (-3.5, -1.0, 0.0, 0.3, 1.7, 3.9):
            best = lf.prox_lp(r, decay, depth)
            assert objective(best, r, decay, depth) <= objective(x, r, decay, depth).min() * (1 + 1e-12)


def test_soft_thresholding_at_depth_2():
    r = np.linspace(-3, 3, 61)
    np.testing.assert_array_equal(lf.prox_lp(r, 0.75, 2), np.sign(r) * np.maximum(np.abs(r) - 0.75, 0.0))


@pytest.mark.parametrize("depth", [3, 4, 5, 8])
@pytest.mark.parametrize("decay", [1.0, 0.3, 1e-4])
def test_the_jump(depth, decay):
    """By the exact threshold, and to 0 where it is a float; the height is that of the closed form."""
    jump = lf.prox_landscape(1.0, decay, depth).jump
    below, above = math.nextafter(jump, 0.0), math.nextafter(jump, math.inf)
    assert lf.prox_lp(below, decay, depth) == 0.0
    assert lf.prox_lp(above, decay, depth) == pytest.approx(jump * (depth - 2) / (depth - 1), rel=1e-13)
    if (depth, decay) == (3, 1.0):
        assert (jump, lf.prox_lp(jump, decay, depth)) == (2.0, 0.0)
    assert float(lf.lambda_global(jump, depth)) == pytest.approx(decay**depth, rel=1e-13)


def test_the_double_root():
    critical = lf.prox_landscape(1.0, 1.0, 4).critical
    below, above = math.nextafter(critical, 0.0), math.nextafter(critical, math.inf)
    assert np.isnan(lf.prox_landscape(below * (1 - 1e-15), 1.0, 4).large)
    found = lf.prox_landscape([below, critical, above], 1.0, 4)
    exact = np.isfinite(found.large)
    assert exact[1:].any()
    np.testing.assert_allclose(found.large[exact] / critical, 1 / 3, rtol=1e-7)
    np.testing.assert_allclose(found.small[exact] / critical, 1 / 3, rtol=1e-7)


def test_shapes():
    assert np.ndim(lf.prox_lp(3.0, 1.0, 3)) == 0
    assert lf.prox_lp(np.ones((2, 3)), 1.0, 3).shape == (2, 3)
    assert lf.prox_lp([], 1.0, 3).shape == (0,)
    np.testing.assert_array_equal(lf.prox_lp(R, 0.0, 5), R)
    assert (lf.prox_lp([1e-300, 1e300, -1e300], 1.0, 6) == [0.0, 1e300, -1e300]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lf.prox_lp([1.0, np.inf], 1.0, 3), "r must be finite"),
        (lambda: lf.prox_lp("r", 1.0, 3), "r must hold real numbers"),
        (lambda: lf.prox_lp(1.0, -1.0, 3), "weight_decay must be a finite number >= 0; got -1.0."),
        (lambda: lf.prox_lp(1.0, 1.0, 1), "depth must be a whole number >= 2; got 1."),
        (lambda: lf.prox_landscape(1.0, 0.0, 3), "weight_decay must be positive: without it r is the only"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_products_find_soft_thresholding(decay):
    problem, network = orthonormal(), lf.ProductNetwork(1e-8)
    expected = lf.prox_lp(R, decay, 2)
    np.testing.assert_allclose(lf.gradient_flow(problem, network, weight_decay=decay).end, expected, atol=1e-12)
    steps = lf.gradient_descent(problem, network, weight_decay=decay, n_steps=4000)
    np.testing.assert_allclose(steps.end, expected, atol=1e-12)


@pytest.mark.parametrize("depth", [3, 4])
def test_powers_tend_to_zero_or_the_large_root(depth):
    """From above the small root to the large one, as v only helps u; a D-th of their decay counts."""
    problem, found = orthonormal(), lf.prox_landscape(R, 1.0, depth)
    seen = set()
    for scale in (1e-8, 0.06, 0.15, 0.4, 1.0):
        above = scale > np.abs(found.small)  # NaN is not
        expected = np.where(above, found.large, 0.0)
        end = lf.gradient_flow(problem, lf.PowerNetwork(depth, scale), weight_decay=depth * 1.0).end
        np.testing.assert_allclose(end, expected, atol=1e-5)
        seen.add(int(above.sum()))
    assert {0, 3} < seen


@pytest.mark.parametrize("depth", [3, 4])
def test_layers_tend_to_zero_or_the_large_root(depth):
    problem, found = orthonormal(), lf.prox_landscape(R, 1.0, depth)
    directions = [1.0] * (depth - 1) + [0.98]
    for scale in (1e-8, 0.2, 0.8):
        network = lf.LayeredNetwork(directions, scale)
        expected = np.where((0.98 * scale > np.abs(found.small)) & (R > 0), found.large, 0.0)
        end = lf.gradient_flow(problem, network, weight_decay=1.0).end
        np.testing.assert_allclose(end, expected, atol=1e-5)
        steps = lf.gradient_descent(problem, network, weight_decay=1.0, n_steps=4000)
        np.testing.assert_allclose(steps.end, expected, atol=1e-5)


def test_small_scales_end_at_zero_where_the_minimiser_is_not():
    """At depth 3 and more nothing is learned from small weights, however large r is."""
    r = np.array([50.0, -4.0])
    assert (lf.prox_lp(r, 1.0, 3) != 0).all()
    end = lf.gradient_flow(orthonormal(r), lf.PowerNetwork(3, 1e-6), weight_decay=3.0).end
    np.testing.assert_allclose(end, 0.0, atol=1e-12)


def test_chains_of_width_one_are_the_same():
    """A scalar deep linear network has twice the loss of a diagonal layer."""
    problem = lf.DeepLinear([[3.0]], [1, 1], 1.0)
    best = next(iter(problem.critical_points()))
    assert abs(problem.product(best.point(0))[0, 0]) == pytest.approx(lf.prox_lp(3.0, 1.0, 3), rel=1e-13)
    assert best.value / 2 == pytest.approx(objective(lf.prox_lp(3.0, 1.0, 3), 3.0, 1.0, 3), rel=1e-13)
