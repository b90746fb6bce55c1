"""Gradient flows of networks: against multiprecision and closed forms, invariants, limits, degenerate data.

Errors are of x or its average relative to the largest coefficient of the trajectory, in units of rtol.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import solve_ivp
from scipy.linalg import LinAlgWarning

import lassoflow as lf
from oracles import multiprecision
from oracles.multiprecision import Spec
from oracles.networks import network_of


def small(n, d, noisy, seed=0):
    """Two coefficients, 2 and -1, and perhaps noise."""
    rng = np.random.default_rng([seed, n, d])
    X = rng.standard_normal((n, d))
    return X, 2 * X[:, 0] - X[:, 1] + noisy * 0.5 * rng.standard_normal(n)


def gaussian(n, d, seed=0):
    rng = np.random.default_rng([seed, n, d])
    X = rng.standard_normal((n, d))
    return X, X[:, : min(n, d) // 3 + 1].sum(axis=1) + rng.standard_normal(n)


def limit_of(problem, network, weight_decay=0.0):
    """The limit flow in the network's own box."""
    box = network.box(problem.n_features, weight_decay)
    return lf.limit_flow(problem, penalty_factor=[box.upper, box.lower], weight_decay=weight_decay)


def width_of(network):
    """How wide a jump is: 1 / L, or the gap at which a coefficient is 1."""
    if network.depth == 2:
        return -1 / network.log_scale
    return np.exp(network.log_scale * (network.depth - 2) / network.depth)


def around_jumps(problem, network, weight_decay=0.0):
    """Times inside the jumps, just after them, between them and late."""
    knots, width = limit_of(problem, network, weight_decay).knots, width_of(network)
    inside = [knots + share * width for share in (0.0, 1.0, 3.0, 12.0)]
    late = knots[-1] * np.array([1.1, 1.5, 3.0]) + width * np.array([5.0, 20.0, 100.0])
    return np.unique(np.concatenate([[knots[0] / 2], *inside, between(knots), late]))


def between(knots):
    return (knots[:-1] + knots[1:]) / 2


@contextmanager
def at_most(seconds):
    """Fail rather than hang."""

    def stop(*_):
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- against multiprecision -----------------------------------------------------------------------------------------

SPECS = {
    "product 1e-2": Spec("product", 1e-2),
    "product 1e-40": Spec("product", 1e-40),
    "product, log_scale -1e5": Spec("product", log_scale=-1e5),
    "product of two shapes": Spec("product", 1e-8, first=[1.0, -2.0, 0.3, 0.5], second=[0.5, 0.7, -1.5, 0.0]),
    "product 0.9": Spec("product", 0.9, first=0.5),
    "square": Spec("square", 1e-12, first=[1.0, 2.0, -0.4, 0.1]),
    "depth 2": Spec("power", 1e-12),
    "depth 2, scale 0.9": Spec("power", 0.9),
    "depth 3, 1e-2": Spec("power", 1e-2, depth=3),
    "depth 3, 1e-12": Spec("power", 1e-12, depth=3),
    "depth 4, 1e-8": Spec("power", 1e-8, depth=4),
}
DATA = {"noisy": (5, 4, True), "noiseless": (3, 4, False)}


@cache
def reference(name, data, weight_decay=0.0):
    spec, (X, y) = SPECS[name], small(*DATA[data])
    times = around_jumps(lf.LeastSquares(X, y), network_of(spec), weight_decay)
    return times, multiprecision.solve(X, y, spec, times, weight_decay)


def errors(flow, times, exact):
    """Of x and of the average, a row a time."""
    size = np.abs(exact.x).max()
    return (
        np.abs(flow(times) - exact.x).max(axis=1) / size,
        np.abs(flow.average(times) - exact.average).max(axis=1) / size,
    )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", SPECS)
def test_agrees_with_multiprecision_inside_jumps_too(name, data):
    """To 10 rtol outside the jumps, and to 30 inside them."""
    times, exact = reference(name, data)
    problem, network = lf.LeastSquares(*small(*DATA[data])), network_of(SPECS[name])
    far = np.abs(times[:, None] - limit_of(problem, network).knots).min(axis=1) > 10 * width_of(network)
    for rtol in (1e-4, 1e-6, 1e-8):
        x, average = errors(lf.gradient_flow(problem, network, rtol=rtol), times, exact)
        assert x.max() <= 30 * rtol
        assert x[far].max(initial=0.0) <= 10 * rtol
        assert average.max() <= 5 * rtol


@pytest.mark.parametrize("weight_decay", [0.05, 0.5])
@pytest.mark.parametrize("name", ["product 1e-40", "product of two shapes", "square", "depth 2"])
def test_weight_decay_agrees_with_multiprecision(name, weight_decay):
    times, exact = reference(name, "noisy", weight_decay)
    problem = lf.LeastSquares(*small(*DATA["noisy"]))
    for rtol in (1e-4, 1e-7):
        flow = lf.gradient_flow(problem, network_of(SPECS[name]), rtol=rtol, weight_decay=weight_decay)
        x, average = errors(flow, times, exact)
        assert x.max() <= 30 * rtol
        assert average.max() <= 5 * rtol


