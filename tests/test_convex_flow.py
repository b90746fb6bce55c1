"""Gradient flows of networks on losses that are no squares: against the weights' own equation, limits, odd data.

The reference is the flow of the weights in training time, by a library's stiff integrator: it knows of no dual.
"""

import numpy as np
import pytest
from scipy.integrate import quad_vec, solve_ivp
from scipy.special import expit

import lassoflow as lf

RNG = np.random.default_rng(0)
SIGNAL = np.array([1.0, -1.0, 0.5, 0.0])
KINDS = ["logistic", "poisson", "huber"]


def data(kind, n=25, d=4, seed=0):
    rng = np.random.default_rng([seed, n, d])
    X = rng.standard_normal((n, d))
    eta = X[:, :4] @ SIGNAL
    y = {
        "logistic": (rng.random(n) < expit(eta)).astype(int),
        "poisson": rng.poisson(np.exp(eta / 2)),
        "huber": eta + rng.standard_t(1.5, n),
    }[kind]
    return X, y


def problem(kind, X, y, **options):
    return {"logistic": lf.Logistic, "poisson": lf.Poisson, "huber": lf.Huber}[kind](X, y, **options)


def slope(kind, eta, y):
    if kind == "huber":
        return np.clip(eta - y, -1.0, 1.0)
    return (expit(eta) if kind == "logistic" else np.exp(eta)) - y


NETWORKS = {
    "product": lf.ProductNetwork(scale=1e-3, shape_u=[1.0, -2.0, 0.5, 1.0], shape_v=0.3),
    "square": lf.SquareNetwork(scale=1e-3),
    "depth 2": lf.PowerNetwork(depth=2, scale=1e-3),
    "depth 3": lf.PowerNetwork(depth=3, scale=1e-3),
    "depth 4": lf.PowerNetwork(depth=4, scale=1e-2),
    "kernel regime": lf.ProductNetwork(scale=2.0),
}


def start_of(name, d):
    """Weights at the start, and the map from weights to coefficients with its transposed derivative, written anew."""
    network = NETWORKS[name]
    scale, depth = np.exp(network.log_scale), network.depth
    if name in ("product", "kernel regime"):
        u, v = (np.sqrt(scale) * np.broadcast_to(shape, d) for shape in (network.shape_u, network.shape_v))
        return np.stack([u, v]), lambda w: w[0] * w[1], lambda w, g: np.stack([w[1] * g, w[0] * g])
    if name == "square":
        return np.full((1, d), np.sqrt(scale)), lambda w: w[0] ** 2, lambda w, g: 2 * w * g
    root = np.full((2, d), scale ** (1 / depth))
    return (
        root,
        lambda w: w[0] ** depth - w[1] ** depth,
        lambda w, g: depth * w ** (depth - 1) * np.stack([g, -g]),
    )


def trained(name, kind, X, y, times, offset=None, decay=0.0):
    """Coefficients at training times, by the flow of the weights."""
    weights, coef, pull = start_of(name, X.shape[1])
    shrink = decay * NETWORKS[name].decay_factor

    def rate(_, flat):
        w = flat.reshape(weights.shape)
        eta = X @ coef(w)
        eta = eta + (offset(eta) if offset else 0.0)
        gradient = X.T @ slope(kind, eta, y) / len(y)
        return -(pull(w, gradient) + shrink * w).ravel()

    options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-13, "t_eval": times}
    found = solve_ivp(rate, (0.0, times[-1]), weights.ravel(), **options)
    assert found.success
    return np.array([coef(column.reshape(weights.shape)) for column in found.y.T])


