"""Which lasso paths are monotone, and the Gaussian instances of Berthier's experiment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import lassoflow as lf

Floats = NDArray[np.float64]


def gaussian_instances(count: int, n: int = 3, d: int = 4, seed: int = 0) -> Iterator[tuple[Floats, Floats]]:
    """Pairs of X and y, independent standard normal."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.standard_normal((n, d)), rng.standard_normal(n)


def middles(knots: Floats) -> Floats:
    """A time inside every segment after the first knot."""
    return np.append((knots[1:] + knots[:-1]) / 2, 2 * knots[-1])


def backward_slopes(lasso: lf.Path) -> Floats:
    """The slopes of z that run against the sign of z, one row a segment after the first knot."""
    inside = middles(lasso.knots)
    slope = lasso.instantaneous()(inside)
    return np.where(slope * lasso.integral(inside) < 0, slope, 0.0)


def is_monotone(lasso: lf.Path) -> bool:
    """Whether every ``|z_i|`` is non-decreasing."""
    return not backward_slopes(lasso).any()