@pytest.mark.parametrize("name", ["product 1e-2", "product of two shapes", "square", "depth 2", "depth 3, 1e-2"])
def test_agrees_with_training_the_weights(name):
    """The trajectory of the weights themselves, with no dual anywhere."""
    X, y = small(5, 4, True)
    exact = multiprecision.train(X, y, SPECS[name], times := [0.3, 1.0, 2.0, 4.0])
    flow = lf.gradient_flow(lf.LeastSquares(X, y), network_of(SPECS[name]), rtol=1e-8)
    x, average = errors(flow, times, exact)
    assert x.max() <= 1e-7
    assert average.max() <= 5e-8


@pytest.mark.parametrize("weight_decay", [0.9, 1.05, 2.0])
@pytest.mark.parametrize("kind", ["power", "product"])
def test_weight_decay_above_the_gradient_lets_coefficients_rise_and_fall(kind, weight_decay):
    """At x = 0 two branches cancel: nothing is at rest there. Against LSODA on the two weights."""
    scale, s = 0.3, np.array([0.3, 1.0, 2.0])
    network = lf.PowerNetwork(2, scale) if kind == "power" else lf.ProductNetwork(scale)
    flow = lf.gradient_flow(lf.LeastSquares([[1.0]], [1.0]), network, rtol=1e-8, weight_decay=weight_decay)

    def rate(_, weights):
        u, v = weights
        if kind == "power":
            return 2 * u * (1 - u**2 + v**2 - weight_decay), -2 * v * (1 - u**2 + v**2 + weight_decay)
        return v * (1 - u * v) - weight_decay * u, u * (1 - u * v) - weight_decay * v

    start = [scale**0.5, scale**0.5 if kind == "power" else 0.0]
    times = network.training_time(s)
    u, v = solve_ivp(rate, (0.0, times[-1]), start, method="LSODA", rtol=1e-11, atol=1e-15, t_eval=times).y
    np.testing.assert_allclose(flow(s).ravel(), u**2 - v**2 if kind == "power" else u * v, rtol=1e-6)


@pytest.mark.parametrize("name", ["product 1e-40", "product, log_scale -1e5", "square", "depth 3, 1e-12"])
def test_logarithms_of_coefficients_agree_with_multiprecision(name):
    """Inactive coordinates follow from the dual; at -1e5 their coefficients underflow, their logarithms do not."""
    times, exact = reference(name, "noisy")
    flow = lf.gradient_flow(lf.LeastSquares(*small(*DATA["noisy"])), network_of(SPECS[name]), rtol=1e-8)
    error = np.abs(flow.curve.log_abs(times) - exact.log_abs)
    steep = 1 / width_of(network_of(SPECS[name]))
    tolerance = 1e-6 + 1e-14 * (1 + times[:, None]) * steep
    clear = np.abs(exact.log_abs - exact.log_abs.max()) < 1e6  # not where x crosses 0
    sign_change = np.abs(exact.x) < 1e-12 * np.abs(exact.x).max()
    assert (error[clear & ~sign_change] <= 1e-4).all()
    assert np.median(error) <= np.max(tolerance)


DEEP = [Spec("power", 1e-24, depth=3), Spec("power", 1e-20, depth=4), Spec("power", 1e-12, depth=7)]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("spec", DEEP, ids=lambda spec: f"depth {spec.depth}")
def test_deep_networks_between_jumps(spec, data):
    """Where gaps are of 1e-8 to 1e-10, time itself resolves jumps to a part in 1e4; plateaus and averages are right."""
    X, y = small(*DATA[data])
    problem, network = lf.LeastSquares(X, y), network_of(spec)
    knots = limit_of(problem, network).knots
    times = np.append(between(knots), 1.5 * knots[-1])
    exact = multiprecision.solve(X, y, spec, times)
    for rtol in (1e-4, 1e-7):
        with at_most(20):
            x, average = errors(lf.gradient_flow(problem, network, rtol=rtol), times, exact)
        assert x.max() <= 10 * rtol
        assert average.max() <= rtol


def sweep():
    """Run by hand: worst errors in units of rtol, inside jumps, 10 widths away from them, and of averages."""
    for n, d, noisy, seed in ((5, 4, True, 0), (3, 4, False, 0), (4, 6, True, 1), (4, 6, False, 2)):
        X, y = small(n, d, noisy, seed)
        problem = lf.LeastSquares(X, y)
        for name, spec in (SPECS | {f"depth {s.depth}, {s.scale}": s for s in DEEP}).items():
            if np.size(spec.first) not in (1, d):
                continue
            network = network_of(spec)
            times = around_jumps(problem, network)
            exact = multiprecision.solve(X, y, spec, times, accuracy=1e-6)
            far = np.abs(times[:, None] - limit_of(problem, network).knots).min(axis=1) > 10 * width_of(network)
            for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
                flow = lf.gradient_flow(problem, network, rtol=rtol)
                x, average = errors(flow, times, exact)
                worst = (x.max(), x[far].max(initial=0.0), average.max())
                print(f"{n}x{d} noisy={noisy} {name} rtol={rtol:g}: {[f'{value / rtol:.1e}' for value in worst]}")


