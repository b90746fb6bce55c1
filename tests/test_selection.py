"""Cross-validation on exact paths against grids, explicit fits and degenerate data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LassoCV
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, ShuffleSplit

import lassoflow as lf
from lassoflow.pieces import penalties_of

LAWS = pytest.mark.parametrize("law", ["lasso", "flow"])
WALKS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}


def data(seed, n=60, d=20, signals=3, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) + 1.0
    return X, X[:, :signals] @ rng.standard_normal(min(signals, d)) + noise * rng.standard_normal(n)


def explicit_errors(X, y, law, lam, blend, cv=5, weights=None):
    """Errors of the folds, shape (folds, m), by predictions of each fold's own path."""
    errors = []
    for train, test in KFold(cv).split(X):
        fit, held_out = (None, None) if weights is None else (weights[train], weights[test])
        problem = lf.LeastSquares(X[train], y[train], sample_weight=fit, fit_intercept=True)
        predicted = WALKS[law](problem).relaxed(blend).predict(X[test], 1.0 / np.asarray(lam))
        errors.append(np.average((predicted - y[test]) ** 2, axis=1, weights=held_out))
    return np.array(errors)


def test_the_curve_is_that_of_scikit_learn_on_ten_thousand_penalties():
    X, y = data(0, d=12)
    chosen = lf.select_by_cv(X, y, "lasso", blend=1.0)
    alphas = np.geomspace(chosen.lambda_max, chosen.lambda_min, 10_000)
    grid = LassoCV(alphas=alphas, tol=1e-12, max_iter=1_000_000).fit(X, y)
    np.testing.assert_allclose(chosen.errors(grid.alphas_, 1.0).T, grid.mse_path_, rtol=1e-8)
    assert chosen.error <= grid.mse_path_.mean(axis=1).min() * (1 + 1e-12)
    assert chosen.error == pytest.approx(grid.mse_path_.mean(axis=1).min(), rel=1e-5)


