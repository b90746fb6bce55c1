"""Lasso paths of logistic and Poisson losses: their conditions from the data alone, gaps, peers, odd data."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import lassoflow as lf

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 10))
SIGNAL = X @ np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0, 0, 0])
CLASSES = (RNG.random(60) < expit(SIGNAL)).astype(int)
COUNTS = RNG.poisson(np.exp(SIGNAL / 2))
KINDS = ["logistic", "poisson"]


def problem(kind, design=X, rows=slice(None), **options):
    made = {"logistic": (lf.Logistic, CLASSES), "poisson": (lf.Poisson, COUNTS)}[kind]
    return made[0](design, made[1][rows], **options)


def violation(kind, path, design, response, s, decay=0.0):
    """Of the conditions of the penalised fit, over lambda_max; the gradient written down once more."""
    coef = path(s)
    eta = coef @ design.T + path.intercept(s)[:, None]
    slope = (expit(eta) if kind == "logistic" else np.exp(eta)) - response
    rise, lam = -slope @ design / len(response), (1 / s)[:, None] + decay
    off = np.where(coef != 0, abs(rise - np.sign(coef) * lam), np.maximum(abs(rise) - lam, 0))
    return off.max() / path.problem.lambda_max


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_conditions_from_the_data_alone(kind, intercept):
    path = lf.lasso_path(problem(kind, fit_intercept=intercept))
    assert path.status == "complete"
    s = np.geomspace(path.knots[0], 1e3 * path.knots[-1], 200)
    assert violation(kind, path, X, CLASSES if kind == "logistic" else COUNTS, s) <= 3e-6
    gaps = lf.duality_gap(path, s)
    assert (gaps >= -1e-11).all()  # sides are widened by rounding
    assert (gaps <= 1e-6).all()
    assert lf.certify(path).holds
    assert not path.exact


@pytest.mark.parametrize("kind", KINDS)
def test_a_finer_tolerance_is_nearer(kind):
    data = problem(kind, fit_intercept=True)
    fine = lf.lasso_path(data, rtol=1e-10)
    s = np.geomspace(fine.knots[0], 1e3 * fine.knots[-1], 100)
    for rtol in (1e-4, 1e-6, 1e-8):
        path = lf.lasso_path(data, rtol=rtol)
        np.testing.assert_allclose(path.knots, fine.knots, rtol=1e-6)
        assert abs(path(s) - fine(s)).max() <= 10 * rtol * abs(fine(s)).max()


def test_against_another_solver():
    path = lf.lasso_path(problem("logistic", fit_intercept=True))
    for lam in (0.1, 0.02, 0.005):
        peer = LogisticRegression(l1_ratio=1.0, C=1 / (60 * lam), solver="saga", tol=1e-12, max_iter=10**6)
        peer.fit(X, CLASSES)
        np.testing.assert_allclose(path.at(lam=lam), peer.coef_[0], atol=3e-6)
        np.testing.assert_allclose(path.intercept(1 / lam), peer.intercept_[0], atol=3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_the_fit_without_penalty(kind):
    data = problem(kind, fit_intercept=True)
    lasso, flow = lf.lasso_path(data), lf.limit_flow(data)
    np.testing.assert_allclose(lasso.end, flow.end, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(lasso.intercept(np.inf), flow.intercept(np.inf), rtol=1e-5)
    assert lasso.knots[0] == pytest.approx(1 / data.lambda_max, rel=1e-10)
    assert lasso.knots[0] == pytest.approx(flow.knots[0], rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes(kind):
    data, response = problem(kind, fit_intercept=True), CLASSES if kind == "logistic" else COUNTS
    decayed = lf.lasso_path(data, weight_decay=0.01)
    s = np.geomspace(decayed.knots[0], 1e2 * decayed.knots[-1], 100)
    assert violation(kind, decayed, X, response, s, 0.01) <= 3e-6
    for options in ({"positive": True}, {"penalty_factor": [0.0, 2.0] + [1.0] * 8}, {"penalty_factor": "std"}):
        path = lf.lasso_path(data, **options)
        assert lf.certify(path).holds
    factors = np.linspace(0.5, 2.0, 10)
    scaled = lf.lasso_path(problem(kind, X / factors, fit_intercept=True))
    weighted = lf.lasso_path(data, penalty_factor=factors)
    np.testing.assert_allclose(scaled.knots, weighted.knots, rtol=1e-8)
    np.testing.assert_allclose(scaled.end / factors, weighted.end, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_repeated_rows(kind):
    counts = np.random.default_rng(1).integers(1, 3, 60)
    rows = np.repeat(np.arange(60), counts)
    weighted = lf.lasso_path(problem(kind, sample_weight=counts, fit_intercept=True))
    repeated = lf.lasso_path(problem(kind, X[rows], rows, fit_intercept=True))
    np.testing.assert_allclose(weighted.knots, repeated.knots, rtol=1e-8)
    s = np.geomspace(weighted.knots[0], weighted.knots[-1], 50)
    np.testing.assert_allclose(weighted(s), repeated(s), atol=3e-6)


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 1e3, 1e150])
def test_columns_in_other_units(factor):
    path, other = (lf.lasso_path(problem("logistic", c * X, fit_intercept=True)) for c in (1.0, factor))
    np.testing.assert_allclose(other.knots * factor, path.knots, rtol=1e-8)
    np.testing.assert_allclose(other.end * factor, path.end, rtol=1e-5, atol=1e-8)


def test_budgets():
    data = problem("logistic", fit_intercept=True)
    whole = lf.lasso_path(data)
    short = lf.lasso_path(data, max_knots=3)
    assert (short.status, short.knots.size) == ("max_knots", 3)
    assert short.domain[1] == pytest.approx(whole.knots[3], rel=1e-8)
    until = lf.lasso_path(data, lambda_min=0.05)
    assert (until.status, until.domain[1]) == ("lambda_min", 20.0)
    np.testing.assert_allclose(until.end, whole.at(lam=0.05), atol=3e-6)
    seen = []
    lf.lasso_path(data, callback=seen.append)
    assert [at.knot for at in seen] == list(range(1, whole.knots.size + 1))
    with pytest.raises(ValueError, match=r"rtol must lie in"):
        lf.lasso_path(data, rtol=0.0)


def test_separable_classes_end_at_a_small_penalty():
    wide = np.random.default_rng(3).standard_normal((20, 30))
    data = lf.Logistic(wide, np.arange(20) % 2, fit_intercept=True)
    path = lf.lasso_path(data)
    assert path.status == "lambda_min"
    assert path.domain[1] == pytest.approx(1e3 / data.lambda_max)
    assert lf.certify(path).holds


def ties(seed, kind, intercept):
    """The path of a small design of ties, duplicated, opposite and zero columns; None if y is constant."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(3, 12)), int(rng.integers(1, 4))
    design = rng.integers(-1, 2, (n, d)).astype(float)
    design = np.column_stack([design, design[:, :1], -design[:, -1:], np.zeros(n)])
    response = rng.integers(0, 2, n) if kind == "logistic" else rng.integers(0, 4, n)
    if np.ptp(response) == 0:
        return None
    made = lf.Logistic if kind == "logistic" else lf.Poisson
    return lf.lasso_path(made(design, response, fit_intercept=intercept), lambda_min=1e-3)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.booleans())
