"""Information criteria, noise variances and degrees of freedom against formulas, scikit-learn and known values."""

from __future__ import annotations

from math import comb, log, pi

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LassoLarsIC

import lassoflow as lf


def wide(seed, n=60, d=120, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [2.0, -2.0, 1.5] + noise * rng.standard_normal(n)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_values_are_those_of_scikit_learn_at_its_knots(criterion):
    X, y = load_diabetes(return_X_y=True)
    theirs = LassoLarsIC(criterion).fit(X, y)
    ours = lf.select_by_criterion(lf.lasso_path(lf.LeastSquares(X, y, fit_intercept=True)), criterion)
    assert ours.noise.value == pytest.approx(theirs.noise_variance_, rel=1e-10)
    assert ours.lam == pytest.approx(theirs.alpha_, rel=1e-9)
    np.testing.assert_allclose(np.sort(ours.values[1:]), np.sort(theirs.criterion_), rtol=1e-10)


@pytest.mark.parametrize("path", ["flow", "refit", "lasso"])
@pytest.mark.parametrize("criterion", ["ebic", "bic", "aic", "aicc", "cp", "gcv"])
def test_values_follow_their_formulas(path, criterion):
    X, y = wide(0)
    problem = lf.LeastSquares(X, y, fit_intercept=True)
    walk = lf.limit_flow if path == "flow" else lf.lasso_path
    path = walk(problem, lambda_min=0.05).relaxed(float(path == "lasso"))
    chosen = lf.select_by_criterion(path, criterion, ebic_gamma=0.5, noise_variance=1.3, n_bootstrap=5, random_state=0)
    coef = path(chosen.s)
    rss, n, k = float(((y - y.mean() - (X - X.mean(axis=0)) @ coef) ** 2).sum()), 60, int((coef != 0).sum())
    assert chosen.dimension == k
    df = k if chosen.degrees_of_freedom is None else chosen.degrees_of_freedom[chosen.chosen]
    if path.blend == 1.0:
        assert df == k
    likelihood, p, q = n * log(2 * pi * 1.3) + rss / 1.3, df + 1, df + 2
    expected = {
        "bic": likelihood + k * log(n),
        "ebic": likelihood + k * log(n) + log(comb(120, k)),
        "aic": likelihood + 2 * df,
        "aicc": n * log(rss / n) + 2 * q + 2 * q * (q + 1) / (n - q - 1),
        "cp": rss / n + 2 * 1.3 * df / n,
        "gcv": (rss / n) / (1 - p / n) ** 2,
    }
    assert chosen.value == pytest.approx(expected[criterion], rel=1e-10)
    assert chosen.value == chosen.values.min()
    assert f"along {path.name}" in str(chosen)
    assert ("by the bootstrap" in str(chosen)) == (criterion not in ("ebic", "bic") and path.blend == 0.0)


@pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])
def test_unpenalised_columns_are_there_from_the_start(walk):
    X, y = wide(1, n=40, d=6)
    factor = np.r_[0.0, np.ones(5)]
    chosen = lf.select_by_criterion(walk(lf.LeastSquares(X, y), penalty_factor=factor), "bic", noise_variance=1e9)
    assert (chosen.chosen, chosen.dimension) == (0, 1)
    left = y - X[:, 0] * (X[:, 0] @ y) / (X[:, 0] @ X[:, 0])
    assert chosen.value == pytest.approx(40 * log(2 * pi * 1e9) + left @ left / 1e9 + log(40), rel=1e-12)
    np.testing.assert_allclose(chosen.fits.mean_squares[0], left @ left / 40, rtol=1e-10)


def test_between_knots_nothing_is_better():
    X, y = wide(1)
    problem = lf.LeastSquares(X, y)
    lasso = lf.lasso_path(problem, lambda_min=0.05)
    chosen = lf.select_by_criterion(lasso, "bic", noise_variance=1.0)
    s = 1.0 / np.geomspace(chosen.lambda_max, chosen.lambda_min * (1 + 1e-12), 3000)
    values = 60 * log(2 * pi) + 120 * problem.loss(lasso(s)) + log(60) * lasso.dimension(s)
    assert chosen.value <= values.min() * (1 + 1e-12)


