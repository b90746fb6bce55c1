"""Lasso paths of Huber's loss: exact by their conditions from the data alone, against peers, odd data, outliers."""

import cvxpy
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import lassoflow as lf
from lassoflow.outliers import OutlierDesign
from oracles.cases import SIDES, random_design, random_weights

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 10))
Y = X @ np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0, 0, 0]) + RNG.standard_t(1.5, 60)
EXACT = 1e-10


def times_of(path):
    """Knots, times between them, before and after all, and the end."""
    s = path.knots
    ends = np.concatenate([s[:1] / 2, s[-1:] * 2, s[-1:] * 1e3]) if s.size else np.array([1.0])
    return np.concatenate([s, (s[1:] + s[:-1]) / 2, ends, [np.inf]])


def rounding_of(path):
    """What the rounding of s leaves of coefficients between the two closest knots."""
    return 1e-15 / (np.diff(path.knots) / path.knots[:-1]).min(initial=1.0)


def violation(path, design, y, s, side="right", *, delta=1.0, weights=None, positive=False, factor=1.0, decay=0.0):
    """By how much x and its intercept break the conditions of the minimum at 1/s, over the largest gradient there is.

    The loss is convex and differentiable: its gradient in the subdifferential of the penalty is all there is to check.
    """
    w = np.ones(len(y)) if weights is None else weights / np.mean(weights)
    upper, lower = np.broadcast_to(factor, (2, design.shape[1]))
    lower = np.full_like(lower, np.inf) if positive else lower
    upper, lower = (
        np.divide(side, s, out=np.full(side.shape, np.inf), where=side < np.inf) + decay for side in (upper, lower)
    )
    coef = path(s, side=side)
    pull = w * np.clip(y - design @ coef - path.intercept(s, side=side), -delta, delta)
    rise = design.T @ pull / len(y)
    coef = np.where(abs(coef) <= (1e-13 + rounding_of(path)) * abs(coef).sum(), 0.0, coef)  # a left limit of 0
    inside = np.maximum(np.maximum(rise - upper, -lower - rise), 0.0)
    off = np.where(coef > 0, abs(rise - upper), np.where(coef < 0, abs(rise + lower), inside))
    steepest = min(delta, abs(y).max() or 1.0)
    largest = np.sqrt((w @ design**2) / len(y)).max() * steepest
    unbalanced = abs(pull.mean()) / steepest if path.problem.fit_intercept else 0.0
    return max(off.max() / (largest or 1.0), unbalanced)


def worst(path, design, y, **options):
    return max(violation(path, design, y, s, side, **options) for s in times_of(path) for side in ("left", "right"))


# -- the path is the minimum at every penalty -----------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("delta", [1e-3, 0.1, 1.0, 10.0])
def test_conditions_from_the_data_alone(delta, intercept):
    path = lf.lasso_path(lf.Huber(X, Y, delta=delta, fit_intercept=intercept))
    assert (path.status, path.exact) == ("complete", True)
    assert worst(path, X, Y, delta=delta) <= EXACT
    assert lf.certify(path).holds
    assert lf.duality_gap(path, times_of(path)).max() <= EXACT


def random_problem(rng):
    """Up to 8 rows and 6 columns with ties, dependent columns, few or many outliers, and any box."""
    n, d = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    if rng.random() < 1 / 3:
        design, y = rng.standard_normal((n, d)), rng.standard_t(1.2, n)
    else:
        design, y = random_design(n, d, rng), rng.integers(-4, 5, n) * rng.choice([1.0, 1.0, 100.0], n)
    delta = float(rng.choice([0.1, 0.25, 0.5, 1.0, 1.0, 2.0, 5.0, 100.0]))
    intercept = bool(rng.random() < 0.4)
    weights = random_weights(n, rng) if rng.random() < 0.3 else None
    box = {"positive": True} if rng.random() < 0.2 else {}
    if rng.random() < 0.4:
        box["penalty_factor"] = rng.choice(SIDES, (2, d) if rng.random() < 0.7 else d)
    if rng.random() < 0.3:
        box["weight_decay"] = float(rng.choice([0.125, 0.25, 0.5, 1.0]))
    return design, y, weights, intercept, delta, box


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9))
def test_odd_data_and_boxes(seed):
    design, y, weights, intercept, delta, box = random_problem(np.random.default_rng(seed))
    path = lf.lasso_path(lf.Huber(design, y, weights, intercept, delta=delta), **box)
    assert path.status == "complete"
    options = {"factor": box.get("penalty_factor", 1.0), "decay": box.get("weight_decay", 0.0)}
    found = worst(path, design, y, delta=delta, weights=weights, positive="positive" in box, **options)
    assert found <= EXACT + rounding_of(path)


