"""Directions in which a convex loss falls for ever: where there is one in a cone, there is no minimum over it."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.linalg as sla
from scipy.optimize import linprog

from lassoflow.arrays import Floats, Ints
from lassoflow.convex import ConvexProblem

_FALLS = 1e-7
"""Total fall of the predictors, each at most 1, above what a linear program takes for zero."""
_MOVES = 1e-9


class NoMinimum(ArithmeticError):
    """There is no minimum: the loss falls for ever along some columns."""

    def __init__(self, columns: Ints) -> None:
        super().__init__("The loss has no minimum.")
        self.columns = columns


def recession_columns(problem: ConvexProblem, index: Ints, signs: Floats) -> Ints | None:
    """Columns along which the loss falls for ever, the signs kept (0: free), or None; by a linear program.

    Predictors may move where that never raises the loss of their sample: one way, or not at all.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> from lassoflow.recession import recession_columns
    >>> problem = lf.Logistic([[1.0, 0.3], [2.0, -1.0], [-1.0, 0.5]], [1, 1, 0])
    >>> recession_columns(problem, np.array([0]), np.array([1.0]))
    array([0])
    >>> recession_columns(problem, np.array([1]), np.array([1.0]))
    """
    seen = problem.weights > 0
    columns, n = problem.design.columns(index)[seen], int(seen.sum())
    scale = np.abs(columns).max(axis=0, initial=0.0)
    columns = columns / np.where(scale > 0, scale, 1.0)
    rising, sinking = problem.loss_of.falls(problem.response[seen])
    if not (rising | sinking).any():
        return None
    ways = [(0.0 if sign > 0 else None, 0.0 if sign < 0 else None) for sign in signs]
    if problem.fit_intercept:
        columns, ways = np.column_stack([columns, np.ones(n)]), [*ways, (None, None)]
    if not signs.any() and n <= columns.shape[1]:
        moved = _onto(columns, rising.astype(np.float64) - sinking)
        if moved is not None:
            return index[moved[: index.size] > _MOVES * moved.max()]
    moves = [
        (0.0, 1.0) if up else (-1.0, 0.0) if down else (0.0, 0.0) for up, down in zip(rising, sinking, strict=True)
    ]
    cost = np.concatenate([np.zeros(len(ways)), np.where(rising, -1.0, 1.0)])
    result = linprog(cost, A_eq=np.hstack([columns, -np.eye(n)]), b_eq=np.zeros(n), bounds=[*ways, *moves])
    if result.x is None or -result.fun <= _FALLS:
        return None
    size = np.abs(result.x[: index.size])
    return index[size > _MOVES * size.max(initial=0.0)]


def _onto(columns: Floats, goal: Floats) -> Floats | None:
    """The sizes of coefficients that move predictors just so, if there are any; with independent rows there are."""
    gram = columns @ columns.T
    try:
        with warnings.catch_warnings(action="error", category=sla.LinAlgWarning):
            coef = columns.T @ sla.solve(gram, goal, assume_a="pos", check_finite=False)
    except (sla.LinAlgError, sla.LinAlgWarning):
        return None
    missed = np.abs(columns @ coef - goal).max()
    return np.abs(coef) if missed <= _FALLS else None
