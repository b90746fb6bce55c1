"""The selection study: its design, its metrics against simulated data, its choices against grids and all subsets."""

import sys
from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import toeplitz

import lassoflow as lf
from lassoflow.figures import selection_study, validated
from lassoflow.figures.selection_study import all_cells, compared, metrics_table, study
from lassoflow.figures.simulation import SETTINGS, SNRS, Cell, Setting, draw, judge
from lassoflow.figures.validated import PATHS, best_subsets, forward_stepwise, methods, tune

TINY = Setting("tiny", 30, 8, 3)


def rng(seed=0):
    return np.random.default_rng(seed)


def residual(data, support):
    fit = np.linalg.lstsq(data.X[:, support], data.y)[0]
    return np.sum((data.y - data.X[:, support] @ fit) ** 2)


# -- the design -------------------------------------------------------------------------------------------------------


def test_the_design_is_the_published_one():
    cells = list(all_cells())
    assert len(cells) == 4 * 4 * 3 * 10
    assert [tuple(one[1:]) for one in SETTINGS] == [(100, 10, 5), (500, 100, 5), (50, 1000, 5), (100, 1000, 10)]
    np.testing.assert_allclose(np.diff(np.log(SNRS)), np.log(120) / 9, rtol=1e-12)
    low = SETTINGS[0]
    np.testing.assert_array_equal(np.flatnonzero(Cell(low, 1, 0, 1).coef), [0, 2, 4, 7, 9])
    np.testing.assert_array_equal(Cell(low, 2, 0, 1).coef, [1] * 5 + [0] * 5)
    np.testing.assert_allclose(Cell(low, 3, 0, 1).coef, [10, 7.625, 5.25, 2.875, 0.5] + [0] * 5)
    np.testing.assert_allclose(Cell(low, 5, 0, 1).coef, [1] * 5 + [2.0**-k for k in range(1, 6)])


@pytest.mark.parametrize("rho", [0.0, 0.35, 0.7])
def test_covariance_and_signal_to_noise_ratio(rho):
    cell = Cell(Setting("long", 100_000, 5, 2), 3, rho, 2.0)
    covariance, truth = toeplitz(rho ** np.arange(5)), cell.coef
    for coef in rng().standard_normal((5, 5)):
        assert cell.variance(coef) == pytest.approx(coef @ covariance @ coef, rel=1e-12)
    assert truth @ covariance @ truth / cell.noise_variance == pytest.approx(2.0)
    data = draw(cell, rng())
    np.testing.assert_allclose(np.cov(data.X.T), covariance, atol=0.02)
    np.testing.assert_allclose(np.cov(data.X_val.T), covariance, atol=0.02)
    assert np.var(data.y - data.X @ truth) == pytest.approx(cell.noise_variance, rel=0.02)
    assert np.var(data.y) == pytest.approx(1.5 * cell.variance(truth), rel=0.02)


# -- the metrics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta_type", [1, 2, 3, 5])
def test_the_truth_and_no_estimate_at_all(beta_type):
    cell = Cell(TINY, beta_type, 0.7, 4.0)
    truth, null = judge(cell, cell.coef), judge(cell, np.zeros(8))
    assert truth[:3] == pytest.approx((0.0, 1.0, 0.8), abs=1e-15)
    assert truth.f_score == 1.0
    assert null == pytest.approx((1.0, 5.0, 0.0, 0.0, 0.0))


def test_metrics_are_those_of_new_data():
    cell = Cell(Setting("new", 200_000, 8, 3), 2, 0.5, 1.5)
    coef = np.array([0.5, 0.0, 1.5, 0.3, 0.0, 0.0, 0.0, -0.2])
    new, found = draw(cell, rng()), judge(cell, coef)
    error = np.mean((new.y - new.X @ coef) ** 2)
    assert found.relative_test_error == pytest.approx(error / cell.noise_variance, rel=0.02)
    assert found.variance_explained == pytest.approx(1 - error / np.mean(new.y**2), abs=0.02)
    risk = np.mean((new.X @ (coef - cell.coef)) ** 2) / np.mean((new.X @ cell.coef) ** 2)
    assert found.relative_risk == pytest.approx(risk, rel=0.02)
    assert found.nonzeros == 4
    assert found.f_score == pytest.approx(2 / (1 / (2 / 4) + 1 / (2 / 3)))  # of precision 2/4 and recall 2/3


