"""Networks as maps of the dual: every formula by independent means (mpmath, quadrature, flows of the weights)."""

import itertools
import math

import numpy as np
import pytest
from mpmath import mp, mpf

import lassoflow as lf
from oracles import multiprecision
from oracles.networks import SPECS, TRAINED, X, Y, network_of

EVERY = pytest.mark.parametrize("name", SPECS)
D = 3


def branches_of(name, weight_decay=0.0):
    return network_of(SPECS[name]).branches(D, weight_decay)


def duals(name, count=9):
    """Duals inside the box, near its faces too: shape (count, D)."""
    b = branches_of(name)
    lower = np.where(np.isinf(b.lower), 2.0, b.lower)
    share = np.concatenate([[0.0003, 0.02], np.linspace(0.2, 0.8, count - 4), [0.98, 0.9997]])[:, None]
    return -lower + share * (b.upper + lower)


# -- phi ----------------------------------------------------------------------------------------------------------


@EVERY
def test_coef_and_derivative_are_those_of_the_weights_equations(name):
    b, theta = branches_of(name), duals(name)
    with mp.workdps(40):
        phi = multiprecision._scalar_map(SPECS[name], D, mpf(0))
        for row in theta:
            x, slope = phi([mpf(float(value)) for value in row], mpf(0))
            np.testing.assert_allclose(b.derivative(b.gaps(row)), [float(v) for v in slope], rtol=1e-11)
            size = [float(v) / float(slope[0] if SPECS[name].depth > 2 else b.rate) for v in slope]
            error = np.abs(b.coef(b.gaps(row)) - [float(v) for v in x])
            assert (error <= 1e-11 * np.maximum(np.abs([float(v) for v in x]), size)).all()


@pytest.mark.parametrize("name", ["product of two shapes", "square", "depth 2"])
def test_weight_decay_moves_the_faces(name):
    b, theta = branches_of(name, 0.3), duals(name)
    with mp.workdps(40):
        phi = multiprecision._scalar_map(SPECS[name], D, mpf(0.3))
        for s in (0.0, 0.7, 5.0):
            expected = [[float(v) for v in phi([mpf(float(t)) for t in row], mpf(s))[0]] for row in theta]
            np.testing.assert_allclose(b.coef(b.gaps(theta, np.full(len(theta), s))), expected, rtol=1e-11, atol=1e-18)


@EVERY
def test_dual_inverts_coef(name):
    b, theta = branches_of(name), duals(name)
    x = b.coef(b.gaps(theta))
    condition = np.abs(x) / b.derivative(b.gaps(theta)) + 1
    assert (np.abs(b.dual(x) - theta) <= 4e-15 * condition).all()


@EVERY
def test_gap_inverts_log_branch(name):
    b, values = branches_of(name), np.array([-600.0, -30.0, -1.0, 0.0, 2.0])
    np.testing.assert_allclose(b.log_branch(b.gap_of(values)), values, rtol=1e-12, atol=1e-12)
    g, h = np.array([0.01, 0.3, 0.9]), 1e-6
    slope = (b.log_branch(g - h) - b.log_branch(g + h)) / (2 * h)
    np.testing.assert_allclose(b.steepness(g), slope, rtol=1e-6)


@EVERY
def test_rescaled_multiplies_coefficients(name):
    b, theta = branches_of(name), duals(name)
    branches = sum(np.exp(b.log_branch(gap)) for gap in b.gaps(theta))  # what coefficients are the difference of
    for factor in (-40.0, 0.3, 25.0):
        scaled = b.rescaled(factor)
        error = np.abs(scaled.coef(scaled.gaps(theta)) / math.exp(factor) - b.coef(b.gaps(theta)))
        assert (error <= 1e-13 * branches).all()


@pytest.mark.parametrize("log_scale", [-1e5, -1e3, -100.0])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_log_abs_where_coefficients_underflow(depth, log_scale):
    b = lf.PowerNetwork(depth, log_scale=log_scale).branches(1)
    for theta in (0.5, -0.25, 2.0**-30, -(2.0**-20), 0.999):
        value = float(b.log_abs(b.gaps([theta]))[0])
        with mp.workdps(80):
            L, t = -mpf(log_scale), mpf(theta)
            if depth == 2:
                expected = -L + mp.log(2 * mp.sinh(L * abs(t)))
            else:
                p = mpf(depth) / (depth - 2)
                expected = -L + mp.log((1 - abs(t)) ** -p - (1 + abs(t)) ** -p)
            # one ulp of the branches' logarithms, or of their difference where they nearly cancel
            tolerance = 1e-15 * float(L) + 1e-15 / min(1.0, float(abs(t)) * (float(L) if depth == 2 else 1.0))
            assert abs(value - float(expected)) <= 4 * tolerance
    assert b.log_abs(b.gaps([0.0]))[0] == -np.inf
    assert np.isfinite(b.log_abs(b.gaps([0.5]))).all()


