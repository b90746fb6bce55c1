"""Networks of depth 2 without a lasso clock, or that start at 1 and above: training time, oracles, refusals."""

import matplotlib
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lassoflow as lf
from oracles import multiprecision
from oracles.multiprecision import Spec
from oracles.networks import network_of

matplotlib.use("agg")

RNG = np.random.default_rng(1)
TALL = RNG.standard_normal((5, 4))
DATA = {"n > d": (TALL, 2 * TALL[:, 0] - TALL[:, 1] + 0.5 * RNG.standard_normal(5))}
DATA["d > n"] = (TALL[:3], 2 * TALL[:3, 0] - TALL[:3, 1])
SHAPES = {"first": [1.0, -2.0, 0.3, 0.5], "second": [0.5, 0.7, -1.5, 0.0]}
BEYOND = {
    "product 1": Spec("product", 1.0),
    "product 30": Spec("product", 30.0),
    "product 1e6": Spec("product", 1e6),
    "product of two shapes": Spec("product", 300.0, **SHAPES),
    "square 1": Spec("square", 1.0),
    "square 50": Spec("square", 50.0, first=SHAPES["first"]),
    "power 1": Spec("power", 1.0),
    "power 1e4": Spec("power", 1e4),
}
ABOVE = {
    "product 0.5 times 25": Spec("product", 0.5, first=10.0),
    "product of very different shapes": Spec("product", 0.5, first=[10.0, -0.1, 1.0, 1e3]),
    "square 0.9 times 25": Spec("square", 0.9, first=[5.0, 2.0, 0.1, 1.0]),
}
DEEP = {"depth 3": Spec("power", 1e3, depth=3), "depth 5": Spec("power", 30.0, depth=5)}
PROBLEM = lf.LeastSquares(*DATA["n > d"])
WIDE = lf.LeastSquares(*DATA["d > n"])
KERNEL = lf.PowerNetwork(2, 100.0)


def early(network, d=4):
    """Times from the start to late, in units of the time in which coefficients relax at first."""
    branches = network.branches(d)
    pace = branches.derivative(branches.gaps(np.zeros(d))).max()
    return np.array([0.3, 1.0, 3.0, 10.0]) / max(pace, 1.0)


# -- the flow -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("name", [*BEYOND, *ABOVE])
def test_agrees_with_training_the_weights(name, weight_decay, data):
    spec = (BEYOND | ABOVE)[name]
    network, times = network_of(spec), early(network_of(spec))
    exact = multiprecision.train(*DATA[data], spec, times, weight_decay)
    size = np.abs(exact.x).max()
    for rtol in (1e-4, 1e-7):
        flow = lf.gradient_flow(lf.LeastSquares(*DATA[data]), network, rtol=rtol, weight_decay=weight_decay)
        assert np.abs(flow(times) - exact.x).max() <= 10 * rtol * size
        assert np.abs(flow.average(times) - exact.average).max() <= 30 * rtol * size


@pytest.mark.parametrize("name", DEEP)
def test_deep_networks_have_a_clock_at_any_scale(name):
    spec = DEEP[name]
    network, times = network_of(spec), early(network_of(spec))
    exact = multiprecision.train(*DATA["n > d"], spec, times)
    flow = lf.gradient_flow(PROBLEM, network, rtol=1e-7)
    assert flow.clock == network.clock == "lasso"
    assert np.abs(flow(times) - exact.x).max() <= 1e-6 * np.abs(exact.x).max()
    np.testing.assert_array_equal(flow.at(lam=1 / times[-1]), flow(times[-1]))


@pytest.mark.parametrize("scale", [1e3, 1e8, 1e100, 1e250])
@pytest.mark.parametrize(("kind", "gain"), [("product", 1.0), ("power", 8.0)])
def test_the_kernel_limit_is_linear(kind, gain, scale):
    """``x' = -gain scale grad l`` in closed form, up to (x / scale)^2: from here on no bound but rounding."""
    X, y = DATA["d > n"]
    network = network_of(Spec(kind, scale))
    flow = lf.gradient_flow(WIDE, network, rtol=1e-9)
    values, vectors = np.linalg.eigh(X.T @ X / len(y))
    values, drive = np.maximum(values, 1e-300), vectors.T @ (X.T @ y / len(y))
    share = np.array([0.1, 1.0, 5.0, 30.0])
    linear = np.array([vectors @ (-np.expm1(-values * t) / values * drive) for t in share])
    tolerance = (1e-8 + 10 * (1 / scale) ** 2) * np.abs(linear).max()
    assert np.abs(flow(share / (gain * scale)) - linear).max() <= tolerance
    assert np.abs(flow.end - np.linalg.pinv(X) @ y).max() <= tolerance


