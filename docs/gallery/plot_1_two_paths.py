"""
Two paths on one picture
========================

The lasso path and the limit flow of scikit-learn's diabetes data.
"""

from sklearn.datasets import load_diabetes

import lassoflow as lf

X, y = load_diabetes(return_X_y=True, as_frame=True)
problem = lf.LeastSquares(X, y, fit_intercept=True)
lasso = lf.lasso_path(problem, penalty_factor="std")
limit = lf.limit_flow(problem, penalty_factor="std")
lf.PathDisplay.from_path(lasso, limit).plot()

# %%
# How far they are from each other, with its proof:
print(lf.compare(limit, lasso))