# -- potentials ---------------------------------------------------------------------------------------------------


@EVERY
def test_conjugate_is_the_integral_of_coef(name):
    b, theta = branches_of(name), duals(name)[2:-2]
    with mp.workdps(30):
        phi = multiprecision._scalar_map(SPECS[name], D, mpf(0))
        for low, high in itertools.pairwise(theta):
            for j in range(D):
                ends = [mpf(float(low[j])), mpf(float(high[j]))]
                middle = [mpf(float(v)) for v in low]

                def x(t, j=j, middle=middle):
                    return phi([t if i == j else v for i, v in enumerate(middle)], mpf(0))[0][j]

                integral = float(mp.quad(x, mp.linspace(*ends, 9)))
                values = [b.conjugate(b.gaps(row))[j] for row in (low, high)]
                assert abs(values[1] - values[0] - integral) <= 1e-12 * (abs(values[0]) + abs(values[1]))


@EVERY
def test_potential_is_the_integral_of_the_dual(name):
    """``Q' = theta``, by Gauss-Legendre quadrature of the inverse of the reference's phi."""
    b, spec = branches_of(name), SPECS[name]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for low, high in ((0.1, 0.2), (0.2, 1.5)):
        x = (low + high) / 2 + (high - low) / 2 * nodes
        theta = np.array([[_theta_of(spec, float(value), j) for j in range(D)] for value in x])
        expected = (high - low) / 2 * weights @ theta
        found = b.potential(np.full(D, high)) - b.potential(np.full(D, low))
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def _theta_of(spec, x, j):
    """The dual of a coefficient, by bisection in the reference."""
    with mp.workdps(25):
        phi = multiprecision._scalar_map(spec, D, mpf(0))
        low, high = mpf(-60), mpf(60)
        if spec.depth > 2:
            low, high = mpf(-1), mpf(1)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if phi([middle] * D, mpf(0))[0][j] < x else (low, middle)
        return float(low)


@EVERY
def test_bregman_divergence_is_a_divergence(name):
    b, rng = branches_of(name), np.random.default_rng(0)
    sign = 1.0 if SPECS[name].kind == "square" else rng.choice([-1.0, 1.0], (2, 200, D))
    x, y = np.exp(rng.uniform(-8, 3, (2, 200, D))) * sign
    size = np.abs(b.potential(x)).sum(-1) + np.abs(b.potential(y)).sum(-1) + (np.abs(b.dual(y) * (x - y))).sum(-1)
    divergence = b.divergence(x, y)
    assert (divergence >= -1e-14 * size).all()
    far = (np.abs(x - y) > 0.1 * np.abs(x)).any(axis=-1)
    assert (divergence[far] > 0).all()
    assert (np.abs(b.divergence(x, x)) <= 1e-15 * size).all()


# -- weights ------------------------------------------------------------------------------------------------------


@EVERY
def test_weights_start_where_the_dual_does(name):
    network, b = network_of(SPECS[name]), branches_of(name)
    start = network.coefficients(network.initial_weights(D))
    np.testing.assert_allclose(start, b.coef(b.gaps(np.zeros(D))), rtol=1e-12, atol=1e-15 * network.scale)
    with mp.workdps(30):
        weights = multiprecision._start(SPECS[name], D)
    np.testing.assert_allclose(network.initial_weights(D), [[float(w) for w in row] for row in weights], rtol=1e-14)


@EVERY
def test_pullback_is_the_gradient_in_the_weights(name):
    """Central differences in multiprecision of ``<c, x(w)>``."""
    network, spec, rng = network_of(SPECS[name]), SPECS[name], np.random.default_rng(1)
    weights = rng.uniform(0.3, 1.5, network.initial_weights(D).shape)
    slope = rng.standard_normal(D)
    found = network.pullback(weights, slope)
    with mp.workdps(60):

        def value(layers):
            x = multiprecision._coefficients(spec, [[[w] for w in row] for row in layers])
            return mp.fdot([mpf(float(c)) for c in slope], [series[0] for series in x])

        exact = [[mpf(float(w)) for w in row] for row in weights]
        for i in range(len(exact)):
            for j in range(D):
                moved = [value([[w + sign * mpf(10) ** -20 * ((a, b) == (i, j)) for b, w in enumerate(line)]
                                for a, line in enumerate(exact)]) for sign in (1, -1)]  # fmt: skip
                assert abs(float((moved[0] - moved[1]) / 2 * mpf(10) ** 20) - found[i, j]) <= 1e-14 * abs(found[i, j])
    many = np.stack([weights, 2 * weights])
    assert network.coefficients(many).shape == (2, D)
    np.testing.assert_array_equal(network.pullback(many, np.stack([slope, slope]))[0], found)


