"""
Where training ends: depth, scale and the l1 solution
=====================================================

With more columns than rows many fits interpolate. Gradient flow picks one, which tends to the fit of least l1 norm
as the start vanishes: at depth 2 like a power of the scale that depends on the data, beyond in proportion to the
scale. Where it ends follows from convex duality, without integrating anything, and bounds follow from the data
alone.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import lassoflow as lf
from lassoflow.datasets import gaussian

X, y, truth = gaussian(12, 20, n_signals=2, snr=5.0, seed=11)
problem = lf.LeastSquares(X, y)
l1 = lf.min_l1(problem)
constants = lf.null_space_constants(problem, l1.coef)
print(l1)
print(f"rate at depth 2: scale^{1 - constants.rho:.2f}; beyond: scale^1")

# %%
# A network of depth D, :math:`x = u^D - v^D`, from coefficients of a given scale. From which scale on its training
# surely ends within one per cent of the l1 solution, and how long it then trains:
depths = {2: "#332288", 3: "#CC6677", 4: "#117733"}
for depth in depths:
    log_scale, log_time = lf.scale_for_accuracy(problem, depth, 0.01, solution=l1, constants=constants)
    print(f"depth {depth}: scale {math.exp(log_scale):.1e}, training time {math.exp(log_time):.2g}")

# %%
# The same at many scales. Lines are the ends, bands lie between what the data say is the least and the most, where
# they say anything. Coefficients far below the rounding of others are known by their logarithms, which is how
# distances of 1e-40 are told.
scales = np.logspace(-1, -50, 50)
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for depth, colour in depths.items():
    networks = [lf.PowerNetwork(depth, scale) for scale in scales]
    distance = [math.exp(lf.log_distance(lf.flow_endpoint(problem, network), l1)) for network in networks]
    bounds = [lf.accuracy_bounds(problem, network, solution=l1, constants=constants) for network in networks]
    lower, upper = np.array([(bound.lower, min(bound.upper, 100.0)) for bound in bounds]).T
    known = lower > 0
    ax.fill_between(scales[known], lower[known], upper[known], color=colour, alpha=0.18, linewidth=0)
    ax.plot(scales, distance, color=colour, label=f"depth {depth}")
ax.set(xscale="log", yscale="log", xlim=(scales[0], scales[-1]), ylim=(1e-50, 100))
ax.set_xlabel("scale of the coefficients at the start  (log scale, decreasing)")
ax.set_ylabel("l1 distance from the l1 solution")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
