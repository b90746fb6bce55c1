"""Gradient flow with weight decay at depth 3 and more: multiprecision, closed forms, ends, invariants, certificates."""

import copy
import dataclasses
import itertools
import math
from functools import cache

import numpy as np
import pytest
from mpmath import mp, mpf

import lassoflow as lf
from lassoflow.mirror import general_rate
from lassoflow.regularised import descent, end_gradient
from oracles import multiprecision
from oracles.multiprecision import Spec


def network_of(spec):
    if spec.kind == "power":
        return lf.PowerNetwork(spec.depth, spec.scale)
    return lf.LayeredNetwork(spec.first, spec.scale)


def data(n, d, noise=0.5):
    rng = np.random.default_rng([0, n, d])
    X = rng.standard_normal((n, d))
    return X, 2 * X[:, 0] - X[:, 1] + noise * rng.standard_normal(n)


def flow_of(X, y, network, weight_decay, **options):
    return lf.gradient_flow(lf.LeastSquares(X, y), network, weight_decay=weight_decay, **options)


# -- against multiprecision -----------------------------------------------------------------------------------------

CASES = {
    "depth 3, 1e-1": (Spec("power", 1e-1, depth=3), 0.1),
    "depth 3, 1e-1, strong": (Spec("power", 1e-1, depth=3), 1.0),
    "depth 3, 1e-2, weak": (Spec("power", 1e-2, depth=3), 1e-3),
    "depth 3, 1e-4": (Spec("power", 1e-4, depth=3), 1e-2),
    "depth 4, 1e-2": (Spec("power", 1e-2, depth=4), 1e-2),
    "depth 4, 1e-3, dies": (Spec("power", 1e-3, depth=4), 1.0),
    "layers, 1e-1": (Spec("layers", 1e-1, depth=3, first=[2.0, -1.0, 0.0]), 1.0),
    "layers, 1e-2, weak": (Spec("layers", 1e-2, depth=3, first=[1.0, 0.5, 0.1]), 1e-3),
    "layers, 1e-4": (Spec("layers", 1e-4, depth=3, first=[-2.0, 1.0, 0.3]), 1e-2),
    "layers, 1e-4, dies": (Spec("layers", 1e-4, depth=3, first=[1.0, 0.5, 0.1]), 1.0),
    "many directions": (Spec("layers", 0.1, depth=3, first=[[1.0, -2.0, 0.5], [0.2, 1.0, 2.0], [2.0, 0.1, 0.0]]), 0.1),
    "four layers": (Spec("layers", 1e-1, depth=4, first=[1.0, 0.8, 0.3, 0.1]), 0.1),
}  # fmt: skip


@cache
def reference(name, n, d):
    spec, decay = CASES[name]
    training = min(12.0 / decay, 50.0) * np.array([0.05, 0.15, 0.3, 0.5, 0.75, 1.0])
    times = network_of(spec).lasso_time(training)
    return times, multiprecision.train(*data(n, d), spec, times, decay, digits=35)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3)], ids=["n > d", "n < d"])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_training_the_weights(name, shape):
    """x and its average relative to the largest coefficient, weights each relative to itself (a layer that passes
    zero: to the next one), logarithms of coefficients absolutely where x does not pass zero.
    """
    times, exact = reference(name, *shape)
    spec, decay = CASES[name]
    weights = np.array([[[float(w) for w in layer] for layer in layers] for layers in exact.weights])
    sizes = np.abs(weights)
    if spec.kind == "layers":
        sizes = np.maximum(sizes, np.sort(sizes, axis=1)[:, 1:2])
    for rtol in (1e-6, 1e-8):
        flow = flow_of(*data(*shape), network_of(spec), decay, until=times[-1], rtol=rtol)
        size = np.abs(exact.x).max()
        assert np.abs(flow(times) - exact.x).max() <= 10 * rtol * size
        assert np.abs(flow.average(times) - exact.average).max() <= 5 * rtol * size
        assert (np.abs(flow.curve.weights(times) - weights) <= 10 * rtol * sizes).all()
        branch = spec.depth * np.log(sizes.max(axis=1))
        clear = exact.log_abs > branch - 3  # the branches do not cancel
        assert np.abs(flow.curve.log_abs(times) - exact.log_abs)[clear].max() <= 100 * rtol


