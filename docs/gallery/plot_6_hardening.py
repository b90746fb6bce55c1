"""
A network hardens as its start vanishes
=======================================

Gradient flow of the network :math:`x = u v` on the diabetes data, from coefficients of size 1e-1 down to 1e-300.
Large starts learn all columns at once, smoothly. Small ones wait at zero, learn one column, wait, and learn the
next: the flow hardens into the limit flow, which jumps. In the dual an initialisation of 1e-300 takes little more
than twice the steps of one of 1e-1.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import lassoflow as lf

X, y = load_diabetes(return_X_y=True, as_frame=True)
X = (X - X.mean()) / X.std(ddof=0)
problem = lf.LeastSquares(X, y - y.mean())
limit = lf.limit_flow(problem)

# %%
# The distance between averaged flow and lasso, as the chain of bounds proves it: from the finite flow to the limit
# flow, and from the limit flow to the lasso.
scales = [1e-1, 1e-3, 1e-10, 1e-30, 1e-100, 1e-300]
flows = [lf.gradient_flow(problem, lf.ProductNetwork(scale=scale)) for scale in scales]
for scale, flow in zip(scales, flows, strict=True):
    steps = flow.curve.effort.steps
    worst = lf.compare(flow)["distance of averaged flow and lasso"]
    print(f"scale {scale:.0e}: {steps:4} steps, {100 * worst.value:5.2f} % of rms(y), bound {100 * worst.bound:5.2f} %")

# %%
# The six largest coefficients of the end in colour. Time is lasso time, in which the limit does not move.
named = np.argsort(-np.abs(limit.end))[:6]
colours = ["#332288", "#CC6677", "#117733", "#56B4E9", "#882255", "#C9A227"]
s = np.geomspace(0.3 * limit.knots[0], 30 * limit.knots[-1], 1200)
figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), layout="constrained", sharex=True, sharey=True)
jumps = limit(s)
for ax, scale, flow in zip(axes.ravel(), scales, flows, strict=True):
    coef = flow(s)
    ax.plot(s, np.delete(coef, named, axis=1), color="0.8", linewidth=0.8)
    for colour, j in zip(colours, named, strict=True):
        ax.plot(s, jumps[:, j], color=colour, linewidth=0.7, linestyle=":")
        ax.plot(s, coef[:, j], color=colour, linewidth=1.6)
    ax.set(xscale="log", xlim=(s[0], s[-1]), title=f"scale {scale:.0e}")
    ax.spines[["top", "right"]].set_visible(False)
figure.supxlabel("time  s = 1/λ  (log scale);  dotted: the limit flow", fontsize="medium")
figure.supylabel("coefficient, per standard deviation of its column", fontsize="medium")
plt.show()