# -- one coefficient ------------------------------------------------------------------------------------------------


def logistic(log_scale, m, r, s):
    """``x' = L x (r - m x)``, x(0) = scale: the square network, one coefficient."""
    with mp.workdps(60):
        L, m, r = -mpf(log_scale), mpf(m), mpf(r)
        return [float(r / m / (1 + (r / m * mp.exp(L) - 1) * mp.exp(-L * r * mpf(float(t))))) for t in s]


def riccati(log_start, rate, m, r, s):
    """``x = a (e - 1/e)``, ``e' = rate e (r - m x)``, e(0) = 1: networks of depth 2 with two equal branches."""
    with mp.workdps(60):
        a, m, r = mp.exp(mpf(log_start)), mpf(m), mpf(r)
        root = mp.sqrt(r**2 + 4 * m**2 * a**2)
        high = (r + root) / (2 * m * a)
        values = []
        for t in s:
            decayed = high * (high - 1) / (high + 1) * mp.exp(-mpf(rate) * root * mpf(float(t)))
            e = high * (1 - decayed / high**2) / (1 + decayed)
            values.append(float(a * (e - 1 / e)))
        return values


def errors_of_one_coefficient(kind, log_scale, rtol):
    """Inside the jump: relative to the coefficient itself where it is above 1e-4 of its end, and to its end."""
    column, y, L = np.array([1.0, 0.5, -2.0]), np.array([1.0, -1.0, -3.0]), -log_scale
    m, r = column @ column / 3, column @ y / 3
    problem, network = lf.LeastSquares(column[:, None], y), network_of(Spec(kind, log_scale=log_scale))
    flow = lf.gradient_flow(problem, network, rtol=rtol)
    jump = limit_of(problem, network).knots[0]
    times = np.concatenate([[jump / 2], jump + np.linspace(-8, 15, 200) / (L * r), [2 * jump, 10 * jump]])
    if kind == "square":
        exact = np.array(logistic(log_scale, m, r, times))
    else:
        exact = np.array(riccati(log_scale - (np.log(4) if kind == "product" else 0.0), L, m, r, times))
    found, end = flow(times)[:, 0], r / m
    seen = exact > 1e-4 * end
    assert seen.sum() > 100
    return np.abs(found[seen] / exact[seen] - 1).max(), np.abs(found - exact).max() / end


@pytest.mark.parametrize("log_scale", [-20.0, -100.0, -1e3, -1e4, -1e5])
@pytest.mark.parametrize("kind", ["product", "square", "power"])
def test_one_coefficient_has_a_closed_form(kind, log_scale):
    assert max(errors_of_one_coefficient(kind, log_scale, 1e-8)) <= 2e-7
    assert max(errors_of_one_coefficient(kind, log_scale, 1e-5)) <= 2e-4


# -- invariants -----------------------------------------------------------------------------------------------------

NETWORKS = {
    "product": lf.ProductNetwork(1e-10),
    "square": lf.SquareNetwork(1e-8),
    "depth 2": lf.PowerNetwork(2, 1e-3),
    "depth 3": lf.PowerNetwork(3, 1e-8),
    "depth 4": lf.PowerNetwork(4, 1e-4),
}
ALL = pytest.mark.parametrize("name", NETWORKS)
RTOL = 1e-7


def multiplied(network, factor):
    """The network with its coefficients multiplied by a factor at the start."""
    log_scale = network.log_scale + np.log(factor)
    if isinstance(network, lf.PowerNetwork):
        return lf.PowerNetwork(network.depth, log_scale=log_scale)
    return type(network)(log_scale=log_scale)


def flow_of(X, y, network, rtol=RTOL, **options):
    return lf.gradient_flow(lf.LeastSquares(X, y, **options), network, rtol=rtol)


def assert_close(found, expected, tolerance=10 * RTOL):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


PROBES = np.array([0.2, 0.9, 1.7, 3.0, 8.0, 100.0])


@ALL
def test_dual_identity(name):
    """``theta = s r - M z`` and ``x = phi(theta)``, both to rounding."""
    X, y = gaussian(12, 20)
    problem, network = lf.LeastSquares(X, y), NETWORKS[name]
    flow = lf.gradient_flow(problem, network)
    s = np.sort(np.concatenate([flow.curve.mesh[::3], PROBES]))
    s = s[s <= flow.curve.mesh[-1]]
    theta = s[:, None] * (X.T @ y / 12) - flow.integral(s) @ (X.T @ X / 12)
    upper, lower = flow.curve.gaps(s)
    bounds = flow.curve.branches  # in working units: y times a power of two
    unit = 1e-13 * (1 + s[:, None])
    assert (np.abs(flow.dual(s) - theta) <= unit).all()
    assert (np.abs(bounds.upper - theta - upper) <= unit).all()
    inside = np.isfinite(bounds.lower)
    assert (np.abs((bounds.lower + theta)[:, inside] - lower[:, inside]) <= unit).all()
    working = bounds.coef((upper, lower)) * 2.0**flow.curve.units.target
    np.testing.assert_allclose(flow(s), working, rtol=1e-12, atol=1e-300)