@pytest.mark.parametrize("share", [0.9995, 1.0005])
def test_errors_that_a_saddle_magnifies_are_followed(share):
    """Past the unstable critical point of one coefficient, on either side: errors grow some thousandfold there."""
    X, y, decay = np.array([[1.0]]), np.array([1.0]), 0.3
    spec = Spec("layers", (share * roots(1.0, decay, 3)[0]) ** 3, depth=3, first=[1.0, 0.999999, 0.999998])
    times = network_of(spec).lasso_time(np.linspace(1.0, 15.0, 20) / decay)
    exact = multiprecision.train(X, y, spec, times, decay, digits=35)
    assert (exact.x[-1] > 0.5) == (share > 1)
    for rtol in (1e-6, 1e-8):
        flow = flow_of(X, y, network_of(spec), decay, until=times[-1], rtol=rtol)
        assert np.abs(flow(times) - exact.x).max() <= 10 * rtol * np.abs(exact.x).max()


@pytest.mark.parametrize(("depth", "log_scale"), [(3, -500.0), (4, -100.0), (3, -2000.0)])
def test_tiny_weights_have_a_closed_form(depth, log_scale):
    """So small that the residual is y: ``x = scale e^(-D lambda t) h(theta)`` with theta of the discounted gradient."""
    X, y = data(5, 3)
    r, decay, network = X.T @ y / 5, 0.7, lf.PowerNetwork(depth, log_scale=log_scale)
    flow = flow_of(X, y, network, decay, rtol=1e-9)
    elapsed = np.array([0.01, 0.5, 3.0, 20.0, 1000.0])
    with mp.workdps(60):
        expected = np.empty((elapsed.size, 3))
        scale, power = mp.exp(mpf(log_scale)), mpf(depth) / (depth - 2)
        for (i, at), (j, one) in ((a, b) for a in enumerate(elapsed) for b in enumerate(r)):
            drive = mpf(one) / mpf(decay) * (1 - mp.exp(-(depth - 2) * mpf(at))) / (depth - 2)
            theta = depth * (depth - 2) * scale ** (mpf(depth - 2) / depth) * drive
            with mp.workdps(1500):
                h = (1 - theta) ** -power - (1 + theta) ** -power
            expected[i, j] = float(mp.log(abs(scale * mp.exp(-depth * mpf(at)) * h)))
    found = flow.curve.log_abs(network.lasso_time(elapsed / decay))
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-8)
    assert flow.status == "complete"
    assert not flow.end.any()


# -- ends -----------------------------------------------------------------------------------------------------------


def orthonormal(r):
    """A design with M = I and X'y / n = r."""
    X = np.linalg.qr(np.random.default_rng(3).standard_normal((7, len(r))))[0] * math.sqrt(7)
    return X, X @ np.asarray(r)


