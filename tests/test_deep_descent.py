"""Descent on deep linear networks: where it ends, how fast, beside the predictions; starts, steps, what is refused."""

import math

import numpy as np
import pytest

import lassoflow as lf
from oracles import deep

TWO = lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[2, 2], weight_decay=0.5)


def minima(problem):
    return [each for each in problem.critical_points() if each.kind in ("global minimum", "local minimum")]


def degenerate(depth, hidden, tilt=False):
    """Singular values 2 and 1, the weight decay critical for the latter."""
    rng = np.random.default_rng(depth)
    shift = rng.uniform(-0.7, 0.7, depth) * tilt
    decay = float(lf.lambda_critical(1.0, depth)) ** (1 / depth) * np.exp(shift - shift.mean())
    return lf.DeepLinear(deep.with_values(rng, 2, 2, (2.0, 1.0)), hidden, decay)


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_linear_rates_near_minima(depth, seed):
    """Full size, 1000 problems of depth 2 to 6: at most 3.6 % off."""
    rng = np.random.default_rng([depth, seed])
    problem, _ = deep.random_problem(rng, depth)
    found = minima(problem)
    start = found[rng.integers(len(found))]
    run = lf.descend(problem, start, seed=seed, tolerance=1e-11)
    assert run.converged
    assert run.ended_in.counts == start.counts
    assert run.regime in ("linear", "unknown")
    assert run.rate == pytest.approx(run.predicted_rate, rel=0.05)
    assert math.isnan(run.predicted_exponent)


