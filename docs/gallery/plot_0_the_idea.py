r"""
The idea in one picture
=======================

A diagonal linear network is linear regression with every coefficient made of two weights, :math:`x_j = u_j^2 - v_j^2`.
Trained by gradient flow from a small start, its coefficients stay near zero, then jump, one after the other, from one
sparse least-squares fit to the next (left). Averaged over training time they trace the lasso path (right), and training
time is the inverse of the penalty.

lassoflow computes the two extremes exactly, at every time: the jumps in the limit of a vanishing start, and the lasso.
Networks in between, of any depth and from any start, are integrated to a tolerance.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import lassoflow as lf

X, y = load_diabetes(return_X_y=True)
problem = lf.LeastSquares(StandardScaler().fit_transform(X), y, fit_intercept=True)
lasso = lf.lasso_path(problem)
limit = lf.limit_flow(problem)
network = lf.gradient_flow(problem, lf.PowerNetwork(depth=2, scale=1e-20), until=4.0)

# %%
# Every curve is a function of time, so a picture takes a grid of times and nothing else. Five of the ten coefficients
# are drawn, and times up to 4, where the lasso first takes a coefficient back.
s = np.geomspace(0.018, 3.8, 1500)
features = {"bmi": 2, "s5": 8, "blood pressure": 3, "s3": 6, "sex": 1}
colours = ["#D9636F", "#332288", "#56B4E9", "#117733", "#B8A020"]

panels = [
    ("A network in training …", limit, "exact limit of a vanishing start", network, "network from $10^{-20}$"),
    ("… and its average over training time", lasso, "exact lasso path", network.averaged(), "average of the network"),
]
figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), sharex=True, sharey=True, layout="constrained")
for ax, (title, exact, wide, trained, thin) in zip(axes, panels, strict=True):
    for j, colour in zip(features.values(), colours, strict=True):
        ax.plot(s, exact(s)[:, j], color=colour, alpha=0.3, linewidth=5)
        ax.plot(s, trained(s)[:, j], color=colour, linewidth=1.5)
    ax.set_title(title, loc="left", fontsize="x-large")
    ax.set_xscale("log")
    ax.set_xlabel("training time  s = 1/λ", fontsize="large")
    ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.plot([], [], color="0.2", alpha=0.3, linewidth=5, label=wide)
    ax.plot([], [], color="0.2", linewidth=1.5, label=thin)
    ax.legend(frameon=False, loc="upper right", fontsize="large")
for (name, j), colour in zip(features.items(), colours, strict=True):
    beside = {"s5": "bottom", "bmi": "top"}.get(name, "center")  # these two end at the same height
    place = (1.01, lasso(s[-1])[j])
    axes[1].annotate(name, place, xycoords=("axes fraction", "data"), color=colour, va=beside, fontsize="large")
axes[0].set_ylabel("standardised coefficient", fontsize="large")
plt.show()

# %%
# The certificate says, for these data, how far network, limit and lasso are apart, and that no bound is violated:
print(lf.compare(network, lasso))
