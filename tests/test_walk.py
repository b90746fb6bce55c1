"""The two exact paths: their laws on data, their ends, equivariance, degenerate inputs, budgets, sparse input.

The comparison with exact rational arithmetic is in ``oracles/test_rational.py``.
"""

import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog, nnls
from sklearn.linear_model import lars_path

import lassoflow as lf
from lassoflow import ahead, stride
from lassoflow.optimality import kkt_rounding
from oracles import cases, compare, data, families, kkt, knots, rational

SOLVERS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
ORACLES = {"lasso": rational.lasso_path, "flow": rational.limit_flow}
BOTH = pytest.mark.parametrize("law", SOLVERS)


@pytest.fixture(params=["as it comes", "in small batches", "without compiled loops"])
def engine(request, monkeypatch):
    """The ways a walk may go, which must not matter: batches so small that most of them are violated, no numba."""
    if request.param == "in small batches":
        for name, value in {"SMALL": 0, "_FEWEST": 2, "_MOST": 8, "_WIDTH": 1, "_WIDEST": 1, "_NARROWEST": 1}.items():
            monkeypatch.setattr(ahead, name, value)
    if request.param == "without compiled loops":
        monkeypatch.setattr(stride, "compiled", False)


ANY_ENGINE = pytest.mark.usefixtures("engine")


def gaussian(n, d, seed=0):
    rng = np.random.default_rng([seed, n, d])
    X = rng.standard_normal((n, d))
    return X, X[:, : min(n, d) // 3 + 1].sum(axis=1) + rng.standard_normal(n)


def times_of(path, count=None, seed=0):
    """Knots, a random time between any two, and late times; at most ``count`` of the first two kinds."""
    rng = np.random.default_rng(seed)
    s = path.knots
    share = rng.random(max(len(s) - 1, 0))
    times = np.concatenate([s, share * s[:-1] + (1 - share) * s[1:]])
    if count is not None and times.size > 2 * count:
        times = np.concatenate([rng.choice(s, count), rng.choice(times[s.size :], count), s[-1:]])
    return np.concatenate([times, s[-1] * np.array([1.5, 1e3, 1e9])]) if s.size else np.array([1.0, 1e9])


def law_violation(X, y, path, times, upper=1.0, lower=1.0):
    """The largest violation of the path's law over some times: relative to lambda_max, and to the dual's size."""
    scale = kkt.lambda_max(X, y)
    worst = 0.0
    for s in times:
        theta = kkt.dual(X, y, path.integral(s), s)
        coef = path.integral(s) if path.law == "lasso" else path(s)
        worst = max(worst, kkt.normal_cone_violation(coef, theta, upper, lower) / max(1.0, s * scale))
        if path.law == "lasso":
            worst = max(worst, kkt.lasso_violation(X, y, path(s), 1 / s, upper, lower))
    return worst


def backward_error(X, y, path):
    """The largest violation of the law, relative to the rounding unit of what it comes from, ``|X| (|X||z| + s |y|)``.

    Near dependence makes coefficients grow like one over the distance and near orthogonality makes lambda_max small;
    relative to lambda_max alone, no method in double precision is then right. What has once been rounded stays: the
    unit is that of the largest z so far.
    """
    lengths, reached, worst = np.linalg.norm(X, axis=0), 0.0, 0.0
    scale = kkt.lambda_max(X, y) * len(y) / lengths.max()
    for s in np.sort(times_of(path)):
        coef = np.maximum(np.abs(path.average(s)), np.abs(path.instantaneous()(s)))
        reached = max(reached, s * (lengths @ coef + np.linalg.norm(y)))
        if path.law == "lasso" or s not in path.knots:
            worst = max(worst, law_violation(X, y, path, [s]) / max(1.0, reached / s / scale))
    return worst


# -- laws ---------------------------------------------------------------------------------------------------------


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("name", data.NAMES)
def test_law_holds_on_data(name, law):
    X, y = data.load(name)
    path = SOLVERS[law](lf.LeastSquares(X, y))
    assert path.status == "complete"
    assert law_violation(X, y, path, times_of(path, count=20)) <= 1e-10


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("name", data.NAMES)
def test_law_holds_in_a_positive_and_asymmetric_box(name, law):
    X, y = data.load(name)
    rng = np.random.default_rng(3)
    lower, upper = rng.choice([0.5, 1.0, 3.0, np.inf], (2, X.shape[1]))
    path = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=[upper, lower])
    assert law_violation(X, y, path, times_of(path, count=20), upper, lower) <= 1e-10