@pytest.mark.parametrize("name", TRAINED)
def test_conserved_quantities_along_a_weight_flow(name):
    network = network_of(SPECS[name])
    trace = multiprecision.train(X, Y, SPECS[name], [0.5, 2.0, 4.0])
    at_start = network.conserved(network.initial_weights(D))
    for layers in trace.weights:
        with mp.workdps(50):
            found = _conserved(SPECS[name], layers)
        np.testing.assert_allclose([[float(v) for v in row] for row in found], at_start, rtol=1e-12)
        weights = np.array([[float(w) for w in row] for row in layers])
        lost = np.abs(weights).max() ** 2 if network.depth == 2 else np.abs(at_start)
        assert (np.abs(network.conserved(weights) - at_start) <= 1e-14 * lost + 1e-12 * np.abs(at_start)).all()


def _conserved(spec, layers):
    if spec.kind == "product":
        return [[u**2 - v**2 for u, v in zip(*layers, strict=True)]]
    if spec.kind == "square":
        return [[mp.sign(u) for u in layers[0]]]
    if spec.depth == 2:
        return [[u * v for u, v in zip(*layers, strict=True)]]
    return [[1 / u ** (spec.depth - 2) + 1 / v ** (spec.depth - 2) for u, v in zip(*layers, strict=True)]]


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
@pytest.mark.parametrize("name", TRAINED)
def test_the_two_references_agree(name, weight_decay):
    """Weights by Taylor series, dual by collocation: the dual, the lasso clock and weight decay are right."""
    spec = SPECS[name]
    if weight_decay and spec.depth > 2:
        pytest.skip("no closed form")
    times = [0.5, 1.5, 4.0]
    weights = multiprecision.train(X, Y, spec, times, weight_decay)
    dual = multiprecision.solve(X, Y, spec, times, weight_decay)
    np.testing.assert_allclose(weights.x, dual.x, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(weights.average, dual.average, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", TRAINED)
def test_least_gain_bounds_the_change_of_coefficients(name):
    """``dx/dg``, per training time, never falls below ``exp(log_least_gain)`` and comes close to it."""
    network, b = network_of(SPECS[name]), branches_of(name)
    theta = np.linspace(-0.999, 0.999, 2001)[:, None] * np.minimum(b.upper, np.where(np.isinf(b.lower), 1, b.lower))
    if SPECS[name].kind == "product":  # the least gain lies where |u| = |v|, not at theta = 0
        theta = np.linspace(-b.lower, b.upper, 2001)
    gain = b.derivative(b.gaps(theta)) / network.unit
    least = math.exp(network.log_least_gain(D))
    assert gain.min() >= least * (1 - 1e-12)
    if SPECS[name].kind != "square":
        assert gain.min() <= least * 1.02


# -- clock and box ------------------------------------------------------------------------------------------------


@EVERY
def test_clock(name):
    network, spec = network_of(SPECS[name]), SPECS[name]
    with mp.workdps(30):
        clock = float(spec.clock)
    np.testing.assert_allclose(network.training_time([0.0, 1.0, 3.5]), np.array([0.0, 1.0, 3.5]) / clock, rtol=1e-14)
    np.testing.assert_allclose(network.lasso_time(network.training_time([0.2, 7.0])), [0.2, 7.0], rtol=1e-15)
    assert network.log_unit == pytest.approx(-math.log(clock), rel=1e-13, abs=1e-13)


def test_clock_beyond_floats():
    network = lf.PowerNetwork(3, log_scale=-1e4)
    assert network.unit == math.inf
    assert network.log_unit == pytest.approx(1e4 / 3 - math.log(3))
    assert lf.ProductNetwork(log_scale=-1e5).training_time(2.0) == 1e5


@pytest.mark.parametrize("log_scale", [-2.0, -50.0, -1e5])
def test_box_is_where_a_branch_is_one(log_scale):
    L, b, c = -log_scale, np.array([1.0, -2.0, 0.3]), np.array([0.5, 0.7, -1.5])
    box = lf.ProductNetwork(log_scale=log_scale, shape_u=b / 4, shape_v=c / 4).box(3, 0.2)
    np.testing.assert_allclose(box.upper, 1 - np.log((b + c) ** 2 / 64) / L, rtol=1e-14)
    np.testing.assert_allclose(box.lower, 1 - np.log((b - c) ** 2 / 64) / L, rtol=1e-14)
    assert box.decay == 0.2
    box = lf.SquareNetwork(log_scale=log_scale, shape=b / 4).box(3)
    np.testing.assert_allclose(box.upper, 1 - np.log(b**2 / 16) / L, rtol=1e-14)
    assert (box.lower == np.inf).all()
    for depth in (2, 3):
        box = lf.PowerNetwork(depth, log_scale=log_scale).box(2)
        assert (box.upper == 1).all()
        assert (box.lower == 1).all()


def test_box_of_a_start_above_one_is_refused():
    with pytest.raises(ValueError, match="starts from coefficients of 1 or more"):
        lf.ProductNetwork(0.5, shape_u=10.0).box(2)


# -- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [lf.ProductNetwork, lf.SquareNetwork, lambda **size: lf.PowerNetwork(3, **size)])
@pytest.mark.parametrize(
    "size",
    [
        {}, {"scale": 0.1, "log_scale": -1.0}, {"scale": 0.0}, {"scale": -1.0}, {"scale": np.nan}, {"scale": np.inf},
        {"scale": "a"}, {"scale": [0.1, 0.2]}, {"scale": 1e300}, {"log_scale": 1e3},
        {"log_scale": np.nan}, {"log_scale": -np.inf}, {"log_scale": "a"},
    ],
)  # fmt: skip
def test_bad_scales_are_refused(network, size):
    with pytest.raises(ValueError, match="scale"):
        network(**size)


@pytest.mark.parametrize("depth", [1, 0, -2, 2.5, np.nan, np.inf, "a", None])
def test_bad_depths_are_refused(depth):
    with pytest.raises(ValueError, match="depth must be a whole number"):
        lf.PowerNetwork(depth, 1e-3)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"shape_u": 1.0, "shape_v": 1.0}, "differ in size"),
        ({"shape_u": 1.0, "shape_v": [0.5, -1.0]}, "differ in size"),
        ({"shape_u": np.nan}, "shape_u must"),
        ({"shape_v": [[1.0]]}, "shape_v must"),
        ({"shape_v": np.inf}, "shape_v must"),
    ],
)
def test_bad_shapes_of_products_are_refused(shapes, words):
    with pytest.raises(ValueError, match=words):
        lf.ProductNetwork(1e-3, **shapes)


