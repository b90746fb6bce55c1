"""The inputs: four problems to be fast on, and families of problems on which solvers go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_diabetes

from benchmarks.kkt import Data, Floats
from lassoflow.datasets import diabetes_quadratic


def diabetes() -> Data:
    """442 patients, 10 variables (Efron et al. 2004), response centred."""
    X, y = load_diabetes(return_X_y=True)
    return Data(np.asfortranarray(X), y - y.mean())


def quadratic_diabetes() -> Data:
    """Their 64 quadratic features: squares but for the binary column's, products; centred, unit norm."""
    X, y, _ = diabetes_quadratic()
    return Data(np.asfortranarray(X), y - y.mean())


def gaussian(n: int, d: int, seed: int = 0) -> Data:
    """Independent normal columns, ten of them with coefficient 1, noise of variance 1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return Data(np.asfortranarray(X), X[:, :10].sum(axis=1) + rng.standard_normal(n))


SPEED = {
    "diabetes 442x10": diabetes,
    "diabetes 442x64": quadratic_diabetes,
    "Gaussian 100x1000": lambda: gaussian(100, 1000),
    "Gaussian 71x4000": lambda: gaussian(71, 4000),
}


def toeplitz(n: int, d: int, rho: float = 0.9, seed: int = 0) -> Data:
    """Normal columns, neighbours correlated by rho, ten of them, far apart, with coefficient 1; noise of variance 1."""
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.standard_normal((n, d)))
    for j in range(1, d):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho**2) * X[:, j]
    return Data(X, X[:, :: d // 10].sum(axis=1) + rng.standard_normal(n))


def sparse(n: int, d: int, density: float, noise: float = 0.1, seed: int = 0) -> Data:
    """A sparse design with normal entries at random places, 20 columns with coefficient 1 or -1, and noise."""
    rng = np.random.default_rng(seed)
    X = sp.csc_matrix(sp.random(n, d, density, format="csc", random_state=rng, data_rvs=rng.standard_normal))
    X.sort_indices()
    signal = np.zeros(d)
    signal[:20] = rng.choice([-1.0, 1.0], 20)
    return Data(X, X @ signal + noise * rng.standard_normal(n))


class Long(NamedTuple):
    """A problem and how far its path is followed."""

    data: Data
    knots: int | None = None
    """So many knots, the start among them,"""
    share: float = 0.0
    """or to this share of lambda_max."""

    @property
    def lambda_min(self) -> float:
        """The penalty to stop at; 0 if knots are counted."""
        return self.share * self.data.lambda_max


LARGE = {
    "Gaussian 1000x50000, 300 knots": lambda: Long(gaussian(1000, 50_000), knots=300),
    "Gaussian 200x200000, 150 knots": lambda: Long(gaussian(200, 200_000), knots=150),
    "Gaussian 500x10000 to 0.01": lambda: Long(gaussian(500, 10_000), share=0.01),
    "Toeplitz(0.9) 500x5000 to 0.01": lambda: Long(toeplitz(500, 5000), share=0.01),
}


def identity() -> Data:
    """Two columns that tie."""
    return Data(np.eye(2), np.ones(2))


def factorial() -> Data:
    """A 2^3 factorial design with two-way interactions, response centred: ties in six orthogonal columns."""
    main = np.array(list(product([-1.0, 1.0], repeat=3)))
    interactions = [main[:, i] * main[:, j] for i, j in combinations(range(3), 2)]
    y = np.array([28.0, 36.0, 18.0, 31.0, 25.0, 30.0, 12.0, 23.0])
    return Data(np.column_stack([main, *interactions]), y - y.mean())


def scaled(design: float, target: float, dtype: type = np.float64) -> Data:
    """A benign 60x12 problem in other units."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 12))
    y = X[:, :3].sum(axis=1) + rng.standard_normal(60)
    return Data((X * design).astype(dtype), (y * target).astype(dtype))


def integers(low: int, high: int, n: int, d: int, count: int, step: int = 1) -> Iterator[Data]:
    """Designs with entries ``low, low + step, ..., high`` and responses in -4, ..., 4: full of ties."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        X = rng.choice(np.arange(low, high + 1, step, dtype=np.float64), (n, d))
        yield Data(X, rng.integers(-4, 5, n).astype(np.float64))


def nonnegative(count: int, n: int = 30, d: int = 6) -> Iterator[Data]:
    """Normal designs and responses for coefficients that must not be negative."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, d))
        yield Data(X, rng.standard_normal(n), positive=True)


def many_knots() -> tuple[Data, float]:
    """A 400x800 problem and a penalty that lies beyond the 500th knot of its path."""
    rng = np.random.default_rng(0)
    X: Floats = rng.standard_normal((400, 800))
    data = Data(X, X[:, :20].sum(axis=1) + rng.standard_normal(400))
    return data, 1e-4 * data.lambda_max
