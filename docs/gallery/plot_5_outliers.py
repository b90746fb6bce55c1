"""
Robust regression: a tenth of the responses is wrong
====================================================

Huber's loss counts small residuals as squares do and large ones by their size only. Its limit flow is exact, and so
is its lasso path, whose knots are also where a residual passes the threshold.
"""

import matplotlib.pyplot as plt
import numpy as np

import lassoflow as lf
from lassoflow.datasets import gaussian

X, y, truth = gaussian(150, 40, n_signals=4, rho=0.3, snr=6.0, seed=9)
print(f"noise: {(y - X @ truth).std():.2f}")
rng = np.random.default_rng(9)
wrong = rng.choice(150, 15, replace=False)
y[wrong] += rng.choice([-1.0, 1.0], 15) * rng.uniform(10.0, 30.0, 15)

squares = lf.limit_flow(lf.LeastSquares(X, y, fit_intercept=True))
huber = lf.Huber(X, y, fit_intercept=True, delta=1.0)
robust = lf.limit_flow(huber)
print(squares)
print(robust)
print(lf.certify(robust).summary)

# %%
# With the truth known, the error along both paths. ``delta``, the residual from which on the loss is linear, is one
# here, the noise of the responses that are right has a standard deviation of 0.83.
for name, path in (("squares", squares), ("Huber", robust)):
    s = np.sqrt(path.knots[:-1] * path.knots[1:])
    error = np.linalg.norm(path(s) - truth, axis=1) / np.linalg.norm(truth)
    best = s[error.argmin()]
    others = int(((path(best) != 0) & (truth == 0)).sum())
    print(f"{name:8} at best {100 * error.min():.0f} % off, with {others} columns that do not matter")

# %%
# The four signals in colour, dotted what they are in truth, grey all columns that do not matter.
colours = ["#332288", "#CC6677", "#117733", "#AA4499"]
signals = np.flatnonzero(truth)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
for ax, path, title in zip(axes, (squares, robust), ("squares", "Huber's loss"), strict=True):
    s = np.geomspace(0.8 * path.knots[0], 2 * path.knots[-1], 1500)
    coef = path(s)
    ax.plot(s, coef[:, truth == 0], color="0.8", linewidth=0.7)
    for colour, j in zip(colours, signals, strict=True):
        ax.plot(s, coef[:, j], color=colour, linewidth=1.8)
        ax.axhline(truth[j], color=colour, linestyle=":", linewidth=1.2)
    ax.set(xscale="log", xlim=(s[0], s[-1]), xlabel="time  s  (log scale)", title=title)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("coefficient")
plt.show()