@pytest.mark.parametrize("shape", [0.0, [1.0, 0.0], np.inf, [[1.0]]])
def test_bad_shapes_of_squares_are_refused(shape):
    with pytest.raises(ValueError, match="shape must"):
        lf.SquareNetwork(1e-3, shape=shape)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="length 3; the problem has 2 features"):
        lf.SquareNetwork(1e-3, shape=[1.0, 2.0, 3.0]).branches(2)
    with pytest.raises(ValueError, match="depth 2 only"):
        lf.PowerNetwork(3, 1e-3).branches(2, weight_decay=0.1)
    with pytest.raises(ValueError, match="below the smallest float"):
        lf.ProductNetwork(log_scale=-1e5).initial_weights(2)


@pytest.mark.parametrize("shapes", [{"shape_u": "a"}, {"shape_u": [1.0, 2.0], "shape_v": [0.1, 0.2, 0.3]}])
def test_shapes_that_are_no_numbers_or_of_two_lengths_are_refused_in_a_sentence(shapes):
    with pytest.raises(ValueError, match="shape_u"):
        lf.ProductNetwork(1e-3, **shapes)


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (lf.ProductNetwork(1e-8), "ProductNetwork(scale=1e-08)"),
        (lf.ProductNetwork(1e-8, shape_u=2.0), "ProductNetwork(shape_u=2, scale=1e-08)"),
        (lf.SquareNetwork(log_scale=-1e5, shape=[1.0, 2.0]), "SquareNetwork(shape=<2 numbers>, log_scale=-100000)"),
        (lf.PowerNetwork(3, 1e-6), "PowerNetwork(depth=3, scale=1e-06)"),
    ],
)
def test_repr(network, text):
    assert repr(network) == text
