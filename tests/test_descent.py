"""Descent on the weights: against the flow, plain loops, the exact identity of depth 2, and itself run otherwise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import null_space

import lassoflow as lf
from lassoflow.batches import Chance
from lassoflow.curve import Curve
from lassoflow.descent import gradient_descent
from lassoflow.recorded import Recorded

RNG = np.random.default_rng(5)
X = RNG.standard_normal((12, 20))
TRUTH = np.zeros(20)
TRUTH[[0, 3, 7]] = 1.5, -1.0, 0.5
PROBLEM = lf.LeastSquares(X, X @ TRUTH)
Y = X @ TRUTH + 0.3 * RNG.standard_normal(12)
NOISY = lf.LeastSquares(X, Y)
TALL = lf.LeastSquares(RNG.standard_normal((90, 6)) + 1.0, RNG.standard_normal(90), fit_intercept=True)
FEW = lf.LeastSquares(X[:4], [1.0, -2.0, 1.5, 0.5])

PRODUCT = lf.ProductNetwork(scale=1e-3, shape_u=np.linspace(0.7, 1.3, 20), shape_v=0.2)
SQUARE = lf.SquareNetwork(scale=1e-3, shape=1.2)
POWER2, POWER3, POWER4 = (lf.PowerNetwork(depth, scale=scale) for depth, scale in ((2, 1e-3), (3, 1e-3), (4, 1e-2)))
SHALLOW = [PRODUCT, SQUARE, POWER2]
ALL = [*SHALLOW, POWER3, POWER4]


def plain_descent(problem, network, step_size, n_steps, momentum=0.0, weight_decay=0.0):
    """Gradient descent as written in textbooks: weights and coefficients at every step."""
    weights = network.initial_weights(problem.n_features)
    velocity = np.zeros_like(weights)
    record = [weights]
    for _ in range(n_steps):
        gradient = network.pullback(weights, problem.gradient(network.coefficients(weights)))
        velocity = momentum * velocity + gradient + network.decay_factor * weight_decay * weights
        weights = weights - step_size * velocity
        record.append(weights)
    return np.array(record), network.coefficients(np.array(record))


def every(n_steps):
    return np.arange(n_steps + 1)


@pytest.mark.parametrize("network", ALL, ids=repr)
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"weight_decay": 0.05}], ids=str)
def test_is_the_textbook_iteration(network, options):
    run = gradient_descent(NOISY, network, step_size=0.01, n_steps=300, record=every(300), **options)
    weights, coef = plain_descent(NOISY, network, 0.01, 300, **options)
    np.testing.assert_allclose(run.curve.weights, weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.curve.slopes, coef, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.curve.losses, NOISY.loss(coef), rtol=1e-12)
    np.testing.assert_allclose(run.curve.averages[1:], np.cumsum(coef, axis=0)[:-1] / every(300)[1:, None], atol=1e-12)
    time = network.lasso_time(300 * 0.01 / (1 - options.get("momentum", 0.0)))
    assert run.domain == (0.0, pytest.approx(time, rel=1e-15))


@pytest.mark.parametrize("network", ALL, ids=repr)
def test_tiny_steps_follow_the_flow_of_the_weights(network):
    start = network.initial_weights(20)

    def velocity(_, weights):
        weights = weights.reshape(start.shape)
        return -network.pullback(weights, NOISY.gradient(network.coefficients(weights))).ravel()

    flow = solve_ivp(velocity, (0.0, 4.0), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-13)
    end = network.coefficients(flow.y[:, -1].reshape(start.shape))
    errors = [
        np.abs(gradient_descent(NOISY, network, step_size=4.0 / count, n_steps=count, record=2).end - end).max()
        for count in (4000, 8000)
    ]
    assert errors[0] < 2e-3 * np.abs(end).max()
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.02)  # first order


def test_momentum_approximates_the_same_flow_in_its_own_time():
    flow = lf.gradient_flow(NOISY, POWER2, rtol=1e-9)
    s = np.linspace(0.1, 0.99, 30) * POWER2.lasso_time(4.0)
    errors = [
        np.abs(gradient_descent(NOISY, POWER2, step_size=0.4 / n, n_steps=n, momentum=0.9, record=1500)(s) - flow(s))
        for n in (8000, 16_000)
    ]
    assert errors[0].max() < 0.06  # where a coefficient rises; 0.0014 without momentum
    assert errors[1].max() == pytest.approx(errors[0].max() / 2, rel=0.05)


# -- the exact identity of depth 2 ------------------------------------------------------------------------------------


RANDOM = {"batch_size": 3, "label_noise": 0.5}


@pytest.mark.parametrize("network", SHALLOW, ids=repr)
@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"label_noise": 0.5}, RANDOM], ids=str)
def test_the_mirror_formula_holds_at_every_step(network, options):
    run = gradient_descent(NOISY, network, step_size=0.02, n_steps=3000, seed=1, **options)
    effective, coef = run.curve.effective, run.curve.slopes
    np.testing.assert_allclose(effective.coef(), coef, rtol=0, atol=1e-12 * np.abs(coef).max())
    branches = network.branches(20)
    faces = np.array([branches.upper, branches.lower])
    start = np.array([effective.log_upper[0], effective.log_lower[0]])
    np.testing.assert_allclose(start, -branches.rate * faces, rtol=1e-14)


@pytest.mark.parametrize(("network", "kappa"), [(PRODUCT, 1.0), (SQUARE, 2.0), (POWER2, 2.0)], ids=repr)
def test_effective_scale_is_the_product_of_the_factors(network, kappa):
    """Accumulated here from the gradients of a plain run, by the formula of the paper."""
    eta, count = 0.02, 400
    run = gradient_descent(NOISY, network, step_size=eta, n_steps=count)
    _, coef = plain_descent(NOISY, network, eta, count)
    push = kappa * eta * NOISY.gradient(coef[:-1])
    effective = run.curve.effective
    np.testing.assert_allclose(effective.accumulated[-1], -2 * push.sum(axis=0), rtol=0, atol=1e-11)
    upper = effective.log_upper[0] + 2 * (np.log(np.abs(1 - push)) + push).sum(axis=0)
    np.testing.assert_allclose(effective.log_upper[-1], upper, rtol=0, atol=1e-11)
    if network is not SQUARE:
        gain = -np.log(np.abs(1 - push**2)).sum(axis=0)  # q of the paper, never negative for small steps
        np.testing.assert_allclose(effective.log_scale[-1], effective.log_scale[0] - gain, rtol=0, atol=1e-11)
        np.testing.assert_allclose(effective.log_lower, 2 * effective.log_scale - effective.log_upper, atol=1e-11)
        np.testing.assert_allclose(effective.tilt, effective.log_upper - effective.log_scale, atol=1e-11)
    else:
        np.testing.assert_array_equal(effective.log_scale, effective.log_upper)
        assert not effective.tilt.any()


@pytest.mark.parametrize(("network", "kappa"), [(PRODUCT, 1.0), (SQUARE, 2.0), (POWER2, 2.0)], ids=repr)
def test_stochastic_descent_and_its_identity_in_plain_loops(network, kappa):
    eta, count, chance = 0.02, 2000, Chance([1], 12, 3, noisy=True)
    branches = network.branches(20)
    weights, pushed = network.initial_weights(20), np.zeros(20)
    log_upper, log_lower = -branches.rate * branches.upper, -branches.rate * branches.lower
    for step in range(count):
        (batch,), (noise,) = chance.draw(step)
        gradient = X[batch].T @ (X[batch] @ network.coefficients(weights) - Y[batch] - 0.5 * noise) / 3
        weights = weights - eta * network.pullback(weights, gradient)
        push = kappa * eta * gradient
        pushed -= 2 * push
        log_upper = log_upper + 2 * (np.log(np.abs(1 - push)) + push)
        log_lower = log_lower + 2 * (np.log(np.abs(1 + push)) - push)
    run = gradient_descent(NOISY, network, step_size=eta, n_steps=count, seed=1, **RANDOM)
    scale = np.abs(run.end).max()
    np.testing.assert_allclose(run.end, network.coefficients(weights), rtol=0, atol=1e-12 * scale)
    mirror = np.exp(log_upper + pushed) - np.exp(log_lower - pushed)
    np.testing.assert_allclose(run.end, mirror, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("options", [{"momentum": 0.5}, {"weight_decay": 0.1}], ids=str)
def test_no_effective_scale_where_the_identity_does_not_hold(options):
    assert gradient_descent(NOISY, POWER2, n_steps=10, **options).curve.effective is None
    assert gradient_descent(NOISY, POWER3, n_steps=10).curve.effective is None


@pytest.mark.parametrize(("network", "options"), [(PRODUCT, {}), (POWER2, RANDOM | {"label_noise": 0.0})], ids=str)
def test_the_limit_minimises_the_potential_of_the_effective_scale(network, options):
    run = gradient_descent(FEW, network, n_steps=60_000, seed=0, step_size=0.02, stop_when=1e-28, **options)
    assert run.status == "stopped"
    effective, x = run.curve.effective, run.end
    # Q'(x) = asinh(x / (2 exp(log_scale))) and its value at the start of the mirror flow, -tilt, off by the row space
    mirror = np.arcsinh(x / (2 * np.exp(effective.log_scale[-1])))
    across = null_space(X[:4]).T @ (mirror - effective.tilt[-1])
    assert np.abs(across).max() < 1e-10 * np.abs(mirror).max()
    plain = null_space(X[:4]).T @ (np.arcsinh(x / (2 * np.exp(effective.log_scale[0]))) - effective.tilt[0])
    assert np.abs(plain).max() > 1e4 * np.abs(across).max()  # the steps do matter


@pytest.mark.parametrize("depth", [2, 3])
def test_the_limit_of_small_steps_minimises_the_potential_of_the_network(depth):
    network = lf.PowerNetwork(depth, scale=1e-4)
    branches, violations = network.branches(20), []
    for step_size in (0.02, 0.01):
        run = gradient_descent(FEW, network, step_size=step_size, n_steps=100_000, stop_when=1e-20, record=60)
        assert run.status == "stopped"
        violations.append(np.abs(null_space(X[:4]).T @ branches.dual(run.end)).max())
    assert violations[0] < 0.03  # of a dual of size 1
    assert violations[1] == pytest.approx(violations[0] / 2, rel=0.1)  # and it is the steps that are to blame


def test_theta_is_the_accumulated_gradient():
    run = gradient_descent(NOISY, POWER2, step_size=0.02, n_steps=500)
    log = -POWER2.log_scale
    dual = run.dual(run.knots)
    np.testing.assert_allclose(log * dual, run.curve.effective.accumulated[1:], rtol=0, atol=1e-11 * log)


def test_scales_far_below_rounding():
    """Where u + v and u - v have no digit in common, the weights by themselves could not know."""
    network = lf.ProductNetwork(log_scale=-1000.0)
    run = gradient_descent(NOISY, network, step_size=0.02, n_steps=60_000)
    flow = lf.gradient_flow(NOISY, network)
    inner = run.knots[(run.knots > 0.2) & (run.knots < 0.9 * run.domain[1])]
    np.testing.assert_allclose(run.average(inner), flow.average(inner), rtol=0, atol=0.03)
    assert np.isfinite(run.curve.effective.log_scale).all()


# -- conserved quantities ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ALL, ids=repr)
def test_conserved_quantities_drift_with_the_step_only(network):
    drifts = []
    for count in (2000, 4000):
        weights = gradient_descent(NOISY, network, step_size=4.0 / count, n_steps=count, record=2).curve.weights
        before, after = network.conserved(weights)
        drifts.append(np.abs(after / before - 1).max())
    assert drifts[0] < 0.03
    assert drifts[1] <= 0.52 * drifts[0]


# -- seeds, batches, noise --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [PRODUCT, POWER3], ids=repr)
@pytest.mark.parametrize(
    "options", [{"batch_size": 1}, {"batch_size": 11}, RANDOM, RANDOM | {"momentum": 0.8, "weight_decay": 0.1}], ids=str
)
def test_seeds_together_are_seeds_alone(network, options):
    together = gradient_descent(NOISY, network, step_size=0.01, n_steps=700, seed=[3, 1, 4, 1], **options)
    alone = [gradient_descent(NOISY, network, step_size=0.01, n_steps=700, seed=seed, **options) for seed in (3, 1, 4)]
    for one, other in zip(together, [*alone, together[1]], strict=True):
        for name in ("slopes", "averages", "losses", "weights", "knots"):
            np.testing.assert_array_equal(getattr(one.curve, name), getattr(other.curve, name))
    assert (together[0].end != together[1].end).any()


def test_seeds_together_with_all_rows():
    options = {"step_size": 0.01, "n_steps": 700, "label_noise": 0.3}
    together = gradient_descent(NOISY, POWER2, seed=range(3), **options)
    for seed, run in enumerate(together):
        np.testing.assert_allclose(run.end, gradient_descent(NOISY, POWER2, seed=seed, **options).end, atol=1e-11)


def test_a_longer_run_begins_as_a_shorter_one():
    steps = [5, 300, 600]
    short, long = (
        gradient_descent(NOISY, POWER2, step_size=0.01, n_steps=n, seed=0, record=steps, **RANDOM) for n in (600, 900)
    )
    np.testing.assert_array_equal(short.curve.slopes, long.curve.slopes[:4])


def test_without_a_seed_runs_differ():
    ends = [gradient_descent(NOISY, POWER2, n_steps=50, batch_size=2).end for _ in range(2)]
    assert (ends[0] != ends[1]).any()


@pytest.mark.parametrize("problem", [NOISY, TALL], ids=["wide", "tall"])
def test_a_batch_of_all_rows_is_the_full_gradient(problem):
    options = {"n_steps": 500, "step_size": 0.01}
    batch = gradient_descent(problem, POWER2, batch_size=problem.n_samples, seed=0, **options)
    np.testing.assert_array_equal(batch.curve.slopes, gradient_descent(problem, POWER2, **options).curve.slopes)
    _, coef = plain_descent(problem, POWER2, 0.01, 500)
    np.testing.assert_allclose(batch.end, coef[-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(batch.curve.losses[-1], problem.loss(coef[-1]), rtol=1e-12)


@pytest.mark.parametrize(("n", "size"), [(40, 1), (40, 5), (40, 39), (10, 9), (200, 30), (3, 2), (7, 7)])
def test_batches_are_uniform_subsets(n, size):
    chance = Chance([0, 1], n, size, noisy=False)
    counts = np.zeros((2, n))
    for step in range(2000):
        batch, noise = chance.draw(step)
        assert noise is None
        assert batch.shape == (2, size)
        assert all(np.unique(rows).size == size for rows in batch)
        np.add.at(counts, (np.arange(2)[:, None], batch), 1)
    spread = np.sqrt(2000 * size / n * (1 - size / n))
    assert np.abs(counts - 2000 * size / n).max() <= 5 * spread


@pytest.mark.parametrize("batch_size", [None, 12])
def test_the_mean_step_is_the_gradient(batch_size):
    """Over batches and noise, also with weights and an intercept, the first step is right in the mean."""
    weights = np.random.default_rng(0).uniform(0.2, 3.0, 90)
    problem = lf.LeastSquares(TALL.design.columns(range(6)) + 1, TALL.target + 2, weights, fit_intercept=True)
    options = {"step_size": 0.01, "n_steps": 1, "batch_size": batch_size, "label_noise": 2.0}
    network = lf.ProductNetwork(scale=0.5, shape_v=0.5)
    runs = gradient_descent(problem, network, seed=range(4000), **options)
    moved = np.array([run.curve.weights[1] - run.curve.weights[0] for run in runs])
    start = network.initial_weights(6)
    expected = -0.01 * network.pullback(start, problem.gradient(network.coefficients(start)))
    error = moved.std(axis=0) / np.sqrt(4000)
    assert (np.abs(moved.mean(axis=0) - expected) < 5 * error).all()
    if batch_size is None:  # all that is random then is X' W noise / n
        rows = problem.design.columns(range(6)) * np.sqrt(weights / weights.mean())[:, None]
        deviation = 0.01 * 2.0 * np.linalg.norm(rows, axis=0) / 90 * np.abs(start[::-1])
        np.testing.assert_allclose(moved.std(axis=0), deviation, rtol=0.06)


# -- recording --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [PRODUCT, POWER3], ids=repr)
def test_sparse_records_have_the_averages_of_dense_ones(network):
    options = {"step_size": 0.02, "n_steps": 400, "seed": 2, **RANDOM}
    dense = gradient_descent(NOISY, network, record=every(400), **options)
    sparse = gradient_descent(NOISY, network, record=[7, 50, 399], **options)
    np.testing.assert_array_equal(sparse.curve.steps, [0, 7, 50, 399, 400])
    for view in ("average", "integral", "__call__"):
        np.testing.assert_array_equal(getattr(sparse, view)(sparse.knots), getattr(dense, view)(sparse.knots))


def test_default_record():
    steps = gradient_descent(NOISY, POWER2, n_steps=100_000, stop_when=lambda step, coef: step > 3).curve.steps
    assert steps.tolist() == [0, 1, 2, 3, 4]
    steps = gradient_descent(NOISY, POWER2, n_steps=3000).curve.steps
    assert 100 < steps.size <= 200
    assert steps[[0, 1, -1]].tolist() == [0, 1, 3000]
    assert gradient_descent(NOISY, POWER2, n_steps=300, record=2).curve.steps.tolist() == [0, 300]
    assert gradient_descent(NOISY, POWER2, n_steps=1).curve.steps.tolist() == [0, 1]


def test_the_curve_between_records():
    run = gradient_descent(NOISY, POWER2, step_size=0.02, n_steps=300, record=[100, 200])
    first, second = run.knots[:2]
    middle = (first + second) / 2
    np.testing.assert_allclose(run(middle), (run(first) + run(second)) / 2, rtol=1e-13)
    np.testing.assert_allclose(run.integral(middle), (run.integral(first) + run.integral(second)) / 2, rtol=1e-13)
    np.testing.assert_array_equal(run.average(0.0), run(0.0))
    np.testing.assert_array_equal(run.average(first / 3), run.average(first))
    np.testing.assert_array_equal(run(first, side="left"), run(first))
    np.testing.assert_array_equal(run.end, run(run.domain[1]))
    assert run([[0.0, first], [middle, second]]).shape == (2, 2, 20)
    assert not run.exact
    assert run.curve.active().all()
    with pytest.raises(ValueError, match="side must be"):
        run(first, side="middle")
    with pytest.raises(ValueError, match="beyond the end"):
        run(1.01 * run.domain[1])


def test_is_a_curve_and_survives_being_written():
    for network in (POWER2, POWER3):
        curve: Curve = gradient_descent(NOISY, network, n_steps=50).curve
        again = Recorded.from_arrays({name: np.asarray(value) for name, value in curve.to_arrays().items()})
        for field in dataclasses.fields(curve):
            one, other = getattr(curve, field.name), getattr(again, field.name)
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        np.testing.assert_array_equal(curve.mesh, curve.knots)


def test_intercept_and_predictions():
    run = gradient_descent(TALL, POWER2, n_steps=20_000)
    fitted = run.predict(TALL.design.columns(range(6)) + TALL.feature_means, run.domain[1])
    np.testing.assert_allclose(fitted.mean(), TALL.target_mean, atol=1e-12)
    np.testing.assert_allclose(run.end, lf.limit_flow(TALL).end, atol=1e-6)


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_stops_at_a_loss():
    run = gradient_descent(NOISY, POWER2, step_size=0.02, n_steps=5000, record=500, stop_when=0.1)
    whole = gradient_descent(NOISY, POWER2, step_size=0.02, n_steps=5000, record=500)
    first = np.flatnonzero(whole.curve.losses <= 0.1)[0]
    assert (run.status, whole.status) == ("stopped", "complete")
    assert run.curve.steps[-1] == whole.curve.steps[first]
    assert run.domain[1] == whole.knots[first - 1]
    np.testing.assert_array_equal(run.curve.averages, whole.curve.averages[: first + 1])


def test_each_of_several_runs_stops_by_itself():
    options = {"step_size": 0.02, "n_steps": 3000, "stop_when": 0.2, "record": every(3000), **RANDOM}
    together = gradient_descent(NOISY, POWER2, seed=range(5), **options)
    lengths = [run.curve.steps.size for run in together]
    assert len(set(lengths)) > 1
    for seed, run in enumerate(together):
        alone = gradient_descent(NOISY, POWER2, seed=seed, **options)
        np.testing.assert_array_equal(run.curve.slopes, alone.curve.slopes)
        assert run.status == alone.status


def test_stops_by_a_rule_at_recorded_steps_only():
    seen = []

    def rule(step, coef):
        seen.append(step)
        coef[:] = np.nan  # a copy
        return step >= 60

    run = gradient_descent(NOISY, POWER2, n_steps=1000, record=[10, 50, 90, 200], stop_when=rule)
    assert seen == run.curve.steps.tolist() == [0, 10, 50, 90]
    assert np.isfinite(run.end).all()


def test_callback():
    told = []
    run = gradient_descent(NOISY, POWER2, step_size=0.01, n_steps=100, record=5, callback=told.append)
    assert [progress.step for progress in told] == run.curve.steps.tolist()
    np.testing.assert_allclose([progress.s for progress in told][1:], run.knots, rtol=1e-15)
    np.testing.assert_array_equal([progress.loss for progress in told], run.curve.losses)
    gradient_descent(NOISY, POWER2, n_steps=10, batch_size=1, seed=[0, 1], callback=told.append)
    assert told[-1].step == 10


# -- step sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ALL, ids=repr)
@pytest.mark.parametrize("options", [{}, {"batch_size": 1}, {"momentum": 0.95}, {"batch_size": 4, "momentum": 0.9}])
def test_the_automatic_step_is_safe(network, options):
    for correlation in (0.0, 0.9, 0.999):
        rng = np.random.default_rng(7)
        design = np.sqrt(1 - correlation) * rng.standard_normal((15, 20))
        design += np.sqrt(correlation) * rng.standard_normal((15, 1))
        problem = lf.LeastSquares(30.0 * design, 0.2 * design @ TRUTH + 0.01 * rng.standard_normal(15))
        run = gradient_descent(problem, network, n_steps=3000, record=40, seed=0, **options)
        assert run.curve.losses[-1] < run.curve.losses[0]
        if not options:
            assert (np.diff(run.curve.losses) <= 1e-12 * run.curve.losses[0]).all()


def test_the_curvature_at_the_solution_times_the_automatic_step():
    run = gradient_descent(PROBLEM, POWER2, n_steps=20_000)
    jacobian = 2 * run.curve.weights[-1] * np.array([[1.0], [-1.0]])
    stacked = np.hstack([X * row for row in jacobian]) / np.sqrt(12)
    product = run.curve.step_size * np.linalg.norm(stacked, 2) ** 2
    assert 0.02 < product <= 0.5


def test_nothing_to_learn():
    for design, target in ((np.zeros((3, 2)), np.ones(3)), (np.ones((3, 2)), np.zeros(3))):
        run = gradient_descent(lf.LeastSquares(design, target), lf.PowerNetwork(2, scale=1e-2), n_steps=100)
        np.testing.assert_array_equal(run.end, np.zeros(2))


@pytest.mark.parametrize("network", ALL, ids=repr)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_divergence_says_where_and_what_to_try(network, batch_size):
    with pytest.raises(ArithmeticError, match=r"diverged at step \d+ with step_size=30; try step_size=0\.\d+"):
        gradient_descent(NOISY, network, step_size=30.0, n_steps=1000, batch_size=batch_size)


def test_divergence_names_the_seed_and_comes_early():
    told = []
    with pytest.raises(ArithmeticError, match=r"\(seed [57]\) diverged at step \d+ "):
        gradient_descent(NOISY, POWER2, step_size=3.0, seed=[5, 7], batch_size=3, n_steps=10**6, callback=told.append)
    assert told[-1].step < 1000


@pytest.mark.parametrize("factor", [1e-150, 1e-20, 1e20, 1e150])
@pytest.mark.parametrize("of", ["X", "y"])
def test_units(factor, of):
    """At depth 2 the weights scale with the root of y over X: the same run, in other units."""
    noise = 0.1 * (factor if of == "y" else 1.0)
    design, target = X * (factor if of == "X" else 1.0), Y * (factor if of == "y" else 1.0)
    change = factor if of == "y" else 1 / factor
    plain, scaled = (
        gradient_descent(problem, lf.PowerNetwork(2, log_scale=log), n_steps=2000, seed=0, batch_size=4, label_noise=e)
        for problem, log, e in (
            (NOISY, -800.0, 0.1),
            (lf.LeastSquares(design, target), -800.0 + np.log(change), noise),
        )
    )
    np.testing.assert_allclose(scaled.curve.step_size * factor, plain.curve.step_size, rtol=1e-12)
    np.testing.assert_allclose(scaled.curve.slopes / change, plain.curve.slopes, rtol=0, atol=1e-9)


# -- bad arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"step_size": 0.0}, {"step_size": -1.0}, {"step_size": np.nan}, {"step_size": "big"},
        {"n_steps": 0}, {"n_steps": 1.5}, {"n_steps": None},
        {"batch_size": 0}, {"batch_size": 13}, {"batch_size": 2.0},
        {"momentum": 1.0}, {"momentum": -0.1}, {"weight_decay": -1.0}, {"label_noise": np.inf},
        {"seed": -1}, {"seed": 0.5}, {"seed": []}, {"seed": [1, -2]}, {"seed": "seven"},
        {"record": 1}, {"record": [3, 2]}, {"record": [1, 1]}, {"record": [0.5]}, {"record": [-1, 2]},
        {"record": [5, 200]}, {"record": []}, {"stop_when": -1.0}, {"stop_when": "soon"}, {"callback": 3},
    ],
    ids=str,
)  # fmt: skip
def test_bad_arguments_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name} "):
        gradient_descent(NOISY, POWER2, **({"n_steps": 100} | options))


def test_networks_that_do_not_fit():
    with pytest.raises(ValueError, match="length 20; the problem has 6 features"):
        gradient_descent(TALL, PRODUCT)
    with pytest.raises(ValueError, match="clock beyond floating point"):
        gradient_descent(TALL, lf.PowerNetwork(3, log_scale=-2200.0))
    with pytest.raises(ValueError, match="train in the dual"):
        gradient_descent(TALL, lf.PowerNetwork(2, log_scale=-1600.0))
