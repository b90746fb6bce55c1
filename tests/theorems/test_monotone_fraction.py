"""Three quarters of Gaussian lasso paths with n = 3, d = 4 are monotone: ``s x(s)`` never moves back.

Berthier (2025), section 2.2, reports 0.76 of 1000 instances.
"""

import numpy as np

import lassoflow as lf
from oracles import monotone


def test_three_quarters_of_small_gaussian_paths_are_monotone():
    instances = monotone.gaussian_instances(1000)
    fraction = np.mean([monotone.is_monotone(lf.lasso_path(lf.LeastSquares(X, y))) for X, y in instances])
    assert abs(fraction - 0.75) <= 0.03


def test_positively_associated_designs_are_monotone():
    """With M of off-diagonal entries <= 0 and r >= 0 coordinates activate one by one and never leave."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        bands = -rng.random((6, 6)) * 0.2
        gram = (bands + bands.T) / 2
        np.fill_diagonal(gram, 1.2)
        X = np.linalg.cholesky(gram).T
        y = np.linalg.solve(X.T, rng.random(6))
        assert monotone.is_monotone(lf.lasso_path(lf.LeastSquares(X, y)))
