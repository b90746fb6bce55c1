"""The page on networks and losses of one's own: it runs as it stands, and its classes are right by other means."""

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import solve_ivp
from scipy.optimize import approx_fprime, minimize, root
from sklearn.linear_model import GammaRegressor
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

import lassoflow as lf
from lassoflow import architecture
from lassoflow.convex import ConvexProblem
from lassoflow.losses import LogisticLoss
from lassoflow.mirror import weights
from oracles.faces import best_on_face

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 6))
Y = X @ np.array([2.0, -1.0, 0, 0, 0.5, 0]) + 0.3 * RNG.standard_normal(30)
POSITIVE = np.exp(Y / 2) * RNG.gamma(3.0, 1 / 3, 30)
FACTOR = np.array([0.5, 1.0, 2.0, 3.0, 0.7, 1.5])
DEPTHS = [2.5, 3, 4]


@pytest.fixture(scope="module")
def page():
    """What the page has defined, once all its blocks have run and shown what they say they show."""
    document = Sybil(parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE)]).parse(PAGE)
    for example in document.examples():
        example.evaluate()
    assert {"AdaptiveNetwork", "Gamma", "AsymmetricSquares"} <= set(document.namespace)
    return document.namespace


# -- the network ------------------------------------------------------------------------------------------------------


