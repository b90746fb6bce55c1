"""Estimators tuned on a validation set: five along exact paths, without a grid, and two by the number of columns.

Along the paths the validation error is known in closed form over all penalties and blends (docs, section 15), so the
choice is its minimiser, or that of the rule "paired" with the validation rows in ten parts. Best subset is by abess
(Zhu et al. 2020) and forward stepwise by fastcan, both optional: they give supports of 0 to 50 columns, as in Hastie,
Tibshirani & Tibshirani (2020), on which least squares is fitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.choice import CVSelection, Rule
from lassoflow.exact_cv import ExactLaw, Recipe
from lassoflow.figures.simulation import Draw
from lassoflow.path import Path
from lassoflow.pieces import Pieces


class Tuning(NamedTuple):
    """Which path, which shares of the average to choose from, and by which rule."""

    law: ExactLaw
    blends: tuple[float, float]
    rule: Rule


PATHS = {
    "limit flow": Tuning("flow", (0.0, 0.0), "min"),
    "blend": Tuning("flow", (0.0, 1.0), "min"),
    "paired blend": Tuning("flow", (0.0, 1.0), "paired"),
    "lasso": Tuning("lasso", (1.0, 1.0), "min"),
    "relaxed lasso": Tuning("lasso", (0.0, 1.0), "min"),
}
PACKAGES = {"best subset": ("abess", "fastcan"), "forward stepwise": ("fastcan",)}
"""What the other methods need, each of which is left out if that is not installed."""
MOST_COLUMNS = 50
PARTS = 10
"""Of the validation rows, between which errors are compared by the rule "paired"."""


def methods() -> tuple[str, ...]:
    """The methods that can be used here.

    Examples
    --------
    >>> from lassoflow.figures.validated import methods
    >>> methods()[:4]
    ('limit flow', 'blend', 'paired blend', 'lasso')
    """
    return (*PATHS, *(name for name, needed in PACKAGES.items() if all(map(find_spec, needed))))


def tune(data: Draw, names: tuple[str, ...]) -> Floats:
    """Coefficients of each method, tuned on the validation rows: shape (methods, d).

    Parameters
    ----------
    data : Draw
    names : tuple of str
        Some of :func:`methods`.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.figures.simulation import Cell, Setting, draw
    >>> from lassoflow.figures.validated import tune
    >>> data = draw(Cell(Setting("tiny", 50, 6, 2), 2, 0.0, 20.0), np.random.default_rng(0))
    >>> tune(data, ("blend", "lasso")).round(2)
    array([[0.95, 1.02, 0.  , 0.  , 0.  , 0.  ],
           [0.95, 1.02, 0.  , 0.1 , 0.02, 0.04]])
    """
    paths = {law: _path(law, data) for law in ("lasso", "flow")}
    return np.stack([_chosen(name, data, paths) for name in names])


def _path(law: ExactLaw, data: Draw) -> Path:
    recipe = Recipe(law, fit_intercept=False)
    problem = recipe.problem(data.X, data.y)
    return recipe.path(problem, recipe.floor(problem, None))


def _chosen(name: str, data: Draw, paths: dict[str, Path]) -> Floats:
    if name in PATHS:
        return best_of_path(paths[PATHS[name].law], PATHS[name], data)
    supports = {"best subset": best_subsets, "forward stepwise": forward_stepwise}[name]
    return best_of_supports(supports(data.X, data.y), data)


def best_of_path(path: Path, tuning: Tuning, data: Draw) -> Floats:
    """The coefficients on a path, of all penalties and blends, that the rule chooses: shape (d,)."""
    law, blends, rule = tuning
    parts = np.array_split(np.arange(data.y_val.size), 1 if rule == "min" else PARTS)
    errors = [Pieces.of(path, data.X_val[rows], data.y_val[rows]) for rows in parts]
    stop = path.domain[1]
    chosen = CVSelection.of(errors, law, rule, 1.0 / stop, 1.0 / path.knots[0], blends)
    return path.relaxed(chosen.blend)(min(chosen.s, stop), side="right" if chosen.s < stop else "left")


def best_of_supports(supports: Iterable[Ints], data: Draw) -> Floats:
    """The least-squares fit, on one of some supports or none, with the least validation error: shape (d,)."""
    best, least = np.zeros(data.X.shape[1]), float(data.y_val @ data.y_val)
    for support in supports:
        fit = np.linalg.lstsq(data.X[:, support], data.y)[0]
        error = float(np.sum((data.y_val - data.X_val[:, support] @ fit) ** 2))
        if error < least:
            least, best = error, np.zeros_like(best)
            best[support] = fit
    return best


def forward_stepwise(X: Floats, y: Floats) -> list[Ints]:
    """Supports of 1, 2, ... columns: each adds the column that reduces the residual sum of squares most.

    Rows are repeated with both signs changed: then all means are zero, and the package, which takes them away, does
    what is wanted without an intercept.
    """
    from fastcan import FastCan

    most = min(MOST_COLUMNS, *X.shape)
    order = FastCan(most, verbose=0).fit(np.vstack([X, -X]), np.concatenate([y, -y])).indices_
    return [np.sort(order[:k]) for k in range(1, most + 1)]


def best_subsets(X: Floats, y: Floats) -> list[Ints]:
    """Supports of 1, 2, ... columns with about the least residual sum of squares.

    The search starts from forward stepwise's columns and exchanges some while that helps enough. The least is not
    proven, as it is by mixed-integer programming.
    """
    from abess.linear import LinearRegression

    starts = forward_stepwise(X, y)  # in ascending order, without which the package is not safe
    fits = (LinearRegression(support_size=one.size, fit_intercept=False, A_init=one).fit(X, y) for one in starts)
    return [np.flatnonzero(fit.coef_) for fit in fits]
