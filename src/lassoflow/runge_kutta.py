"""One step of the pair of Dormand and Prince of order 5(4) for the dual of a diagonal network, where it is not stiff.

The same state and the same result as :func:`lassoflow.rosenbrock.implicit_step`, by products with M alone.
Coefficients: those of ``scipy.integrate.RK45``.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import RK45

from lassoflow.arrays import Floats
from lassoflow.branches import Maps
from lassoflow.kernels import Gram, coefficients, compile_kernel, rounding, times_gram
from lassoflow.rosenbrock import State, Step

_A = np.vstack([np.pad(RK45.A, ((0, 0), (0, 1))), RK45.B])
_C = np.append(RK45.C, 1.0)
_ERROR = np.asarray(RK45.E, dtype=np.float64)
# y0 + h (K' P) (t, t^2, t^3, t^4) as y0 + t (y1 - y0 + (1 - t) (b1 + b2 t + b3 t^2))
_BENDS = np.ascontiguousarray(-np.cumsum(RK45.P[:, :0:-1], axis=1)[:, ::-1].T)

LIMIT = 3.3
"""The longest step times :func:`lassoflow.kernels.stiffness` that is stable."""


@compile_kernel
def explicit_step(maps: Maps, gram: Gram, decay: float, r: Floats, now: State, h: float, log_cap: float) -> Step:
    """One step."""
    m = now.g.size
    rises, slopes = np.zeros((7, m)), np.zeros((7, m))
    rises[0], slopes[0] = now.rise, now.x
    g = now.g
    for i in range(1, 7):
        g = now.g + h * np.dot(_A[i, :i], rises[:i])
        slopes[i] = coefficients(maps, g, now.width + 2.0 * decay * _C[i] * h, log_cap)[0]
        rises[i] = decay - r + times_gram(gram, slopes[i])
    z = now.z + h * np.dot(_A[6], slopes[:6])
    noise = np.full(m, 10.0 * h * rounding(gram, r, now.x, now.slope * now.g))
    errors = h * np.dot(_ERROR, rises), h * np.dot(_ERROR, slopes)
    bends = h * np.dot(_BENDS, rises), h * np.dot(_BENDS, slopes)
    return Step(g, z, errors[0], noise, errors[1], False, bends[0], bends[1], rises[6])
