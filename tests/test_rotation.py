"""Long data on fewer rows: the same loss, the same path."""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow import rotation

SOLVERS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
BOTH = pytest.mark.parametrize("law", SOLVERS)


def long(n=6000, d=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-2, 2, d)
    return X, X[:, :4].sum(axis=1) + rng.standard_normal(n)


@pytest.mark.parametrize("seed", range(10))
def test_the_loss_is_the_same_but_for_a_constant(seed):
    X, y = long(seed=seed)
    problem = lf.LeastSquares(X, y, fit_intercept=bool(seed % 2))
    small = rotation.rotated(problem)
    assert small.design.shape == (13, 12)
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, 12))
    assert small.loss(first) == pytest.approx(problem.loss(first), rel=1e-13)
    np.testing.assert_allclose(small.gradient(second), problem.gradient(second), rtol=1e-10)
    assert small.lambda_max == pytest.approx(problem.lambda_max, rel=1e-13)


@BOTH
@pytest.mark.parametrize("options", [{}, {"fit_intercept": True}, {"sample_weight": np.arange(6000) % 3}])
def test_the_path_is_the_same(law, options, monkeypatch):
    X, y = long()
    X[:, 5], X[:, 6], X[:, 7] = X[:, 0], 0.0, -2 * X[:, 1]  # copies, zeros, opposites
    problem = lf.LeastSquares(X, y, **options)
    assert rotation.worthwhile(problem)
    path = SOLVERS[law](problem)
    monkeypatch.setattr(rotation, "_LARGE", np.inf)
    assert not rotation.worthwhile(problem)
    plain = SOLVERS[law](problem)
    np.testing.assert_allclose(path.knots, plain.knots, rtol=1e-11)
    times = (path.knots[:-1] + path.knots[1:]) / 2
    X = X - np.average(X, axis=0, weights=options.get("sample_weight")) if options.get("fit_intercept") else X
    np.testing.assert_allclose(X @ path(times).T, X @ plain(times).T, rtol=0, atol=1e-10 * np.linalg.norm(y))
    assert lf.kkt_violation(path, path.knots).max() <= 1e-12


def test_one_pass_is_counted_for_it():
    problem = lf.LeastSquares(*long())
    path = lf.lasso_path(problem)
    assert problem.passes == 1 + 1 + path.knots.size