@ANY_ENGINE
@pytest.mark.parametrize("name", data.NAMES)
def test_flow_is_sign_constrained_least_squares_on_the_boundary(name):
    X, y = data.load(name)
    flow = lf.limit_flow(lf.LeastSquares(X, y))
    times = times_of(flow, count=20)
    times = times[~np.isin(times, flow.knots) & (times < 2 * flow.knots[-1])]
    for s, x in zip(times, flow(times), strict=True):
        theta = kkt.dual(X, y, flow.integral(s), s)
        face = np.flatnonzero(np.abs(theta) >= 1 - 1e-12 * max(1.0, s * kkt.lambda_max(X, y)))
        signed = X[:, face] * np.sign(theta[face])
        fit = signed @ nnls(signed, y)[0]
        np.testing.assert_allclose(X @ x, fit, rtol=0, atol=1e-9 * np.linalg.norm(y))
        slope = kkt.gradient(X, y, x)
        assert np.abs(slope[x != 0]).max() <= 1e-10 * kkt.lambda_max(X, y)
        assert (slope[face] * np.sign(theta[face])).max() <= 1e-10 * kkt.lambda_max(X, y)


@BOTH
def test_dual_of_the_path_is_the_dual(law):
    X, y = gaussian(30, 50)
    path = SOLVERS[law](lf.LeastSquares(X, y))
    times = times_of(path, count=20)
    expected = np.array([kkt.dual(X, y, z, s) for s, z in zip(times, path.integral(times), strict=True)])
    scale = np.maximum(1.0, times * kkt.lambda_max(X, y))[:, None]
    np.testing.assert_allclose(path.dual(times) / scale, expected / scale, rtol=0, atol=1e-12)


# -- knots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.NAMES)
def test_knots_agree_with_ball_arithmetic(name):
    """Given the support before it a knot solves a linear system, here of condition numbers up to 5e3."""
    X, y = data.load(name)
    path = lf.lasso_path(lf.LeastSquares(X, y))
    which = np.unique(np.linspace(1, path.knots.size - 1, 25).astype(int))
    for before, after in zip(path.knots[which - 1], path.knots[which], strict=True):
        proven = knots.next_knot(X, y, path((before + after) / 2), before + 1e-6 * (after - before))
        assert abs(after / proven - 1) <= 1e-11


@pytest.mark.parametrize("name", data.NAMES)
def test_knots_agree_with_lars_path(name):
    """To 1e-9, save for a late knot that lars_path itself misses by more than that, by proof of ball arithmetic."""
    X, y = data.load(name)
    path = lf.lasso_path(lf.LeastSquares(X, y))
    theirs, _, coef = lars_path(X, y, method="lasso")
    for lam, x in zip(theirs[:-1], coef.T, strict=False):
        clean = np.where(np.abs(x) > 1e-12 * np.abs(x).max(), x, 0.0)  # dust of the wrong sign after drops
        assert kkt.lasso_violation(X, y, clean, lam) <= 1e-9
    assert path.knots.size == theirs.size - 1  # the last of theirs is the end, lambda = 0
    for i in np.flatnonzero(np.abs(path.knots * theirs[:-1] - 1) > 1e-9):
        before, after = path.knots[i - 1 : i + 1]
        proven = knots.next_knot(X, y, path((before + after) / 2), before + 1e-6 * (after - before))
        assert abs(1 / theirs[i] / proven - 1) > 1e-9
        assert abs(after / proven - 1) <= 1e-11


# -- ends ---------------------------------------------------------------------------------------------------------


@BOTH
def test_zero_before_lambda_max(law):
    X, y = gaussian(20, 30)
    problem = lf.LeastSquares(X, y)
    path = SOLVERS[law](problem)
    start = 1 / kkt.lambda_max(X, y)
    assert problem.lambda_max == pytest.approx(1 / start, rel=1e-14)
    assert path.knots[0] == pytest.approx(start, rel=1e-14)
    assert not path(np.array([0.0, 0.5, 1 - 1e-12]) * start).any()
    assert path(1.001 * path.knots[0]).any()


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("shape", [(10, 1), (30, 6), (50, 49), (200, 20)])
def test_end_is_least_squares(law, shape):
    X, y = gaussian(*shape)
    end = SOLVERS[law](lf.LeastSquares(X, y)).end
    np.testing.assert_allclose(end, np.linalg.lstsq(X, y)[0], rtol=1e-10, atol=1e-11)


