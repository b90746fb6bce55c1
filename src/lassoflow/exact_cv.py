"""The folds of a cross-validation: a path on each, and its exact error on the rows held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints, read_nonnegative
from lassoflow.path import Path
from lassoflow.pieces import Pieces
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow

ExactLaw = Literal["lasso", "flow"]

SMALLEST_SHARE = 1e-3
"""Penalties are searched down to this share of the largest one unless a ``lambda_min`` is given."""


@dataclass(frozen=True)
class Recipe:
    """How paths are made of data: the law and the arguments that all folds share.

    Raises
    ------
    ValueError
        If the law is not "lasso" or "flow".
    """

    law: ExactLaw = "flow"
    fit_intercept: bool = True
    positive: bool = False
    penalty_factor: ArrayLike | str | None = None

    def __post_init__(self) -> None:
        if self.law not in get_args(ExactLaw):
            raise ValueError(f'law must be "lasso" or "flow"; got {self.law!r}.')

    def problem(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LeastSquares:
        """The least-squares problem of some rows."""
        return LeastSquares(X, y, sample_weight=sample_weight, fit_intercept=self.fit_intercept)

    def path(self, problem: LeastSquares, lambda_min: float = 0.0, max_knots: int | None = None) -> Path:
        """Its path down to a penalty."""
        walk = lasso_path if self.law == "lasso" else limit_flow
        return walk(problem, self.penalty_factor, self.positive, lambda_min=lambda_min, max_knots=max_knots)

    def lambda_max(self, problem: LeastSquares) -> float:
        """The penalty of the path's first knot; 0 if there is none."""
        return 1.0 / self.path(problem, max_knots=0).domain[1]

    def floor(self, problem: LeastSquares, lambda_min: float | None) -> float:
        """The smallest penalty to search.

        Raises
        ------
        ValueError
            If a ``lambda_min`` is negative, not finite, or not below the penalty of the first knot.
        """
        largest = self.lambda_max(problem)
        if lambda_min is None:
            return SMALLEST_SHARE * largest
        smallest = read_nonnegative(lambda_min, "lambda_min")
        if smallest >= largest > 0:
            raise ValueError(
                f"lambda_min must be below {largest:.6g}, from which on nothing is selected; got {lambda_min!r}."
            )
        return smallest


def fold_errors(
    recipe: Recipe,
    X: Any,
    Y: Floats,
    weights: Floats | None,
    folds: Sequence[tuple[Ints, Ints]],
    floors: Sequence[float],
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list[list[Pieces]]:
    """The error of every fold's paths on its held-out rows, by response and fold.

    Parameters
    ----------
    recipe : Recipe
    X : array or sparse array of shape (n, d)
    Y : array of shape (n, q)
        One response a column.
    weights : array of shape (n,), optional
    folds : sequence of (train, test)
        Row numbers.
    floors : sequence of q floats
        Where the walks of each response end.
    n_jobs : int, optional
        Processes, as joblib counts them.
    verbose : int
        1 prints a line a fold, more is passed on to joblib.

    Raises
    ------
    ValueError
        If a fold has no rows, or no weight, to fit on or to hold out.
    """
    from sklearn.utils.parallel import Parallel, delayed

    if sp.issparse(X):
        X = sp.csr_array(X)  # rows are wanted
    for number, (train, test) in enumerate(folds):
        _require_weight(weights, train, test, number)
    jobs = (delayed(_errors)(recipe, X, Y, weights, train, test, floors) for train, test in folds)
    done: list[list[Pieces]] = []
    parallel = Parallel(n_jobs=n_jobs, verbose=max(0, verbose - 1), return_as="generator")
    for number, pieces in enumerate(parallel(jobs)):
        done.append(pieces)
        if verbose:
            knots = ", ".join(str(one.times.size - 1) for one in pieces)
            print(f"fold {number + 1} of {len(folds)}: {knots} knots")
    return [list(of_one) for of_one in zip(*done, strict=True)]


def _errors(
    recipe: Recipe, X: Any, Y: Floats, weights: Floats | None, train: Ints, test: Ints, floors: Sequence[float]
) -> list[Pieces]:
    """The errors of one fold, a response at a time; the rows are centred once."""
    problem = recipe.problem(X[train], Y[train, 0], None if weights is None else weights[train])
    held_out, pieces = X[test], []
    for j, floor in enumerate(floors):
        path = recipe.path(problem if j == 0 else problem.with_response(Y[train, j]), floor)
        pieces.append(Pieces.of(path, held_out, Y[test, j], None if weights is None else weights[test]))
    return pieces


def _require_weight(weights: Floats | None, train: Ints, test: Ints, number: int) -> None:
    for rows, purpose in ((train, "fit on"), (test, "hold out")):
        if not np.size(rows) or (weights is not None and not weights[rows].any()):
            raise ValueError(f"cv: fold {number + 1} has no rows of positive weight to {purpose}.")
