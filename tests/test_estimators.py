"""Estimators: scikit-learn's own checks, its tools around them, and what they must agree with."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import lassoflow as lf

EVERY = [
    lf.FlowRegressor(alpha=0.1),
    lf.FlowRegressor(alpha=0.1, blend=0.5),
    lf.FlowRegressor(alpha=0.1, depth=3, scale=1e-6),
    lf.FlowRegressor(alpha=0.1, loss="huber", delta=2.0),
    lf.FlowRegressorCV(),
    lf.FlowRegressorCV(rule="1se", blend=0.0),
    lf.FlowRegressorCV(rule="min"),
    lf.FlowRegressorIC(),
    lf.FlowRegressorIC("aic", n_bootstrap=5, random_state=0),
    lf.ExactLasso(alpha=0.1),
    lf.ExactLassoCV(),
    lf.ExactLassoIC(),
    lf.ExactLassoIC("gcv", blend=0, n_bootstrap=5, random_state=0),
]
ONE_EACH = pytest.mark.parametrize("model", EVERY, ids=repr)
EXACT = pytest.mark.parametrize("model", [one for one in EVERY if getattr(one, "depth", None) is None], ids=repr)


# The bootstrap draws a number a row, so repeating rows is not quite the same as weighting them there.
@parametrize_with_checks(
    # not loss="poisson": the check of several responses has negative ones
    [lf.FlowRegressor(), lf.ExactLasso(), *(one for one in EVERY if getattr(one, "n_bootstrap", 50) == 50)]
)
def test_scikit_learn(estimator, check):
    check(estimator)


def data(seed=0, n=50, d=12, outputs=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.geomspace(0.5, 2.0, d) + 1.0
    coef = np.zeros((outputs or 1, d))
    coef[:, :3] = rng.standard_normal((outputs or 1, 3)) + 2.0
    Y = X @ coef.T + 0.5 * rng.standard_normal((n, outputs or 1)) + 3.0
    return X, Y if outputs else Y[:, 0]


def test_the_lasso_is_that_of_scikit_learn():
    X, y = data()
    weights = np.random.default_rng(1).uniform(0.0, 2.0, y.size)
    for arguments in ({}, {"fit_intercept": False}, {"positive": True}):
        ours = lf.ExactLasso(alpha=0.2, **arguments).fit(X, y, weights)
        theirs = Lasso(alpha=0.2, tol=1e-14, max_iter=100_000, **arguments).fit(X, y, weights)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-8)
        assert ours.alpha == 0.2
        assert ours.path_.domain[1] >= 5.0


def test_blends_of_the_lasso_lead_to_its_refit():
    X, y = data()
    lasso, half, refit = (lf.ExactLasso(alpha=0.3, blend=blend).fit(X, y) for blend in (1.0, 0.5, 0.0))
    support = lasso.coef_ != 0
    np.testing.assert_allclose(refit.coef_[support], LinearRegression().fit(X[:, support], y).coef_, rtol=1e-9)
    np.testing.assert_allclose(half.coef_, (lasso.coef_ + refit.coef_) / 2, rtol=1e-12)


def test_a_penalty_of_zero_is_least_squares():
    X, y = data()
    expected = LinearRegression().fit(X, y)
    for model in (lf.FlowRegressor(alpha=0.0), lf.ExactLasso(alpha=0), lf.FlowRegressor(alpha=0, depth=3, scale=1e-6)):
        np.testing.assert_allclose(model.fit(X, y).coef_, expected.coef_, rtol=1e-5)
        assert model.intercept_ == pytest.approx(expected.intercept_, rel=1e-5)
        assert model.path_.domain[1] == np.inf


def test_a_finite_network_comes_near_the_limit_flow():
    X, y = data()
    limit = lf.FlowRegressor(alpha=0.1).fit(X, y)
    network = lf.FlowRegressor(alpha=0.1, depth=3, scale=1e-30).fit(X, y)
    np.testing.assert_allclose(network.coef_, limit.coef_, atol=1e-6)
    assert network.path_.law == "network"


def test_a_jump_at_alpha_has_happened():
    X, y = data()
    chosen = lf.FlowRegressorIC().fit(X, y)
    np.testing.assert_array_equal(lf.FlowRegressor(alpha=chosen.alpha_).fit(X, y).coef_, chosen.coef_)


@ONE_EACH
def test_the_path_leads_to_the_coefficients_and_holds_no_data(model):
    X, y = data()
    model = clone(model).fit(pd.DataFrame(X, columns=list("abcdefghijkl")), y)
    s = model.selection_.s if hasattr(model, "selection_") else 1.0 / model.alpha
    np.testing.assert_array_equal(model.path_(s), model.coef_)
    np.testing.assert_allclose(1.0 / getattr(model, "alpha_", 0.1), s, rtol=1e-15)
    assert model.path_.problem is None
    assert model.path_.frame.feature_names == tuple("abcdefghijkl")
    assert model.n_iter_ > 0


@ONE_EACH
def test_pickle_joblib_and_clone(model, tmp_path):
    X, y = data()
    model = clone(model).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        np.testing.assert_array_equal(copy.path_(0.5), model.path_(0.5))
    assert not hasattr(clone(model), "coef_")
    assert clone(model).get_params() == model.get_params()


@EXACT
def test_repeated_rows_are_weights(model):
    X, y = data(n=40)
    weights = np.random.default_rng(3).integers(0, 4, 40)
    model, folds, repeated = clone(model), None, np.repeat(np.arange(40), weights)
    if "n_bootstrap" in model.get_params() and model.criterion not in ("ebic", "bic"):
        pytest.skip("the bootstrap draws a number a row")
    if "cv" in model.get_params():
        folds = np.arange(40) // 8
        model.set_params(cv=[(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(5)])
    weighted = clone(model).fit(X, y, weights)
    if folds is not None:
        labels = folds[repeated]
        model.set_params(cv=[(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(5)])
    rows = model.fit(X[repeated], y[repeated])
    np.testing.assert_allclose(weighted.coef_, rows.coef_, rtol=0, atol=1e-10 * np.abs(rows.coef_).max())
    assert weighted.intercept_ == pytest.approx(rows.intercept_, rel=1e-10)


@ONE_EACH
def test_sparse_data(model):
    X, y = data(seed=3)
    X[np.abs(X - 1.0) < 0.5] = 0.0
    dense = clone(model).fit(X, y)
    for kind in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        sparse = clone(model).fit(kind(X), y)
        np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-6 if "depth=3" in repr(model) else 1e-9)
        np.testing.assert_allclose(sparse.predict(kind(X)), dense.predict(X), rtol=1e-4)


@ONE_EACH
def test_several_responses_have_independent_paths(model):
    X, Y = data(outputs=3)
    if "bootstrap=5" in repr(model):
        pytest.skip("the draws of the bootstrap go on from response to response")
    together = clone(model).fit(X, Y)
    assert together.coef_.shape == (3, 12)
    assert together.intercept_.shape == (3,)
    assert together.predict(X).shape == (50, 3)
    for j, path in enumerate(together.path_):
        alone = clone(model).fit(X, Y[:, j])
        np.testing.assert_allclose(together.coef_[j], alone.coef_, rtol=1e-9, atol=1e-12)
        assert together.intercept_[j] == pytest.approx(alone.intercept_, rel=1e-9)
        assert path.knots.size == alone.path_.knots.size
        if hasattr(alone, "alpha_"):
            assert together.alpha_[j] == pytest.approx(alone.alpha_, rel=1e-9)
    assert clone(model).fit(X, Y[:, :1]).predict(X).shape == (50, 1)


@EXACT
def test_signs_and_penalty_factors(model):
    X, y = data(seed=5)
    positive = clone(model).set_params(positive=True).fit(X, y - 4.0 * X[:, 5])
    assert (positive.coef_ >= 0).all()
    assert positive.coef_[5] == 0
    free = np.ones(12)
    free[7] = 0.0
    assert clone(model).set_params(penalty_factor=free).fit(X, y).coef_[7] != 0
    if not hasattr(model, "cv"):  # folds are standardised each for itself
        scaler = StandardScaler().fit(X)
        scaled = clone(model).fit(scaler.transform(X), y)
        original = clone(model).set_params(penalty_factor="std").fit(X, y)
        np.testing.assert_allclose(original.coef_, scaled.coef_ / scaler.scale_, rtol=1e-7, atol=1e-10)


def test_frames():
    X, y = data()
    names = [f"column {j}" for j in range(12)]
    expected = lf.FlowRegressor(alpha=0.1).fit(X, y).coef_
    for frame in (pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)):
        model = lf.FlowRegressor(alpha=0.1).fit(frame, y)
        assert list(model.feature_names_in_) == names
        np.testing.assert_allclose(model.coef_, expected, rtol=1e-12)
        np.testing.assert_allclose(model.predict(frame), X @ expected + model.intercept_)
        np.testing.assert_allclose(model.path_.predict(frame, 10.0), model.predict(frame))
        with pytest.raises(ValueError, match="feature names"):
            model.predict(frame.rename({"column 1": "other"}) if hasattr(frame, "schema") else frame[names[::-1]])


def test_pipelines_grids_and_selectors():
    X, y = data()
    names = [f"c{j}" for j in range(12)]
    frame = pd.DataFrame(X, columns=names)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), lf.FlowRegressorCV())
    pipeline.fit(frame, y)
    assert pipeline.score(frame, y) > 0.8
    assert list(pipeline[-1].feature_names_in_) == names

    search = GridSearchCV(lf.FlowRegressor(), {"alpha": [3.0, 0.3, 0.03], "blend": [0.0, 1.0]}).fit(X, y)
    assert search.best_score_ == pytest.approx(cross_val_score(search.best_estimator_, X, y).mean())

    for model in (lf.FlowRegressorIC(), lf.ExactLassoIC(blend=0)):
        kept = SelectFromModel(model, threshold=1e-12).set_output(transform="pandas").fit(frame, y)
        assert {"c0", "c1", "c2"} <= set(kept.transform(frame).columns)
        assert kept.transform(frame).shape[1] < 12


def test_cross_validation_keeps_what_scikit_learn_does():
    X, y = data()
    model = lf.ExactLassoCV(cv=4).fit(X, y)
    assert model.mse_path_.shape == (model.alphas_.size, 4)
    assert (np.diff(model.alphas_) < 0).all()
    assert model.selection_.error <= model.mse_path_.mean(axis=1).min() * (1 + 1e-12)
    assert (model.alpha_, model.blend_) == (model.selection_.lam, model.selection_.blend)
    one_se = lf.ExactLassoCV(cv=4, rule="1se").fit(X, y)
    assert one_se.alpha_ == model.selection_.one_se.lam > model.alpha_
    assert one_se.path_.domain[1] * model.alpha_ >= 1.0


def test_jobs_do_not_matter():
    X, y = data()
    alone = lf.FlowRegressorCV().fit(X, y)
    with joblib.parallel_config("threading"):  # processes take seconds to start
        shared = lf.FlowRegressorCV(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(alone.coef_, shared.coef_)


def test_metadata_routing():
    X, y = data()
    groups = np.arange(50) // 10
    with sklearn.config_context(enable_metadata_routing=True):
        model = lf.FlowRegressorCV(cv=GroupKFold(5)).set_fit_request(sample_weight=True)
        routed = model.fit(X, y, sample_weight=np.ones(50), groups=groups)
        assert model.get_metadata_routing().consumes("fit", ["groups", "sample_weight"]) == {"groups", "sample_weight"}
    split = lf.FlowRegressorCV(cv=GroupKFold(5).split(X, y, groups)).fit(X, y)
    np.testing.assert_array_equal(routed.coef_, split.coef_)
    with pytest.raises(ValueError, match="groups"):
        lf.FlowRegressorCV(cv=GroupKFold(5)).fit(X, y, groups=groups)


def test_progress_is_told(capsys):
    X, y = data()
    lf.FlowRegressorCV(cv=KFold(2), verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "knots" in lines[0]
    assert "<Path of the limit flow" in lines[2]


def test_only_what_is_needed_is_walked():
    X, y = data(n=100, d=200)
    short, long = lf.FlowRegressor(alpha=1.0).fit(X, y), lf.FlowRegressor(alpha=1.0, lambda_min=0.1).fit(X, y)
    assert short.n_iter_ < long.n_iter_ == long.path_.knots.size
    assert long.path_.domain[1] == pytest.approx(10.0)
    np.testing.assert_array_equal(short.coef_, long.coef_)
    chosen = lf.ExactLassoCV().fit(X, y)
    assert chosen.path_.domain[1] == pytest.approx(1 / chosen.alpha_)


def test_what_makes_no_sense_is_refused():
    X, y = data()
    for model, message in [
        (lf.FlowRegressor(alpha=-1.0), "alpha must be"),
        (lf.ExactLasso(alpha=np.nan), "alpha must be"),
        (lf.FlowRegressor(blend=2.0), "blend must lie"),
        (lf.ExactLasso(blend=None), "blend must be"),
        (lf.ExactLasso(alpha=0.1, lambda_min=1.0), "lambda_min must be at most alpha"),
        (lf.FlowRegressor(depth=3), "depth and scale belong"),
        (lf.FlowRegressor(depth=2, scale=1e-6, positive=True), "positive and penalty_factor"),
        (lf.FlowRegressor(depth=2, scale=2.0), "scale must be below 1"),
        (lf.FlowRegressorCV(rule="best"), "rule must be"),
        (lf.ExactLassoIC(blend=0.5), "blend must be 1"),
        (lf.ExactLassoIC(blend=None), "blend must be 1"),
        (lf.FlowRegressorIC(criterion="r2"), "criterion must be"),
        (lf.ExactLasso(fit_intercept="yes"), "fit_intercept must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)
    for weights, message in [(-np.ones(50), "must not be negative"), (np.zeros(50), "zero throughout")]:
        with pytest.raises(ValueError, match=message):
            lf.ExactLasso().fit(X, y, weights)


def test_estimators_are_imported_when_asked_for():
    import subprocess
    import sys

    code = "import sys, lassoflow; assert 'sklearn' not in sys.modules; lassoflow.FlowRegressor; lassoflow.nothing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "has no attribute 'nothing'" in run.stderr
    assert "FlowRegressorCV" in lf.__all__


@pytest.mark.parametrize("outputs", [None, 2])
def test_other_losses_are_limit_flows(outputs):
    X, Y = data(outputs=outputs)
    counts = np.round(np.exp((Y - Y.mean()) / Y.std()))
    for loss, response, make in (
        ("poisson", counts, lf.Poisson), ("huber", Y, lambda *a, **k: lf.Huber(*a, delta=0.5, **k)),
    ):  # fmt: skip
        model = lf.FlowRegressor(0.05, loss=loss, delta=0.5).fit(X, response)
        for k, column in enumerate(response.reshape(50, -1).T):
            path = lf.limit_flow(make(X, column, fit_intercept=True))
            coef, at = model.coef_.reshape(-1, 12)[k], np.ravel(model.intercept_)[k]
            np.testing.assert_allclose(coef, path.at(lam=0.05), rtol=1e-10)
            linear = X @ coef + at
            predicted = model.predict(X).reshape(50, -1)[:, k]
            np.testing.assert_allclose(predicted, np.exp(linear) if loss == "poisson" else linear, rtol=1e-10)


def test_other_losses_have_no_networks():
    X, y = data()
    with pytest.raises(ValueError, match="depth and scale are for the squared loss"):
        lf.FlowRegressor(loss="huber", depth=3, scale=1e-6).fit(X, y)
    with pytest.raises(ValueError, match='loss must be "squares"'):
        lf.FlowRegressor(loss="gamma").fit(X, y)