@BOTH
def test_end_is_nonnegative_least_squares(law):
    for seed in range(200):
        X, y = gaussian(30, 6, seed)
        end = SOLVERS[law](lf.LeastSquares(X, y), positive=True).end
        assert (end >= 0).all()
        np.testing.assert_allclose(end, nnls(X, y)[0], rtol=1e-10, atol=1e-11)


@BOTH
def test_end_with_barred_sides_is_sign_constrained_least_squares(law):
    for seed in range(50):
        X, y = gaussian(30, 6, seed)
        factor = np.random.default_rng(seed).choice([0.0, 1.0, np.inf], (2, 6))
        allowed = np.isfinite(factor)
        halves = nnls(np.hstack([X, -X]) * allowed.ravel(), y)[0] * allowed.ravel()
        end = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=factor).end
        np.testing.assert_allclose(end, halves[:6] - halves[6:], rtol=1e-10, atol=1e-11)


@ANY_ENGINE
@BOTH
def test_end_is_a_min_l1_interpolator(law):
    for seed in range(30):
        X, y = gaussian(12, 30, seed)
        end = SOLVERS[law](lf.LeastSquares(X, y)).end
        program = linprog(np.ones(60), A_eq=np.hstack([X, -X]), b_eq=y)
        np.testing.assert_allclose(X @ end, y, rtol=0, atol=1e-12 * np.linalg.norm(y) * np.abs(X).max())
        assert np.abs(end).sum() == pytest.approx(program.fun, rel=1e-9)


# -- equivariance -------------------------------------------------------------------------------------------------

SCALES = (1e-150, 1e-75, 1e-8, 3.0, 1e8, 1e75, 1e150)


def designs():
    rng = np.random.default_rng(1)
    yield gaussian(20, 30)
    yield gaussian(40, 12)
    yield rng.choice([-1.0, 0.0, 1.0], (12, 8)), rng.integers(-3, 4, 12).astype(float)


def assert_same_path(path, expected, X, time=1.0, coef=1.0):
    """``path`` at ``time s`` is ``coef`` times ``expected`` at s, in fitted values."""
    np.testing.assert_allclose(path.knots, expected.knots * time, rtol=1e-10)
    s = times_of(expected)
    s = s[~np.isin(s, expected.knots)]
    for view, other in ((path, expected), (path.averaged(), expected.averaged())):
        np.testing.assert_allclose(view(s * time) / coef @ X.T, other(s) @ X.T, rtol=1e-9, atol=1e-10)


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("scale", SCALES)
def test_scaling_y(law, scale):
    for X, y in designs():
        for decay in (0.0, 0.01):
            path = SOLVERS[law](lf.LeastSquares(X, y * scale), weight_decay=decay * scale)
            expected = SOLVERS[law](lf.LeastSquares(X, y), weight_decay=decay)
            assert_same_path(path, expected, X, time=1 / scale, coef=scale)


@BOTH
@pytest.mark.parametrize("scale", SCALES)
def test_scaling_X(law, scale):
    for X, y in designs():
        for decay in (0.0, 0.01):
            path = SOLVERS[law](lf.LeastSquares(X * scale, y), weight_decay=decay * scale)
            expected = SOLVERS[law](lf.LeastSquares(X, y), weight_decay=decay)
            assert_same_path(path, expected, X, time=1 / scale, coef=1 / scale)


@ANY_ENGINE
@BOTH
def test_permuting_and_flipping_columns(law):
    rng = np.random.default_rng(2)
    for X, y in designs():
        order, sign = rng.permutation(X.shape[1]), rng.choice([-1.0, 1.0], X.shape[1])
        upper, lower = rng.choice([0.5, 1.0, 2.0, np.inf], (2, X.shape[1]))
        flipped = np.where(sign > 0, [upper, lower], [lower, upper])
        expected = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=[upper, lower])
        path = SOLVERS[law](lf.LeastSquares((X * sign)[:, order], y), penalty_factor=flipped[:, order])
        np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-10)
        s = times_of(expected)
        restored = np.empty((s.size, X.shape[1]))
        restored[:, order] = path.integral(s)
        np.testing.assert_allclose(restored * sign @ X.T, expected.integral(s) @ X.T, rtol=1e-9, atol=1e-10 * s.max())