@LAWS
@pytest.mark.parametrize("blend", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_curve_is_that_of_explicit_predictions(law, blend, weighted):
    X, y = data(1, d=80)
    weights = np.random.default_rng(2).uniform(0.1, 3.0, y.size) if weighted else None
    chosen = lf.select_by_cv(X, y, law, blend=blend, sample_weight=weights)
    lam = np.geomspace(chosen.lambda_max * 1.2, chosen.lambda_min, 301)
    expected = explicit_errors(X, y, law, lam, blend, weights=weights)
    np.testing.assert_allclose(chosen.errors(lam, blend), expected, rtol=1e-8)
    np.testing.assert_allclose(chosen.curve(lam, blend), expected.mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(chosen.standard_errors(lam, blend), expected.std(axis=0, ddof=1) / np.sqrt(5), rtol=1e-6)
    assert chosen.error <= chosen.curve(lam, blend).min() * (1 + 1e-12)


@LAWS
@pytest.mark.parametrize("seed", range(6))
def test_the_joint_choice_is_the_least_of_a_fine_grid(law, seed):
    X, y = data(seed, n=40, d=(5, 60)[seed % 2], noise=(0.5, 3.0, 10.0)[seed % 3])
    chosen = lf.select_by_cv(X, y, law)
    lam, blends = np.geomspace(chosen.lambda_max, chosen.lambda_min, 800), np.linspace(0.0, 1.0, 81)
    grid = chosen.curve(lam[:, None], blends)
    assert chosen.error <= grid.min() * (1 + 1e-12)
    assert chosen.error >= grid.min() - 0.02 * abs(grid.min())
    assert chosen.error == pytest.approx(float(chosen.curve(chosen.lam, chosen.blend)), rel=1e-12)
    expected = explicit_errors(X, y, law, [chosen.lam * (1 - 1e-12)], chosen.blend).mean()
    assert chosen.error == pytest.approx(expected, rel=1e-8)
    best = chosen.curve(lam)
    assert (best <= grid.min(axis=1) * (1 + 1e-12)).all()
    np.testing.assert_allclose(best, chosen.curve(lam, chosen.best_blend(lam)), rtol=0, atol=0)


def test_the_error_of_a_choice_beside_a_jump_is_that_of_its_coefficients():
    """Between a blend that is given and a jump the least error may be at the smallest penalty before the jump."""
    knots = np.random.default_rng(0).uniform(0.0, 4.0, 20_000) ** 3
    penalties = penalties_of(knots)
    assert (1.0 / penalties >= knots).all()
    assert (1.0 / np.nextafter(penalties, np.inf) < knots).all()
    beside = 0
    for seed in range(40):
        X, y = data(seed, n=30, d=15, noise=3.0)
        chosen = lf.select_by_cv(X, y, blend=0.5)
        assert explicit_errors(X, y, "flow", [chosen.lam], 0.5).mean() == pytest.approx(chosen.error, rel=1e-8)
        beside += chosen.lam in chosen.surface.bottoms
    assert beside > 5


def test_the_joint_choice_is_never_worse_than_a_given_blend():
    for seed in range(10):
        X, y = data(seed, n=30, d=15, noise=3.0)
        joint = lf.select_by_cv(X, y).error
        assert all(joint <= lf.select_by_cv(X, y, blend=blend).error * (1 + 1e-12) for blend in (0.0, 0.4, 1.0))


def test_one_standard_error_is_never_less_regularised_than_the_minimum():
    rng = np.random.default_rng(3)
    for seed in range(500):
        X, y = data(seed, n=int(rng.integers(8, 25)), d=int(rng.integers(1, 25)), noise=float(rng.choice([0, 1, 5])))
        blend = (None, 0.0, 0.5, 1.0)[seed % 4]
        chosen = lf.select_by_cv(X, y, ("lasso", "flow")[seed // 4 % 2], blend=blend, rule="1se")
        least, larger = chosen.best, chosen.one_se
        assert (larger.lam, larger.blend) >= (least.lam, least.blend)
        level = least.error + least.standard_error
        assert larger.error <= level * (1 + 1e-9) + 1e-14 * chosen.folds[0].null
        above = np.geomspace(larger.lam * (1 + 1e-6), chosen.lambda_max * 1.001, 40)
        if larger.lam * (1 + 1e-6) < chosen.lambda_max:
            assert (chosen.curve(above, blend) > level * (1 - 1e-9)).all()


def test_of_the_blends_at_the_chosen_penalty_the_largest_within_a_standard_error_is_taken():
    found = 0
    for seed in range(40):
        X, y = data(seed, n=30, d=10)
        chosen = lf.select_by_cv(X, y, "lasso", rule="1se")
        level = chosen.best.error + chosen.best.standard_error
        more = np.linspace(chosen.blend, 1.0, 30)[1:]
        if chosen.blend < 1.0:
            found += 1
            assert (chosen.curve(chosen.lam, more) > level * (1 - 1e-9)).all()
    assert found


def test_the_paired_rule_takes_the_largest_blend_that_loses_half_a_standard_error():
    blends, taken = np.linspace(0.0, 1.0, 51), []
    for seed in range(30):
        X, y = data(seed, n=40, d=30, noise=(0.3, 6.0)[seed % 2])
        chosen = lf.select_by_cv(X, y, "lasso", rule="paired")
        at_best = chosen.errors(chosen.best.lam, chosen.best.blend)

        def margin(place, chosen=chosen, at_best=at_best):  # not negative where the loss is small enough
            loss = chosen.errors(place.lam, place.blend) - at_best
            return 0.5 * loss.std(ddof=1) / np.sqrt(5) - loss.mean()

        assert margin(chosen.choice) >= 0
        assert chosen.best.blend <= chosen.blend
        floored = [replace(chosen.surface, blends=(blend, 1.0)).least()[0] for blend in blends if blend > chosen.blend]
        if margin(replace(chosen.surface, blends=(1.0, 1.0)).least()[0]) >= 0:
            assert chosen.blend == 1.0
        else:  # just above it the loss is too large
            above = replace(chosen.surface, blends=(chosen.blend + 1e-9, 1.0)).least()[0]
            assert margin(above) < 1e-6 * chosen.error
            assert margin(floored[-1]) < 0
        taken.append((chosen.best.blend, chosen.blend))
        assert lf.select_by_cv(X, y, "lasso", blend=1.0, rule="paired").choice == (
            lf.select_by_cv(X, y, "lasso", blend=1.0).choice
        )
    assert any(blend == 1.0 > least for least, blend in taken)
    assert any(least < blend < 1.0 for least, blend in taken)


def test_of_a_single_fold_the_paired_rule_is_the_minimum():
    X, y = data(3, n=40, d=10)
    once = ShuffleSplit(1, random_state=0)
    chosen = lf.select_by_cv(X, y, rule="paired", cv=once)
    assert chosen.paired is None
    assert chosen.choice[:3] == lf.select_by_cv(X, y, cv=once).choice[:3]
    assert str(chosen).startswith("Chosen by the minimum of")
    assert lf.FlowRegressorCV(cv=once).fit(X, y).selection_.choice[:3] == chosen.choice[:3]


def test_a_range_of_its_own_and_its_end():
    X, y = data(4, noise=0.01)
    default = lf.select_by_cv(X, y, "lasso", blend=1.0)
    problem = lf.LeastSquares(X, y, fit_intercept=True)
    assert default.lambda_min == pytest.approx(1e-3 * problem.lambda_max)
    assert f"from {default.lambda_min:.6g}" in str(default)
    short = lf.select_by_cv(X, y, "lasso", blend=1.0, lambda_min=0.5)
    assert short.lam == 0.5
    assert "below it may be smaller" in str(short)
    whole = lf.select_by_cv(X, y, "lasso", blend=1.0, lambda_min=0.0)
    assert whole.error <= default.error
    with pytest.raises(ValueError, match="lam must be at least"):
        short.curve(0.4)


def test_splitters_groups_and_sparse_data():
    X, y = data(5, n=40, d=10)
    groups = np.arange(40) // 8
    by_group = lf.select_by_cv(X, y, cv=GroupKFold(5), groups=groups)
    assert by_group.error == lf.select_by_cv(X, y, cv=GroupKFold(5).split(X, y, groups)).error
    dense = lf.select_by_cv(X, y, cv=3)
    sparse = lf.select_by_cv(sp.csr_array(X), y, cv=3)
    assert sparse.lam == pytest.approx(dense.lam, rel=1e-9)
    assert sparse.error == pytest.approx(dense.error, rel=1e-9)
    single = lf.select_by_cv(X, y, cv=ShuffleSplit(1, random_state=0))
    assert single.one_se is None
    assert np.isnan(single.standard_error)
    assert "±" not in str(single)
    assert len(lf.select_by_cv(X, y, cv=LeaveOneOut()).folds) == 40


@LAWS
@pytest.mark.parametrize("blend", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_ties_free_columns_barred_signs_and_weights(law, blend, seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(6, 20)), int(rng.integers(2, 15))
    X = rng.integers(-2, 3, (n, d)).astype(float) if seed % 2 else rng.standard_normal((n, d))
    X[:, 1] = -X[:, 0]
    y, weights = rng.integers(-2, 3, n).astype(float), rng.uniform(0.2, 2.0, n)
    factor = rng.choice([0.0, 0.5, 1.0, 2.0, np.inf], (2, d))
    factor[:, (factor == 0).any(axis=0)] = 0.0
    box = {"penalty_factor": factor, "positive": seed % 3 == 0}
    chosen = lf.select_by_cv(X, y, law, blend=blend, sample_weight=weights, cv=3, lambda_min=0.0, **box)
    top = max(chosen.lambda_max, 1e-3)
    lam, blends = np.geomspace(1.1 * top, 1e-4 * top, 100), np.linspace(*chosen.blends, 9)
    expected = np.zeros((9, lam.size))
    for train, test in KFold(3).split(X):
        problem = lf.LeastSquares(X[train], y[train], weights[train], fit_intercept=True)
        path = WALKS[law](problem, **box)
        for row, share in zip(expected, blends, strict=True):
            predicted = path.relaxed(share).predict(X[test], 1.0 / lam)
            row += np.average((predicted - y[test]) ** 2, axis=1, weights=weights[test]) / 3
    scale = max(fold.null for fold in chosen.folds) + expected.max()
    np.testing.assert_allclose(chosen.curve(lam, blends[:, None]), expected, rtol=0, atol=1e-11 * scale)
    assert chosen.error <= expected.min() + 1e-12 * scale


@LAWS
@pytest.mark.parametrize("factor", [1e-90, 1e90])
def test_units(law, factor):
    X, y = data(6, n=30, d=8)
    plain = lf.select_by_cv(X, y, law)
    for one in (lf.select_by_cv(X, factor * y, law), lf.select_by_cv(factor * X, y, law)):
        assert one.lam == pytest.approx(factor * plain.lam, rel=1e-9)
        assert one.blend == pytest.approx(plain.blend, rel=1e-6, abs=1e-9)


@LAWS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_degenerate_folds(law, data):
    n, d = data.draw(st.integers(4, 8)), data.draw(st.integers(1, 3))
    entries = st.integers(-2, 2)
    X = np.array(data.draw(st.lists(st.lists(entries, min_size=d, max_size=d), min_size=n, max_size=n)), dtype=float)
    y = np.array(data.draw(st.lists(entries, min_size=n, max_size=n)), dtype=float)
    blend = data.draw(st.sampled_from([None, 0.0, 0.5, 1.0]))
    chosen = lf.select_by_cv(X, y, law, blend=blend, cv=2)
    lam = np.geomspace(max(chosen.lambda_max, 1e-3), max(chosen.lambda_min, 1e-6), 200)
    scale = max(fold.null for fold in chosen.folds)
    blends = np.linspace(*chosen.blends, 9)
    assert chosen.error <= chosen.curve(lam[:, None], blends).min() + 1e-12 * scale
    assert (chosen.one_se.lam, chosen.one_se.blend) >= (chosen.best.lam, chosen.best.blend)
    assert chosen.lambda_min <= chosen.lam <= chosen.lambda_max


@LAWS
@pytest.mark.parametrize("blend", [None, 0.0, 1.0])
def test_ties_go_to_the_most_regularised(law, blend):
    X, _ = data(7, n=20, d=4)
    nothing = lf.select_by_cv(X, np.zeros(20), law, blend=blend)
    assert nothing.lam == nothing.lambda_max == nothing.error == 0.0
    assert nothing.blend == (1.0 if blend is None else blend)


def test_of_an_interval_of_minimisers_the_largest_penalty_is_taken():
    X = np.vstack([np.random.default_rng(8).standard_normal((20, 4))] * 2)
    exact = lf.select_by_cv(X, X @ [1.0, 0.0, 0.0, -2.0], blend=0.0, cv=2)
    assert exact.error < 1e-20
    assert (exact.curve(np.geomspace(exact.lam * (1 + 1e-9), exact.lambda_max, 50), 0.0) > 1e-20).all()
    assert (exact.curve(np.geomspace(exact.lam, exact.lambda_min, 50), 0.0) < 1e-20).all()


def test_what_makes_no_sense_is_refused():
    X, y = data(9, n=20, d=3)
    for arguments, message in [
        ({"rule": "2se"}, "rule must be"),
        ({"blend": 1.5}, "blend must lie"),
        ({"blend": "a"}, "blend must be"),
        ({"law": "ridge"}, "law must be"),
        ({"lambda_min": 1e9}, "lambda_min must be below"),
        ({"lambda_min": -1.0}, "lambda_min must be"),
        ({"rule": "1se", "cv": ShuffleSplit(1, random_state=0)}, "single fold"),
        ({"cv": 2, "sample_weight": np.repeat([0.0, 1.0], 10)}, "cv: fold 1 has no rows of positive weight to hold"),
    ]:
        with pytest.raises(ValueError, match=message):
            lf.select_by_cv(X, y, **arguments)


def test_only_exact_paths_have_an_exact_error():
    X, y = data(10, n=20, d=3)
    from lassoflow.pieces import Pieces

    flow = lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(depth=2, scale=1e-6))
    with pytest.raises(ValueError, match="path must be exact"):
        Pieces.of(flow, X, y)


def test_progress_is_told(capsys):
    X, y = data(11, n=20, d=3)
    lf.select_by_cv(X, y, cv=2, verbose=1)
    assert capsys.readouterr().out.splitlines() == ["fold 1 of 2: 3 knots", "fold 2 of 2: 3 knots"]
