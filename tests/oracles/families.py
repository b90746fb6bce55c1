"""Degenerate problems too large for the rational oracle: every column ties with, or depends on, others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def signs(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Entries -1 and 1."""
    return rng.choice([-1.0, 1.0], (n, d))


def trits(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Entries -1, 0 and 1."""
    return rng.integers(-1, 2, (n, d)).astype(float)


def dummies(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Several one-hot encodings side by side: each sums to the constant column."""
    levels = int(rng.integers(2, 6))
    return np.hstack([np.eye(levels)[rng.integers(0, levels, n)] for _ in range(max(1, d // levels))])


def units(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Signed unit vectors, each many times."""
    return np.eye(n)[:, rng.integers(0, n, d)] * signs(1, d, rng)


def copies(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Normal columns and multiples of them."""
    X = rng.standard_normal((n, max(1, d // 2)))
    return np.hstack([X, X * rng.choice([-2.0, 1.0, 0.5], X.shape[1])])


def low_rank(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Integer combinations of a few normal columns."""
    rank = int(rng.integers(1, 6))
    return rng.standard_normal((n, rank)) @ rng.integers(-2, 3, (rank, d))


FAMILIES = {family.__name__: family for family in (signs, trits, dummies, units, copies, low_rank)}


def options(d: int, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of a path, each present in a third of the cases."""
    chosen: dict[str, Any] = {}
    if rng.random() < 1 / 3:
        chosen["positive"] = True
    if rng.random() < 1 / 3:
        chosen["weight_decay"] = float(rng.choice([0.01, 0.1, 0.5]))
    if rng.random() < 1 / 3:
        factors = [0.0, 0.5, 1.0, 1.0, 2.0, np.inf]
        chosen["penalty_factor"] = rng.choice(factors, (2, d) if rng.random() < 0.5 else d)
    return chosen


def sides(d: int, chosen: dict[str, Any]) -> tuple[Floats, Floats]:
    """The upper and the lower side of the box at time 0, as the definition of the arguments has them."""
    upper, lower = np.broadcast_to(chosen.get("penalty_factor", 1.0), (2, d)).copy()
    if chosen.get("positive"):
        lower[:] = np.inf
    return upper, lower