@BOTH
def test_integer_weights_are_repeated_rows(law):
    X, y = gaussian(25, 40)
    weights = np.random.default_rng(4).integers(0, 4, 25)
    for intercept in (False, True):
        path = SOLVERS[law](lf.LeastSquares(X, y, sample_weight=weights, fit_intercept=intercept))
        repeated = lf.LeastSquares(X.repeat(weights, axis=0), y.repeat(weights), fit_intercept=intercept)
        expected = SOLVERS[law](repeated)
        s = times_of(expected)
        np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-10)
        np.testing.assert_allclose(path.average(s), expected.average(s), rtol=0, atol=1e-10)
        s = s[~np.isin(s, expected.knots)]
        np.testing.assert_allclose(path.intercept(s), expected.intercept(s), rtol=0, atol=1e-9)


# -- inputs that solvers get wrong --------------------------------------------------------------------------------


def test_tied_orthogonal_columns_enter_together():
    path = lf.lasso_path(lf.LeastSquares(np.eye(2), np.ones(2)))
    assert path.knots.tolist() == [2.0]
    np.testing.assert_allclose(path([2.0, 4.0, 8.0]), [[0, 0], [0.5, 0.5], [0.75, 0.75]], rtol=1e-15)


def test_factorial_design_is_soft_thresholding():
    """A centred 2^3 design with two-way interactions: orthogonal, with exact ties among the effects."""
    levels = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij")).reshape(3, 8).T
    X = np.column_stack([levels, levels[:, 0] * levels[:, 1], levels[:, 0] * levels[:, 2], levels[:, 1] * levels[:, 2]])
    y = np.array([28.0, 36, 18, 31, 25, 30, 12, 23])
    effect = X.T @ y / 8
    path = lf.lasso_path(lf.LeastSquares(X, y, fit_intercept=True))
    flow = lf.limit_flow(lf.LeastSquares(X, y, fit_intercept=True))
    expected = np.unique(1 / np.abs(effect[effect != 0]))
    np.testing.assert_allclose(path.knots, expected, rtol=1e-13)
    np.testing.assert_allclose(flow.knots, expected, rtol=1e-13)
    for s in times_of(path):
        shrunk = np.sign(effect) * np.maximum(np.abs(effect) - 1 / s, 0)
        np.testing.assert_allclose(path(s), shrunk, rtol=0, atol=1e-13 * np.abs(effect).max())
    for s in expected * 1.01:
        np.testing.assert_allclose(flow(s), np.where(np.abs(effect) * s > 1, effect, 0), rtol=0, atol=1e-13 * 10)


INTEGER_DESIGNS = {
    "-1 0 1, 12x8": ([-1.0, 0.0, 1.0], 12, 8),
    "-1 1, 16x10": ([-1.0, 1.0], 16, 10),
    "0 1, 20x12": ([0.0, 1.0], 20, 12),
    "-1 0 1, 10x30": ([-1.0, 0.0, 1.0], 10, 30),
}


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("name", INTEGER_DESIGNS)
def test_integer_designs(name, law):
    levels, n, d = INTEGER_DESIGNS[name]
    rng = np.random.default_rng(n * d)
    wrong = []
    for number in range(500):
        X, y = rng.choice(levels, (n, d)), rng.integers(-3, 4, n).astype(float)
        path = SOLVERS[law](lf.LeastSquares(X, y))
        times = times_of(path, count=8)
        times = times[~np.isin(times, path.knots)] if law == "flow" else times
        if law_violation(X, y, path, times) > 1e-10:
            wrong.append(number)
    assert not wrong


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("family", families.FAMILIES)
def test_degenerate_families_with_every_option(family, law):
    """Every design up to 60x80, with weights that may be zero, an intercept, and any box."""
    rng = np.random.default_rng(len(family))
    for _ in range(300):
        X = families.FAMILIES[family](*rng.integers(2, [60, 80]), rng)
        n, d = X.shape
        y = rng.integers(-3, 4, n).astype(float)
        weights = rng.integers(0, 3, n) + (np.arange(n) == 0) if rng.random() < 1 / 3 else np.ones(n)
        centre, box = bool(rng.random() < 0.5), families.options(d, rng)
        path = SOLVERS[law](lf.LeastSquares(X, y, weights, fit_intercept=centre), **box)
        assert (np.diff(path.knots) > 1e-12 * path.knots[1:]).all()
        root = np.sqrt(weights / weights.mean())[:, None]
        if centre:
            X, y = X - np.average(X, axis=0, weights=weights), y - np.average(y, weights=weights)
        X, y = root * X, root[:, 0] * y
        upper, lower = families.sides(d, box)
        for s in times_of(path, count=5):
            grown = s * box.get("weight_decay", 0.0)
            coef = path.average(s) if law == "lasso" else path(s)
            violation = kkt.normal_cone_violation(
                coef, kkt.dual(X, y, path.integral(s), s), upper + grown, lower + grown
            )
            assert violation <= 1e-10 * max(1.0, s * kkt.lambda_max(X, y), s * np.abs(X).max() * np.abs(y).max())


