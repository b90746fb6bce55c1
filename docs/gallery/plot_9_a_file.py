"""
A file larger than the memory it may use
========================================

A design that lies in a file is read in blocks and never held. What costs is a pass over it, and a walk takes few:
it goes ahead on the columns nearest to entering, and one pass checks all the others at all the new knots. The file
here is small, and so is the memory that it may use; :doc:`/performance` has one of 3.2 GB.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lassoflow as lf

rng = np.random.default_rng(0)
folder = tempfile.TemporaryDirectory()
file, shape = Path(folder.name, "design.f32"), (500, 20_000)
rng.standard_normal(shape[::-1], dtype=np.float32).tofile(file)  # column after column
X = np.memmap(file, dtype=np.float32, mode="r", shape=shape, order="F")
y = X[:, :20] @ rng.choice([-1.0, 1.0], 20) + rng.standard_normal(500)
print(f"{file.stat().st_size / 1e6:.0f} MB in {file.name}")

# %%
# Four megabytes may be held of X and of products with it, besides the columns of the working set. A callback counts
# what has been read by every knot.
problem = lf.LeastSquares(X, y, fit_intercept=True, memory_limit=4 * 2**20)
read = []
path = lf.lasso_path(problem, max_knots=200, callback=lambda progress: read.append(problem.passes.bytes))
print(path)
print(f"{int(problem.passes)} passes, {problem.passes.bytes / X.nbytes:.1f} times the file")
print(f"worst optimality condition: {lf.kkt_violation(path, path.knots[::20]).max():.0e} of the largest penalty")

# %%
# What was read, in multiples of the file, by the knot. A solver that multiplies by X at every knot reads it two
# hundred times.
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
knots = np.arange(1, len(read) + 1)
ax.step(knots, np.array(read) / X.nbytes, where="post", color="#332288", linewidth=1.8, label="this walk")
ax.plot(knots, knots, color="#CC6677", linestyle="--", label="one pass a knot")
ax.set(yscale="log", ylim=(0.8, 300), xlim=(0, 200), xlabel="knot", ylabel="times the file was read  (log scale)")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
folder.cleanup()
