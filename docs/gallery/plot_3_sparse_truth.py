"""
More columns than rows: sparse and unshrunk
===========================================

A hundred rows, a thousand columns, five of which matter. The lasso needs a large penalty to leave the others out,
and a large penalty shrinks the five. The limit flow does not shrink what it has found; nor does least squares on
the lasso's support, which follows from the lasso path at no cost.
"""

import matplotlib.pyplot as plt
import numpy as np

import lassoflow as lf
from lassoflow.datasets import gaussian

X, y, truth = gaussian(100, 1000, n_signals=5, rho=0.35, snr=3.0, seed=0)
problem = lf.LeastSquares(X, y, fit_intercept=True)
lasso, limit = lf.lasso_path(problem), lf.limit_flow(problem)
print(lasso)
print(limit)

# %%
# The truth is known here, and so is the error of every fit along each path: at a large penalty signals are missing,
# at a small one noise is fitted. Between two knots the flow and the refit are constant.
paths = {"lasso": lasso, "refit of its support": lasso.instantaneous(), "limit flow": limit}
lam = np.geomspace(problem.lambda_max, 0.02 * problem.lambda_max, 600)
errors = {name: np.linalg.norm(path.at(lam=lam) - truth, axis=1) for name, path in paths.items()}
errors = {name: 100 * error / np.linalg.norm(truth) for name, error in errors.items()}
for name, error in errors.items():
    found = paths[name].at(lam=lam[error.argmin()]) != 0
    right, others = found[truth != 0].sum(), found[truth == 0].sum()
    print(f"{name:20}  {error.min():2.0f} % off at best, there {right} signals and {others} others")

# %%
# What one would choose without knowing the truth, by cross-validation: the lasso; the flow without shrinkage; and
# the flow with a blend of its average, by the default rule, which shrinks for safety.
chosen = {
    "lasso": lf.ExactLassoCV(blend=1.0).fit(X, y),
    "limit flow": lf.FlowRegressorCV(blend=0.0).fit(X, y),
    "blend of flow and average": lf.FlowRegressorCV().fit(X, y),
}
for name, model in chosen.items():
    right, others = (model.coef_[truth != 0] != 0).sum(), (model.coef_[truth == 0] != 0).sum()
    off = 100 * np.linalg.norm(model.coef_ - truth) / np.linalg.norm(truth)
    print(f"{name:25}  {off:2.0f} % off, {right} signals and {others} others")

# %%
# None of this is a law. With ``n_signals=10`` a hundred rows are too few to tell signals from others, and then it
# is worse not to shrink; :ref:`section 15 <section-15>` has the whole study.
colours = {"lasso": "#CC6677", "refit of its support": "#999933", "limit flow": "#332288"}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=[3, 2])
for name, error in errors.items():
    left.plot(lam, error, color=colours[name], label=name, linestyle="--" if "refit" in name else "-")
left.set(xscale="log", xlim=(lam[0], lam[-1]), ylim=(0, 110), xlabel="penalty  λ = 1/s  (log scale)")
left.set_ylabel("error of the coefficients, % of the truth")
left.legend(frameon=False)
signals = np.flatnonzero(truth)
right.axhline(1.0, color="black", linestyle=":", linewidth=1.0, label="truth")
marks = {"lasso": ("s", "#CC6677"), "limit flow": ("o", "#332288"), "blend of flow and average": ("^", "#44AA99")}
for shift, (name, (mark, colour)) in zip((-0.2, 0.0, 0.2), marks.items(), strict=True):
    right.plot(np.arange(5) + shift, np.abs(chosen[name].coef_[signals]), mark, color=colour, label=name)
right.set(xticks=np.arange(5), xticklabels=[f"x{j}" for j in signals], xlabel="the signals", ylim=(0, 1.6))
right.set_ylabel("size of the chosen coefficient")
right.legend(frameon=False, fontsize="small", loc="upper left")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
