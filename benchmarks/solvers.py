"""Ours and the peers: scikit-learn, which lassoflow needs anyway, and spams where it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import sklearn
from sklearn.linear_model import lars_path

import lassoflow as lf
from benchmarks.kkt import Curve, Data

try:
    import spams
except ImportError:
    spams = None

Solve = Callable[[], Any]


def our_path(data: Data) -> lf.Path:
    """Our lasso path, from the raw arrays."""
    return lf.lasso_path(lf.LeastSquares(data.X, data.y), positive=data.positive)


def our_flow(data: Data) -> lf.Path:
    """Our limit flow, from the raw arrays."""
    return lf.limit_flow(lf.LeastSquares(data.X, data.y), positive=data.positive)


def our_curve(path: lf.Path) -> Curve:
    """Knots of our path, and its end at penalty 0."""
    coefs = np.vstack([path(path.knots), path.end])
    return Curve(np.append(1.0 / path.knots, 0.0), coefs.T)


def their_path(data: Data, max_iter: int = 10**5, gram: str | None = "auto") -> Curve:
    """The path of scikit-learn's ``lars_path``."""
    lambdas, _, coefs = lars_path(
        data.X, data.y, method="lasso", positive=data.positive, max_iter=max_iter, Gram=gram, verbose=0
    )
    return Curve(lambdas, coefs)


def lars_settings(data: Data, n_knots: int) -> Iterator[tuple[str, Solve]]:
    """Settings of ``lars_path`` that end where the path ends, to choose the fastest from."""
    for gram in ("auto", None):
        for max_iter in (10**5, 2 * n_knots):
            yield f"Gram={gram!r}, max_iter={max_iter}", lambda m=max_iter, g=gram: their_path(data, m, g)


def spams_settings(data: Data, n_knots: int, threads: int) -> Iterator[tuple[str, Solve]]:
    """Settings of ``spams.lasso``; it is told how many knots there are, as it allocates and clears the whole path."""
    signal = np.asfortranarray(data.y[:, None])
    for cholesky, used in product((False, True), range(1, threads + 1)):

        def solve(cholesky: bool = cholesky, used: int = used) -> Any:
            return spams.lasso(
                signal,
                D=data.X,
                return_reg_path=True,
                mode=2,
                lambda1=0.0,
                L=min(data.X.shape),
                max_length_path=n_knots + 8,
                cholesky=cholesky,
                numThreads=used,
            )[1]

        yield f"mode=2, lambda1=0, cholesky={cholesky}, numThreads={used}, max_length_path={n_knots + 8}", solve


def spams_curve(data: Data, path: Any) -> Curve:
    """The columns of spams' path that are used, with the penalties they are solutions for."""
    used = int(np.flatnonzero(np.abs(path).max(axis=0)).max(initial=0)) + 1
    coefs = np.asarray(path[:, :used], dtype=np.float64)
    gradient = data.X.T @ (data.y[:, None] - data.X @ coefs) / data.y.size
    return Curve(np.abs(gradient).max(axis=0), coefs)


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, and no validation of arguments in scikit-learn, which costs time."""
    with warnings.catch_warnings(), sklearn.config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        yield