@ALL
def test_integral_is_the_integral_of_the_flow(name):
    """Gauss-Legendre quadrature on every step of the integrator."""
    X, y = gaussian(8, 6)
    flow = flow_of(X, y, NETWORKS[name])
    mesh = np.concatenate([[0.0], flow.curve.mesh])
    mesh = mesh[mesh <= 20 * mesh[len(mesh) // 2]]
    nodes, weights = np.polynomial.legendre.leggauss(8)
    z = np.zeros(6)
    for low, high in itertools.pairwise(mesh):
        z = z + (high - low) / 2 * weights @ flow((low + high) / 2 + (high - low) / 2 * nodes)
        assert np.abs(flow.integral(high) - z).max() <= 10 * RTOL * high * np.abs(flow(mesh)).max()


@ALL
@pytest.mark.parametrize("factor", [2.0**-20, 3.0, 1e6])
def test_equivariant_under_multiples_of_y_and_x(name, factor):
    """x -> c x where y -> c y, and x / c where X -> c X; the lasso time divides by c and by what the clock changes."""
    X, y = gaussian(12, 20)
    network = NETWORKS[name]
    flow = flow_of(X, y, network)
    for of_y in (True, False):
        relative = factor if of_y else 1 / factor
        if network.depth == 2 and network.log_scale + np.log(relative) > -1:
            continue
        grown = multiplied(network, relative)
        other = flow_of(X, factor * y, grown) if of_y else flow_of(factor * X, y, grown)
        # In training time: depth D moves at the speed |x|^((2D-2)/D) times the gradient.
        change = grown.log_unit - network.log_unit
        speed = factor * relative ** ((network.depth - 2) / network.depth)
        times = PROBES / (speed * np.exp(change))
        assert_close(other(times) / relative, flow(PROBES))
        assert_close(other.average(times) / relative, flow.average(PROBES))


@ALL
def test_equivariant_under_permutations_and_signs(name):
    X, y = gaussian(12, 20)
    flow, rng = flow_of(X, y, NETWORKS[name]), np.random.default_rng(0)
    order = rng.permutation(20)
    assert_close(flow_of(X[:, order], y, NETWORKS[name])(PROBES), flow(PROBES)[:, order])
    if name != "square":
        sign = rng.choice([-1.0, 1.0], 20)
        assert_close(flow_of(X * sign, y, NETWORKS[name])(PROBES), flow(PROBES) * sign)
        np.testing.assert_allclose(flow_of(X, -y, NETWORKS[name])(PROBES), -flow(PROBES), rtol=1e-9, atol=1e-12)


@ALL
def test_weights_repeat_rows_and_intercepts_centre(name):
    X, y = gaussian(12, 20)
    times, weights = PROBES, np.arange(12) % 3
    repeated = flow_of(np.repeat(X, weights, axis=0), np.repeat(y, weights), NETWORKS[name])
    assert_close(flow_of(X, y, NETWORKS[name], sample_weight=weights)(times), repeated(times))
    shifted = flow_of(X + 3.0, y - 5.0, NETWORKS[name], fit_intercept=True)
    centred = flow_of(X - X.mean(axis=0), y - y.mean(), NETWORKS[name])
    assert_close(shifted(times), centred(times))
    np.testing.assert_allclose(
        shifted.intercept(times), y.mean() - 5.0 - shifted(times) @ (X.mean(axis=0) + 3.0), rtol=1e-9
    )
    np.testing.assert_allclose(shifted.predict(X + 3.0, times).mean(axis=-1), y.mean() - 5.0, rtol=1e-8)


@ALL
def test_loss_decreases(name):
    X, y = gaussian(15, 40)
    problem = lf.LeastSquares(X, y)
    flow = lf.gradient_flow(problem, NETWORKS[name])
    loss = problem.loss(flow(np.concatenate([[0.0], flow.curve.mesh])))
    assert (np.diff(loss) <= 1e-6 * loss[0]).all()


# -- views and ends -------------------------------------------------------------------------------------------------


@ALL
def test_ends_and_views(name):
    X, y = gaussian(30, 5)
    problem = lf.LeastSquares(X, y)
    flow = lf.gradient_flow(problem, NETWORKS[name], rtol=1e-8)
    assert flow.law == "network"
    assert flow.status == "complete"
    assert flow.domain == (0.0, np.inf)
    assert not flow.exact
    end = limit_of(problem, NETWORKS[name]).end
    tolerance = 1e-2 if name == "square" else 1e-7  # a coefficient that the cone holds at 0 decays slowly
    np.testing.assert_allclose(flow(np.inf), end, atol=tolerance)
    np.testing.assert_array_equal(flow(np.inf), flow.end)
    np.testing.assert_array_equal(flow.average(np.inf), flow.end)
    start = NETWORKS[name].coefficients(NETWORKS[name].initial_weights(5))
    np.testing.assert_allclose(flow(0.0), start, rtol=1e-12, atol=1e-13 * NETWORKS[name].scale)
    np.testing.assert_allclose(flow.average(0.0), start, rtol=1e-12, atol=1e-13 * NETWORKS[name].scale)
    s = np.array([[0.3, 1.0], [4.0, 1e9]])
    assert flow(s).shape == (2, 2, 5)
    np.testing.assert_array_equal(flow(s, side="left"), flow(s))
    np.testing.assert_array_equal(flow.averaged()(s), flow.average(s))
    np.testing.assert_array_equal(flow.averaged().instantaneous()(s), flow(s))
    np.testing.assert_allclose(flow.relaxed(0.25)(s), 0.25 * flow.average(s) + 0.75 * flow(s), rtol=1e-12)
    np.testing.assert_allclose(flow.integral(s), s[..., None] * flow.average(s), rtol=1e-13)
    np.testing.assert_array_equal(flow.at(lam=0.25), flow(4.0))


@ALL
def test_until_stops_there(name):
    X, y = gaussian(12, 20)
    problem, network = lf.LeastSquares(X, y), NETWORKS[name]
    whole = lf.gradient_flow(problem, network, rtol=RTOL)
    jumps = limit_of(problem, network).knots
    for until in (jumps[0] / 2, jumps[0], jumps[2] + width_of(network), 2 * jumps[-1]):
        flow = lf.gradient_flow(problem, network, until=until, rtol=RTOL)
        assert flow.status == "until"
        assert flow.domain == (0.0, until)
        size = np.abs(whole.end).max()
        for s in (until / 3, until):
            assert np.abs(flow(s) - whole(s)).max() <= 10 * RTOL * size
            assert np.abs(flow.average(s) - whole.average(s)).max() <= 10 * RTOL * size
        np.testing.assert_array_equal(flow.end, flow(until))
        for later in (until * 1.001, np.inf):
            with pytest.raises(ValueError, match="beyond the end of the path: until stopped it at"):
                flow(later)


@ALL
def test_until_after_rest(name):
    """A flow that has come to rest stays there."""
    problem = lf.LeastSquares(*small(5, 3, True))
    whole = lf.gradient_flow(problem, NETWORKS[name])
    until = 10 * whole.curve.mesh[-1]
    flow = lf.gradient_flow(problem, NETWORKS[name], until=until)
    np.testing.assert_allclose(flow.end, whole(until), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(flow.average(until), whole.average(until), rtol=1e-5, atol=1e-12)


def test_callback_hears_of_every_change():
    heard = []
    lf.gradient_flow(lf.LeastSquares(*gaussian(12, 20)), NETWORKS["product"], callback=heard.append)
    assert all(a.s <= b.s and a.steps <= b.steps for a, b in itertools.pairwise(heard))
    assert max(one.n_active for one in heard) <= 20
    assert len(heard) > 5


# -- limits ---------------------------------------------------------------------------------------------------------


def distance_to_limit(problem, network):
    """sup |theta - theta_limit| over the jumps, the steps and the middles between them."""
    limit, flow = limit_of(problem, network), lf.gradient_flow(problem, network)
    s = np.unique(np.concatenate([limit.knots, flow.curve.mesh, between(limit.knots)]))
    s = s[s <= 3 * limit.knots[-1]]
    return np.abs(flow.dual(s) - limit.dual(s)).max()


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_dual_converges_like_one_over_log_scale():
    problem, L = lf.LeastSquares(*gaussian(20, 40)), np.array([1e2, 1e3, 1e4, 1e5])
    distances = [distance_to_limit(problem, lf.PowerNetwork(2, log_scale=-one)) for one in L]
    assert abs(slope(L, distances) + 1) <= 0.03
    assert (np.abs(np.diff(np.log10(distances)) + 1) <= 0.03).all()


@pytest.mark.parametrize(("depth", "scales"), [(3, [1e-9, 1e-12, 1e-15, 1e-18]), (4, [1e-8, 1e-10, 1e-12, 1e-14])])
def test_dual_of_deep_networks_converges_like_a_power_of_the_scale(depth, scales):
    problem = lf.LeastSquares(*gaussian(20, 40))
    distances = [distance_to_limit(problem, lf.PowerNetwork(depth, scale)) for scale in scales]
    assert abs(slope(scales, distances) - (depth - 2) / depth) <= 0.03


# -- without numba --------------------------------------------------------------------------------------------------

_SCRIPT = """
import sys
if sys.argv[1] == "without":
    sys.modules["numba"] = None
import json
import numpy as np
import lassoflow as lf
from lassoflow import kernels
rng = np.random.default_rng(5)
X, y = rng.standard_normal((10, 15)), rng.standard_normal(10)
networks = [lf.ProductNetwork(1e-20), lf.SquareNetwork(1e-6), lf.PowerNetwork(2, 0.3), lf.PowerNetwork(3, 1e-9)]
flows = [lf.gradient_flow(lf.LeastSquares(X, y), network) for network in networks]
values = [flow([0.5, 2.0, 5.0, 50.0]).tolist() for flow in flows]
print(json.dumps([kernels.compiled, values]))
"""


def test_results_are_equal_without_numba():
    pytest.importorskip("numba")
    outputs = []
    for mode in ("with", "without"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.path.dirname(lf.__path__[0])}
        run = subprocess.run(
            [sys.executable, "-c", _SCRIPT, mode], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(json.loads(run.stdout))
    assert [compiled for compiled, _ in outputs] == [True, False]
    np.testing.assert_allclose(outputs[1][1], outputs[0][1], rtol=0, atol=1e-9)


# -- degenerate data ------------------------------------------------------------------------------------------------


@ALL
def test_nothing_to_fit(name):
    """y = 0, or orthogonal to X: coefficients shrink from their start, and do not move where they start at 0."""
    X, network = gaussian(6, 4)[0], NETWORKS[name]
    for matrix, y in ((X, np.zeros(6)), (np.zeros((6, 4)), np.ones(6)), (np.eye(6)[:, :4], np.eye(6)[5])):
        flow = lf.gradient_flow(lf.LeastSquares(matrix, y), network)
        assert flow.status == "complete"
        assert np.abs(flow([0.0, 1.0, 1e6, np.inf])).max() <= network.scale * (1 + 1e-14)


@ALL
def test_zero_and_equal_and_opposite_columns(name):
    X, y = gaussian(12, 5)
    network = NETWORKS[name]
    many = np.column_stack([X, np.zeros(12), X[:, 0], X[:, 1], X[:, 1]])
    with at_most(20):
        flow = flow_of(many, y, network)
    x = flow(PROBES)
    size = np.abs(x).max()
    assert np.abs(x[:, 5]).max() <= network.scale
    assert np.abs(x[:, 0] - x[:, 6]).max() <= 10 * RTOL * size
    assert np.abs(x[:, [1, 1]] - x[:, [7, 8]]).max() <= 10 * RTOL * size
    if name != "square":
        flow = flow_of(np.column_stack([X, -X[:, 0]]), y, network)
        x = flow(PROBES)
        assert np.abs(x[:, 0] + x[:, 5]).max() <= 10 * RTOL * size


@ALL
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (2, 3)])
def test_smallest_problems(name, shape):
    X, y = gaussian(*shape, seed=3)
    y = X[:, 0] + 0.1 * y
    problem, network = lf.LeastSquares(X, y), NETWORKS[name]
    flow = lf.gradient_flow(problem, network, rtol=RTOL)
    x = flow(np.inf)
    gradient = problem.gradient(x)
    if name == "square":
        assert (gradient >= -1e-6).all()
    else:
        assert np.abs(gradient).max() <= 1e-6


@ALL
def test_exactly_collinear_columns(name):
    rng = np.random.default_rng(4)
    basis = rng.standard_normal((10, 3))
    X = np.column_stack([basis, basis @ rng.standard_normal((3, 4))])
    y = basis @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(10)
    problem = lf.LeastSquares(X, y)
    with at_most(20):
        flow = lf.gradient_flow(problem, NETWORKS[name], rtol=RTOL)
    limit = limit_of(problem, NETWORKS[name])
    tolerance = 3e-2 if name == "square" else 1e-5
    assert np.abs(X @ (flow.end - limit.end)).max() <= tolerance


@pytest.mark.parametrize("unit", [1e-100, 1e100])
@pytest.mark.parametrize("name", ["product", "depth 2", "square", "depth 3"])
def test_extreme_units(name, unit):
    """By equivariance: y in other units with the scale in the same units, X with the scale in the inverse ones."""
    X, y = gaussian(8, 6)
    base = multiplied(NETWORKS[name], 1e-150) if name != "depth 3" else NETWORKS[name]  # a clock needs scales below 1
    flow, D = flow_of(X, y, base), base.depth
    for of_y in (True, False):
        relative = unit if of_y else 1 / unit
        grown = multiplied(base, relative)
        with at_most(20):
            other = flow_of(X, unit * y, grown) if of_y else flow_of(unit * X, y, grown)
        change = grown.log_unit - base.log_unit + (D - 2) / D * np.log(relative) + np.log(unit)
        assert_close(other(PROBES * np.exp(-change)) / relative, flow(PROBES), 1e-5)


def test_columns_of_very_different_norms():
    """Over eight decades, against multiprecision."""
    X, y = small(5, 4, True)
    X = X * np.array([1e-4, 1.0, 1e2, 1e4])
    spec = Spec("power", 1e-12)
    problem, network = lf.LeastSquares(X, y), network_of(spec)
    times = around_jumps(problem, network)
    exact = multiprecision.solve(X, y, spec, times)
    with at_most(20):
        flow = lf.gradient_flow(problem, network, rtol=1e-6)
    x, average = errors(flow, times, exact)
    assert x.max() <= 3e-5
    assert average.max() <= 3e-5
    fit = np.abs((flow(times) - exact.x) @ X.T).max() / np.abs(y).max()
    assert fit <= 3e-5


def test_everything_active_at_a_large_scale():
    """scale 0.3, d >> n: no coordinate is ever inactive; against a stiff solver of scipy."""
    from scipy.integrate import solve_ivp

    X, y = gaussian(6, 80)
    flow = lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(2, 0.3), rtol=1e-8)
    L = -np.log(0.3)

    def rate(_, state):
        x = 0.6 * np.sinh(L * (X.T @ state / 6))
        return y - X @ x

    times = [0.05, 0.3, 1.0, 3.0]
    exact = solve_ivp(rate, (0, 3), np.zeros(6), "Radau", times, rtol=1e-11, atol=1e-13).y.T
    assert_close(flow(times), 0.6 * np.sinh(L * (exact @ X / 6)), 1e-7)


# -- arguments ------------------------------------------------------------------------------------------------------

PAIR = ([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"until": -1.0}, "until must be"), ({"until": np.nan}, "until must be"), ({"until": np.inf}, "until must be"),
        ({"until": "late"}, "until must be"), ({"rtol": 0.0}, "rtol must"), ({"rtol": 1.0}, "rtol must"),
        ({"rtol": np.nan}, "rtol must"), ({"rtol": "fine"}, "rtol must"), ({"rtol": 1e-16}, "rtol must"),
        ({"weight_decay": -1.0}, "weight_decay must"), ({"weight_decay": np.nan}, "weight_decay must"),
        ({"weight_decay": "some"}, "weight_decay must"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        lf.gradient_flow(lf.LeastSquares(*PAIR), lf.ProductNetwork(1e-3), **options)
    assert "\n" not in str(caught.value)


def test_networks_that_do_not_fit_are_refused():
    problem = lf.LeastSquares(*PAIR)
    for network in (lf.SquareNetwork(1e-3, shape=[1, 2, 3]), lf.ProductNetwork(1e-3, shape_u=[1, 2, 3])):
        with pytest.raises(ValueError, match="length 3; the problem has 2 features"):
            lf.gradient_flow(problem, network)


@pytest.mark.parametrize("s", [-1.0, np.nan])
def test_bad_times_are_refused(s):
    with pytest.raises(ValueError, match="s must be a time"):
        lf.gradient_flow(lf.LeastSquares(*PAIR), lf.ProductNetwork(1e-3))(s)


# -- what a hunt for counterexamples found -----------------------------------------------------------------------


def test_depth_three_at_1e_40_does_not_hang():
    X, y = small(5, 3, True)
    problem = lf.LeastSquares(X, y)
    lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-2))  # compiled by now
    with at_most(3):
        flow = lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-40), rtol=1e-4)
    limit = lf.limit_flow(problem)
    s = np.append(between(limit.knots), 2 * limit.knots[-1])
    np.testing.assert_allclose(flow(s), limit(s), atol=1e-3)