def test_the_kernel_limit_is_met_at_the_rate_of_the_scale_squared():
    X, y = DATA["d > n"]
    shape = np.array([1.0, 0.5, 2.0, 1.5])  # the metric is shape^2: the weighted min-norm interpolator
    least = shape * (np.linalg.pinv(X * shape) @ y)
    scales = np.array([10.0, 100.0, 1000.0])
    ends = [lf.gradient_flow(WIDE, lf.ProductNetwork(one, shape_u=shape), rtol=1e-9).end for one in scales]
    errors = np.abs(np.array(ends) - least).max(axis=1)
    slope = np.polyfit(np.log(scales), np.log(errors), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.05)


def test_a_scale_on_either_side_of_one_is_one_flow():
    """In training time nothing happens at scale 1: only the clock changes."""
    t = np.array([0.01, 0.1, 0.4, 2.0])
    below, above = lf.PowerNetwork(2, 1 - 1e-9), lf.PowerNetwork(2, 1 + 1e-9)
    flows = [lf.gradient_flow(PROBLEM, network, rtol=1e-9) for network in (below, above)]
    np.testing.assert_allclose(flows[0](below.lasso_time(t)), flows[1](t), atol=1e-7)
    assert (below.clock, above.clock) == ("lasso", "training")
    assert above.unit == 1.0
    np.testing.assert_array_equal(above.lasso_time(t), above.training_time(t))


@pytest.mark.parametrize(("of_y", "factor"), [(True, 2.0**-20), (True, 1e6), (False, 3.0), (False, 1e-6)])
def test_equivariant_under_multiples_of_y_and_x(of_y, factor):
    X, y = DATA["d > n"]
    relative = factor if of_y else 1 / factor
    flow = lf.gradient_flow(WIDE, lf.PowerNetwork(2, 1e8), rtol=1e-8)
    problem = lf.LeastSquares(X, factor * y) if of_y else lf.LeastSquares(factor * X, y)
    other = lf.gradient_flow(problem, lf.PowerNetwork(2, 1e8 * relative), rtol=1e-8)
    t = np.array([0.3, 2.0, 30.0]) / 8e8
    np.testing.assert_allclose(other(t / factor) / relative, flow(t), atol=1e-7 * np.abs(flow.end).max())


def test_two_layers_are_a_product():
    flows = [
        lf.gradient_flow(PROBLEM, network, rtol=1e-8)
        for network in (lf.LayeredNetwork([2.0, 0.3], 5.0), lf.ProductNetwork(5.0, shape_u=2.0, shape_v=0.3))
    ]
    assert flows[0].clock == "training"
    np.testing.assert_array_equal(flows[0]([0.1, 1.0]), flows[1]([0.1, 1.0]))


def test_scales_that_rounding_would_hide_are_refused():
    with pytest.raises(ValueError, match=r"rounding would hide them: rtol must be above \d"):
        lf.gradient_flow(PROBLEM, lf.PowerNetwork(3, 1e10))


# -- the map --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e200])
def test_small_coefficients_of_large_branches_keep_their_digits(scale):
    """Where ``x = 2 scale sinh(4 g)`` is a difference of branches that agree in all of their digits."""
    branches = lf.PowerNetwork(2, scale).branches(3)
    g, tolerance = np.array([1e-30, -1e-7, 0.3]), 1e-14 + 4e-16 * np.log(scale)  # that of the exponential
    np.testing.assert_allclose(branches.coef(branches.gaps(g)), 2 * scale * np.sinh(4 * g), rtol=tolerance)
    np.testing.assert_allclose(branches.log_abs(branches.gaps(g)), np.log(np.abs(2 * np.sinh(4 * g))) + np.log(scale))
    np.testing.assert_allclose(branches.dual(branches.coef(branches.gaps(g))), g, rtol=tolerance)
    np.testing.assert_allclose(branches.derivative(branches.gaps(g)), 8 * scale * np.cosh(4 * g), rtol=tolerance)


@pytest.mark.parametrize("scale", [1e6, 1e100])
def test_divergence_tends_to_half_the_squared_distance(scale):
    """Over the metric 8 scale: all digits of the potentials cancel there."""
    x, y = np.array([1.0, -2.0, 0.5, 0.0]), np.array([0.3, 1.0, 0.5, 1.0])
    expected = ((x - y) ** 2).sum() / (16 * scale)
    assert lf.PowerNetwork(2, scale).branches(4).divergence(x, y) == pytest.approx(expected, rel=1e-6)