@pytest.mark.parametrize("seed", range(4))
def test_against_an_interior_point_method(seed):
    rng = np.random.default_rng(seed)
    n, d = 30, (5, 60)[seed % 2]
    design, y = rng.standard_normal((n, d)), rng.standard_t(1.5, n)
    data = lf.Huber(design, y, fit_intercept=True)
    path = lf.lasso_path(data)
    for lam in 1.0 / path.knots[:: max(1, path.knots.size // 6)]:
        x, c = cvxpy.Variable(d), cvxpy.Variable()
        objective = cvxpy.sum(cvxpy.huber(y - design @ x - c, 1.0)) / (2 * n) + lam * cvxpy.norm1(x)
        peer = cvxpy.Problem(cvxpy.Minimize(objective)).solve(solver="CLARABEL")
        own = float(data.loss(path.at(lam=lam))) + lam * abs(path.at(lam=lam)).sum()
        assert own <= peer * (1 + 1e-9)
        assert own >= peer * (1 - 1e-6)


def test_a_wide_design_is_interpolated_in_the_end():
    rng = np.random.default_rng(1)
    design, y = rng.standard_normal((20, 50)), rng.standard_t(1.5, 20)
    path = lf.lasso_path(lf.Huber(design, y))
    assert worst(path, design, y) <= EXACT
    np.testing.assert_allclose(design @ path.end, y, atol=1e-9)
    np.testing.assert_allclose(abs(path.end).sum(), abs(lf.min_l1(lf.LeastSquares(design, y)).coef).sum(), rtol=1e-9)


def test_a_flat_stretch_is_a_jump():
    """Both residuals are beyond delta on the way: at one penalty a whole segment of coefficients is as good."""
    design, y = np.array([[1.0], [2.0]]), np.array([-10.0, 30.0])
    path = lf.lasso_path(lf.Huber(design, y))
    jump = path.knots[0]
    assert jump == pytest.approx(2.0)  # the slope at 0 is (2 - 1) / 2
    assert path(jump, side="left") == 0.0
    assert path(jump) == pytest.approx(14.5)
    assert worst(path, design, y) <= EXACT
    path = lf.lasso_path(lf.Huber([[1.0], [1.0]], [10.0, 30.0]))
    assert path.end == pytest.approx([11.0])  # the smallest of [11, 29], all of which are minima without penalty


def test_a_huge_delta_is_least_squares():
    robust, squares = lf.lasso_path(lf.Huber(X, Y, delta=1e6)), lf.lasso_path(lf.LeastSquares(X, Y))
    np.testing.assert_allclose(robust.knots, squares.knots, rtol=1e-9)
    np.testing.assert_allclose(robust(squares.knots), squares(squares.knots), rtol=1e-8, atol=1e-9)
    s = np.append((squares.knots[1:] + squares.knots[:-1]) / 2, np.inf)
    np.testing.assert_allclose(robust.instantaneous()(s), squares.instantaneous()(s), rtol=1e-8, atol=1e-9)


def test_the_flow_starts_and_ends_with_it():
    data = lf.Huber(X, Y, fit_intercept=True)
    lasso, flow = lf.lasso_path(data), lf.limit_flow(data)
    assert lasso.knots[0] == pytest.approx(1 / data.lambda_max, rel=1e-12)
    assert lasso.knots[0] == pytest.approx(flow.knots[0], rel=1e-12)
    np.testing.assert_allclose(lasso.end, flow.end, rtol=1e-9)
    np.testing.assert_allclose(lasso.intercept(np.inf), flow.intercept(np.inf), rtol=1e-9)
    found = lf.compare(flow, lasso)
    assert found.holds
    assert "no theorem bounds that distance" in found.summary


# -- invariances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 1e3, 1e150])
def test_other_units(factor):
    path = lf.lasso_path(lf.Huber(X, Y, fit_intercept=True))
    columns = lf.lasso_path(lf.Huber(factor * X, Y, fit_intercept=True))
    response = lf.lasso_path(lf.Huber(X, factor * Y, delta=factor, fit_intercept=True))
    for other, unit in ((columns, 1 / factor), (response, factor)):
        np.testing.assert_allclose(other.knots * factor, path.knots, rtol=1e-9)
        np.testing.assert_allclose(other.end / unit, path.end, rtol=1e-8)
        assert lf.certify(other).holds
    np.testing.assert_allclose(columns.intercept(np.inf), path.intercept(np.inf), rtol=1e-9)
    np.testing.assert_allclose(response.intercept(np.inf) / factor, path.intercept(np.inf), rtol=1e-9)


def test_weights_are_repeated_rows():
    counts = np.random.default_rng(1).integers(0, 3, 60)
    rows = np.repeat(np.arange(60), counts)
    weighted = lf.lasso_path(lf.Huber(X, Y, counts, fit_intercept=True))
    repeated = lf.lasso_path(lf.Huber(X[rows], Y[rows], fit_intercept=True))
    np.testing.assert_allclose(weighted.knots, repeated.knots, rtol=1e-9)
    s = times_of(weighted)
    np.testing.assert_allclose(weighted(s), repeated(s), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(weighted.intercept(s), repeated.intercept(s), rtol=1e-8, atol=1e-10)


def test_order_signs_and_sparse_designs():
    path, s = lf.lasso_path(lf.Huber(X, Y, fit_intercept=True)), [5.0, 50.0, np.inf]
    order, signs = np.random.default_rng(2).permutation(10), np.array([1, -1] * 5)
    turned = lf.lasso_path(lf.Huber((X * signs)[:, order], Y, fit_intercept=True))
    np.testing.assert_allclose(turned(s), (path(s) * signs)[:, order], rtol=1e-8, atol=1e-10)
    table = np.where(abs(X) > 0.5, X, 0.0)
    paths = [lf.lasso_path(lf.Huber(made(table), Y, fit_intercept=True)) for made in (np.asarray, sp.csc_array)]
    np.testing.assert_allclose(paths[0].knots, paths[1].knots, rtol=1e-9)
    np.testing.assert_allclose(paths[0](s), paths[1](s), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("size", [1e4, 1e8, 1e15, 1e100, 1e200])
@pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])
def test_it_does_not_matter_how_far_out_an_outlier_is(walk, size):
    far = Y + size * np.where(np.arange(60) < 6, np.resize([1, -1], 60), 0)
    near = Y + 100.0 * np.sign(far - Y)
    path, other = (walk(lf.Huber(X, y, fit_intercept=True)) for y in (near, far))
    np.testing.assert_allclose(other.knots, path.knots, rtol=1e-9)
    np.testing.assert_allclose(other.end, path.end, rtol=1e-8)
    assert lf.certify(other).holds


def test_an_outlier_that_is_fitted_after_all():
    """Row 0 alone reaches far: its response is cut off at first, which turns out to be wrong."""
    design, y = X[:, :2].copy(), 0.1 * X[:, 0]
    design[:, 1], design[0, 1], y[0] = 0.0, 100.0, 1e5
    path = lf.lasso_path(lf.Huber(design, y, delta=1.0))
    assert path.end[1] == pytest.approx((1e5 - design[0, 0] * path.end[0]) / 100.0)
    assert worst(path, design, y) <= 1e-9


# -- arguments and files --------------------------------------------------------------------------------------------


def test_budgets_and_callbacks():
    data, seen = lf.Huber(X, Y, fit_intercept=True), []
    whole = lf.lasso_path(data, callback=seen.append)
    assert [at.knot for at in seen] == list(range(1, whole.knots.size + 1))
    assert [at.n_active for at in seen][-1] == 10
    short = lf.lasso_path(data, max_knots=3)
    assert (short.status, short.knots.size) == ("max_knots", 3)
    assert short.domain[1] == pytest.approx(whole.knots[3], rel=1e-12)
    until = lf.lasso_path(data, lambda_min=0.05)
    assert (until.status, until.domain[1]) == ("lambda_min", 20.0)
    np.testing.assert_allclose(until.end, whole.at(lam=0.05), rtol=1e-12)


def test_files_tables_and_views(tmp_path):
    data = lf.Huber(X, Y, fit_intercept=True)
    path = lf.lasso_path(data)
    path.save(tmp_path / "path.npz")
    back, s = lf.load(tmp_path / "path.npz", data), times_of(path)
    assert np.array_equal(back(s), path(s))
    assert np.array_equal(back.intercept(s), path.intercept(s))
    np.testing.assert_allclose(path.to_frame()["intercept"].to_numpy()[-1], path.intercept(np.inf))
    at, h = np.sqrt(path.knots[2] * path.knots[3]), 1e-6  # z' is the slope of z
    difference = (path.integral(at + h) - path.integral(at - h)) / (2 * h)
    np.testing.assert_allclose(path.instantaneous()(at), difference, rtol=1e-6, atol=1e-8)


def test_dual_is_the_pull_of_the_residuals():
    path = lf.lasso_path(lf.Huber(X, Y))
    for s in path.knots[:3]:
        np.testing.assert_allclose(path.dual(s), s * X.T @ np.clip(Y - X @ path(s), -1, 1) / 60, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("intercept", [True, False])
def test_the_design_with_shifts(intercept):
    root = np.sqrt(RNG.integers(0, 3, 60))
    design = OutlierDesign(lf.Huber(X, Y, fit_intercept=intercept).design, root, intercept)
    centred = X - X.mean(axis=0) if intercept else X
    dense = np.hstack([root[:, None] * centred, root[:, None][:, : int(intercept)], np.eye(60)])
    vector = RNG.standard_normal((60, 3))
    np.testing.assert_allclose(design.columns(np.arange(design.shape[1])), dense, atol=1e-14)
    np.testing.assert_allclose(design.norms, np.linalg.norm(dense, axis=0), rtol=1e-13)
    np.testing.assert_allclose(design.rmatvec(vector), dense.T @ vector, atol=1e-12)
    np.testing.assert_allclose(design.rmatvec(vector[:, 0]), dense.T @ vector[:, 0], atol=1e-12)
