"""Networks of every kind and small problems for them: what the theorems about flows are tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lassoflow as lf


def _layers(depth: int, d: int, rng: np.random.Generator, log_scale: float) -> lf.LayeredNetwork:
    """Signed directions whose smallest layer is well apart from the others."""
    sizes = np.concatenate([rng.uniform(0.0, 0.4, (1, d)), rng.uniform(0.6, 1.5, (depth - 1, d))])
    return lf.LayeredNetwork(rng.permuted(sizes, axis=0) * rng.choice([-1, 1], (depth, d)), log_scale=log_scale)


def _square(d: int, rng: np.random.Generator, log_scale: float) -> lf.SquareNetwork:
    return lf.SquareNetwork(log_scale=log_scale, shape=rng.uniform(0.5, 1.5, d))


def _product(d: int, rng: np.random.Generator, log_scale: float) -> lf.ProductNetwork:
    shapes = {"shape_u": rng.uniform(1.0, 1.5, d), "shape_v": rng.uniform(-0.8, 0.8, d)}
    return lf.ProductNetwork(log_scale=log_scale, **shapes)


def _power(depth: int) -> Callable[[int, np.random.Generator, float], lf.PowerNetwork]:
    return lambda d, rng, log_scale: lf.PowerNetwork(depth, log_scale=log_scale)


KINDS = {
    "square": _square,
    "product": _product,
    "power 2": _power(2),
    "power 3": _power(3),
    "power 5": _power(5),
    "layers 3": lambda d, rng, log_scale: _layers(3, d, rng, log_scale),
    "layers 4": lambda d, rng, log_scale: _layers(4, d, rng, log_scale),
}


def instance(kind: str, seed: int) -> tuple[lf.LeastSquares, lf.network.Network]:
    """A problem, overdetermined or not, noisy or not, and a network of a scale between 1e-1 and 1e-12."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    n, d = rng.integers(3, 16, 2)
    X = rng.standard_normal((n, d))
    signal = np.where(rng.random(d) < 0.4, rng.normal(0.0, 2.0, d), 0.0)
    problem = lf.LeastSquares(X, X @ signal + rng.choice([0.0, 0.5]) * rng.standard_normal(n) + 1e-3)
    return problem, KINDS[kind](int(d), rng, rng.uniform(-28.0, -2.3))