@BOTH
def test_a_face_that_came_and_went_may_come_again(law):
    """It left because another did; refusing it for good was wrong by 6 % of lambda_max."""
    X = np.array([[0, 0, 1, 0, 0], [0] * 5, [0, 0, 0, 1, 0], [1, 0, 1, 0, 1], [1, 1, 0, 1, 1], [0] * 5], dtype=float)
    y = np.array([0.0, -1.0, 1.0, -1.0, 1.0, 0.0])
    factor = np.array([[1.0, 1.0, 1.0, 2.0, 0.0], [0.0, 2.0, 0.0, np.inf, 2.0]])
    path = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=factor)
    assert law_violation(X, y, path, times_of(path), *factor) <= 1e-14


@BOTH
def test_nearly_dependent_columns_that_cost_differently(law):
    """A passive column whose rate was rounding once arrived at the box a second time, and the walk never ended."""
    base = np.array([1.0, 2.0, -1.0, 1.0])
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X = np.column_stack([2 * base, base]) + 1e-12 * rng.standard_normal((4, 2))
        path = SOLVERS[law](lf.LeastSquares(X, [3.0, 1.0, 0.0, -1.0]), penalty_factor=[2.0, 0.5], weight_decay=0.004)
        assert path.status == "complete"


@BOTH
def test_slopes_so_large_that_z_moves_in_no_time(law):
    """Halves of columns, all but dependent: under weight decay z moves by O(1) within one rounding of s."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        base = rng.integers(-2, 3, (6, 4)).astype(float)
        distance = 10 ** rng.uniform(-12, -6)
        X = np.hstack([base, base[:, :2] / 2]) + distance * rng.standard_normal((6, 6))
        y, factor = rng.integers(-3, 4, 6).astype(float), rng.uniform(0.5, 2, 6)
        path = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=factor, weight_decay=0.01)
        assert (np.diff(path.knots) > 0).all()
        allowed = np.maximum(1e-10, kkt_rounding(path, path.knots))
        assert (lf.kkt_violation(path, path.knots) <= allowed).all()


def nearly_dependent(seed, factors):
    """Integer columns and sums of two of them, off by 1e-12 to 1e-6; penalty factors of either side."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(4, 16, 2)
    X = rng.integers(-3, 4, (n, d)).astype(float)
    sums = X[:, rng.integers(0, d, d)] + X[:, rng.integers(0, d, d)]
    X = np.hstack([X, sums + 10 ** rng.uniform(-12, -6) * rng.standard_normal((n, d))])
    y = rng.integers(-4, 5, n).astype(float)
    sides = rng.choice(factors, (2, 2 * d) if np.inf in factors else 2 * d)
    return X, y, sides, rng.choice([0.0, 0.02, 0.1])


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize(
    ("factors", "seeds"),
    [
        # z grows to 1e9 and comes back: what it carries then of its rounding once showed as 1e-5 of lambda_max.
        ([0, 0.5, 1, 2, np.inf], [*range(400), 6175, 7453]),
        # A face entered and came straight out for ever; an exchange chose a column that could not leave.
        ([0, 0.5, 1, 2], [*range(200), 1466, 3372, 5328, 6119]),
    ],
)
def test_nearly_dependent_columns_with_factors_of_all_kinds(law, factors, seeds):
    for seed in seeds:
        X, y, sides, decay = nearly_dependent(seed, factors)
        path = SOLVERS[law](lf.LeastSquares(X, y), penalty_factor=sides, weight_decay=decay)
        allowed = np.maximum(1e-10, kkt_rounding(path, path.knots))
        assert (lf.kkt_violation(path, path.knots) <= allowed).all(), seed