def trained(rate_of_x, depth, factor, scale, times):
    """Weights at training times, shape (m, 2, d): from u = v = scale^(1/D) k^(-1/(D-2)), by a library's integrator."""
    start = scale ** (1 / depth) * np.broadcast_to(factor, 6) ** (-1 / (depth - 2))

    def rate(_, flat):
        u, v = flat.reshape(2, 6)
        gradient = rate_of_x(u**depth - v**depth)
        return np.concatenate([-depth * u ** (depth - 1) * gradient, depth * v ** (depth - 1) * gradient])

    options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-13, "t_eval": times}
    found = solve_ivp(rate, (0.0, times[-1]), np.tile(start, 2), **options)
    assert found.success
    return found.y.T.reshape(-1, 2, 6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_weights_own_flow(page, depth):
    network = page["AdaptiveNetwork"](depth, 1e-3, factor=FACTOR)
    flow = lf.gradient_flow(lf.LeastSquares(X, Y), network, rtol=1e-8)
    s = np.geomspace(0.05, 60.0, 25)
    t = s * 1e-3 ** (-(depth - 2) / depth) / (depth * (depth - 2))
    np.testing.assert_allclose(network.training_time(s), t, rtol=1e-13)
    exact = trained(lambda x: X.T @ (X @ x - Y) / 30, depth, FACTOR, 1e-3, t)
    x = exact[:, 0] ** depth - exact[:, 1] ** depth
    assert np.abs(flow(s) - x).max() <= 2e-7
    np.testing.assert_allclose(weights(flow, s), exact, rtol=1e-6)
    assert lf.certify(flow).holds
    assert lf.compare(flow).holds


@pytest.mark.parametrize("depth", DEPTHS)
def test_where_it_ends(page, depth):
    """``x = phi(X' nu)`` with ``X x = y``, by a root finder."""
    wide, target = X[:4], Y[:4]
    p, a = depth / (depth - 2), 1e-2

    network = page["AdaptiveNetwork"](depth, a, factor=FACTOR)
    problem = lf.LeastSquares(wide, target)
    end = lf.flow_endpoint(problem, network)
    nu = np.linalg.lstsq(wide.T, end.dual)[0]

    def coef(nu):
        theta = np.clip(wide.T @ nu, -(1 - 1e-12) * FACTOR, (1 - 1e-12) * FACTOR)
        return a * ((FACTOR - theta) ** -p - (FACTOR + theta) ** -p)

    found = root(lambda nu: wide @ coef(nu) - target, 0.9 * nu, method="lm", options={"xtol": 1e-14, "ftol": 1e-14})
    assert np.abs(wide @ coef(found.x) - target).max() < 1e-10
    np.testing.assert_allclose(end.coef, coef(found.x), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(lf.gradient_flow(problem, network, rtol=1e-8).end, end.coef, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("depth", DEPTHS)
def test_methods_by_their_definitions(page, depth):
    network = page["AdaptiveNetwork"](depth, 1e-2, factor=FACTOR)
    start, branches = network.initial_weights(6), network.branches(6)
    np.testing.assert_allclose(network.coefficients(start), 0.0, atol=1e-18)
    theta = FACTOR * np.linspace(-0.99, 0.99, 21)[:, None]
    w = network.weights(branches.gaps(theta))
    np.testing.assert_allclose(network.coefficients(w), branches.coef(branches.gaps(theta)), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(w[10], start, rtol=1e-13)  # theta = 0
    np.testing.assert_allclose(network.conserved(w), np.broadcast_to(network.conserved(start), (21, 1, 6)), rtol=1e-12)
    gradient = RNG.standard_normal(6)
    for layer in range(2):
        moved = w.astype(complex)
        moved[:, layer] += 1e-30j
        slopes = network.coefficients(moved).imag / 1e-30  # a complex step has no rounding
        np.testing.assert_allclose(network.pullback(w, gradient)[:, layer], slopes * gradient, rtol=1e-12)
    gain = (network.pullback(w, np.ones(6)) ** 2).sum(axis=-2)  # dx / dg
    assert math.exp(network.log_least_gain(6)) == pytest.approx(gain.min(), rel=1e-12)


def test_with_factors_of_one_it_is_a_power(page):
    problem, s = lf.LeastSquares(X, Y), np.geomspace(0.1, 50.0, 30)
    own, other = (lf.gradient_flow(problem, kind(3, 1e-6)) for kind in (page["AdaptiveNetwork"], lf.PowerNetwork))
    np.testing.assert_array_equal(own(s), other(s))


def test_the_limit_has_its_factors(page):
    problem = lf.LeastSquares(X, Y)
    limit, s = lf.limit_flow(problem, FACTOR), np.geomspace(0.1, 50.0, 30)
    apart = []
    for scale in (1e-6, 1e-9, 1e-12, 1e-100):
        flow = lf.gradient_flow(problem, page["AdaptiveNetwork"](3, scale, factor=FACTOR))
        apart.append(np.abs(flow.averaged()(s) - limit.averaged()(s)).max())
        assert lf.compare(flow).holds
    assert apart[0] > apart[1] > apart[2] > apart[3]
    assert apart[3] < 1e-9


def test_order_and_signs_of_columns(page):
    order, signs, s = RNG.permutation(6), np.array([1.0, -1.0] * 3), np.geomspace(0.1, 50.0, 20)
    kind = page["AdaptiveNetwork"]
    flow = lf.gradient_flow(lf.LeastSquares(X, Y), kind(3, 1e-4, factor=FACTOR), rtol=1e-9)
    turned = lf.LeastSquares((X * signs)[:, order], Y)
    other = lf.gradient_flow(turned, kind(3, 1e-4, factor=FACTOR[order]), rtol=1e-9)
    np.testing.assert_allclose(other(s), (flow(s) * signs)[:, order], rtol=1e-6, atol=1e-8)


def test_steps_on_the_weights(page):
    network = page["AdaptiveNetwork"](3, 1e-3, factor=FACTOR)
    run = lf.gradient_descent(lf.LeastSquares(X, Y), network, step_size=0.01, n_steps=500, weight_decay=0.05)
    u, v = np.tile(0.1 / FACTOR, (2, 1))
    for _ in range(500):
        gradient = X.T @ (X @ (u**3 - v**3) - Y) / 30
        u, v = u - 0.01 * (3 * u**2 * gradient + 0.05 * u), v - 0.01 * (-3 * v**2 * gradient + 0.05 * v)
    np.testing.assert_allclose(run.end, u**3 - v**3, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(run.curve.weights[-1], [u, v], rtol=1e-10)


@pytest.mark.parametrize("bad", [{"depth": 2}, {"factor": [1.0, 0.0]}, {"factor": [[1.0]]}, {"scale": -1.0}])
def test_bad_networks(page, bad):
    with pytest.raises(ValueError, match=r"depth must be above 2|factor must be|scale must be"):
        page["AdaptiveNetwork"](**({"depth": 3, "scale": 1e-3} | bad))


def test_what_a_network_of_ones_own_cannot_do(page):
    problem, network = lf.LeastSquares(X, Y), page["AdaptiveNetwork"](3, 1e-3)
    with pytest.raises(TypeError, match="cannot be trained with weight_decay at depth 3"):
        lf.gradient_flow(problem, network, weight_decay=0.1)
    with pytest.raises(TypeError, match="network must be a PowerNetwork"):
        lf.accuracy_bounds(problem, network)
    assert lf.gradient_flow(problem, page["AdaptiveNetwork"](3, 1e-300, factor=FACTOR)).status == "complete"
    with pytest.raises(ArithmeticError, match="steps below rounding"):
        lf.gradient_flow(problem, page["AdaptiveNetwork"](3, log_scale=-1000.0, factor=FACTOR))
    with pytest.raises(ValueError, match="rounding of the dual would hide the coefficients of a Gamma problem"):
        lf.gradient_flow(page["Gamma"](X, POSITIVE), page["AdaptiveNetwork"](3, 1e-30))
    with pytest.raises(ValueError, match="shape has length 2; the problem has 6"):
        lf.gradient_flow(problem, page["AdaptiveNetwork"](3, 1e-3, factor=[1.0, 2.0]))


def test_names_of_networks(page, tmp_path, monkeypatch):
    monkeypatch.setattr(architecture, "KINDS", dict(architecture.KINDS))
    problem = lf.LeastSquares(X, Y)
    lf.gradient_flow(problem, page["AdaptiveNetwork"](3, log_scale=-9.0, factor=FACTOR)).save(tmp_path / "a.npz")
    back = lf.load(tmp_path / "a.npz", problem)
    assert repr(back.network) == "AdaptiveNetwork(depth=3, factor=<6 numbers>, scale=0.00012341)"
    np.testing.assert_array_equal(back.network.factor, FACTOR)
    assert lf.certify(back).holds

    class AdaptiveNetwork(page["AdaptiveNetwork"]):  # of the same name: the last one counts
        pass

    assert isinstance(lf.load(tmp_path / "a.npz").network, AdaptiveNetwork)
    del architecture.KINDS["AdaptiveNetwork"]
    with pytest.raises(ValueError, match="of the unknown kind 'AdaptiveNetwork'; import what defines it first"):
        lf.load(tmp_path / "a.npz")
    with pytest.raises(TypeError, match="PowerNetwork is a network of lassoflow's own"):
        type("PowerNetwork", (architecture.Network,), {})
    path = lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-4))
    path.save(tmp_path / "b.npz")
    assert type(lf.load(tmp_path / "b.npz").network) is lf.PowerNetwork


# -- losses -----------------------------------------------------------------------------------------------------------


def gamma_slope(eta, y):
    """The derivative of ``y exp(-eta) + eta``, written down once more."""
    return 1 - y * np.exp(-eta)


def gamma_value(eta, y):
    return y * np.exp(-eta) + eta - np.log(y) - 1


def squares_slope(eta, y):
    return np.where(y > eta, 0.8, 0.2) * (eta - y)


def squares_value(eta, y):
    return np.where(y > eta, 0.8, 0.2) * (eta - y) ** 2 / 2


KINDS = {"gamma": (gamma_value, gamma_slope, POSITIVE), "asymmetric": (squares_value, squares_slope, Y)}
BOTH = pytest.mark.parametrize("kind", KINDS)


def problem_of(page, kind, design=X, rows=slice(None), **options):
    if kind == "gamma":
        return page["Gamma"](design, POSITIVE[rows], **options)
    return ConvexProblem(design, Y[rows], page["AsymmetricSquares"](0.8), **options)


def loss_and_response(page, kind):
    """The loss of the page, and its own form of the response."""
    return (page["GammaLoss"](), np.log(POSITIVE)) if kind == "gamma" else (page["AsymmetricSquares"](0.8), Y)


@BOTH
def test_slopes_curvatures_and_conjugates(page, kind):
    loss, response = loss_and_response(page, kind)
    value, slope, y = KINDS[kind]
    eta = response + np.linspace(-3.0, 3.0, 30)
    np.testing.assert_allclose(loss.value(eta, response), value(eta, y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(loss.slope(eta, response), slope(eta, y), rtol=1e-12, atol=1e-14)
    with mp.workdps(40):
        for at, z in zip(eta.tolist(), response.tolist(), strict=True):
            r = mpf(z) - mpf(at)
            if kind == "gamma":
                exact = mp.exp(r) - 1 - r, 1 - mp.exp(r), mp.exp(r)
            else:
                side = mpf(0.8) if r > 0 else 1 - mpf(0.8)
                exact = side * r**2 / 2, -side * r, side
            one = np.array([at]), np.array([z])
            for found, true in zip((loss.value, loss.slope, loss.curvature), exact, strict=True):
                assert found(*one)[0] == pytest.approx(float(true), rel=1e-13, abs=1e-16)
    slopes = loss.slope(eta, response)
    conjugate = loss.conjugate(slopes, response)
    np.testing.assert_allclose(conjugate, slopes * eta - value(eta, y), rtol=1e-9, atol=1e-10)  # it is attained there
    for other in eta + np.linspace(-4.0, 4.0, 41)[:, None]:  # and nowhere is more
        assert (slopes * other - value(other, y) <= conjugate + 1e-10).all()


@BOTH
def test_gradients_by_differences(page, kind):
    problem, value, y = problem_of(page, kind), *KINDS[kind][::2]
    x = 0.3 * RNG.standard_normal(6)

    def loss(x):
        return float(value(X @ x, y).mean())

    assert float(problem.loss(x)) == pytest.approx(loss(x), rel=1e-12)
    np.testing.assert_allclose(problem.gradient(x), approx_fprime(x, loss, 1e-7), atol=1e-6)


@BOTH
@pytest.mark.parametrize("intercept", [True, False])
def test_the_law_from_the_data_alone(page, kind, intercept):
    _, slope, y = KINDS[kind]
    path = lf.limit_flow(problem_of(page, kind, fit_intercept=intercept))
    assert path.status == "complete"
    starts = np.concatenate([[0.0], path.knots])
    coef = path(starts)
    slopes = slope(coef @ X.T + path.intercept(starts)[:, None], y)
    if intercept:
        assert np.abs(slopes.sum(axis=1)).max() <= 1e-10
    rate, theta = -slopes @ X / 30, np.zeros(6)
    for k in range(starts.size):
        assert (np.abs(theta) <= 1 + 1e-10).all()
        on = coef[k] != 0
        np.testing.assert_allclose(theta[on], np.sign(coef[k][on]), rtol=1e-10)
        assert np.abs(rate[k][on]).max(initial=0.0) <= 1e-10
        if k + 1 < starts.size:
            theta = theta + (starts[k + 1] - starts[k]) * rate[k]
    assert np.abs(rate[-1]).max() <= 1e-10
    assert lf.certify(path).holds


@BOTH
def test_segments_are_minima_over_their_faces(page, kind):
    value, slope, y = KINDS[kind]
    path = lf.limit_flow(problem_of(page, kind, fit_intercept=True))
    for s in path.knots:
        best = best_on_face(X, path.dual(s), lambda eta: value(eta, y), lambda eta: slope(eta, y))
        np.testing.assert_allclose(path(s), best.x[:-1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(path.intercept(s), best.x[-1], rtol=1e-4, atol=1e-5)


@BOTH
def test_the_lasso_path(page, kind):
    value, slope, y = KINDS[kind]
    path = lf.lasso_path(problem_of(page, kind))
    assert lf.certify(path).holds
    for s in np.geomspace(1.2 * path.knots[0], path.knots[-1], 5):

        def objective(w, s=s):
            eta = X @ (w[:6] - w[6:])
            pull = X.T @ slope(eta, y) / 30
            return value(eta, y).mean() + w.sum() / s, np.concatenate([pull, -pull]) + 1 / s

        options = {"maxiter": 20000, "ftol": 1e-15, "gtol": 1e-11}
        best = minimize(objective, np.zeros(12), jac=True, bounds=[(0, None)] * 12, method="L-BFGS-B", options=options)
        np.testing.assert_allclose(path(s), best.x[:6] - best.x[6:], rtol=1e-4, atol=1e-5)


def test_the_end_is_a_gamma_regression(page):
    path = lf.limit_flow(problem_of(page, "gamma", fit_intercept=True))
    fit = GammaRegressor(alpha=0.0, tol=1e-10, max_iter=10_000).fit(X, POSITIVE)
    np.testing.assert_allclose(path.end, fit.coef_, rtol=1e-5, atol=1e-7)
    assert float(path.intercept(np.inf)) == pytest.approx(fit.intercept_, abs=1e-6)


@BOTH
def test_networks_train_on_it(page, kind):
    slope, y = KINDS[kind][1:]
    network = page["AdaptiveNetwork"](3, 1e-3, factor=FACTOR)
    flow = lf.gradient_flow(problem_of(page, kind), network, rtol=1e-8)
    s = np.geomspace(0.05, 60.0, 15)
    exact = trained(lambda x: X.T @ slope(X @ x, y) / 30, 3, FACTOR, 1e-3, network.training_time(s))
    assert np.abs(flow(s) - (exact[:, 0] ** 3 - exact[:, 1] ** 3)).max() <= 1e-6
    assert lf.certify(flow).holds


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_a_positive_response_in_other_units(page, factor):
    """Only the intercept knows."""
    path, other = (lf.limit_flow(page["Gamma"](X, c * POSITIVE, fit_intercept=True)) for c in (1.0, factor))
    np.testing.assert_allclose(other.knots, path.knots, rtol=1e-10)
    np.testing.assert_allclose(other.end, path.end, rtol=1e-9)
    assert float(other.intercept(np.inf) - path.intercept(np.inf)) == pytest.approx(math.log(factor), rel=1e-12)
    assert lf.certify(other).holds


@BOTH
def test_columns_in_other_units(page, kind):
    path, other = (lf.limit_flow(problem_of(page, kind, c * X, fit_intercept=True)) for c in (1.0, 1e100))
    np.testing.assert_allclose(other.knots * 1e100, path.knots, rtol=1e-9)
    np.testing.assert_allclose(other.end * 1e100, path.end, rtol=1e-8, atol=1e-9)


@BOTH
def test_weights_are_repeated_rows(page, kind):
    counts = np.random.default_rng(1).integers(0, 3, 30)
    rows = np.repeat(np.arange(30), counts)
    weighted = lf.limit_flow(problem_of(page, kind, sample_weight=counts, fit_intercept=True))
    repeated = lf.limit_flow(problem_of(page, kind, X[rows], rows, fit_intercept=True))
    np.testing.assert_allclose(weighted.knots, repeated.knots, rtol=1e-9)
    np.testing.assert_allclose(weighted.end, repeated.end, rtol=1e-8, atol=1e-9)


def test_equal_sides_are_half_the_squares(page):
    even = lf.limit_flow(ConvexProblem(X, Y, page["AsymmetricSquares"](0.5), fit_intercept=True))
    squares = lf.limit_flow(lf.LeastSquares(X, Y, fit_intercept=True))
    np.testing.assert_allclose(even.knots, 2 * squares.knots, rtol=1e-9)
    np.testing.assert_allclose(even.end, squares.end, rtol=1e-8)


def test_a_problem_of_a_known_loss():
    classes = (Y > 0).astype(float)
    own, other = ConvexProblem(X, classes, LogisticLoss(), None, True), lf.Logistic(X, classes, fit_intercept=True)
    assert repr(own) == "<ConvexProblem: 30 samples, 6 features, intercept>"
    own, other = (lf.limit_flow(problem, weight_decay=1e-3) for problem in (own, other))
    np.testing.assert_array_equal(own.knots, other.knots)
    np.testing.assert_array_equal(own.end, other.end)


def test_bad_responses(page):
    with pytest.raises(ValueError, match="y must be positive"):
        page["Gamma"](X, -POSITIVE)
    with pytest.raises(ValueError, match=r"y must have shape \(30,\)"):
        page["Gamma"](X, POSITIVE[:3])
    with pytest.raises(ValueError, match="y must be finite"):
        ConvexProblem(X, np.full(30, np.nan), LogisticLoss())
