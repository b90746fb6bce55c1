"""
Penalty and shrinkage by exact cross-validation
===============================================

How much to penalise and how much to shrink are two choices. Between the knots of a path the cross-validated error
is known in closed form over both, so that its minimum is exact: there is no grid, and none to get wrong.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LassoCV

import lassoflow as lf
from lassoflow.datasets import gaussian

X, y, truth = gaussian(100, 300, n_signals=6, rho=0.35, snr=3.0, seed=4)
model = lf.FlowRegressorCV(penalty_factor="std").fit(X, y)
print(model.selection_)

# %%
# ``blend`` is the share of the averaged flow, which shrinks as the lasso does; the rest is the flow itself, which
# does not. A rule other than the minimum takes the most regularised choice within a standard error of it.
careful = lf.FlowRegressorCV(rule="1se", penalty_factor="std").fit(X, y)
plain = LassoCV(cv=5).fit(X, y)
for name, fitted in (("minimum and paired blend", model), ("one standard error", careful), ("LassoCV", plain)):
    right = int(((fitted.coef_ != 0) & (truth != 0)).sum())
    wrong = int(((fitted.coef_ != 0) & (truth == 0)).sum())
    error = float(((fitted.coef_ - truth) ** 2).sum() ** 0.5)
    print(f"{name:25} {right} of 6 signals and {wrong:2} others, error {error:.2f}")

# %%
# The whole error, minimised over the blend at every penalty, with the band of its standard error. Grey are the two
# ends of the blend; the curve below is the best blend at each penalty, and jumps where two blends are equally good.
display = lf.SelectionDisplay.from_selection(model.selection_).plot()
plt.show()