def times_of(flow):
    return np.geomspace(flow.mesh[0], 2 * flow.mesh[-1], 12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_weights_own_flow(name, kind):
    X, y = data(kind)
    network = NETWORKS[name]
    for rtol in (1e-5, 1e-8):
        flow = lf.gradient_flow(problem(kind, X, y), network, rtol=rtol)
        s = times_of(flow)
        exact = trained(name, kind, X, y, network.training_time(s))
        assert abs(flow(s) - exact).max() <= 30 * rtol * abs(exact).max() + 1e-8
        assert lf.certify(flow).holds


@pytest.mark.parametrize("kind", KINDS)
def test_more_columns_than_rows(kind):
    X, y = data(kind, n=8, d=12, seed=1)
    network = NETWORKS["depth 2"]
    flow = lf.gradient_flow(problem(kind, X, y), network, until=30.0, rtol=1e-8)
    s = np.linspace(3.0, 30.0, 10)
    exact = trained("depth 2", kind, X, y, network.training_time(s))
    assert abs(flow(s) - exact).max() <= 1e-6 * abs(exact).max()
    theta = np.array(
        [quad_vec(lambda t: X.T @ -slope(kind, X @ flow(t), y) / 8, 0.0, at, epsrel=1e-8)[0] for at in s[:3]]
    )
    np.testing.assert_allclose(flow.dual(s[:3]), theta, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("depth", "scale"), [(3, 1e-21), (4, 1e-15)])
def test_rest_is_seen_where_rates_are_rounding(kind, depth, scale):
    """The gap to the face has few digits left: a rate that is zero but for them must not be waited for."""
    X, y = data(kind)
    flow = lf.gradient_flow(problem(kind, X, y, fit_intercept=True), lf.PowerNetwork(depth, scale))
    assert flow.mesh.size < 400
    limit = lf.limit_flow(problem(kind, X, y, fit_intercept=True))
    assert flow.mesh[-1] < 2 * limit.knots[-1]
    assert abs(flow.end - limit.end).max() <= 1e-6
    assert lf.certify(flow).holds


def test_an_intercept_is_the_best_at_all_times():
    X, y = data("poisson")
    flow = lf.gradient_flow(problem("poisson", X, y, fit_intercept=True), NETWORKS["depth 2"], rtol=1e-8)
    s = times_of(flow)

    def best(eta):
        return np.log(y.sum() / np.exp(eta).sum())

    exact = trained("depth 2", "poisson", X, y, flow.network.training_time(s), offset=best)
    np.testing.assert_allclose(flow(s), exact, atol=1e-6)
    np.testing.assert_allclose(flow.intercept(s), [best(X @ x) for x in exact], atol=1e-6)
    mean = quad_vec(lambda t: np.append(flow(t), flow.intercept(t)), 0.0, s[6], epsrel=1e-9)[0] / s[6]
    np.testing.assert_allclose(np.append(flow.averaged()(s[6]), flow.averaged().intercept(s[6])), mean, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["product", "square", "depth 2"])
def test_weight_decay(name, kind):
    X, y = data(kind)
    network, decay = NETWORKS[name], 0.02
    flow = lf.gradient_flow(problem(kind, X, y), network, weight_decay=decay, rtol=1e-8)
    s = times_of(flow)
    exact = trained(name, kind, X, y, network.training_time(s), decay=decay)
    np.testing.assert_allclose(flow(s), exact, atol=1e-6)
    assert lf.certify(flow).holds


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_scale_is_the_limit_flow_between_events(kind, intercept):
    """To 1e-6 on plateaus longer than a hundred widths of a jump, of which all but a few are."""
    X, y = data(kind, n=40, d=8)
    fitted, network = problem(kind, X, y, fit_intercept=intercept), lf.PowerNetwork(depth=2, log_scale=-5000)
    limit, flow = lf.limit_flow(fitted), lf.gradient_flow(fitted, network)
    knots = limit.knots
    s = ((knots[1:] + knots[:-1]) / 2)[np.diff(knots) / knots[:-1] > 0.02]
    assert s.size >= knots.size // 2
    np.testing.assert_allclose(flow(s), limit(s), atol=1e-6)
    np.testing.assert_allclose(flow.end, limit.end, atol=1e-6)
    np.testing.assert_allclose(flow.intercept(s), limit.intercept(s), atol=1e-6)
    off = [abs(lf.gradient_flow(fitted, lf.PowerNetwork(depth=2, log_scale=-L)).dual(s) - limit.dual(s)).max()
           for L in (50, 500, 5000, 50_000)]  # fmt: skip
    assert (np.array(off[:-1]) >= 5 * np.array(off[1:])).all()  # as 1 / L


def test_separable_classes_need_a_time():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((20, 30)), np.arange(20) % 2
    fitted, network = lf.Logistic(X, y), lf.ProductNetwork(log_scale=-50_000)
    with pytest.raises(ValueError, match="until must be given: the loss has no minimum, it falls for ever along 'x"):
        lf.gradient_flow(fitted, network)
    with pytest.warns(RuntimeWarning, match="The path ends at s"):
        limit = lf.limit_flow(fitted)
    flow = lf.gradient_flow(fitted, network, until=0.99 * limit.domain[1])
    assert (flow.status, flow.domain[1]) == ("until", 0.99 * limit.domain[1])
    s = ((limit.knots[1:] + limit.knots[:-1]) / 2)[np.diff(limit.knots) / limit.knots[:-1] > 0.05]
    assert s.size
    np.testing.assert_allclose(flow(s), limit(s), atol=1e-6 * abs(limit(s)).max())
    decayed = lf.gradient_flow(fitted, lf.ProductNetwork(scale=1e-3), weight_decay=0.01)
    assert decayed.status == "complete"


def test_positive_networks_ask_for_a_direction_they_have():
    fitted = lf.Logistic([[-1.0], [1.0], [2.0], [-2.0]], [1, 0, 0, 1])
    assert lf.gradient_flow(fitted, lf.SquareNetwork(scale=1e-3)).status == "complete"  # x = 0 is the best >= 0
    with pytest.raises(ValueError, match="until must be given"):
        lf.gradient_flow(fitted, lf.ProductNetwork(scale=1e-3))


# -- invariances, files, arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_repeated_rows_and_units_do_not_matter(kind):
    X, y = data(kind)
    counts = np.random.default_rng(1).integers(1, 3, 25)
    rows, network = np.repeat(np.arange(25), counts), lf.PowerNetwork(depth=2, scale=1e-4)
    weighted = lf.gradient_flow(problem(kind, X, y, sample_weight=counts, fit_intercept=True), network)
    repeated = lf.gradient_flow(problem(kind, X[rows], y[rows], fit_intercept=True), network)
    s = times_of(weighted)
    np.testing.assert_allclose(weighted(s), repeated(s), atol=2e-5)
    size = 1e150  # coefficients are that much smaller, and so is a scale of theirs
    small = lf.PowerNetwork(depth=2, log_scale=network.log_scale - np.log(size))
    other = lf.gradient_flow(problem(kind, size * X, y, fit_intercept=True), small)
    exact = lf.gradient_flow(problem(kind, X, y, fit_intercept=True), network)
    later = other.mesh[::20]
    at = network.lasso_time(size * small.training_time(later))  # training is faster by the size
    np.testing.assert_allclose(other(later) * size, exact(at), atol=2e-5)


@pytest.mark.parametrize("wide", [False, True])
def test_files_and_tables(tmp_path, wide):
    X, y = data("logistic", n=8 if wide else 25, d=12 if wide else 4)
    fitted = lf.Logistic(X, y, fit_intercept=True)
    flow = lf.gradient_flow(fitted, lf.ProductNetwork(scale=1e-4), until=20.0)
    flow.save(tmp_path / "flow.npz")
    s = np.linspace(0.0, 20.0, 30)
    for back in (lf.load(tmp_path / "flow.npz", fitted), lf.load(tmp_path / "flow.npz")):
        np.testing.assert_array_equal(back(s), flow(s))
        np.testing.assert_array_equal(back.averaged()(s), flow.averaged()(s))
        np.testing.assert_array_equal(back.intercept(s), flow.intercept(s))
    np.testing.assert_array_equal(lf.load(tmp_path / "flow.npz", fitted).dual(s), flow.dual(s))
    assert np.isfinite(flow.to_frame()["intercept"]).all()
    x = flow(s[1:])
    np.testing.assert_allclose(np.exp(flow.log_abs(s[1:]))[x != 0], abs(x)[x != 0], rtol=1e-9)


def test_a_comparison_reports_what_it_sees():
    X, y = data("poisson", n=40, d=8)
    flow = lf.gradient_flow(lf.Poisson(X, y), lf.PowerNetwork(depth=2, log_scale=-2000))
    found = lf.compare(flow)
    assert found.holds
    assert found["defect of theta' = -grad l(x)"].holds
    assert found["distance of averaged flow and lasso"].holds is None
    limit = lf.compare(lf.limit_flow(lf.Poisson(X, y)))
    own, other = (one["distance of averaged flow and lasso"].value for one in (found, limit))
    assert own == pytest.approx(other, abs=0.01)


def test_stopping_and_callbacks():
    X, y = data("huber")
    fitted, seen = lf.Huber(X, y), []
    flow = lf.gradient_flow(fitted, lf.ProductNetwork(scale=1e-5), callback=seen.append)
    assert [at.s for at in seen] == sorted(at.s for at in seen)
    assert seen[-1].n_active >= 3
    level = (fitted.loss(np.zeros(4)) + fitted.loss(flow.end)) / 2
    stopped = lf.gradient_flow(fitted, lf.ProductNetwork(scale=1e-5), stop_when=level)
    assert stopped.status == "stopped"
    assert fitted.loss(stopped.end) == pytest.approx(level, rel=1e-9)


def test_nothing_to_learn():
    flow = lf.gradient_flow(
        lf.Huber(np.zeros((5, 2)), np.arange(5.0), fit_intercept=True), lf.ProductNetwork(scale=1e-5)
    )
    assert np.array_equal(flow([0.0, 1.0, np.inf]), np.zeros((3, 2)))
    assert flow.intercept(3.0) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("network", "options", "sentence"),
    [
        (lf.LayeredNetwork([[1.0], [0.5]], scale=1e-3), {}, "network must not be a LayeredNetwork for a Logistic"),
        (lf.PowerNetwork(depth=3, scale=1e-40), {}, "so small that rounding of the dual would hide the coefficients"),
        (lf.PowerNetwork(depth=3, scale=1e-3), {"weight_decay": 0.1}, "weight_decay has a closed form at depth 2 only"),
        (lf.ProductNetwork(scale=1e-3), {"rtol": 0.5}, "rtol must lie between"),
        (lf.ProductNetwork(scale=1e-3), {"until": -1.0}, "until must be a finite number >= 0"),
    ],
)
def test_what_is_refused(network, options, sentence):
    X, y = data("logistic")
    with pytest.raises(ValueError, match=sentence):
        lf.gradient_flow(lf.Logistic(X, y), network, **options)


def test_other_things_than_problems_are_refused():
    with pytest.raises(TypeError, match="problem must be a LeastSquares or another problem; got ndarray"):
        lf.gradient_flow(np.eye(2), lf.ProductNetwork(scale=1e-3))
