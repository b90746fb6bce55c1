"""Berthier 2025, Figure 1: the averaged flow of ``u v`` on the lasso path, and what is left between their objectives.

Four random instances with d = 4, n = 3, X and y standard normal, the loss ``|y - Xx|^2 / 2``, an initialisation of
1e-5 with u = 1e-5^(1/2) and v = 0 (arXiv 2509.18766, section 2.2). Seeds and range of s are not published.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import (
    COLOURS,
    Figure,
    Reproduction,
    Table,
    lasso_gap,
    lasso_value,
    listed,
    name_ends,
    numbered,
    stacked,
    tidy,
    without_mean,
)
from lassoflow.flow import gradient_flow
from lassoflow.monotonicity import monotone_until
from lassoflow.network import ProductNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SCALE, S = 1e-5, np.geomspace(0.1, 30.0, 400)


class Instance(NamedTuple):
    """A problem, its lasso path, and whether all ``|z_j|`` of it are monotone."""

    problem: LeastSquares
    lasso: Path
    monotone: bool


class Drawn(NamedTuple):
    """Curves of an instance at the times S: average and lasso of shape (k, d), gaps of shape (k,)."""

    monotone: bool
    average: Floats
    lasso: Floats
    gap: Floats
    limit_gap: Floats


def instances(seed: int, n: int = 3, d: int = 4) -> Iterator[Instance]:
    """The paper's random instances, one after the other, without end."""
    random = np.random.default_rng(seed)
    while True:
        problem = without_mean(random.standard_normal((n, d)), random.standard_normal(n))
        lasso = lasso_path(problem)
        yield Instance(problem, lasso, monotone_until(lasso) == np.inf)


def run(quick: bool, seed: int) -> Reproduction:
    """Two monotone and two non-monotone instances drawn, more of them behind the numbers."""
    groups = [[_curves(case) for case in group] for group in _sorted(seed, 6 if quick else 25)]
    shown = [*groups[0][:2], *groups[1][:2]]
    largest = [np.array([case.gap.max() for case in group]) for group in groups]
    numbers = {
        "largest_monotone": float(largest[0][:2].max()),
        "largest_non_monotone": float(largest[1][:2].max()),
        "median_monotone": float(np.median(largest[0])),
        "median_non_monotone": float(np.median(largest[1])),
        "largest_limit_gap_monotone": float(max(case.limit_gap.max() for case in groups[0])),
    }
    tables = {"paths": stacked([_table(number, case) for number, case in enumerate(shown)]), "gaps": _gaps(largest)}
    return Reproduction(tables, numbers, _sentence(largest), partial(_draw, shown=shown), (11.5, 5.4))


def _sorted(seed: int, count: int) -> tuple[list[Instance], list[Instance]]:
    """The first instances of either kind, monotone first."""
    kinds: tuple[list[Instance], list[Instance]] = ([], [])
    for instance in instances(seed):
        kinds[0 if instance.monotone else 1].append(instance)
        if min(map(len, kinds)) >= count:
            break
    return kinds[0][:count], kinds[1][:count]


def _curves(case: Instance) -> Drawn:
    average = gradient_flow(case.problem, ProductNetwork(scale=SCALE)).average(S)
    limit = limit_flow(case.problem).average(S)
    least = lasso_value(case.lasso, S)
    gap, limit_gap = (lasso_gap(case.lasso, coef, S) / least for coef in (average, limit))
    return Drawn(case.monotone, average, case.lasso(S), gap, limit_gap)


def _sentence(largest: list[Floats]) -> str:
    ratio = np.median(largest[1]) / np.median(largest[0])
    return (
        "published: relative gaps below 0.04 on the four instances shown, those of monotone ones about 10 times "
        f"smaller; here: the largest gaps of the four are {listed(largest[0][:2], '.2g')} (monotone), "
        f"{listed(largest[1][:2], '.2g')} (non-monotone); medians over {largest[0].size} instances of either kind are "
        f"{np.median(largest[0]):.2g} and {np.median(largest[1]):.2g}, a factor of {ratio:.1f}."
    )


def _table(number: int, case: Drawn) -> Table:
    same = {"instance": np.full(S.size, number + 1), "monotone": np.full(S.size, int(case.monotone)), "s": S}
    gaps = {"relative_gap": case.gap, "relative_gap_limit": case.limit_gap}
    return same | numbered("average_x", case.average) | numbered("lasso_x", case.lasso) | gaps


def _gaps(largest: list[Floats]) -> Table:
    monotone = np.repeat([1, 0], largest[0].size)
    return {"monotone": monotone, "largest_relative_gap": np.concatenate(largest)}


def _draw(figure: Canvas, shown: list[Drawn]) -> None:
    axes = figure.subplots(2, len(shown), sharex=True, height_ratios=(1.6, 1.0))
    top = 1.1 * max(float(case.gap.max()) for case in shown)
    for number, case in enumerate(shown):
        _draw_paths(axes[0, number], case, f"{'monotone' if case.monotone else 'not monotone'} ({1 + number % 2})")
        _draw_gap(axes[1, number], case, top)
        if number:
            axes[0, number].set_ylabel("")
            axes[1, number].set_ylabel("")
    handles = [
        axes[0, 0].plot([], [], color="0.3", linewidth=5.0, alpha=0.3, label="lasso")[0],
        axes[0, 0].plot([], [], color="0.1", linewidth=1.2, label=f"averaged flow, ε = {SCALE:g}")[0],
        axes[1, 0].plot([], [], color="0.1", linewidth=1.2, linestyle=":", label="gap of the limit ε → 0")[0],
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)


def _draw_paths(ax: Axes, case: Drawn, title: str) -> None:
    d = case.lasso.shape[1]
    for j in range(d):
        ax.plot(S, case.lasso[:, j], color=COLOURS[j], linewidth=5.0, alpha=0.3, solid_capstyle="butt")
        ax.plot(S, case.average[:, j], color=COLOURS[j], linewidth=1.2)
    ax.axhline(0.0, color="0.6", linewidth=0.5, zorder=0)
    ax.set_xscale("log")
    ax.set_xlim(S[0], S[-1])
    ax.margins(y=0.08)
    tidy(ax, "", "coefficient", title)
    name_ends(ax, case.average[-1], [f"$x_{j + 1}$" for j in range(d)], list(COLOURS[:d]))


def _draw_gap(ax: Axes, case: Drawn, top: float) -> None:
    ax.plot(S, case.gap, color="0.1", linewidth=1.2)
    ax.plot(S, case.limit_gap, color="0.1", linewidth=1.2, linestyle=":")
    ax.set_ylim(0.0, top)
    tidy(ax, "time  s = 1/λ", "relative gap of\nthe lasso objective")


FIGURE = Figure(
    "berthier_paths",
    "The averaged flow of a two-layer network on the lasso path, and the gap of the lasso objective",
    "Berthier 2025 (arXiv 2509.18766), Figure 1",
    run,
)