@BOTH
def test_nearly_dependent_columns_without_penalty(law):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((20, 4))
    X[:, 3] = X[:, :3].sum(axis=1) + 3e-13 * rng.standard_normal(20)
    path = SOLVERS[law](lf.LeastSquares(X, rng.standard_normal(20)), penalty_factor=np.zeros(4))
    assert path.knots.size == 0
    assert path.to_frame().shape[0] == 1


@BOTH
def test_a_coefficient_that_ends_at_zero_is_zero(law):
    path = SOLVERS[law](lf.LeastSquares([[1.0, 1, 0], [-1, -1, 1], [0, -1, -1]], [1.0, 0.0, -1.0]), positive=True)
    np.testing.assert_array_equal(path.end != 0, [True, False, True])


@BOTH
@pytest.mark.parametrize("scales", [(1e-8, 1.0), (1.0, 1e-8), (1e-8, 1e-8), (1e12, 1e-20)])
def test_small_and_large_units(law, scales):
    X, y = gaussian(20, 30)
    X, y = X * scales[0], y * scales[1]
    path = SOLVERS[law](lf.LeastSquares(X, y))
    assert path.knots.size >= 20
    assert law_violation(X, y, path, times_of(path)) <= 1e-10


@BOTH
def test_single_precision_of_small_scale(law):
    X, y = gaussian(20, 30)
    X, y = (X * 1e-20).astype(np.float32), y.astype(np.float32)
    path = SOLVERS[law](lf.LeastSquares(X, y))
    X, y = X.astype(np.float64), y.astype(np.float64)
    assert law_violation(X, y, path, times_of(path)) <= 1e-10


@BOTH
def test_read_only_and_strided_arrays(law):
    X, y = gaussian(20, 30)
    expected = SOLVERS[law](lf.LeastSquares(X, y))
    frozen = np.asfortranarray(X), np.repeat(y, 2)[::2]
    copies = [array.copy() for array in frozen]
    for array in frozen:
        array.flags.writeable = False
    for intercept in (True, False):
        path = SOLVERS[law](lf.LeastSquares(*frozen, fit_intercept=intercept))
    assert all(np.array_equal(array, copy) for array, copy in zip(frozen, copies, strict=True))
    np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 5), (5, 1), (3, 3)])
def test_nothing_to_explain(n, d, intercept, law):
    ones = np.ones(n)
    for X, y in [(np.zeros((n, d)), ones), (np.ones((n, d)), 0 * ones), (np.zeros((n, d)), 0 * ones)]:
        path = SOLVERS[law](lf.LeastSquares(X, y, fit_intercept=intercept))
        assert path.status == "complete"
        assert path.knots.size == 0
        assert not path([0.0, 1.0, 1e300]).any()
        assert not path.end.any()
        np.testing.assert_array_equal(path.intercept([0.0, 1.0]), y[0] if intercept else 0.0)


@BOTH
def test_one_sample_one_feature(law):
    path = SOLVERS[law](lf.LeastSquares([[2.0]], [3.0]))
    np.testing.assert_allclose(path.knots, [1 / 6], rtol=1e-15)
    np.testing.assert_allclose(path.end, [1.5], rtol=1e-15)
    np.testing.assert_allclose(path.average(1.0), [1.5 * (1 - 1 / 6)], rtol=1e-15)