def roots(r, decay, depth):
    """Positive roots of ``s^(2L-2) - r s^(L-2) + decay``, increasing: none or two."""
    polynomial = np.zeros(2 * depth - 1)
    polynomial[[0, depth, -1]] = 1.0, -r, decay
    found = np.roots(polynomial)
    return np.sort(found[(np.abs(found.imag) < 1e-9) & (found.real > 0)].real)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_nearly_equal_layers_end_in_the_basin_of_the_scalar_equation(depth):
    """0 from below the small root and the large root from above it (THEORY 3.10: the basins of balanced weights)."""
    r = np.array([3.0, -1.5, 0.8, 0.1])
    decay = 0.1
    X, y = orthonormal(r)
    found = [roots(abs(one), decay, depth) for one in r]
    for share, grows in ((0.98, False), (1.02, True)):
        start = [share * pair[0] if pair.size else 0.9 for pair in found]
        layers = np.array([np.array(start) * (1 - 1e-6 * j) for j in range(depth)])
        layers[0] *= np.sign(r)
        end = flow_of(X, y, lf.LayeredNetwork(layers, 1.0), decay).end
        large = [pair[1] ** depth if pair.size and grows else 0.0 for pair in found]
        np.testing.assert_allclose(end, np.sign(r) * large, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("depth", [3, 4])
def test_powers_end_at_zero_or_at_the_large_root(depth):
    """``u^D - v^D``: the penalty is ``(lambda / 2) |x|^(2/D)``, the equation's decay ``lambda / D``."""
    r = np.array([3.0, -1.5, 0.8, 0.1])
    X, y = orthonormal(r)
    for decay, scale in ((1e-3, 1e-3), (0.1, 1e-2), (0.1, 1.0), (1.0, 1.0)):
        end = flow_of(X, y, lf.PowerNetwork(depth, scale), decay).end
        for j in range(4):
            pair = roots(abs(r[j]), decay / depth, depth)
            ends = np.array([0.0, *np.sign(r[j]) * pair[1:] ** depth])
            assert np.abs(end[j] - ends).min() <= 1e-10
    assert end[0] != 0


def test_above_the_threshold_everything_dies_however_large_the_start():
    """No positive root from ``lambda^L = r^(2L-2) L^L (L-2)^(L-2) / (2L-2)^(2L-2)`` on (L = 3: 27 r^4 / 256)."""
    X, y = orthonormal([1.0])
    critical = (27 / 256) ** (1 / 3)
    for share, dies in ((0.999, False), (1.001, True)):
        end = flow_of(X, y, lf.LayeredNetwork([1.0, 0.99, 0.98], 2.0), share * critical).end
        assert (end == 0).all() == dies
        assert dies or abs(end[0] - 0.25) < 0.03  # the double root, x = (L - 2) r / (2 L - 2)


def test_a_degenerate_end_is_not_declared():
    X, y = orthonormal([1.0])
    network, decay = lf.LayeredNetwork([1.0, 0.99, 0.98], 2.0), (27 / 256) ** (1 / 3)
    with pytest.raises(ArithmeticError, match=r"has not come to rest after 10000 / weight_decay .* give until"):
        flow_of(X, y, network, decay)
    assert abs(flow_of(X, y, network, decay, until=100.0).end[0] - 0.25) < 0.05


def test_a_saddle_that_symmetry_holds_is_the_end():
    """Equal and opposite columns: coefficients stay equal, though one alone would have a smaller loss."""
    X, y = data(6, 3)
    for network in (lf.PowerNetwork(3, 1e-2), lf.PowerNetwork(5, 1e-1), lf.LayeredNetwork([1.0, 0.5, 0.0], 1e-2)):
        end = flow_of(np.column_stack([X, X[:, 0], -X[:, 1], np.zeros(6)]), y, network, 1e-2).end
        np.testing.assert_array_equal(end[[0, 1, 5]], [end[3], -end[4], 0.0])
        assert end[[0, 1]].all()
    wide = np.array([[1.0, 1.0, 0.0, 2.0, 1.0], [1.0, 0.0, 2.0, -1.0, 1.0]])  # where errors would grow for long
    end = flow_of(wide, np.array([5.0, 1.0]), lf.PowerNetwork(3, 1e-2), 1e-3).end
    assert end[0] == end[4]


def test_a_saddle_that_other_ties_hold_is_refused_where_rounding_decides():
    """Column 4 is 3 times column 0 and 2 times column 3, and all three grow: their duals reach the faces together."""
    X = np.array(
        [[1, -1, 0, -1, 1, -1], [1, 1, -1, -2, -1, 0], [0, -2, 0, -1, -2, 1], [0, 2, 1, 0, 0, -1]], dtype=float
    )
    y, network = np.array([-2.0, -1.4, -0.8, 1.7]), lf.PowerNetwork(3, 0.2)
    with pytest.raises(ArithmeticError, match="passes a saddle so close by that rounding decides") as caught:
        flow_of(X, y, network, 0.4)
    until = float(str(caught.value).split()[-1].rstrip(".")) / 2
    flow, fine = (flow_of(X, y, network, 0.4, until=until, rtol=rtol) for rtol in (1e-6, 1e-9))
    assert np.abs(flow.end - fine.end).max() <= 1e-5


# -- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [lf.PowerNetwork(3, 1e-2), lf.LayeredNetwork([1.0, 0.5, 0.2], 1e-2)], ids=repr)
def test_a_tiny_decay_gives_the_flow_without(network):
    """The difference is of first order in the decay."""
    X, y = data(5, 3)
    plain = flow_of(X, y, network, 0.0, rtol=1e-9)
    times = network.lasso_time(np.array([0.3, 1.0, 3.0, 10.0]))
    apart = [np.abs(flow_of(X, y, network, decay, rtol=1e-9)(times) - plain(times)).max() for decay in (1e-4, 1e-5)]
    assert 9 <= apart[0] / apart[1] <= 11
    assert np.abs(flow_of(X, y, network, 1e-10, rtol=1e-9)(times) - plain(times)).max() <= 3e-8


@pytest.mark.parametrize("network", [lf.PowerNetwork(3, 1e-2), lf.LayeredNetwork([1.0, 0.5, 0.2], 1e-1)], ids=repr)
def test_descent_converges_to_it(network):
    """Explicit Euler: half the step, half the distance; and one box."""
    X, y = data(6, 3)
    problem, decay = lf.LeastSquares(X, y), 0.05
    flow = flow_of(X, y, network, decay, rtol=1e-9)
    apart = []
    for step in (4e-3, 2e-3, 1e-3):
        run = lf.gradient_descent(problem, network, step_size=step, n_steps=round(12 / step), weight_decay=decay)
        s = run.knots[run.knots > run.knots[-1] / 100]
        apart.append(np.abs(run(s) - flow(s)).max())
        assert run.box.equals(flow.box)
    np.testing.assert_allclose(np.array(apart[:-1]) / apart[1:], 2.0, rtol=0.1)


# -- the path -------------------------------------------------------------------------------------------------------

NETWORKS = {
    "power": (lf.PowerNetwork(3, 1e-2), 0.1),
    "deep": (lf.PowerNetwork(5, 1e-1), 0.01),
    "layers": (lf.LayeredNetwork([1.0, -0.5, 0.2], 1e-1), 0.3),
    "dies": (lf.LayeredNetwork([1.0, 0.5, 0.2], 1e-4), 1.0),
}
ALL = pytest.mark.parametrize("name", NETWORKS)


@ALL
def test_integral_views_and_ends(name):
    network, decay = NETWORKS[name]
    flow = flow_of(*data(8, 5), network, decay, rtol=1e-7)
    mesh = flow.mesh
    assert (flow.law, flow.status, flow.exact, flow.domain) == ("network", "complete", False, (0.0, np.inf))
    assert flow.knots.size <= 200
    size = np.abs(flow(mesh)).max()
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for s in (mesh[-1] / 7, mesh[-1], 3 * mesh[-1]):  # Gauss's rule between all steps, and after the last
        breaks = np.unique(np.append(mesh[mesh < s], s))
        half = np.diff(breaks) / 2
        at = (breaks[:-1] + half)[:, None] + half[:, None] * nodes
        z = np.einsum("k,kqj,q->j", half, flow(at), weights)
        np.testing.assert_allclose(flow.integral(s), z, rtol=0, atol=1e-7 * s * size)
    start = network.initial_weights(5)
    np.testing.assert_allclose(flow.curve.weights([0.0])[0], start, rtol=1e-13)
    np.testing.assert_allclose(flow(0.0), network.coefficients(start), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(flow.average(0.0), flow(0.0), rtol=1e-14)
    np.testing.assert_array_equal(flow.average(np.inf), flow.end)
    s = np.array([[0.0, 1e-300], [mesh[3], np.inf]])
    assert flow(s).shape == (2, 2, 5)
    np.testing.assert_array_equal(flow.averaged()(s), flow.average(s))
    np.testing.assert_array_equal(flow(s, side="left"), flow(s))


@ALL
def test_weights_logarithms_and_coefficients_agree_and_go_on_after_rest(name):
    network, decay = NETWORKS[name]
    flow = flow_of(*data(8, 5), network, decay)
    last = flow.mesh[-1]
    s = np.concatenate([flow.mesh, last * np.array([1 + 1e-12, 1.5, 4.0, 50.0])])
    x = network.coefficients(flow.curve.weights(s))
    np.testing.assert_allclose(x, flow(s), rtol=1e-5, atol=1e-12 * np.abs(x).max())
    seen = flow(s) != 0
    np.testing.assert_allclose(flow.curve.log_abs(s)[seen], np.log(np.abs(flow(s)[seen])), rtol=1e-12, atol=1e-9)
    before, after = flow(last), flow(last * (1 + 1e-12))
    assert np.abs(before - after).max() <= 1e-6 * np.abs(before).max()
    dead = flow.end == 0  # they decay as e^(-D lambda t), freely
    logs = flow.curve.log_abs(last * np.array([1.0, 1e6]))
    fall = network.depth * decay * float(network.training_time(last)) * (1e6 - 1)
    np.testing.assert_allclose((logs[0] - logs[1])[dead], fall, rtol=1e-6)


@ALL
def test_until_is_a_part_of_the_whole(name):
    network, decay = NETWORKS[name]
    whole = flow_of(*data(8, 5), network, decay)
    for until in (0.0, whole.mesh[-1] / 3, whole.mesh[-1] * 1e6):
        part = flow_of(*data(8, 5), network, decay, until=until)
        assert (part.status, part.domain) == ("until", (0.0, until))
        for s in (until, until / 3):
            np.testing.assert_allclose(part(s), whole(s), rtol=0, atol=1e-5 * np.abs(whole(whole.mesh)).max())
        with pytest.raises(ValueError, match="beyond the end of the path: until"):
            part(until + 1.0)


@ALL
def test_saves_and_loads(name, tmp_path):
    network, decay = NETWORKS[name]
    problem = lf.LeastSquares(*data(8, 5))
    for until in (None, 0.5):
        flow = lf.gradient_flow(problem, network, until=until, weight_decay=decay)
        flow.averaged().save(tmp_path / "flow.npz")
        loaded = lf.load(tmp_path / "flow.npz", problem)
        s = np.linspace(0.0, 0.5, 23)
        np.testing.assert_array_equal(loaded(s), flow.average(s))
        np.testing.assert_array_equal(loaded.instantaneous().end, flow.end)
        np.testing.assert_array_equal(loaded.curve.weights(s), flow.curve.weights(s))
        np.testing.assert_array_equal(loaded.curve.log_abs(s), flow.curve.log_abs(s))
        assert loaded.curve.weight_decay == decay
        assert loaded.box.equals(flow.box)
        assert lf.certify(loaded).holds
        assert lf.load(tmp_path / "flow.npz").status == flow.status


@ALL
@pytest.mark.parametrize("factor", [1e-140, 3.0, 1e140])
def test_equivariant_under_multiples_of_y_and_x(name, factor):
    """x -> c x: scale c, decay of y's by ``c^(2-2/D)`` and of X's by ``c^(2/D)``."""
    network, decay = NETWORKS[name]
    X, y = data(8, 5)
    flow, power = flow_of(X, y, network, decay), 2 / network.depth

    def multiplied(relative):
        log_scale = network.log_scale + math.log(relative)
        if isinstance(network, lf.PowerNetwork):
            return lf.PowerNetwork(network.depth, log_scale=log_scale)
        return lf.LayeredNetwork(network.directions, log_scale=log_scale)

    of_y = flow_of(X, factor * y, multiplied(factor), decay * factor ** (2 - power))
    of_x = flow_of(factor * X, y, multiplied(1 / factor), decay * factor**power)
    elapsed = np.array([0.1, 1.0, 4.0, np.inf]) / decay
    size = np.abs(flow(flow.mesh)).max()
    for other, change, rate in ((of_y, factor, factor ** (2 - power)), (of_x, 1 / factor, factor**power)):
        found = other(other.network.lasso_time(elapsed / rate))
        np.testing.assert_allclose(found / change, flow(network.lasso_time(elapsed)), rtol=0, atol=1e-5 * size)


def test_equivariant_under_permutations_signs_and_weights_of_rows():
    X, y = data(8, 5)
    network, s = lf.PowerNetwork(3, 1e-2), np.array([1.0, 5.0, np.inf])
    flow = flow_of(X, y, network, 0.1)
    order, sign = np.array([3, 1, 4, 0, 2]), np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    other = flow_of(X[:, order] * sign, y, network, 0.1)
    np.testing.assert_allclose(other(s) * sign, flow(s)[:, order], rtol=0, atol=1e-5)
    count = np.array([1, 2, 1, 1, 3, 1, 1, 1])
    problem = lf.LeastSquares(X, y, sample_weight=count, fit_intercept=True)
    weighted = lf.gradient_flow(problem, network, weight_decay=0.1)
    repeated = lf.LeastSquares(np.repeat(X, count, axis=0), np.repeat(y, count), fit_intercept=True)
    expected = lf.gradient_flow(repeated, network, weight_decay=0.1)
    np.testing.assert_allclose(weighted(s), expected(s), rtol=0, atol=1e-5)
    np.testing.assert_allclose(weighted.intercept(s), expected.intercept(s), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", [lf.PowerNetwork(3, 1e-1), lf.LayeredNetwork([1.0, 0.5, 0.2], 1.0)], ids=repr)
def test_zero_data_and_large_starts(network):
    X, y = data(8, 5)
    X[:, 2] = 0.0
    assert not flow_of(X, 0 * y, network, 0.1).end.any()
    assert flow_of(X, y, network, 0.1).end[2] == 0
    large = copy.copy(network)
    large.log_scale = math.log(1e3)
    flow = flow_of(X, y, large, 0.1)
    assert lf.certify(flow).holds
    assert flow.end.any()


# -- certificates ---------------------------------------------------------------------------------------------------


@ALL
def test_certificate_holds_and_sees_what_is_wrong(name):
    network, decay = NETWORKS[name]
    flow = flow_of(*data(8, 5), network, decay)
    certificate = lf.certify(flow)
    assert certificate.holds
    assert [check.bound is not None for check in certificate.checks] == [True] * 3
    assert "is the gradient flow of its regularised loss" in certificate.summary
    curve = copy.copy(flow.curve)
    curve.series = flow.curve.series * (1 + 1e-2 * np.sin(np.arange(len(flow.curve.series))))[:, None, None]
    wrong = dataclasses.replace(flow, curve=curve)
    assert not lf.certify(wrong).holds
    if flow.end.any():
        curve = copy.copy(flow.curve)
        curve.limit = 1.001 * flow.curve.limit
        assert end_gradient(dataclasses.replace(flow, curve=curve))[0] > 1e-4


@ALL
def test_regularised_loss_of_the_weights_falls_as_certified(name):
    network, decay = NETWORKS[name]
    problem = lf.LeastSquares(*data(8, 5))
    flow = lf.gradient_flow(problem, network, weight_decay=decay)
    weights = flow.curve.weights(flow.mesh)
    loss = problem.loss(network.coefficients(weights)) + decay / 2 * np.square(weights).sum(axis=(1, 2))
    assert (np.diff(loss) <= 1e-13 * loss[0]).all()
    np.testing.assert_allclose(descent(flow).rise, np.diff(loss) / (loss[0] - loss[-1]), rtol=0, atol=1e-10)
    end = flow.curve.weights([np.inf])
    gradient = network.pullback(end, problem.gradient(network.coefficients(end))) + decay * end
    assert np.abs(gradient).max() <= 1e-10 * decay


def test_compare_reports_distances_without_a_bound():
    network, decay = NETWORKS["power"]
    flow = flow_of(*data(8, 5), network, decay)
    certificate = lf.compare(flow)
    assert certificate.holds
    assert np.isnan(certificate.bound).all()
    assert certificate["distance of averaged flow and lasso"].bound is None
    assert "With weight decay at depth 3 and more no bound holds." in certificate.summary
    with pytest.raises(ValueError, match="no mirror flow"):
        general_rate(flow, flow.end)


# -- refusals -------------------------------------------------------------------------------------------------------


def test_refusals_are_one_sentence():
    X, y = data(8, 5)
    with pytest.raises(ValueError, match="beyond floating point"):
        flow_of(X, y, lf.PowerNetwork(3, log_scale=-3000.0), 0.1)
    with pytest.raises(ValueError, match="rtol must lie"):
        flow_of(X, y, lf.PowerNetwork(3, 1e-2), 0.1, rtol=1.0)
    with pytest.raises(ValueError, match="until must be"):
        flow_of(X, y, lf.PowerNetwork(3, 1e-2), 0.1, until=-1.0)
    with pytest.raises(ValueError, match="directions for 2 features"):
        flow_of(X, y, lf.LayeredNetwork([[1.0, 1.0], [0.5, 0.5], [0.1, 0.1]], 1e-2), 0.1)


def test_callback_hears_of_the_steps():
    heard = []
    flow = flow_of(*data(8, 5), lf.PowerNetwork(3, 1e-2), 0.1, callback=heard.append)
    assert len(heard) >= 5
    assert all(a.s < b.s and a.steps < b.steps for a, b in itertools.pairwise(heard))
    assert heard[-1].n_active <= 5
    assert flow.curve.effort.evaluations >= flow.curve.effort.steps >= heard[-1].steps


def test_nothing_to_fit_can_be_compared():
    problem = lf.LeastSquares(np.eye(3), np.zeros(3))
    assert lf.compare(lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-3), weight_decay=0.1)).holds
