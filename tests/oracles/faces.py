"""The minimum of a convex loss over the face that a dual is on, by L-BFGS-B."""

import numpy as np
from scipy.optimize import OptimizeResult, minimize


def best_on_face(X, theta, value, slope) -> OptimizeResult:
    """Over coefficients of the signs of the faces at +-1, zero elsewhere, and a free intercept, which comes last.

    ``value`` and ``slope`` are those of the loss of every sample as functions of the predictors, shape (n,).
    """
    bounds = [(0, None) if t > 1 - 1e-9 else (None, 0) if t < -1 + 1e-9 else (0, 0) for t in theta]

    def objective(w):
        eta = X @ w[:-1] + w[-1]
        slopes = slope(eta)
        return value(eta).sum(), np.append(X.T @ slopes, slopes.sum())

    options = {"maxiter": 20000, "ftol": 1e-15, "gtol": 1e-11}
    start = np.zeros(X.shape[1] + 1)
    return minimize(objective, start, jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B", options=options)
