"""Classifiers: scikit-learn's own checks, exactness of the choice, several classes, separated classes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import lassoflow as lf

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 8))
ODDS = 1.5 * X[:, 0] - X[:, 1]
Y = np.where(RNG.random(120) < expit(ODDS), "yes", "no")
THREE = np.array(["a", "b", "c"])[np.argmax(X[:, :3] + 0.7 * RNG.standard_normal((120, 3)), axis=1)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # separated classes end a flow, which says so
@parametrize_with_checks([lf.FlowClassifier(), lf.FlowClassifierCV(cv=2)])
def test_conventions(estimator, check):
    check(estimator)


def test_coefficients_are_those_of_the_path():
    model = lf.FlowClassifier(alpha=0.03).fit(X, Y)
    path = lf.limit_flow(lf.Logistic(X, Y, fit_intercept=True))
    np.testing.assert_allclose(model.coef_[0], path.at(lam=0.03), rtol=1e-12)
    np.testing.assert_allclose(model.intercept_[0], path.intercept(1 / 0.03), rtol=1e-12)
    half = lf.FlowClassifier(alpha=0.03, blend=0.5).fit(X, Y)
    np.testing.assert_allclose(half.coef_[0], path.relaxed(0.5).at(lam=0.03), rtol=1e-12)
    odds = X @ model.coef_[0] + model.intercept_[0]
    np.testing.assert_allclose(model.decision_function(X), odds, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expit(odds), rtol=1e-12)
    assert (model.predict(X) == np.where(odds > 0, "yes", "no")).all()


def test_several_classes_are_told_one_from_the_rest():
    model = lf.FlowClassifier(alpha=0.02).fit(X, THREE)
    assert model.coef_.shape == (3, 8)
    for k, label in enumerate(["a", "b", "c"]):
        path = lf.limit_flow(lf.Logistic(X, label == THREE, fit_intercept=True))
        np.testing.assert_allclose(model.coef_[k], path.at(lam=0.02), rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, THREE) > 0.6


def test_separated_classes_end_where_they_are():
    wide = np.random.default_rng(3).standard_normal((20, 30))
    labels = np.arange(20) % 2
    with pytest.warns(RuntimeWarning, match="The path ends at s"):
        model = lf.FlowClassifier(alpha=1e-4).fit(wide, labels)
    assert np.array_equal(model.coef_[0], model.path_.end)
    assert model.path_.status == "unbounded"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lf.FlowClassifier(alpha=1e-4, weight_decay=1e-3).fit(wide, labels)


def test_the_chosen_penalty_has_the_least_loss_of_all():
    folds = StratifiedKFold(5)
    model = lf.FlowClassifierCV(cv=folds).fit(X, Y)

    def loss(lam):
        losses = []
        for train, test in folds.split(X, Y):
            path = lf.limit_flow(lf.Logistic(X[train], Y[train], fit_intercept=True), lambda_min=lam / 2)
            eta = path.predict(X[test], min(1 / lam, path.domain[1]))
            losses.append(np.logaddexp(0, np.where(Y[test] == "yes", -eta, eta)).mean())
        return np.mean(losses)

    chosen = model.selection_
    assert chosen.error == pytest.approx(loss(model.alpha_), rel=1e-9)
    grid = np.geomspace(chosen.lambda_min * 1.01, chosen.lambda_max, 60)
    assert min(loss(lam) for lam in grid) >= chosen.error * (1 - 1e-9)
    cautious = lf.FlowClassifierCV("1se", cv=folds).fit(X, Y)
    assert cautious.alpha_ >= model.alpha_


def test_weights_are_repeated_rows():
    counts = np.random.default_rng(1).integers(1, 3, 120)
    rows = np.repeat(np.arange(120), counts)
    weighted = lf.FlowClassifier(0.02).fit(X, Y, counts)
    repeated = lf.FlowClassifier(0.02).fit(X[rows], Y[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8, atol=1e-10)


def test_pipelines_frames_sparse_designs_and_copies():
    table = pd.DataFrame(X, columns=[f"c{j}" for j in range(8)])
    model = lf.FlowClassifier(0.02).fit(table, Y)
    assert model.path_.frame.feature_names == tuple(table.columns)
    sparse = lf.FlowClassifier(0.02).fit(sp.csr_array(X), Y)
    np.testing.assert_allclose(sparse.coef_, model.coef_, rtol=1e-9, atol=1e-12)
    back = pickle.loads(pickle.dumps(model))
    assert np.array_equal(back.predict(table), model.predict(table))
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(make_pipeline(StandardScaler(), lf.FlowClassifier()), {"flowclassifier__alpha": [0.02, 0.1]})
    assert search.fit(X, Y).best_score_ > 0.7


@pytest.mark.parametrize(
    ("model", "y", "sentence"),
    [
        (lf.FlowClassifier(alpha=-1.0), Y, "alpha must be a finite number >= 0"),
        (lf.FlowClassifier(blend=2.0), Y, "blend"),
        (lf.FlowClassifier(), np.full(120, "yes"), "y must have two classes or more; got 1 class"),
        (lf.FlowClassifierCV("best"), Y, "rule"),
        (lf.FlowClassifierCV(lambda_min=-1.0), Y, "lambda_min must be a finite number >= 0"),
    ],
)
def test_bad_input_is_named(model, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.fit(X, y)