@BOTH
@pytest.mark.parametrize("constant", [1.0, 0.1, 1e10, -1 / 3])
def test_constant_column_stays_out_of_a_model_with_intercept(law, constant):
    X, y = gaussian(20, 6)
    with_constant = np.insert(X, 2, constant, axis=1)
    path = SOLVERS[law](lf.LeastSquares(with_constant, y, fit_intercept=True))
    expected = SOLVERS[law](lf.LeastSquares(X, y, fit_intercept=True))
    s = times_of(expected)
    assert not path(s)[:, 2].any()
    np.testing.assert_allclose(np.delete(path.average(s), 2, axis=1), expected.average(s), rtol=0, atol=1e-12)


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("distance", [1e-4, 1e-8, 1e-10, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 0.0])
@pytest.mark.parametrize("seed", range(5))
def test_nearly_collinear_columns(law, distance, seed):
    X, y = gaussian(15, 10, seed)
    rng = np.random.default_rng(seed)
    X[:, 1] = X[:, 0] + distance * rng.standard_normal(15)
    X[:, 3] = X[:, 2] - X[:, 4] + distance * rng.standard_normal(15)
    X[:, 5] = -X[:, 6] + distance * rng.standard_normal(15)
    path = SOLVERS[law](lf.LeastSquares(X, y))
    assert path.status == "complete"
    assert backward_error(X, y, path) <= 1e-11


@BOTH
def test_nearly_dependent_integer_columns(law):
    """Knots closer than rounding between which z still moves by O(s), for slopes grow like 1 / distance."""
    worst = {}
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        X, y = rng.integers(-2, 3, (4, 2)).astype(float), rng.integers(-3, 4, 4).astype(float)
        X = np.column_stack([X, X.sum(axis=1) if seed % 2 else X[:, 0]])
        X = X + rng.standard_normal(X.shape) * 10.0 ** rng.uniform(-13, -10)
        worst[seed] = backward_error(X, y, SOLVERS[law](lf.LeastSquares(X, y)))
    assert max(worst.values()) <= 1e-11, f"seed {max(worst, key=worst.get)}"


@hypothesis.settings(max_examples=150, derandomize=True, deadline=None, database=None)
@hypothesis.given(
    X=arrays.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-2, 2)),
    y=arrays.arrays(np.int8, 5, elements=st.integers(-3, 3)),
    factor=arrays.arrays(np.float64, (2, 5), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf])),
    decay=st.sampled_from([0.0, 0.25, 1.0]),
    law=st.sampled_from(list(SOLVERS)),
)
def test_degenerate_designs_are_exact(X, y, factor, decay, law):
    n, d = X.shape
    box = {"penalty_factor": factor[:, :d], "weight_decay": decay}
    case = cases.Case(X.astype(float), y[:n].astype(float), box=box)
    compare.assert_equal_paths(SOLVERS[law](case.problem(), **box), ORACLES[law](case.exact()))


# -- budgets ------------------------------------------------------------------------------------------------------


@ANY_ENGINE
@BOTH
@pytest.mark.parametrize("budget", [1, 7])
def test_budget_of_knots_ends_in_a_usable_path(law, budget):
    X, y = gaussian(20, 30)
    full = SOLVERS[law](lf.LeastSquares(X, y))
    path = SOLVERS[law](lf.LeastSquares(X, y), max_knots=budget)
    stop = path.domain[1]
    assert path.status == "max_knots"
    assert "max_knots" in repr(path)
    np.testing.assert_array_equal(path.knots, full.knots[:budget])
    assert path.knots[-1] < stop == pytest.approx(full.knots[budget], rel=1e-12)
    s = np.append(times_of(path)[:-3], 0.5 * (path.knots[-1] + stop))
    np.testing.assert_allclose(path(s), full(s), rtol=0, atol=1e-12)
    np.testing.assert_allclose(path.end, full(stop, side="left"), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="beyond the end of the path"):
        path(1.01 * stop)


@pytest.mark.parametrize("positive", [True, False])
def test_a_path_that_stops_at_a_return_ends_without_dust(positive):
    """The stop is the time of the return but for rounding: what is left of a coefficient there has no sign."""
    stopped = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        X, y = random.integers(-2, 3, (3, 4)), random.integers(-3, 4, 3)
        for budget in range(1, 5):
            path = lf.lasso_path(lf.LeastSquares(X, y), positive=positive, max_knots=budget)
            sizes = np.abs(path.end)
            assert not ((sizes > 0) & (sizes < 1e-13 * sizes.max(initial=0.0))).any()
            assert not positive or path.end.min() >= 0.0
            stopped += path.status == "max_knots" and bool((path(path.knots[-1])[path.end == 0.0] != 0.0).any())
    assert stopped >= 2, stopped


