"""How near the averaged flow comes to the lasso at depth 2, 3, 4 and 6: a square of a logarithm against powers.

The averages are ``scale^((D-2)/D)`` from the lasso at depth D >= 3 and ``1 / log(1 / scale)`` at depth 2, wherever its
path is monotone. The gap of the lasso objective has two parts: the square of that, and what coordinates that should be
zero are worth, which is their size, the scale: powers ``min(1, 2 (D - 2) / D)``. Derived here (docs, section 8); the
statement at depth 2, without a rate, is Berthier 2025, Theorem 2.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.berthier_paths import instances
from lassoflow.figures.reproduction import (
    COLOURS,
    Figure,
    Reproduction,
    lasso_gap,
    lasso_value,
    listed,
    slope,
    tidy,
)
from lassoflow.flow import gradient_flow
from lassoflow.network import PowerNetwork
from lassoflow.path import Path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DEEP = (3, 4, 6)
_LOOK = {2: (COLOURS[0], "o"), 3: (COLOURS[1], "s"), 4: (COLOURS[2], "^"), 6: (COLOURS[3], "D")}
_RTOL = 1e-10


class Ladder(NamedTuple):
    """One depth: scales as powers of ten, and the largest gap and distance along the path, each of shape (k,)."""

    depth: int
    powers: Floats
    gap: Floats
    """Of the lasso objective, relative to its minimum."""
    distance: Floats
    """``|average - lasso|_M`` over ``|y| / sqrt(n)``."""

    @property
    def rate(self) -> Floats:
        """What the rates are powers of: the scale, or log(1 / scale) at depth 2."""
        return np.asarray(self.powers * -np.log(10.0) if self.depth == 2 else 10.0**self.powers)

    def fitted(self, values: Floats) -> float:
        """The power of the rate, over the smaller half of the scales."""
        tail = slice(self.powers.size // 2, None)
        return slope(np.log(self.rate[tail]), np.log(values[tail]))


def expected(depth: int) -> tuple[float, float]:
    """The powers of gap and distance."""
    distance = -1.0 if depth == 2 else (depth - 2) / depth
    return min(1.0, 2 * distance), distance


def run(quick: bool, seed: int) -> Reproduction:
    """The largest relative gap along one monotone path, over the scale and the depth."""
    lasso = next(case.lasso for case in instances(seed) if case.monotone and case.lasso.knots.size > 2)
    s = np.geomspace(0.5 * lasso.knots[0], 5.0 * lasso.knots[-1], 200 if quick else 1000)
    s = np.union1d(s, lasso.knots)  # the corners are where averages are furthest off
    ladders = [_ladder(lasso, depth, _powers(depth, quick), s) for depth in (2, *DEEP)]
    gaps = {one.depth: one.fitted(one.gap) for one in ladders}
    distances = {one.depth: one.fitted(one.distance) for one in ladders}
    numbers = {f"gap_power_{depth}": value for depth, value in gaps.items()}
    numbers |= {f"distance_power_{depth}": value for depth, value in distances.items()}
    numbers |= {f"gap_expected_{depth}": expected(depth)[0] for depth in gaps}
    numbers |= {f"distance_expected_{depth}": expected(depth)[1] for depth in gaps}
    sentence = (
        "published: the gap of the lasso objective vanishes with the scale (depth 2, no rate); derived: like "
        f"log(1/scale)^-2, at depth {listed(DEEP, 'd')} like the scale to the power "
        f"{listed([expected(d)[0] for d in DEEP])}, the distance like the power "
        f"{listed([expected(d)[1] for d in DEEP])}; here: log(1/scale)^{gaps[2]:.3f}, then powers "
        f"{listed([gaps[d] for d in DEEP], '.3f')} of the gap and {listed([distances[d] for d in DEEP], '.3f')} of the "
        "distance."
    )
    tables = {"ladder": _table(ladders), "powers": _powers_table(ladders)}
    return Reproduction(tables, numbers, sentence, partial(_draw, ladders=ladders), (11.5, 4.2))


def _powers(depth: int, quick: bool) -> Floats:
    """The scales as powers of ten."""
    if depth == 2:
        return np.array([-(2.0**k) for k in range(2, 11 if quick else 13)])
    return np.arange(-2.0, -10.5, -2.0 if quick else -1.0)


def _ladder(lasso: Path, depth: int, powers: Floats, s: Floats) -> Ladder:
    problem = lasso.require_problem("a gap")
    least, solution = lasso_value(lasso, s), lasso(s)
    size = np.linalg.norm(problem.target)
    gap, distance = np.empty(powers.size), np.empty(powers.size)
    for k, power in enumerate(powers.tolist()):
        network = PowerNetwork(depth, log_scale=power * np.log(10.0))
        average = gradient_flow(problem, network, rtol=_RTOL).average(s)
        gap[k] = (lasso_gap(lasso, average, s) / least).max()
        distance[k] = np.linalg.norm(problem.fitted(average - solution), axis=1).max() / size
    return Ladder(depth, powers, gap, distance)


def _table(ladders: list[Ladder]) -> dict[str, Floats]:
    return {
        "depth": np.concatenate([np.full(one.powers.size, one.depth) for one in ladders]),
        "log10_scale": np.concatenate([one.powers for one in ladders]),
        "largest_relative_gap": np.concatenate([one.gap for one in ladders]),
        "largest_distance": np.concatenate([one.distance for one in ladders]),
    }


def _powers_table(ladders: list[Ladder]) -> dict[str, Floats]:
    return {
        "depth": np.array([one.depth for one in ladders]),
        "gap_expected": np.array([expected(one.depth)[0] for one in ladders]),
        "gap_fitted": np.array([one.fitted(one.gap) for one in ladders]),
        "distance_expected": np.array([expected(one.depth)[1] for one in ladders]),
        "distance_fitted": np.array([one.fitted(one.distance) for one in ladders]),
    }


def _draw(figure: Canvas, ladders: list[Ladder]) -> None:
    axes = figure.subplots(1, 3)
    for one in ladders:
        seen = one.powers >= -10.0
        power, far = expected(one.depth) if one.depth > 2 else (None, None)
        _draw_ladder(axes[0], 10.0 ** one.powers[seen], one.gap[seen], one, power)
        _draw_ladder(axes[1], 10.0 ** one.powers[seen], one.distance[seen], one, far)
    _draw_ladder(axes[2], ladders[0].rate, ladders[0].gap, ladders[0], -2.0)
    for ax in axes[:2]:
        ax.plot([], [], color="0.4", linewidth=0.9, linestyle="--", label="rate")
        ax.set_xlim(2e-2, 5e-11)
    titles = ("depth 3: 2/3; depth 4, 6: power 1", "depth 3, 4, 6: power 1/3, 1/2, 2/3", "depth 2: power −2")
    labels = ("gap of the lasso objective, relative", "distance to the lasso, over |y| / √n")
    tidy(axes[0], "scale of the initialisation", labels[0], titles[0])
    tidy(axes[1], "scale of the initialisation", labels[1], titles[1])
    tidy(axes[2], "log(1 / scale)", labels[0], titles[2])
    axes[0].legend(frameon=False, loc="lower left")


def _draw_ladder(ax: Axes, x: Floats, values: Floats, one: Ladder, power: float | None) -> None:
    """The values and, through the last of them, a line of the expected power."""
    colour, mark = _LOOK[one.depth]
    ax.loglog(x, values, color=colour, marker=mark, markersize=4.5, linewidth=1.4, label=f"depth {one.depth}")
    if power is not None:
        ax.loglog(x, values[-1] * (x / x[-1]) ** power, color="0.4", linewidth=0.9, linestyle="--", zorder=3)
    ax.minorticks_off()


FIGURE = Figure(
    "depth_ladder",
    "Deeper networks come nearer to the lasso path: the gap of the averaged flow over scale and depth",
    "rates derived here; the limit at depth 2 is Berthier 2025 (arXiv 2509.18766), Theorem 2.1",
    run,
)
