"""Limit flows of logistic, Poisson and Huber losses: their law from the data alone, their ends, odd data."""

import io
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit

import lassoflow as lf
from lassoflow.recession import recession_columns
from oracles.faces import best_on_face

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 8))
SIGNAL = X @ np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0])
CLASSES = (RNG.random(40) < expit(SIGNAL)).astype(int)
COUNTS = RNG.poisson(np.exp(SIGNAL / 2))
ROBUST = SIGNAL + RNG.standard_t(1.5, 40)
KINDS = ["logistic", "poisson", "huber"]


def problem(kind, X=X, rows=slice(None), **options):
    """A problem of each loss on the same rows."""
    if kind == "logistic":
        return lf.Logistic(X, CLASSES[rows], **options)
    if kind == "poisson":
        return lf.Poisson(X, COUNTS[rows], **options)
    return lf.Huber(X, ROBUST[rows], delta=1.0, **options)


def slope(kind, eta, rows=slice(None)):
    """The derivative of the loss by the predictor, written down once more."""
    if kind == "logistic":
        return expit(eta) - CLASSES[rows]
    if kind == "poisson":
        return np.exp(eta) - COUNTS[rows]
    return np.clip(eta - ROBUST[rows], -1.0, 1.0)


def value(kind, eta):
    if kind == "logistic":
        return np.logaddexp(0, eta) - CLASSES * eta
    if kind == "poisson":
        return np.exp(eta) - COUNTS * eta
    size = np.abs(ROBUST - eta)
    return np.where(size <= 1.0, size**2 / 2, size - 0.5)


