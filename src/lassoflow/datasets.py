"""The data sets scikit-learn ships, under the names of the command line, and synthetic designs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHIPPED = {
    "diabetes": "progression",
    "diabetes_quadratic": "progression",
    "breast_cancer": "benign",
    "wine": "alcohol",
    "iris": "petal width (cm)",
}
"""Data sets that need no file, and what each is to predict. The classes of wine and iris are no numbers: left out."""


def load_shipped(name: str) -> dict[str, Any]:
    """The columns of a data set in ``SHIPPED``, its target among them, each an array of shape (n,).

    Examples
    --------
    >>> list(load_shipped("iris"))
    ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)']
    """
    if name == "diabetes_quadratic":
        X, y, names = diabetes_quadratic()
    else:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        X, y, names = bunch.data, bunch.target, tuple(str(feature) for feature in bunch.feature_names)
    columns = dict(zip(names, X.T, strict=True))
    return columns if SHIPPED[name] in columns else columns | {SHIPPED[name]: y}


class Simulation(NamedTuple):
    """A design of shape (n, d), its response of shape (n,) and the coefficients behind it, of shape (d,)."""

    X: Floats
    y: Floats
    coef: Floats


def gaussian(n: int, d: int, n_signals: int, rho: float = 0.0, snr: float = 1.0, seed: int = 0) -> Simulation:
    """A Gaussian design with Toeplitz correlation and a sparse truth, after Hastie, Tibshirani & Tibshirani (2020).

    Rows are drawn from N(0, S) with ``S_ij = rho^|i - j|``. The signals are +1 or -1 at random, equally spaced, and
    the noise has the variance that makes the signal-to-noise ratio ``coef' S coef / variance`` equal to ``snr``.

    Parameters
    ----------
    n, d, n_signals : int
        Numbers of rows, columns and nonzero coefficients.
    rho : float
        Correlation of neighbouring columns, in (-1, 1).
    snr : float
        Signal-to-noise ratio > 0; inf for no noise.
    seed : int
        The same seed gives the same numbers.

    Examples
    --------
    >>> X, y, coef = gaussian(20, 50, n_signals=3, rho=0.5, snr=np.inf)
    >>> X.shape, np.flatnonzero(coef), np.allclose(X @ coef, y)
    ((20, 50), array([ 0, 24, 49]), True)
    """
    if not (n >= 1 and d >= 1 and 0 <= n_signals <= d):
        raise ValueError(f"n and d must be >= 1 and n_signals in [0, d]; got {n}, {d} and {n_signals}.")
    if not (-1 < rho < 1 and snr > 0):
        raise ValueError(f"rho must lie in (-1, 1) and snr be > 0; got {rho!r} and {snr!r}.")
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, d))
    for j in range(1, d):  # an AR(1) process along the columns has exactly the Toeplitz covariance
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros(d)
    signals = np.linspace(0, d - 1, n_signals).astype(np.intp)
    coef[signals] = random.choice([-1.0, 1.0], n_signals)
    covariance = rho ** np.abs(np.subtract.outer(signals, signals))
    variance = coef[signals] @ covariance @ coef[signals] / snr if n_signals else 1.0
    y = X @ coef + np.sqrt(variance) * random.standard_normal(n)
    return Simulation(X, y, coef)


class Quadratic(NamedTuple):
    """A design of shape (n, d), its response of shape (n,) and the d column names."""

    X: Floats
    y: Floats
    feature_names: tuple[str, ...]


def diabetes_quadratic() -> Quadratic:
    """The diabetes data with squares and products: 442 rows, 64 columns of mean 0 and norm 1.

    The quadratic model of Efron, Hastie, Johnstone & Tibshirani (2004): 10 main effects, 45 products and 9 squares;
    the square of the binary ``sex`` would repeat ``sex``.

    Examples
    --------
    >>> X, y, names = diabetes_quadratic()
    >>> X.shape, y.shape, names[2], names[10], names[-1]
    ((442, 64), (442,), 'bmi', 'age^2', 's5*s6')
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    main, d = bunch.data, bunch.data.shape[1]
    names = [str(name) for name in bunch.feature_names]
    squares = [j for j in range(d) if names[j] != "sex"]
    left, right = np.triu_indices(d, k=1)
    X = np.column_stack([main, main[:, squares] ** 2, main[:, left] * main[:, right]])
    X -= X.mean(axis=0)
    X /= np.linalg.norm(X, axis=0)
    names += [f"{names[j]}^2" for j in squares] + [f"{names[i]}*{names[j]}" for i, j in zip(left, right, strict=True)]
    return Quadratic(X, bunch.target, tuple(names))
