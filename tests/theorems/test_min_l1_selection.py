"""Both exact paths end in an interpolator of least l1 norm, also where that is not unique.

The example is the one on which finite networks select by depth (Wind, Antun & Hansen 2023): ``A`` has the null space
spanned by (1, 1, -2, 0), so x0 = (0.3, 1, 2, 0) and its shifts by t (1, 1, -2, 0),
-0.3 <= t <= 1, all have l1 norm 3.3.
"""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import linprog

import lassoflow as lf

SOLVERS = [lf.lasso_path, lf.limit_flow]
A = null_space(np.array([[1.0, 1.0, -2.0, 0.0]])).T
X0 = np.array([0.3, 1.0, 2.0, 0.0])


def least_l1(X, y, factor=None):
    d = X.shape[1]
    factor = np.ones((2, d)) if factor is None else factor
    return linprog(factor.ravel(), A_eq=np.hstack([X, -X]), b_eq=y).fun


@pytest.mark.parametrize("solver", SOLVERS)
def test_end_lies_on_the_face_of_min_l1_interpolators(solver):
    end = solver(lf.LeastSquares(A, A @ X0)).end
    np.testing.assert_allclose(A @ end, A @ X0, rtol=0, atol=1e-14)
    assert np.abs(end).sum() == pytest.approx(3.3, abs=1e-14)
    assert least_l1(A, A @ X0) == pytest.approx(3.3, abs=1e-12)
    share = (end - X0) @ [1, 1, -2, 0] / 6
    assert -0.3 - 1e-14 <= share <= 1 + 1e-14
    assert np.count_nonzero(end) <= 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_end_has_the_least_weighted_asymmetric_l1_norm(solver):
    """min sum t_i^+ x_i^+ + t_i^- x_i^- subject to X x = y (Zhao et al. 2026, the corollary on implicit bias)."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        X, factor = rng.standard_normal((6, 15)), rng.uniform(0.5, 2, (2, 15))
        y = rng.standard_normal(6)
        end = solver(lf.LeastSquares(X, y), penalty_factor=factor).end
        np.testing.assert_allclose(X @ end, y, rtol=0, atol=1e-12)
        norm = factor[0] @ np.maximum(end, 0) + factor[1] @ np.maximum(-end, 0)
        assert norm == pytest.approx(least_l1(X, y, factor), rel=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_sparse_signal_is_found_where_it_is_the_min_l1_interpolator(solver):
    rng = np.random.default_rng(6)
    X, signal = rng.standard_normal((40, 200)), np.zeros(200)
    signal[:5] = [3, -2, 1, -1, 2]
    end = solver(lf.LeastSquares(X, X @ signal)).end
    np.testing.assert_allclose(end, signal, rtol=0, atol=1e-12)
