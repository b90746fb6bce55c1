"""What the critical points of a deep linear network are, over the weight decay and the ratio of two singular values.

At depth 2 there is one minimum everywhere, and its rank falls where lambda passes a square; at depth 3 there are
spurious minima of lower rank, of higher rank too between lambda_g and lambda_c, and 0 always is one. All are counted
from the list of classes, and held against the thresholds. (Chen, Jiang & Wang 2025, and the companion arXiv 2506.20344,
abstracts; derived, see docs, section 16.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

from lassoflow.arrays import Floats, Ints
from lassoflow.deep_linear import DeepLinear
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, stacked, tidy
from lassoflow.scalar_landscape import lambda_critical, lambda_global

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3)
_SHADES = ("#FFFFFF", "#D5D9EE", "#9FA8D5")
"""By the rank of the global minimum."""


class Kinds(NamedTuple):
    """What there is at one place: the rank of the global minimum, ranks of other minima, the number of saddles."""

    best: int
    others: tuple[int, ...]
    saddles: int

    @property
    def words(self) -> str:
        """One line of the legend."""
        spurious = f"of rank {', '.join(map(str, self.others))}" if self.others else "none"
        return f"global minimum of rank {self.best}, spurious ones: {spurious}; strict saddles: {self.saddles}"


class Map(NamedTuple):
    """One depth: the grid, and the number of the kinds at each of its places, shape (rows, columns)."""

    depth: int
    shares: Floats
    ratios: Floats
    found: list[Kinds]
    where: Ints


def run(quick: bool, seed: int) -> Reproduction:
    """Counts on a grid of weight decays and ratios, for y1 = 1; nothing is random."""
    maps = [_map(depth, 24 if quick else 90) for depth in DEPTHS]
    numbers = {f"regions_{one.depth}": float(len(one.found)) for one in maps}
    numbers["misses"] = float(sum(_misses(one) for one in maps))
    most = {one.depth: max(len(kinds.others) for kinds in one.found) for one in maps}
    sentence = (
        "published: every critical point is a global or local minimum or a saddle, by conditions on the weight decay; "
        f"here: {len(maps[0].found)} and {len(maps[1].found)} regions at depth 2 and 3, with at most {most[2]} and "
        f"{most[3]} spurious minima, and {numbers['misses']:.0f} of {sum(one.where.size for one in maps)} places where "
        "the thresholds say otherwise."
    )
    draw = partial(_draw, maps)
    return Reproduction({"kinds": stacked([_table(one) for one in maps])}, numbers, sentence, draw, (10.5, 5.6))


def _map(depth: int, points: int) -> Map:
    """The grid avoids its borders, and no place is at a threshold."""
    steps = (np.arange(points) + 0.5) / points
    shares, ratios = 10.0 ** (-2.5 + 2.8 * steps), steps
    found: list[Kinds] = []
    where = np.zeros((points, points), dtype=np.intp)
    for column, share in enumerate(shares.tolist()):
        decay = float(share * lambda_critical(1.0, depth)) ** (1.0 / depth)
        for row, ratio in enumerate(ratios.tolist()):
            kinds = _kinds(DeepLinear(np.diag([1.0, ratio]), [2] * (depth - 1), decay))
            if kinds not in found:
                found.append(kinds)
            where[row, column] = found.index(kinds)
    order = sorted(range(len(found)), key=lambda k: (-found[k].best, -found[k].saddles))
    return Map(depth, shares, ratios, [found[k] for k in order], np.argsort(order)[where])


def _kinds(problem: DeepLinear) -> Kinds:
    classes = [(each.kind, each.rank) for each in problem.critical_points()]
    best = max(rank for kind, rank in classes if kind == "global minimum")
    others = tuple(sorted(rank for kind, rank in classes if kind == "local minimum"))
    return Kinds(best, others, sum(kind == "strict saddle" for kind, _ in classes))


def _misses(one: Map) -> int:
    """Places where ranks are not those of the thresholds."""
    lam = one.shares * lambda_critical(1.0, one.depth)
    values = np.stack([np.ones_like(one.ratios), one.ratios])
    kept = (lambda_global(values, one.depth)[:, :, None] > lam).sum(axis=0)
    exist = (lambda_critical(values, one.depth)[:, :, None] > lam).sum(axis=0)
    best, minima = (np.array(column)[one.where] for column in zip(*_counts(one.found), strict=True))
    expected = exist + 1 if one.depth > 2 else np.ones_like(exist)
    return int(((best != kept) | (minima != expected)).sum())


def _counts(found: list[Kinds]) -> list[tuple[int, int]]:
    return [(kinds.best, 1 + len(kinds.others)) for kinds in found]


def _table(one: Map) -> dict[str, Floats]:
    best, minima = (np.array(column)[one.where] for column in zip(*_counts(one.found), strict=True))
    saddles = np.array([kinds.saddles for kinds in one.found])[one.where]
    shares, ratios = np.meshgrid(one.shares, one.ratios)
    columns = {"lambda_over_critical": shares, "ratio": ratios, "rank": best, "minima": minima, "saddles": saddles}
    return {"depth": np.full(shares.size, one.depth)} | {name: column.ravel() for name, column in columns.items()}


def _draw(maps: list[Map], figure: Canvas) -> None:
    for ax, one in zip(figure.subplots(1, 2, sharey=True), maps, strict=True):
        _draw_map(ax, one)
        tidy(ax, r"$\lambda / \lambda_c(y_1)$", "$y_2 / y_1$" if one is maps[0] else "", f"depth {one.depth}")
        ax.legend(
            frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(-0.02, -0.14), handlelength=1.6,
        )  # fmt: skip


def _draw_map(ax: Axes, one: Map) -> None:
    from matplotlib.colors import ListedColormap

    best = np.array([kinds.best for kinds in one.found])[one.where]
    ax.pcolormesh(one.shares, one.ratios, best, cmap=ListedColormap(_SHADES), vmin=-0.5, vmax=2.5, rasterized=True)
    fine, power = np.geomspace(one.shares[0], one.shares[-1], 400), 1.0 / (2 * one.depth - 2)
    jump = float(lambda_global(1.0, one.depth) / lambda_critical(1.0, one.depth))
    ax.axvline(1.0, color=COLOURS[4], linewidth=1.8)
    ax.plot(fine, fine**power, color=COLOURS[4], linewidth=1.8, label=r"$\lambda_c$ of $y_1$ or $y_2$")
    if one.depth > 2:
        ax.axvline(jump, color=COLOURS[2], linewidth=1.8, linestyle="--")
        words = r"$\lambda_g$ of $y_1$ or $y_2$"
        ax.plot(fine, (fine / jump) ** power, color=COLOURS[2], linewidth=1.8, linestyle="--", label=words)
    for k, kinds in enumerate(one.found):
        inside = distance_transform_edt(np.pad(one.where == k, 1))[1:-1, 1:-1]
        rows, columns = np.nonzero(inside >= inside.max() - 0.5)
        letter, middle = chr(ord("A") + k), rows.size // 2
        x, y = float(one.shares[columns[middle]]), float(one.ratios[rows[middle]])
        ax.text(x, y, letter, ha="center", va="center")
        ax.plot([], [], linestyle="", label=f"{letter}:  {kinds.words}")
    ax.set_xscale("log")
    ax.set_xlim(one.shares[0], one.shares[-1])
    ax.set_ylim(0.0, 1.0)


FIGURE = Figure(
    "kinds_map",
    "Deep linear networks: minima and saddles over the weight decay and the ratio of two singular values",
    "Chen, Jiang & Wang 2025 (arXiv 2502.11152, 2506.20344), abstracts; derived here",
    run,
)