def test_faces_are_where_branches_are_one():
    for network in (
        lf.ProductNetwork(50.0, shape_v=0.5),
        lf.PowerNetwork(2, 3.0),
        lf.ProductNetwork(0.5, shape_u=10.0),
    ):
        faces, branches = network.faces(2), network.branches(2)
        assert (faces.upper < 0).all()
        np.testing.assert_allclose(branches.log_branch(branches.gaps(faces.upper)[0]), 0.0, atol=1e-14)
        np.testing.assert_allclose(branches.log_branch(branches.gaps(-faces.lower)[1]), 0.0, atol=1e-14)


# -- descent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [lf.ProductNetwork(4.0), lf.SquareNetwork(2.0), lf.PowerNetwork(2, 5.0)], ids=repr)
def test_descent_of_small_steps_is_the_flow_of_the_weights(network):
    start = network.initial_weights(4)

    def velocity(_, weights):
        weights = weights.reshape(start.shape)
        return -network.pullback(weights, PROBLEM.gradient(network.coefficients(weights))).ravel()

    exact = solve_ivp(velocity, (0, 0.5), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    end = network.coefficients(exact.reshape(start.shape))
    runs = [lf.gradient_descent(PROBLEM, network, step_size=0.5 / n, n_steps=n) for n in (2000, 4000)]
    errors = [np.abs(run.end - end).max() for run in runs]
    assert runs[0].domain == (0.0, 0.5)
    assert runs[0].clock == "training"
    assert errors[0] < 5e-3 * np.abs(end).max()
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)
    assert np.isfinite(lf.gradient_descent(PROBLEM, network, n_steps=200).end).all()  # with a step of its own


# -- what there is not ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*BEYOND, *ABOVE])
def test_no_lasso_to_compare_with(name):
    network = network_of((BEYOND | ABOVE)[name])
    words = "training time only, and no lasso" if name in BEYOND else "starts from coefficients of 1 or more"
    flow = lf.gradient_flow(PROBLEM, network, until=0.1)
    run = lf.gradient_descent(PROBLEM, network, step_size=1e-9, n_steps=10)
    for refused in (lambda: network.box(4), lambda: lf.compare(flow), lambda: lf.compare(run)):
        with pytest.raises(ValueError, match=words) as caught:
            refused()
        assert "\n" not in str(caught.value)


def test_a_flow_above_one_has_its_clock_and_no_box():
    flow = lf.gradient_flow(PROBLEM, lf.ProductNetwork(0.5, shape_u=10.0))
    assert flow.clock == "lasso"
    np.testing.assert_array_equal(flow.at(lam=10.0), flow(0.1))
    assert (flow.box.upper < 0).all()


def test_at_a_penalty_there_is_nothing():
    for path in (lf.gradient_flow(PROBLEM, KERNEL), lf.gradient_descent(PROBLEM, KERNEL, n_steps=50)):
        with pytest.raises(ValueError, match="training time only, and no penalty"):
            path.at(lam=1.0)


@pytest.mark.parametrize("name", [*BEYOND, *ABOVE])
@pytest.mark.parametrize("data", DATA)
def test_flows_are_certified_as_mirror_flows(name, data):
    network = network_of((BEYOND | ABOVE)[name])
    flow = lf.gradient_flow(lf.LeastSquares(*DATA[data]), network)
    certificate = lf.certify(flow)
    assert certificate.holds, str(certificate)
    assert certificate["defect of z' = x"].value <= 1e-5
    own = certificate["D_Q of the end, of another solution"]
    assert 0 <= own.value <= own.bound * (1 + 1e-5)
    assert f"at {flow.letter}" in str(certificate)


def test_words_and_tables_say_training_time():
    flow = lf.gradient_flow(PROBLEM, KERNEL, until=0.1)
    assert "for training time t from" in repr(flow)
    assert "stopped by until at t = 0.1" in repr(flow)
    assert list(flow.to_frame().columns[:2]) == ["t", "dimension"]
    with pytest.raises(ValueError, match=r"t = 1 lies beyond .* at t = 0.1"):
        flow(1.0)
    with pytest.raises(ValueError, match="t must be a time"):
        flow(-1.0)


def test_pictures_say_training_time():
    flow, lasso = lf.gradient_flow(PROBLEM, KERNEL), lf.lasso_path(PROBLEM)
    display = lf.PathDisplay.from_path(flow, flow.averaged()).plot()
    assert display.ax_.get_xlabel() == "training time  t  (log scale)"
    assert "norm" in lf.PathDisplay.from_path(flow, x="l1").plot().ax_.get_xlabel()
    with pytest.raises(ValueError, match="in training time: no penalty"):
        lf.PathDisplay.from_path(flow, x="lambda")
    with pytest.raises(ValueError, match="one of them has training time only"):
        lf.PathDisplay.from_path(flow, lasso)