def test_ties_duplicates_and_zero_columns(seed, kind, intercept):
    path = ties(seed, kind, intercept)
    if path is None:
        return
    assert lf.certify(path).holds


@pytest.mark.xfail(reason="the last event is off by 1e-4 of lambda, where columns tie")
def test_ties_that_leave_together():
    assert lf.certify(ties(768580, "logistic", False)).holds


@pytest.mark.parametrize("kind", KINDS)
def test_files_tables_and_views(kind, tmp_path):
    data = problem(kind, fit_intercept=True)
    path = lf.lasso_path(data)
    path.save(tmp_path / "path.npz")
    back = lf.load(tmp_path / "path.npz", data)
    s = np.array([0.0, *path.knots, np.inf])
    assert np.array_equal(back(s), path(s))
    assert np.array_equal(back.intercept(s), path.intercept(s))
    np.testing.assert_allclose(path.to_frame()["intercept"].to_numpy()[-1], path.intercept(np.inf))
    z, h = path.integral, 1e-5  # z' is the slope of z
    at = np.sqrt(path.knots[2] * path.knots[3])
    np.testing.assert_allclose(path.instantaneous()(at), (z(at + h) - z(at - h)) / (2 * h), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_comparison_claims_no_theorem(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lf.compare(lf.limit_flow(problem(kind, fit_intercept=True)))
    assert found.holds
    assert found["distance of averaged flow and lasso"].holds is None
    assert 0 < found["distance of averaged flow and lasso"].value < 0.5
    assert "no theorem bounds that distance" in found.summary


@pytest.mark.parametrize("kind", KINDS)
def test_columns_over_ten_decades_are_certified(kind):
    units = np.array([1e-5, 1e5, 1.0, 1e3, 1e-3, 1.0, 1.0, 1.0, 10.0, 0.1])
    path = lf.lasso_path(problem(kind, X * units, fit_intercept=True))
    assert lf.certify(path).holds
    s = np.geomspace(path.knots[0], 10 * path.knots[-1], 30)
    assert (lf.duality_gap(path, s) <= 1e-6).all()