# -- the methods ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_no_grid_has_a_smaller_validation_error(seed):
    cell = Cell(Setting("some", 30, (8, 60)[seed % 2], 3), (1, 2, 3, 5)[seed % 4], 0.5, (0.3, 5.0)[seed // 4])
    data = draw(cell, rng(seed))
    walks = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
    for coef, (law, blends, rule) in zip(tune(data, tuple(PATHS)), PATHS.values(), strict=True):
        if rule != "min":
            continue
        problem = lf.LeastSquares(data.X, data.y)
        path = walks[law](problem)
        s = np.geomspace(0.99, 990, 600) / problem.lambda_max
        grid = [path.relaxed(blend)(s) for blend in np.linspace(*blends, 41 if blends[0] < blends[1] else 1)]
        errors = np.sum((data.y_val - np.concatenate(grid) @ data.X_val.T) ** 2, axis=1)
        chosen = np.sum((data.y_val - data.X_val @ coef) ** 2)
        assert chosen <= errors.min() * (1 + 1e-12)
        assert chosen >= errors.min() * 0.97


def test_the_paired_blend_shrinks_at_least_as_much_and_loses_little():
    names, more = ("blend", "paired blend"), 0
    for seed in range(20):
        data = draw(Cell(Setting("some", 40, 30, 3), 2, 0.35, 0.5), rng(seed))
        least, paired = ((data.y_val - data.X_val @ coef) ** 2 for coef in tune(data, names))
        loss = np.array([part.mean() for part in np.split(paired - least, 10)])
        assert 0 <= loss.mean() + 1e-12 <= loss.std(ddof=1) / np.sqrt(10) + 1e-9
        more += loss.mean() > 1e-9
    assert more


def test_forward_stepwise_adds_what_helps_most():
    pytest.importorskip("fastcan")
    for seed in range(5):
        data, support = draw(Cell(TINY, 2, 0.7, 1.0), rng(seed)), []
        for found in forward_stepwise(data.X, data.y):
            rest = [j for j in range(8) if j not in support]
            support.append(min(rest, key=lambda j: residual(data, [*support, j])))
            assert sorted(support) == found.tolist()


def test_best_subsets_are_no_worse_than_stepwise_and_mostly_the_best():
    pytest.importorskip("abess")
    pytest.importorskip("fastcan")
    misses = []
    for seed in range(10):
        data = draw(Cell(TINY, 2, 0.7, 1.0), rng(seed))
        pairs = zip(best_subsets(data.X, data.y), forward_stepwise(data.X, data.y), strict=True)
        for k, (subset, stepwise) in enumerate(pairs, 1):
            assert subset.size == k
            assert residual(data, subset) <= residual(data, stepwise) * (1 + 1e-9)
            least = min(residual(data, list(one)) for one in combinations(range(8), k))
            misses.append(residual(data, subset) > least * (1 + 1e-9))
    assert np.mean(misses) < 0.2


def test_methods_without_their_packages_are_left_out(monkeypatch):
    monkeypatch.setattr(validated, "find_spec", lambda name: None if name == "abess" else sys)
    assert methods() == (*PATHS, "forward stepwise")
    monkeypatch.setattr(validated, "find_spec", lambda name: None)
    monkeypatch.setattr(selection_study, "_few", lambda: [Cell(TINY, 2, 0.35, snr) for snr in (0.5, 2.0)])
    made = selection_study.run(quick=True, seed=0)
    assert "Left out: best subset and forward stepwise, which need pip install 'lassoflow[study]'." in made.sentence
    assert set(made.data["metrics"]["method"]) == set(PATHS)


# -- the study --------------------------------------------------------------------------------------------------------


def test_seeds_and_tables():
    cells, shares = [Cell(TINY, 2, 0.35, snr) for snr in (0.5, 2.0)], []
    results = study(cells, 3, seed=0, report=shares.append)
    assert shares == [0.5, 1.0]
    assert results.values.shape == (2, 3, len(methods()), 5)
    np.testing.assert_array_equal(study(cells, 3, seed=0).values, results.values)
    np.testing.assert_array_equal(study(cells[1:], 3, seed=0).values, results.values[1:])  # cells have their own seeds
    assert (study(cells, 3, seed=1).values != results.values).any()
    table = metrics_table(results)
    row = (table["method"] == "blend") & (table["snr"] == 2.0)
    risk = results.risk("blend")[1]
    assert table["relative_risk"][row] == pytest.approx(risk.mean())
    assert table["relative_risk_error"][row] == pytest.approx(risk.std(ddof=1) / np.sqrt(3))


def test_differences_are_paired():
    cells = [Cell(TINY, 2, 0.35, snr) for snr in (0.1, 3.0)]
    results = study(cells, 4, seed=0)
    gap = results.risk("blend") - results.risk("lasso")
    mean, error = results.differences("blend", "lasso")
    np.testing.assert_allclose(mean, gap.mean(axis=1))
    np.testing.assert_allclose(error, gap.std(axis=1, ddof=1) / 2)
    numbers = compared(results, "blend", "lasso")
    assert numbers["blend_minus_lasso"] == pytest.approx(gap.mean())
    assert numbers["blend_minus_lasso_above"] == (mean > 2 * error).sum()
    assert numbers["blend_minus_lasso_above_high_snr"] == (mean[1:] > 2 * error[1:]).sum()