def _nearly_collinear(distance):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 3))
    X[:, 1] = X[:, 0] + distance * X[:, 1]
    return lf.LeastSquares(X, X @ np.array([1.0, 1.0, 0.5]) + 0.5 * distance * rng.standard_normal(6))


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3])
def test_ends_of_nearly_collinear_problems(distance):
    problem = _nearly_collinear(distance)
    flow, end = lf.gradient_flow(problem, lf.PowerNetwork(2, 1e-10)), lf.limit_flow(problem).end
    assert np.abs(flow.end - end).max() <= 1e-5 * np.abs(end).max()


@pytest.mark.parametrize("distance", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize(
    "network", [lf.PowerNetwork(2, 1e-20), lf.PowerNetwork(2, log_scale=-1e4), lf.PowerNetwork(3, 1e-8)]
)
def test_ends_of_almost_collinear_problems_are_right_or_said_to_be_uncertain(network, distance):
    problem = _nearly_collinear(distance)
    with at_most(20), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", LinAlgWarning)
        flow = lf.gradient_flow(problem, network)
    stated = [float(re.search("share of ([0-9.e+-]+)", str(one.message)).group(1)) for one in said]
    end = np.linalg.lstsq(problem.design.columns([0, 1, 2]), problem.target)[0]
    end = problem.units.coef(end)
    assert np.abs(flow.end - end).max() <= max(1e-5, *(10 * share for share in stated), 0) * np.abs(end).max()
    assert bool(stated) == (distance < 3e-5)
    X = problem.design.columns([0, 1, 2])
    assert np.linalg.norm(X @ problem.units.working_coef(flow.end - end)) <= 1e-5 * np.linalg.norm(problem.target)


def test_coefficients_ten_thousand_times_below_the_scale():
    X, y, times = np.array([[1.0], [0.5]]), np.array([1e-4, 3e-5]), [1.0, 3.0, 10.0, 30.0]
    exact = multiprecision.solve(X, y, Spec("power", 0.9), times)
    flow = lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(2, 0.9), until=30.0, rtol=1e-4)
    assert errors(flow, times, exact)[0].max() <= 1e-2