@pytest.mark.parametrize("start", ["random", "balanced"])
@pytest.mark.parametrize("seed", range(8))
def test_never_slower_from_random_starts(start, seed):
    """Full size, 1000 problems: none slower by more than 0.001 %, the fastest 3.2 times as fast."""
    rng = np.random.default_rng([7, seed])
    problem, _ = deep.random_problem(rng)
    run = lf.descend(problem, start, seed=seed)
    assert run.converged
    assert run.ended_in.index == 0
    assert run.rate >= 0.95 * run.predicted_rate
    rounding = 1e-13 * (run.losses[0] + np.sum(problem.target**2))
    assert (np.diff(run.losses) <= rounding).all()
    assert run.losses[-1] == pytest.approx(run.ended_in.value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("tilt", [False, True])
def test_sublinear_at_depth_2(tilt):
    """Full size, 2e5 steps: -1.498, in all four cases."""
    run = lf.descend(degenerate(2, [3], tilt), seed=1, max_steps=30_000, tolerance=0)
    assert (run.converged, run.regime, run.predicted_exponent) == (False, "sublinear", -1.5)
    assert run.exponent == pytest.approx(-1.5, abs=0.1)
    assert math.isnan(run.predicted_rate)
    assert "only up to the third root of g" in str(run)


@pytest.mark.parametrize(("depth", "tilt"), [(3, False), (3, True), (4, False)])
def test_sublinear_beyond(depth, tilt):
    """From the large side. Full size, 2e5 steps, depth 3, 4 and 6: -1.990 to -2.001."""
    problem = degenerate(depth, [2] * (depth - 1), tilt)
    saddle = next(each for each in problem.critical_points() if each.kind == "non-strict saddle")
    run = lf.descend(problem, [1.1 * W for W in saddle.point(3)], max_steps=30_000, tolerance=0)
    assert run.ended_in.kind == "non-strict saddle"
    assert (run.regime, run.predicted_exponent) == ("sublinear", -2.0)
    assert run.exponent == pytest.approx(-2.0, abs=0.1)
    assert "only up to the square root of g" in str(run)


def test_a_saddle_of_third_order_is_left_on_the_small_side():
    """The double root falls to zero, at a linear rate."""
    problem = degenerate(3, [2, 2])
    saddle = next(each for each in problem.critical_points() if each.kind == "non-strict saddle")
    run = lf.descend(problem, [0.9 * W for W in saddle.point(3)])
    assert run.converged
    assert run.ended_in.rank < saddle.rank
    assert run.regime == "linear"


def test_no_spare_unit_keeps_the_rate_linear():
    """At depth 2 with r = d_1 the critical value is harmless."""
    run = lf.descend(degenerate(2, [1]), seed=1)
    assert run.converged
    assert run.regime == "linear"
    assert run.rate >= 0.95 * run.predicted_rate


def test_error_ratios_along_a_run():
    for seed in range(4):
        problem, _ = deep.random_problem(np.random.default_rng([3, seed]))
        start = minima(problem)[0]
        run = lf.descend(problem, start, scale=1e-4, seed=seed, tolerance=1e-8)
        kappa = start.error_bound().kappa
        assert run.error_ratios.shape == run.steps.shape
        assert run.error_ratios[-1] <= 1.01 * kappa
        assert run.error_ratios[-1] >= 0.9 * kappa  # the slowest mode is what is left


# -- starts and steps -------------------------------------------------------------------------------------------------


def test_starts():
    balanced = lf.descend(TWO, "balanced", scale=0.3, seed=5).recorded[0]
    assert TWO.balancedness(balanced).max() < 1e-13
    one, same, other = (lf.descend(TWO, seed=seed).recorded[0] for seed in (0, 0, 1))
    assert deep.norm([a - b for a, b in zip(one, same, strict=True)]) == 0.0
    assert deep.norm([a - b for a, b in zip(one, other, strict=True)]) > 0.1
    half = lf.descend(TWO, scale=0.5).recorded[0]
    np.testing.assert_allclose(half[0], one[0] / 2)
    given = lf.descend(TWO, one)
    np.testing.assert_array_equal(given.weights[0], lf.descend(TWO).weights[0])


def test_all_modes_are_excited_near_a_class():
    start = next(iter(TWO.critical_points()))
    run = lf.descend(TWO, start, scale=1e-5, max_steps=1)
    member = start.nearest(run.recorded[0])
    H = deep.hessian(member, TWO.target, TWO.weight_decay)
    values, modes = np.linalg.eigh((H + H.T) / 2)
    lengths = np.square(modes.T @ deep.flat([W - M for W, M in zip(run.recorded[0], member, strict=True)]))
    for value in start.eigenvalues[0][1:]:  # but the turns along the class
        mean = lengths[np.abs(values - value) < 1e-6].mean()
        assert mean == pytest.approx(lengths[-1], rel=1e-3)


def test_saddles_are_left():
    for each in TWO.critical_points():
        run = lf.descend(TWO, each, seed=1)
        assert run.converged
        assert run.ended_in.index == 0
        assert (run.ended_in.counts == each.counts) == (each.index == 0)


def test_at_a_critical_point():
    each = next(each for each in TWO.critical_points() if each.index)
    run = lf.descend(TWO, each.point(0))
    assert (run.converged, run.n_steps, run.ended_in.counts) == (True, 0, each.counts)
    assert math.isnan(run.rate)
    assert math.isnan(run.predicted_rate)
    assert run.regime == "unknown"
    assert "strict saddle" in str(run)


def test_a_constant_step():
    run = lf.descend(TWO, next(iter(TWO.critical_points())), step_size=0.01)
    assert run.converged
    np.testing.assert_array_equal(run.step_sizes, 0.01)
    assert run.rate == pytest.approx(run.predicted_rate, rel=0.05)


@pytest.mark.parametrize("depth", [2, 6])
def test_steps_that_overflow_are_cut(depth):
    problem = lf.DeepLinear(np.diag([3.0, 2.0]), [2] * (depth - 1), 0.1)
    run = lf.descend(problem, scale=1e6, max_steps=200)
    assert np.isfinite(run.losses).all()
    assert run.losses[-1] < 1e-3 * run.losses[0]
    run = lf.descend(problem, step_size=1e300)
    assert run.converged


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("power", [-120, 130])
def test_scaling(depth, power):
    """Powers of two that scale Y and the weights leave every step as it was."""
    Y, factor = np.array([[3.0, 1.0], [0.5, 2.0]]), 2.0**power
    start = [W.copy() for W in lf.descend(lf.DeepLinear(Y, [2] * (depth - 1), 0.25), seed=2).recorded[0]]
    one = lf.descend(lf.DeepLinear(Y, [2] * (depth - 1), 0.25), start)
    problem = lf.DeepLinear(Y * factor, [2] * (depth - 1), 0.25 * factor ** (2 - 2 / depth))
    scaled = lf.descend(problem, [W * factor ** (1 / depth) for W in start])
    assert abs(one.n_steps - scaled.n_steps) <= 2
    assert scaled.loss / factor**2 == pytest.approx(one.loss, rel=1e-12)


def test_with_inputs_and_a_constant():
    rng = np.random.default_rng(0)
    X = 2.0 * np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    Y = rng.standard_normal((3, 6))
    run = lf.descend(lf.DeepLinear(Y, [2], 0.3, X))
    assert run.converged
    assert run.loss == pytest.approx(deep.loss(run.weights, Y, [0.3, 0.3], X), rel=1e-12)
    assert run.loss == pytest.approx(run.ended_in.value, rel=1e-12)


def test_records_and_callback():
    told = []
    run = lf.descend(TWO, record=[3, 10, 20], max_steps=50, callback=told.append)
    assert run.steps.tolist() == [0, 3, 10, 20, 50]
    assert [each.step for each in told] == run.steps.tolist()
    assert [each.loss for each in told] == run.losses[run.steps].tolist()
    assert [each.step_size for each in told[1:]] == run.step_sizes[run.steps[1:] - 1].tolist()
    assert (run.converged, run.n_steps, run.losses.size, run.gradients.size) == (False, 50, 51, 51)
    assert [TWO.loss(W) for W in run.recorded] == pytest.approx(run.losses[run.steps], rel=1e-12)
    assert len(lf.descend(TWO, record=5, max_steps=1000).steps) <= 6
    assert "had not converged after 50 steps" in str(run)


def test_sentences():
    words = str(lf.descend(TWO, "balanced", seed=3)).split("\n")
    assert words[0].startswith("The descent converged after ")
    assert "global minimum, rank 2 (large: 3, 2)" in words[1]
    assert "predicted: 0." in words[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lf.descend("problem"), "problem must be a DeepLinear; got 'problem'."),
        (lambda: lf.descend(TWO, "zero"), "start must be 'random', 'balanced', a class .* got 'zero'."),
        (lambda: lf.descend(TWO, 3.0), "start must be 'random', 'balanced', a class .* got 3.0."),
        (lambda: lf.descend(TWO, [np.eye(2)] * 2), "weights must be a list of 3 layers; got 2."),
        (lambda: lf.descend(TWO, [np.eye(3)] * 3), r"weights\[0\] must have shape \(2, 2\); got \(3, 3\)."),
        (lambda: lf.descend(TWO, [np.full((2, 2), np.nan)] * 3), r"weights\[0\] must be finite."),
        (lambda: lf.descend(TWO, [1e150 * np.eye(2)] * 3), "The loss at the start, .* is beyond floating point"),
        (lambda: lf.descend(TWO, [np.eye(2)] * 3, scale=2.0), "scale is for random starts; these weights are given."),
        (lambda: lf.descend(TWO, scale=0), "scale must be positive; got 0."),
        (lambda: lf.descend(TWO, step_size=0.0), "step_size must be positive; got 0.0."),
        (lambda: lf.descend(TWO, step_size=-1), "step_size must be a finite number >= 0; got -1."),
        (lambda: lf.descend(TWO, max_steps=0), "max_steps must be a whole number >= 1; got 0."),
        (lambda: lf.descend(TWO, max_steps=2.5), "max_steps must be a whole number >= 1; got 2.5."),
        (lambda: lf.descend(TWO, tolerance=np.nan), "tolerance must be a finite number >= 0; got nan."),
        (lambda: lf.descend(TWO, record=1), "record must be a whole number >= 2; got 1."),
        (lambda: lf.descend(TWO, record=[5, 3]), "record must be a number of steps, or an increasing array"),
        (lambda: lf.descend(TWO, record=[5, 300], max_steps=9), "record must hold steps between 0 and max_steps=9."),
        (lambda: lf.descend(TWO, callback=1), "callback must be callable; got 1."),
        (lambda: lf.descend(lf.DeepLinear([[1e-200]], [1], 1e-201)), "Gradients of this problem are of the order of"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
