"""The data sets on which the laws are tested."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

from lassoflow.datasets import diabetes_quadratic

Floats = NDArray[np.float64]
NAMES = ("diabetes", "quadratic diabetes", "gaussian", "toeplitz")


@cache
def load(name: str) -> tuple[Floats, Floats]:
    """X and a centred y, both read-only."""
    rng = np.random.default_rng(20)
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
    elif name == "quadratic diabetes":
        X, y, _ = diabetes_quadratic()
    elif name == "gaussian":
        X = rng.standard_normal((100, 1000))
        y = X[:, :10] @ rng.standard_normal(10) + rng.standard_normal(100)
    else:
        X = (
            rng.standard_normal((100, 500))
            @ np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(*[np.arange(500)] * 2))).T
        )
        y = X[:, :100:10] @ rng.standard_normal(10) + rng.standard_normal(100)
    X, y = X - X.mean(axis=0), y - y.mean()
    X.flags.writeable = y.flags.writeable = False
    return X, y
