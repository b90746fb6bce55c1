"""Small random problems in integers, full of ties, duplicates, opposite and zero columns, with their exact twins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lassoflow as lf
from oracles import rational

Floats = NDArray[np.float64]
TRAITS = ("positive", "factor", "weights", "decay", "intercept")
KINDS = ("plain", *TRAITS, "factor and decay", "mixed")
SIDES = (0.0, 0.5, 1.0, 1.0, 2.0, 3.0, np.inf)
DECAYS = (0.125, 0.25, 0.5, 1.0, 2.0)


@dataclass
class Case:
    """A problem and the arguments of a path."""

    X: Floats
    y: Floats
    weights: Floats | None = None
    fit_intercept: bool = False
    box: dict[str, Any] = field(default_factory=dict)

    def problem(self) -> lf.LeastSquares:
        """The problem for the library."""
        return lf.LeastSquares(self.X, self.y, self.weights, self.fit_intercept)

    def exact(self) -> rational.Problem:
        """The problem in rationals: rows repeated instead of weighted, centred instead of given an intercept."""
        repeats = np.ones(len(self.y), dtype=int) if self.weights is None else self.weights.astype(int)
        X, y = (np.repeat(array, repeats, axis=0) for array in (self.X, self.y))
        return rational.Problem.of(X, y, fit_intercept=self.fit_intercept, **self.box)


def random_case(kind: str, rng: np.random.Generator) -> Case:
    """A problem of one kind with 1 to 6 rows and columns."""
    n, d = rng.integers(1, 7, 2)
    case = Case(random_design(n, d, rng), rng.integers(-3, 4, n).astype(float))
    has = set(rng.choice(TRAITS, 3, replace=False)) if kind == "mixed" else set(kind.split(" and "))
    if "weights" in has:
        case.weights = random_weights(n, rng)
    if "intercept" in has:
        case.fit_intercept = True
    if "positive" in has:
        case.box["positive"] = True
    if "factor" in has:
        case.box["penalty_factor"] = rng.choice(SIDES, (2, d) if rng.random() < 0.7 else d)
    if "decay" in has:
        case.box["weight_decay"] = float(rng.choice(DECAYS))
    return case


def random_design(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Integers in [-2, 2], half of the time with columns copied, negated, summed or emptied."""
    X = rng.integers(-2, 3, (n, d)).astype(float)
    for _ in range(rng.integers(0, 3)):
        i, j, k = rng.integers(0, d, 3)
        X[:, i] = [X[:, j], -X[:, j], X[:, j] + X[:, k], 0 * X[:, j]][rng.integers(0, 4)]
    return X


def random_weights(n: int, rng: np.random.Generator) -> Floats:
    """Integers from 0 to 3, not all of them 0."""
    weights = rng.integers(0, 4, n).astype(float)
    weights[rng.integers(0, n)] += 1
    return weights