def test_residuals_that_rise_again_with_weight_decay_and_unequal_factors():
    """The mean square is 1.281 at the knot before, 0.623 at 7/13, and 0.999 at the end of the path."""
    X, y = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([5.0, 1.0])
    path = lf.lasso_path(lf.LeastSquares(X, y), [0.1, 1.0], weight_decay=0.5, lambda_min=1e-3)
    chosen = lf.select_by_criterion(path, "bic", noise_variance=0.01)
    assert chosen.lam == pytest.approx(7 / 13, rel=1e-12)
    assert chosen.s == pytest.approx(13 / 7, rel=1e-12)
    assert chosen.fits.mean_squares[chosen.chosen] == pytest.approx(np.mean((y - X @ path(chosen.s)) ** 2), rel=1e-12)


def test_the_extended_bic_may_choose_just_before_a_return():
    """All three of three columns cost less than two of them: there is one choice only."""
    X, y = np.array([[2.0, 3.0, 1.0], [0.0, 1.0, 0.0], [-1.0, -3.0, 0.0]]), np.array([5.0, 1.0, -1.0])
    path = lf.lasso_path(lf.LeastSquares(X, y), positive=True)
    chosen = lf.select_by_criterion(path, "ebic", noise_variance=0.81)
    assert path(6.0)[0] == 0.0 or np.count_nonzero(path(6.0)) == 2
    assert (chosen.dimension, np.count_nonzero(path(5.9))) == (3, 3)
    assert chosen.lam == pytest.approx(1 / 6, rel=1e-12)
    rss = np.sum((y - X @ path(6.0)) ** 2)
    assert chosen.value == pytest.approx(3 * log(2 * pi * 0.81) + rss / 0.81 + 3 * log(3), rel=1e-12)


def test_the_extended_bic_of_many_times():
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n, d = rng.integers(3, 6), rng.integers(3, 5)
        X, y = rng.integers(-3, 4, (n, d)).astype(float), rng.integers(-5, 6, n).astype(float)
        path = lf.lasso_path(lf.LeastSquares(X, y), positive=True)
        if path.knots.size:
            chosen = lf.select_by_criterion(path, "ebic", noise_variance=0.81)
            s = np.concatenate([path.knots, path.knots * (1 - 1e-9), path.knots * 1.1, path.knots[-1:] * 1e9])
            rss, k = np.sum((y - path(s) @ X.T) ** 2, axis=1), path.dimension(s)
            choices = np.log([comb(d, each) for each in k])
            values = n * log(2 * pi * 0.81) + rss / 0.81 + log(n) * k + 2 * choices
            assert chosen.value <= values.min() + 1e-7 * abs(values.min())


@pytest.mark.parametrize("decay", [0.05, 0.2])
def test_no_penalty_of_a_fine_grid_is_better(decay):
    turned = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n, d = rng.integers(3, 12), rng.integers(2, 6)
        X, y = rng.standard_normal((n, d)) @ (np.eye(d) + rng.random((d, d))), 3.0 * rng.standard_normal(n)
        problem = lf.LeastSquares(X, y)
        path = lf.lasso_path(problem, rng.choice([0.1, 1.0, 3.0], d), weight_decay=decay, lambda_min=1e-3)
        if path.knots.size:
            chosen = lf.select_by_criterion(path, "cp", noise_variance=0.3)
            s = 1.0 / np.geomspace(chosen.lambda_max, chosen.lambda_min * (1 + 1e-12), 1000)
            values = 2.0 * problem.loss(path(s)) + 0.6 * path.dimension(s) / n
            assert chosen.value <= values.min() * (1 + 1e-12)
            turned += chosen.fits.penalties.size > path.knots.size + 2
    assert turned


@pytest.mark.parametrize("view", ["lasso", "refit", "flow"])
@pytest.mark.parametrize("seed", range(20))
def test_ties_free_columns_barred_signs_and_weights(view, seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(5, 20)), int(rng.integers(2, 15))
    X = rng.integers(-2, 3, (n, d)).astype(float) if seed % 2 else rng.standard_normal((n, d))
    X[:, 1] = -X[:, 0]
    y, weights = rng.integers(-2, 3, n).astype(float), rng.uniform(0.2, 2.0, n)
    factor = rng.choice([0.0, 0.5, 1.0, 2.0, np.inf], (2, d))
    factor[:, (factor == 0).any(axis=0)] = 0.0
    problem = lf.LeastSquares(X, y, weights, fit_intercept=seed % 3 > 0)
    path = (lf.limit_flow if view == "flow" else lf.lasso_path)(problem, factor).relaxed(float(view == "lasso"))
    chosen = lf.select_by_criterion(path, "bic", noise_variance=0.5)

    def values(s):
        return n * log(pi) + 4 * n * problem.loss(path(s)) + log(n) * path.dimension(s)

    assert chosen.value == pytest.approx(float(values(chosen.s)), rel=1e-9)
    top = max(chosen.lambda_max, 1e-3)
    s = np.concatenate([1 / np.geomspace(1.1 * top, 1e-5 * top, 500), path.knots, path.knots * (1 - 1e-12)])
    assert chosen.value <= values(s).min() + 1e-9 * abs(values(s)).max()


