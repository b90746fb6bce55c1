"""Vaskevicius, Kanade & Rebeschini 2019: paths of gradient descent on ``u^2 - v^2`` beside those of the lasso.

Settings from the authors' code (``alpha_effect``): entries of X are 1 or -1 at random, n = 100, d = 10000, five signals
of size 1, noise 0.5, weights of 1e-3 and 1e-12 at the start; here d is smaller and the flow takes the place of small
steps. Their paths differ from the lasso's. Berthier 2025 explains why: the lasso is the *average* of the flow.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, Table, numbered, stacked, tidy
from lassoflow.flow import gradient_flow
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

N, SIGNALS, NOISE = 100, 5, 0.5
WEIGHTS = (1e-3, 1e-12)
S = np.geomspace(0.4, 40.0, 500)
_FINE, _COARSE = (f"flow {weight:g}" for weight in reversed(WEIGHTS))
_STYLES = {
    _COARSE: (COLOURS[3], "-"), _FINE: (COLOURS[0], "-"), f"average {WEIGHTS[0]:g}": (COLOURS[3], "--"),
    f"average {WEIGHTS[1]:g}": (COLOURS[0], "--"), "lasso": (COLOURS[1], "-."),
}  # fmt: skip


class Replicate(NamedTuple):
    """Curves by name, of shape (k, d) at the times S, and the squared error of least squares on the signals."""

    curves: dict[str, Floats]
    oracle: float

    def error(self, name: str) -> Floats:
        """The squared error along a curve: shape (k,)."""
        coef = self.curves[name]
        return np.square(coef[:, :SIGNALS] - 1.0).sum(axis=1) + np.square(coef[:, SIGNALS:]).sum(axis=1)


def run(quick: bool, seed: int) -> Reproduction:
    """One draw in full, more of them for the smaller initialisation."""
    d = 400 if quick else 2000
    random = np.random.default_rng(seed)
    first = _replicate(random, d, WEIGHTS)
    more = [_replicate(random, d, WEIGHTS[1:]) for _ in range(2 if quick else 4)]
    best = stacked([_best(number, one) for number, one in enumerate([first, *more])])
    names = {"flow": _FINE, "average": f"average {WEIGHTS[1]:g}", "lasso": "lasso", "limit": "limit flow"}
    numbers = {name: float(_of(best, label).mean()) for name, label in names.items()}
    numbers |= {"oracle": float(_of(best, "least squares on the signals").mean())}
    numbers |= {f"{name}_s": float(np.median(_of(best, label, "s"))) for name, label in names.items()}
    numbers |= {"coarse_flow": float(_of(best, _COARSE)[0]), "replicates": 1 + len(more), "d": d}
    tables = {"best": best, "errors": _errors(first), "signals": _signals(first)}
    return Reproduction(tables, numbers, _sentence(numbers), partial(_draw, first=first), (10.5, 7.0))


def _sentence(numbers: dict[str, float]) -> str:
    return (
        "published: the path of gradient descent differs from the lasso's (as reported by Berthier 2025; d = 10000); "
        f"here, d = {numbers['d']:.0f}, mean of {numbers['replicates']:.0f} draws: the best squared error "
        f"along the path is {numbers['flow']:.3g} for the flow from weights {WEIGHTS[1]:g}, at s = "
        f"{numbers['flow_s']:.2g} (least squares on the true signals: {numbers['oracle']:.3g}), {numbers['lasso']:.3g} "
        f"for the lasso at s = {numbers['lasso_s']:.2g} and {numbers['average']:.3g} for the flow's average."
    )


def _replicate(random: np.random.Generator, d: int, weights: tuple[float, ...]) -> Replicate:
    X = random.choice([-1.0, 1.0], (N, d))
    y = X[:, :SIGNALS].sum(axis=1) + NOISE * random.standard_normal(N)
    problem = LeastSquares(X, y)
    last = float(S[-1])
    curves: dict[str, Floats] = {}
    for weight in weights:
        # coefficients are squares of weights
        flow = gradient_flow(problem, PowerNetwork(2, log_scale=2 * np.log(weight)), until=last, rtol=1e-5)
        curves |= {f"flow {weight:g}": flow(S), f"average {weight:g}": flow.average(S)}
    curves["lasso"] = lasso_path(problem, lambda_min=1 / last)(S, side="left")
    curves["limit flow"] = limit_flow(problem, lambda_min=1 / last)(S, side="left")
    fit = np.linalg.lstsq(X[:, :SIGNALS], y, rcond=None)[0]
    return Replicate(curves, float(np.square(fit - 1.0).sum()))


def _best(number: int, one: Replicate) -> Table:
    """The smallest error along each curve, and where."""
    errors = {name: one.error(name) for name in one.curves}
    return {
        "replicate": np.full(len(errors) + 1, number + 1),
        "estimator": np.array([*errors, "least squares on the signals"]),
        "best_squared_error": np.array([*(error.min() for error in errors.values()), one.oracle]),
        "s": np.array([*(S[error.argmin()] for error in errors.values()), np.nan]),
    }


def _of(best: Table, estimator: str, column: str = "best_squared_error") -> Floats:
    return np.asarray(best[column][best["estimator"] == estimator], dtype=np.float64)


def _errors(one: Replicate) -> Table:
    return {"s": S} | {name.replace(" ", "_"): one.error(name) for name in one.curves}


def _signals(one: Replicate) -> Table:
    """The coefficients of the signals and the size of the largest other one."""
    return stacked([
        {"curve": np.full(S.size, name), "s": S} | numbered("x", coef[:, :SIGNALS])
        | {"largest_other": np.abs(coef[:, SIGNALS:]).max(axis=1)}
        for name, coef in one.curves.items()
    ])  # fmt: skip


def _draw(figure: Canvas, first: Replicate) -> None:
    grid = figure.add_gridspec(2, 3, height_ratios=(1.0, 1.1))
    titles = {
        _COARSE: "flow, weights $10^{-3}$ at the start", _FINE: "flow, weights $10^{-12}$ at the start",
        "lasso": "lasso",
    }  # fmt: skip
    low = min(first.curves[name].min() for name in titles)
    high = max(first.curves[name].max() for name in titles)
    for number, (name, title) in enumerate(titles.items()):
        ax = figure.add_subplot(grid[0, number])
        ax.set_ylim(1.1 * low, 1.1 * high)
        _draw_path(ax, first.curves[name], title)
        ax.set_ylabel("" if number else "coefficient  (grey: not signals)")
    _draw_errors(figure.add_subplot(grid[1, :]), first)


def _draw_path(ax: Axes, coef: Floats, title: str) -> None:
    from matplotlib.collections import LineCollection

    other = coef[:, SIGNALS:].T
    visible = other[np.abs(other).max(axis=1) > 0.01]
    ax.add_collection(LineCollection([np.column_stack([S, row]) for row in visible], colors="0.75", linewidths=0.5))
    for j in range(SIGNALS):
        ax.plot(S, coef[:, j], color=COLOURS[j], linewidth=1.4)
    ax.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set_xlim(S[0], S[-1])
    tidy(ax, "lasso time  s = 1/λ", "", title)


def _draw_errors(ax: Axes, first: Replicate) -> None:
    for name, (colour, dashes) in _STYLES.items():
        kind, _, weight = name.partition(" ")
        label = f"{kind}, weights $10^{{{round(np.log10(float(weight)))}}}$" if weight else kind
        ax.loglog(S, first.error(name), color=colour, linestyle=dashes, linewidth=1.6, label=label)
    ax.axhline(first.oracle, color="0.3", linewidth=1.0, linestyle=":", label="least squares on the true signals")
    ax.set_xlim(S[0], S[-1])
    ax.set_ylim(0.6 * first.oracle, None)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 0.1), fontsize="small")
    tidy(ax, "lasso time  s = 1/λ", "squared error  |x − x*|²", "error along the paths")


FIGURE = Figure(
    "vaskevicius",
    "Gradient flow, its average and the lasso: coefficients and errors along the three paths",
    "Vaskevicius, Kanade & Rebeschini 2019 (NeurIPS), the effect of the initialisation; d reduced",
    run,
)
