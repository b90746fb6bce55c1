"""
A deep linear network: its critical points, and a descent to one
================================================================

Three layers fit a matrix, with weight decay. All critical points of that loss are known in closed form: which
singular values they keep, their loss, how many directions lead down. Descents from small weights pass saddles, one
singular value at a time, and may end in a local minimum: with three layers, decay wins over a singular value whose
direction starts too small.
"""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import lassoflow as lf

rng = np.random.default_rng(1)
left, right = (np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(2))
values = [6.0, 4.0, 2.5, 1.5, 0.5, 0.1]
Y = left @ np.diag(values) @ right
problem = lf.DeepLinear(Y, hidden_widths=[6, 6], weight_decay=0.1)
for each in problem.critical_points(at_most=8):
    print(f"{each.kind:14} loss {each.value:.3f}, {each.index} directions down: {each.description}")

# %%
# Gradient descent from weights of the size of a good fit, and from a twentieth of that:
runs = {"from large weights": lf.descend(problem, scale=1.0), "from small weights": lf.descend(problem, scale=0.05)}
for name, run in runs.items():
    print(fill(f"{name.capitalize()}: {run}", 88), end="\n\n")

# %%
# Dotted are the points that keep the largest none, one, two ... singular values: the descent from small weights
# rests at three of them before it ends in the fourth. In the end gradients fall at the rate that the spectrum there
# predicts.
NONE, LARGE = (0, 0), (0, 1)  # roots taken of a singular value, small and large; 0.1 has none
saddles = {}
for each in problem.critical_points():
    kept = sum(roots == LARGE for roots in each.counts)
    if each.counts[:5] == (LARGE,) * kept + (NONE,) * (5 - kept):
        saddles[kept] = each.value
figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6.4), layout="constrained", sharex=True, height_ratios=[3, 2])
for (name, run), colour in zip(runs.items(), ("#CC6677", "#332288"), strict=True):
    steps = np.arange(run.losses.size) + 1
    top.plot(steps, run.losses, color=colour, linewidth=1.8, label=name)
    bottom.plot(steps, run.gradients, color=colour, linewidth=1.4)
for kept, value in saddles.items():
    top.axhline(value, color="0.5", linewidth=0.9, linestyle=":", zorder=1)
    words = ", ".join(f"{size:g}" for size in values[:kept]) or "none"
    if kept != 4:  # too near the lowest line for a label
        top.annotate(words, (1.01, value), xycoords=("axes fraction", "data"), va="center", fontsize="small")
top.set(xscale="log", yscale="log", ylabel="loss  (log scale)", ylim=(2.3, 80))
top.set_yticks([3, 5, 10, 20, 50], ["3", "5", "10", "20", "50"])
top.set_yticks([], minor=True)
top.set_title("singular values kept", loc="right", fontsize="small")
bottom.set(yscale="log", xlabel="step  (log scale)", ylabel="norm of the gradient")
top.legend(frameon=False, loc="upper right")
for ax in (top, bottom):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