@BOTH
def test_budget_larger_than_the_path_changes_nothing(law):
    X, y = gaussian(20, 5)
    full = SOLVERS[law](lf.LeastSquares(X, y))
    for budget in (full.knots.size, 1000):
        path = SOLVERS[law](lf.LeastSquares(X, y), max_knots=budget)
        assert path.status == "complete"
        np.testing.assert_array_equal(path.knots, full.knots)


@BOTH
def test_lambda_min_stops_the_path_there(law):
    X, y = gaussian(20, 30)
    problem = lf.LeastSquares(X, y)
    full = SOLVERS[law](problem)
    for lambda_min in (0.1, 0.01, 2.0) * np.array(problem.lambda_max):
        path = SOLVERS[law](problem, lambda_min=lambda_min)
        assert path.status == "lambda_min"
        assert path.domain[1] == pytest.approx(1 / lambda_min, rel=1e-15)
        np.testing.assert_array_equal(path.knots, full.knots[full.knots <= 1 / lambda_min])
        np.testing.assert_allclose(path.end, full(path.domain[1]), rtol=0, atol=1e-13)
        np.testing.assert_allclose(path.at(lam=lambda_min), full.at(lam=lambda_min), rtol=0, atol=1e-13)


@ANY_ENGINE
@BOTH
def test_callback_hears_of_every_knot(law):
    X, y = gaussian(20, 30)
    heard = []
    path = SOLVERS[law](lf.LeastSquares(X, y), callback=heard.append)
    assert [progress.knot for progress in heard] == list(range(1, path.knots.size + 1))
    np.testing.assert_array_equal([progress.s for progress in heard], path.knots)
    np.testing.assert_allclose([progress.lam for progress in heard], 1 / path.knots, rtol=1e-15)
    slopes = path.instantaneous()(path.knots)
    assert [progress.n_active for progress in heard] == (slopes != 0).sum(axis=1).tolist()


# -- sparse input -------------------------------------------------------------------------------------------------

FORMATS = [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.csc_matrix, sp.coo_matrix]


@BOTH
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_sparse_equals_dense(form, weighted, intercept, law):
    rng = np.random.default_rng(7)
    X = np.where(rng.random((25, 40)) < 0.3, rng.standard_normal((25, 40)), 0.0)
    X[:, 5], X[:, 6], X[:, 7] = 0.0, 1.0, X[:, 8]
    y = X[:, :5].sum(axis=1) + rng.standard_normal(25) + 3
    weights = rng.random(25) if weighted else None
    expected = SOLVERS[law](lf.LeastSquares(X, y, weights, intercept))
    path = SOLVERS[law](lf.LeastSquares(form(X), y, weights, intercept))
    np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-10)
    s = times_of(expected)
    s = s[~np.isin(s, expected.knots)]
    fits, others = path(s) @ X.T, expected(s) @ X.T
    centre = np.average if intercept else (lambda *_, **__: 0.0)
    for fit, other in zip(fits, others, strict=True):
        fit, other = fit - centre(fit, weights=weights), other - centre(other, weights=weights)
        np.testing.assert_allclose(fit, other, rtol=0, atol=1e-10 * np.linalg.norm(y))
    np.testing.assert_allclose(path.predict(form(X), s), expected.predict(X, s), rtol=0, atol=1e-9)


# -- what cannot be computed says so ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("budget", [-1, 2.5])
def test_budget_must_be_a_whole_number(law, budget):
    with pytest.raises(ValueError, match="max_knots must"):
        SOLVERS[law](lf.LeastSquares(*gaussian(20, 8)), max_knots=budget)


@BOTH
@pytest.mark.parametrize("scales", [(1e-200, 1e-200), (1.0, 1e-318), (1e200, 1e200)])
def test_times_beyond_floating_point_are_refused(law, scales):
    X, y = gaussian(20, 8)
    with pytest.raises(ValueError, match="rescale"):
        SOLVERS[law](lf.LeastSquares(X * scales[0], y * scales[1]))


@ANY_ENGINE
@BOTH
def test_columns_of_very_different_scale(law):
    X, y = gaussian(20, 8)
    scale = np.logspace(-60, 60, 8)
    path = SOLVERS[law](lf.LeastSquares(X * scale, y), penalty_factor=scale)
    expected = SOLVERS[law](lf.LeastSquares(X, y))
    s = times_of(expected)
    np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-10)
    np.testing.assert_allclose(path.average(s) * scale, expected.average(s), rtol=0, atol=1e-10)
