"""
Two paths and their certificate
===============================

The lasso path of scikit-learn's diabetes data, and beside it the limit flow: what training a diagonal linear
network from a vanishing start goes through, a sparse path without the lasso's shrinkage. Averaged over training
time, the flow is the lasso where the lasso's path is monotone, and never far from it elsewhere. How far is computed
here, and proven.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import lassoflow as lf

X, y = load_diabetes(return_X_y=True, as_frame=True)
problem = lf.LeastSquares(X, y, fit_intercept=True)
lasso = lf.lasso_path(problem, penalty_factor="std")  # as of standardised columns
limit = lf.limit_flow(problem, penalty_factor="std")
print(lasso)
print(limit)

# %%
# A path is a function of time :math:`s`, which is one over the penalty: here are the active columns at a penalty of
# 5.
at = limit.at(lam=5.0)
for name, own, shrunk in zip(X.columns, at, lasso.at(lam=5.0), strict=True):
    if own or shrunk:
        print(f"{name:4} flow {own:7.1f}   lasso {shrunk:7.1f}")

# %%
# The certificate has every claim with its value, the bound that the value must keep, and where it is worst. The
# bound on the distance is that of the theory, evaluated on these data.
certificate = lf.compare(limit, lasso)
print(certificate)

# %%
# Both paths, and below them the distance between the averaged flow and the lasso with its bound. The two are one
# curve up to the first coefficient that turns back.
figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 7), layout="constrained", sharex=True, height_ratios=[3, 1])
lf.PathDisplay.from_path(lasso, limit).plot(top)
top.set_xlabel("")
apart = certificate.distance > 1e-12
bottom.fill_between(certificate.s, 100 * certificate.bound, color="#56B4E9", alpha=0.3, linewidth=0, label="bound")
bottom.plot(certificate.s, np.where(apart, 100 * certificate.distance, 0.0), color="#332288", label="distance")
bottom.set(xscale="log", xlabel="time  s = 1/λ  (log scale)", ylabel="% of std(y)", ylim=(0, None))
bottom.spines[["top", "right"]].set_visible(False)
bottom.legend(frameon=False, loc="upper left")
plt.show()