def test_scales_far_above_the_coefficients():
    """The kernel regime: x is a hundredth to a thousandth of either branch."""
    X = np.array([[1.0], [0.5]])
    times = np.linspace(0.1, 5, 30)
    for size in (1e-2, 1e-3):
        y = size * np.array([1.0, 0.3])
        exact = multiprecision.solve(X, y, Spec("power", 0.9), times)
        x, _ = errors(lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(2, 0.9), rtol=1e-6), times, exact)
        assert x.max() <= 1e-5


@pytest.mark.parametrize("kind", ["product", "square", "power"])
def test_one_coefficient_to_ten_rtol(kind):
    assert errors_of_one_coefficient(kind, -100.0, 1e-8)[0] <= 1e-7


def test_until_zero():
    flow = lf.gradient_flow(lf.LeastSquares(*PAIR), lf.PowerNetwork(2, 1e-8), until=0.0)
    np.testing.assert_array_equal(flow.end, [0.0, 0.0])


@pytest.mark.parametrize("network", [None, 1e-3, "product"])
def test_what_is_no_network_is_refused(network):
    with pytest.raises((ValueError, TypeError)):
        lf.gradient_flow(lf.LeastSquares(*PAIR), network)


def test_bad_sides_are_refused():
    with pytest.raises(ValueError, match="side must be"):
        lf.gradient_flow(lf.LeastSquares(*PAIR), lf.ProductNetwork(1e-3))(1.0, side="middle")


