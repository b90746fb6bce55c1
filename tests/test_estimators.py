"""Estimators: scikit-learn's own checks."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

import lassoflow as lf

EVERY = [
    lf.FlowRegressor(),
    lf.FlowRegressor(depth=3, scale=1e-6),
    lf.FlowRegressorCV(),
    lf.FlowRegressorIC(),
    lf.ExactLasso(),
    lf.ExactLassoCV(),
    lf.ExactLassoIC(),
]


@parametrize_with_checks(EVERY)
def test_scikit_learn(estimator, check):
    check(estimator)
