"""Bounds of the distance to the l1 solution that are attained: two problems with a kernel of dimension one.

Let n span the kernel, and let entries be equal in size on the support of the l1 solution, and those of n off it. Then
the upper bound is what the distance tends to, at every depth, so that no smaller one holds for all data. Where entries
differ it stays a fixed factor above. (Matt & Stöger 2025, abstract, have such examples; these are derived, see docs,
section 11.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.accuracy import accuracy_bounds, log_distance
from lassoflow.arrays import Floats
from lassoflow.endpoint import flow_endpoint, min_l1
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, listed, tidy
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4)
KERNEL = {"equal": (-3, -2, 1, 5, 5), "unequal": (-3, -2, 1, 8, 2)}
ROWS = {
    "equal": ((5, 0, 0, 3, 0), (0, 5, 0, 2, 0), (0, 0, 5, -1, 0), (0, 0, 0, 1, -1)),
    "unequal": ((8, 0, 0, 3, 0), (0, 4, 0, 1, 0), (0, 0, 8, -1, 0), (0, 0, 0, 1, -4)),
}
"""Samples that span what is orthogonal to the kernel, in integers: no distance is below the rounding of the data."""
SOLUTION = {"equal": (1.0, 1.0, 1.0, 0.0, 0.0), "unequal": (1.0, 3.0, 0.5, 0.0, 0.0)}
_MARKS = ("o", "s", "^")
_LN10 = float(np.log(10.0))


class Curve(NamedTuple):
    """Bounds over the distance of one problem and depth, over log10 of the scale: each of shape (k,)."""

    entries: str
    depth: int
    scales: Floats
    upper: Floats
    lower: Floats
    asymptotic: Floats


def run(quick: bool, seed: int) -> Reproduction:
    """Bounds over distances at three depths, of two problems."""
    scales = np.arange(-1.0, -13.0 if quick else -41.0, -1.0)
    rng = np.random.default_rng(seed)
    curves = [_curve(rng, entries, depth, scales) for entries in KERNEL for depth in DEPTHS]
    numbers = {f"upper_{one.entries}_{one.depth}": float(one.upper[-1]) for one in curves}
    numbers |= {f"limit_{one.entries}_{one.depth}": float(one.asymptotic[-1]) for one in curves}
    numbers |= {f"lower_{one.entries}_{one.depth}": float(one.lower[-1]) for one in curves}
    ends = {entries: [float(one.upper[-1]) for one in curves if one.entries == entries] for entries in KERNEL}
    sentence = (
        "published: the bounds of the distance are attained as the scale vanishes; here: at a scale of "
        f"1e{scales[-1]:.0f} upper bounds are {listed(ends['equal'], '.4f')} times the distance at depth "
        f"{listed(DEPTHS, 'd')} where entries are equal, {listed(ends['unequal'], '.4f')} where they are not."
    )
    table = {
        "equal": np.concatenate([np.full(scales.size, float(one.entries == "equal")) for one in curves]),
        "depth": np.concatenate([np.full(scales.size, one.depth) for one in curves]),
        "log10_scale": np.concatenate([one.scales for one in curves]),
        "upper": np.concatenate([one.upper for one in curves]),
        "lower": np.concatenate([one.lower for one in curves]),
        "limit": np.concatenate([one.asymptotic for one in curves]),
    }
    return Reproduction({"bounds": table}, numbers, sentence, partial(_draw, curves=curves), (9.6, 4.2))


def problem(rng: np.random.Generator, entries: str) -> LeastSquares:
    """Four samples of five features whose kernel is spanned by the vector of that name, in a random order and signs."""
    order, signs = rng.permutation(5), rng.choice([-1.0, 1.0], 5)
    X, solution = np.array(ROWS[entries]) * signs, np.array(SOLUTION[entries]) * signs
    return LeastSquares(X[:, order], X @ solution)


def _curve(rng: np.random.Generator, entries: str, depth: int, scales: Floats) -> Curve:
    data = problem(rng, entries)
    solution, found = min_l1(data), []
    for scale in scales.tolist():
        network = PowerNetwork(depth, log_scale=scale * _LN10)
        bounds = accuracy_bounds(data, network, solution=solution)
        assert bounds.log_asymptotic is not None  # the kernel has dimension one
        distance = log_distance(flow_endpoint(data, network), solution)
        found.append([bounds.log_upper - distance, bounds.log_lower - distance, bounds.log_asymptotic - distance])
    upper, lower, limit = np.exp(np.array(found).T)
    return Curve(entries, depth, scales, upper, lower, limit)


def _draw(figure: Canvas, curves: list[Curve]) -> None:
    axes = dict(zip(KERNEL, figure.subplots(1, 2, sharey=True), strict=True))
    for one in curves:
        ax, k = axes[one.entries], DEPTHS.index(one.depth)
        look = {"color": COLOURS[k], "linewidth": 1.4, "markersize": 4.0, "markevery": max(1, one.scales.size // 12)}
        x = 10.0**one.scales
        ax.loglog(x, one.upper, marker=_MARKS[k], label=f"upper bound, depth {one.depth}", **look)
        ax.loglog(x, one.lower, marker=_MARKS[k], linestyle=":", **look)
    for entries, ax in axes.items():
        ax.axhline(1.0, color="0.4", linewidth=0.9, linestyle="--")
        ax.invert_xaxis()
        ax.minorticks_off()
        tidy(ax, "scale of the initialisation", "bound over the distance" * (entries == "equal"), f"{entries} entries")
    axes["unequal"].legend(frameon=False, title="lower bounds dotted")


FIGURE = Figure(
    "tightness",
    "Bounds of the distance to the l1 solution over the distance itself: attained, and not",
    "Matt & Stöger 2025 (arXiv 2506.01143), abstract; the examples are derived here",
    run,
)