def test_logarithms_go_on_falling_at_rest():
    """Of u^2, whose coefficients at zero have a gradient: ``(log x)' = L theta'`` for ever."""
    X, y = small(5, 4, True, 103)
    problem, network = lf.LeastSquares(X, y), lf.SquareNetwork(1e-40)
    flow = lf.gradient_flow(problem, network)
    speed = problem.gradient(flow.end)
    assert (speed > 0.1).any()
    late = flow.mesh[-1] + np.array([0.0, 1.0, 1e3, 1e6])
    fallen = flow.log_abs(late) - flow.log_abs(late[:1])
    expected = network.log_scale * (late - late[0])[:, None] * np.where(speed > 1e-6, speed, 0.0)
    np.testing.assert_allclose(fallen, expected, rtol=1e-6, atol=1e-6)
    assert (flow.log_abs(np.inf)[speed > 0.1] == -np.inf).all()


@pytest.mark.parametrize(("seed", "n", "d", "scale"), [(0, 2, 4, 1e-16), (3, 5, 12, 1e-16), (3, 20, 40, 1e-12)])
def test_noiseless_fits_on_fewer_columns_than_rows_come_to_rest(seed, n, d, scale):
    """Systems whose identity is lost in rounding are for shorter steps, which do not keep a flow from rest."""
    X = np.random.default_rng(seed).normal(size=(n, d))
    problem = lf.LeastSquares(X, X[:, 0] - (2 * X[:, 1] if n > 2 else 0))
    with at_most(30):
        flow = lf.gradient_flow(problem, lf.PowerNetwork(6, scale))
    np.testing.assert_allclose(flow.end, lf.limit_flow(problem).end, atol=1e-6)


def test_explicit_steps_give_way_where_the_flow_turns_stiff():
    rng = np.random.default_rng(0)
    problem = lf.LeastSquares(rng.normal(size=(68, 237)), rng.integers(-3, 4, 68).astype(float))
    flow = lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-10))
    effort = flow.curve.effort
    assert 0 < effort.factorisations < effort.steps + effort.rejected < 20_000


@pytest.mark.parametrize("seed", [15, 25, 32, 40])
def test_tiny_layers_on_columns_of_very_different_norms(seed):
    g = np.random.default_rng(seed)
    n, d = g.integers(4, 20, 2)
    X = g.normal(size=(n, d)) * 10.0 ** g.uniform(-2, 2, d)
    y = X @ np.where(g.random(d) < 0.4, g.normal(size=d), 0) + 0.3 * g.normal(size=n)
    network = lf.LayeredNetwork(g.uniform(0.3, 2, (3, d)), log_scale=-g.uniform(50, 290))
    flow = lf.gradient_flow(lf.LeastSquares(X, y), network, rtol=float(g.choice([1e-3, 1e-6])))
    assert lf.certify(flow).holds