def test_of_equal_values_the_most_regularised_is_chosen():
    X, _ = wide(2)
    for criterion in ("ebic", "aic", "gcv"):
        chosen = lf.select_by_criterion(lf.limit_flow(lf.LeastSquares(X, np.zeros(60))), criterion)
        assert (chosen.chosen, chosen.dimension, chosen.lam) == (0, 0, 0.0)


def test_data_without_noise_are_fitted_and_no_more():
    X, y = wide(3, noise=0.0)
    chosen = lf.select_by_criterion(lf.limit_flow(lf.LeastSquares(X, y)))
    assert chosen.dimension == 3
    assert lf.select_by_criterion(lf.limit_flow(lf.LeastSquares(1e80 * X, y))).dimension == 3


def test_the_noise_variance_of_wide_data():
    estimates = []
    for seed in range(40):
        X, y = wide(seed, n=100, d=300, noise=2.0)
        estimates.append(lf.noise_variance(lf.limit_flow(lf.LeastSquares(X, y), lambda_min=0.1)).value)
    assert np.mean(estimates) == pytest.approx(4.0, rel=0.08)


def test_degrees_of_freedom_of_hard_thresholding():
    problem = lf.LeastSquares(10.0 * np.eye(100), np.random.default_rng(0).standard_normal(100))
    flow, t = lf.limit_flow(problem, lambda_min=0.09), np.array([1.0, 2.0])
    df = lf.bootstrap_degrees_of_freedom(flow, 10.0 / t, 1.0, n_bootstrap=400, random_state=1)
    truth = 100 * (2 * norm.sf(t) + 2 * t * norm.pdf(t))  # what is kept, and what the jump adds
    assert truth[1] == pytest.approx(26.1, abs=0.1)
    assert (np.abs(df.value - truth) < 4 * df.standard_error).all()
    assert (df.standard_error < 1.2).all()


def test_degrees_of_freedom_of_the_lasso_are_its_mean_rank():
    X, _ = wide(4, n=30, d=10)
    mean, rng, ranks = np.r_[1.0, -1.0, np.zeros(8)], np.random.default_rng(5), []
    for _ in range(300):
        y = X @ mean + rng.standard_normal(30)
        ranks.append(lf.lasso_path(lf.LeastSquares(X, y)).degrees_of_freedom(5.0))
    path = lf.lasso_path(lf.LeastSquares(X, y))
    df = lf.bootstrap_degrees_of_freedom(path, [[5.0]], 1.0, mean, n_bootstrap=400, random_state=6)
    assert df.value.shape == (1, 1)
    assert abs(df.value.item() - np.mean(ranks)) < 4 * df.standard_error.item()


def test_degrees_of_freedom_of_blends_lie_on_a_line():
    X, y = wide(7, n=30, d=10)
    flow = lf.limit_flow(lf.LeastSquares(X, y, sample_weight=np.r_[0.0, np.arange(29)], fit_intercept=True))
    value = [
        lf.bootstrap_degrees_of_freedom(flow.relaxed(blend), 3.0, 1.0, n_bootstrap=5, random_state=0).value
        for blend in (0.0, 0.5, 1.0)
    ]
    assert value[1] == pytest.approx((value[0] + value[2]) / 2, rel=1e-12)


def test_what_makes_no_sense_is_refused():
    X, y = wide(8, n=20, d=5)
    problem = lf.LeastSquares(X, y)
    flow = lf.limit_flow(problem)
    for arguments, message in [
        ({"criterion": "dic"}, "criterion must be"),
        ({"noise_variance": 0.0}, "noise_variance must be"),
        ({"ebic_gamma": -1.0}, "ebic_gamma must be"),
        ({"n_samples": 0.5}, "n_samples = 0.5"),
        ({"criterion": "aic", "n_bootstrap": 1}, "n_bootstrap must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            lf.select_by_criterion(flow, **arguments)
    with pytest.raises(ValueError, match="path must be a lasso"):
        lf.select_by_criterion(flow.averaged())
    with pytest.raises(ValueError, match="must be positive"):
        lf.bootstrap_degrees_of_freedom(flow, 1.0, 0.0)
    network = lf.gradient_flow(problem, lf.PowerNetwork(depth=2, scale=1e-6))
    with pytest.raises(ValueError, match="path must be exact"):
        lf.select_by_criterion(network)