# -- the law ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_law_from_the_data_alone(kind, intercept):
    path = lf.limit_flow(problem(kind, fit_intercept=intercept))
    assert path.status == "complete"
    starts = np.concatenate([[0.0], path.knots])
    coef = path(starts)
    eta = coef @ X.T + path.intercept(starts)[:, None]
    assert np.allclose(eta, path.predict(X, starts), rtol=1e-12, atol=1e-12)
    slopes = slope(kind, eta)
    if intercept:
        assert abs(slopes.sum(axis=1)).max() <= 1e-10
    rate = -slopes @ X / 40
    theta = np.zeros(8)
    for k in range(starts.size):
        assert (abs(theta) <= 1 + 1e-10).all()
        on = coef[k] != 0
        np.testing.assert_allclose(theta[on], np.sign(coef[k][on]), rtol=1e-10)
        assert abs(rate[k][on]).max(initial=0.0) <= 1e-10
        if k + 1 < starts.size:
            theta = theta + (starts[k + 1] - starts[k]) * rate[k]
            np.testing.assert_allclose(path.dual(starts[k + 1]), theta, rtol=1e-9, atol=1e-12)
    assert lf.certify(path).holds


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_minima_over_their_faces(kind):
    path = lf.limit_flow(problem(kind, fit_intercept=True))
    for s in path.knots[:: max(1, path.knots.size // 4)]:
        best = best_on_face(X, path.dual(s), lambda eta: value(kind, eta), lambda eta: slope(kind, eta))
        own = value(kind, path.predict(X, s)).sum()
        assert own <= best.fun * (1 + 1e-12) + 1e-12
        np.testing.assert_allclose(path(s), best.x[:-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["logistic", "poisson"])
def test_networks_of_tiny_scale_follow_it(kind):
    """theta' = -grad l(phi(theta)) at e^-5000, by a library's integrator, between events."""
    path, L = lf.limit_flow(problem(kind)), 5000.0

    def phi(theta):
        return np.exp(np.minimum(L * (theta - 1), 3)) - np.exp(np.minimum(L * (-theta - 1), 3))

    def rate(_, theta):
        return -X.T @ slope(kind, X @ phi(theta)) / 40

    middles = np.sqrt(path.knots[:4] * path.knots[1:5])
    found = solve_ivp(rate, (0, middles[-1]), np.zeros(8), method="LSODA", t_eval=middles, rtol=1e-10, atol=1e-12)
    assert found.success
    gaps = np.diff(path.knots[:5]) / path.knots[:4]
    long = gaps > 0.05  # plateaus that are reached
    assert long.sum() >= 2
    np.testing.assert_allclose(phi(found.y.T)[long], path(middles)[long], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_the_unpenalised_fit(kind):
    path = lf.limit_flow(problem(kind, fit_intercept=True))
    eta = X @ path.end + path.intercept(np.inf)
    assert abs(X.T @ slope(kind, eta)).max() <= 1e-9
    assert path.averaged().end == pytest.approx(path.end)


# -- invariances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_repeated_rows(kind):
    counts = np.random.default_rng(1).integers(0, 3, 40)
    rows = np.repeat(np.arange(40), counts)
    weighted = lf.limit_flow(problem(kind, sample_weight=counts, fit_intercept=True), max_knots=12)
    repeated = lf.limit_flow(problem(kind, X[rows], rows, fit_intercept=True), max_knots=12)
    np.testing.assert_allclose(weighted.knots, repeated.knots, rtol=1e-9)
    s = np.sqrt(weighted.knots[:-1] * weighted.knots[1:])
    np.testing.assert_allclose(weighted(s), repeated(s), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(weighted.intercept(s), repeated.intercept(s), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 1e3, 1e150])
@pytest.mark.parametrize("kind", KINDS)
def test_columns_in_other_units(kind, factor):
    path, other = (lf.limit_flow(problem(kind, c * X, fit_intercept=True)) for c in (1.0, factor))
    np.testing.assert_allclose(other.knots * factor, path.knots, rtol=1e-9)
    np.testing.assert_allclose(other.end * factor, path.end, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("factor", [1e-150, 1e150])
def test_a_robust_response_in_other_units(factor):
    path = lf.limit_flow(lf.Huber(X, ROBUST, delta=1.0, fit_intercept=True))
    other = lf.limit_flow(lf.Huber(X, factor * ROBUST, delta=factor, fit_intercept=True))
    np.testing.assert_allclose(other.knots * factor, path.knots, rtol=1e-9)
    np.testing.assert_allclose(other.end / factor, path.end, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_signs_of_columns_and_sparse_designs(kind):
    path = lf.limit_flow(problem(kind, fit_intercept=True))
    order, signs = np.random.default_rng(2).permutation(8), np.array([1, -1] * 4)
    turned = lf.limit_flow(problem(kind, (X * signs)[:, order], fit_intercept=True))
    np.testing.assert_allclose(turned.end, (path.end * signs)[order], rtol=1e-8, atol=1e-10)
    sparse = lf.limit_flow(problem(kind, sp.csc_array(np.where(abs(X) > 0.5, X, 0.0)), fit_intercept=True))
    dense = lf.limit_flow(problem(kind, np.where(abs(X) > 0.5, X, 0.0), fit_intercept=True))
    np.testing.assert_allclose(sparse.knots, dense.knots, rtol=1e-9)
    np.testing.assert_allclose(sparse.end, dense.end, rtol=1e-8, atol=1e-10)


def test_a_huge_delta_is_least_squares():
    robust = lf.limit_flow(lf.Huber(X, SIGNAL + 0.1 * ROBUST, delta=1e6, fit_intercept=True))
    squares = lf.limit_flow(lf.LeastSquares(X, SIGNAL + 0.1 * ROBUST, fit_intercept=True))
    np.testing.assert_allclose(robust.knots, squares.knots, rtol=1e-9)
    s = np.append(np.sqrt(squares.knots[:-1] * squares.knots[1:]), np.inf)
    np.testing.assert_allclose(robust(s), squares(s), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes(kind):
    data = problem(kind, fit_intercept=True)
    positive = lf.limit_flow(data, positive=True)
    assert (positive.end >= 0).all()
    assert lf.certify(positive).holds
    free = lf.limit_flow(data, penalty_factor=[0.0] + [1.0] * 7)
    assert free(0.0)[0] != 0
    assert lf.certify(free).holds
    decayed = lf.limit_flow(data, weight_decay=0.02)
    assert lf.certify(decayed).holds
    eta = decayed.predict(X, np.inf)
    rise = -slope(kind, eta) @ X / 40
    on = decayed.end != 0
    np.testing.assert_allclose(rise[on], 0.02 * np.sign(decayed.end[on]), rtol=1e-8)
    assert (abs(rise) <= 0.02 * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", [33, 908, *range(40)])
def test_losses_that_are_flat_along_a_step(seed):
    """Nearly all residuals are beyond delta, so that Newton's steps are long: none may raise the loss."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))
    n = d + int(rng.integers(0, 3))
    design, response = rng.standard_normal((n, d)), rng.standard_normal(n) * 20
    path = lf.limit_flow(lf.Huber(design, response))
    assert lf.certify(path).holds
    assert abs(design.T @ np.clip(response - design @ path.end, -1, 1)).max() <= 1e-10 * n


# -- where there is no minimum any more ---------------------------------------------------------------------------


def test_separable_classes_end_the_path():
    rng = np.random.default_rng(3)
    wide = rng.standard_normal((20, 30))
    with pytest.warns(RuntimeWarning, match=r"The path ends at s = .* falls for ever along 'x\d+'.*weight_decay="):
        path = lf.limit_flow(lf.Logistic(wide, rng.random(20) < 0.5, fit_intercept=True))
    assert path.status == "unbounded"
    assert "stopped by unbounded at s" in repr(path)
    assert lf.certify(path).holds
    with pytest.raises(ValueError, match="lies beyond the end of the path"):
        path(2 * path.domain[1])


def test_weight_decay_gives_it_a_minimum():
    rng = np.random.default_rng(3)
    wide, classes = rng.standard_normal((20, 30)), rng.random(20) < 0.5
    path = lf.limit_flow(lf.Logistic(wide, classes, fit_intercept=True), weight_decay=1e-3)
    assert path.status == "complete"
    assert lf.certify(path).holds


def test_a_dummy_that_covers_zero_counts_only():
    counts = np.random.default_rng(4).poisson(1.0, 40)
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    table["closed"] = ((counts == 0) & (np.arange(40) % 2 == 0)).astype(float)
    with pytest.warns(RuntimeWarning, match=r"falls for ever along 'closed'; with weight_decay"):
        path = lf.limit_flow(lf.Poisson(table, counts, fit_intercept=True))
    assert path.status == "unbounded"
    assert (path.end[:3] != 0).any() or path.end[3] == 0


def test_a_column_without_penalty_that_separates():
    with pytest.raises(ValueError, match="From the start the loss has no minimum: it falls for ever along 'x0'"):
        lf.limit_flow(lf.Logistic([[-1.0], [1.0], [2.0]], [0, 1, 1]), penalty_factor=[0.0])


def test_nearly_separable_classes_are_not_taken_for_separable():
    x = np.r_[np.linspace(-3, -0.5, 30), np.linspace(0.5, 3, 30), 0.6]
    path = lf.limit_flow(lf.Logistic(x[:, None], np.r_[np.zeros(30), np.ones(30), 0]))
    assert path.status == "complete"
    assert lf.certify(path).holds


# -- odd data ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.booleans())
def test_ties_duplicates_and_zero_columns(seed, kind, intercept):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 9)), int(rng.integers(1, 5))
    design = rng.integers(-1, 2, (n, d)).astype(float)
    design = np.column_stack([design, design[:, :1], -design[:, -1:], np.zeros(n)])
    response = rng.integers(0, 2, n) if kind == "logistic" else rng.integers(0, 4, n)
    made = {"logistic": lf.Logistic, "poisson": lf.Poisson, "huber": lf.Huber}[kind]
    if kind == "logistic" and np.ptp(response) == 0:
        return
    if kind == "poisson" and intercept and not response.any():
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        path = lf.limit_flow(made(design, response, fit_intercept=intercept))
    assert path.end[-1] == 0
    assert lf.certify(path).holds


@pytest.mark.parametrize("kind", KINDS)
def test_files_tables_and_views(kind, tmp_path):
    data = problem(kind, fit_intercept=True)
    path = lf.limit_flow(data)
    path.save(tmp_path / "path.npz")
    back = lf.load(tmp_path / "path.npz", data)
    s = np.array([0.0, *path.knots, np.inf])
    assert np.array_equal(back(s), path(s))
    assert np.array_equal(back.intercept(s), path.intercept(s))
    assert lf.certify(back).holds
    frame = path.to_frame()
    np.testing.assert_allclose(frame["intercept"].to_numpy()[-1], path.intercept(np.inf))
    half = path.relaxed(0.5)
    np.testing.assert_allclose(half.intercept(s), (path.intercept(s) + path.averaged().intercept(s)) / 2)


def test_what_is_for_least_squares_only():
    path = lf.limit_flow(problem("logistic"))
    for refused in (lf.duality_gap, lf.monotone_until):
        with pytest.raises(ValueError, match=r"This path is of a Logistic problem; .* for least squares only"):
            refused(*((path, 1.0) if refused is lf.duality_gap else (path,)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: lf.Logistic(X, np.ones(40)), "y must have two classes; got 1"),
        (lambda: lf.Logistic(X, np.arange(40)), "y must have two classes; got 40"),
        (lambda: lf.Logistic(X, CLASSES[:5]), r"y must have shape \(40,\), one class a row of X; got \(5,\)"),
        (lambda: lf.Logistic(X, np.r_[np.nan, CLASSES[1:]]), "y has missing classes"),
        (lambda: lf.Logistic(X, CLASSES, CLASSES, True), "there is one class with positive weight only"),
        (lambda: lf.Poisson(X, -COUNTS), "y must not be negative"),
        (lambda: lf.Poisson(X, 0 * COUNTS, fit_intercept=True), "all counts with positive weight are zero"),
        (lambda: lf.Huber(X, ROBUST, delta=0.0), "delta must be > 0"),
        (lambda: lf.Huber(X, ROBUST, delta=-1.0), "delta must be a finite number >= 0"),
        (lambda: lf.Huber(X, ROBUST[:3]), "y must have shape"),
    ],
)
def test_bad_input_is_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_classes_of_strings_and_frames():
    table = pd.read_csv(io.StringIO("a,b,kind\n1,0,no\n2,1,yes\n0,1,yes\n3,2,no\n"))
    data = lf.Logistic(table[["a", "b"]], table["kind"], fit_intercept=True)
    assert data.classes.tolist() == ["no", "yes"]
    assert data.feature_names == ("a", "b")


def test_more_independent_columns_than_rows_always_separate():
    """Then any predictors can be had: that there is no minimum needs no linear program of thousands of columns."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3000))
    every, free = np.arange(3000), np.zeros(3000)
    for intercept in (False, True):
        for kind, y in ((lf.Logistic, rng.random(60) < 0.5), (lf.Poisson, rng.poisson(1.0, 60))):
            assert recession_columns(kind(X, y, fit_intercept=intercept), every, free).size > 60
    twice = lf.Logistic(np.vstack([X[:20, :90], X[:20, :90]]), np.arange(40) < 20)  # each row once of either class
    assert recession_columns(twice, np.arange(90), np.zeros(90)) is None


@pytest.mark.parametrize("kind", [lf.Logistic, lf.Poisson, lf.Huber])
def test_a_constant_column_without_penalty_is_left_out(kind):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), rng.integers(0, 2, 30)
    X[:, 1] = 4.0
    path = lf.limit_flow(kind(X, y, fit_intercept=True), penalty_factor=[1, 0, 1])
    without = lf.limit_flow(kind(X[:, [0, 2]], y, fit_intercept=True))
    np.testing.assert_allclose(path.knots, without.knots, rtol=1e-12)
    assert (path(path.knots)[:, 1] == 0).all()
