"""One singular direction of a regularised deep linear network: its loss and its roots over the weight decay.

Left: the loss of depth 3 over the product p of all layers, where lambda is below lambda_g, at it, between, at lambda_c
and above: a minimum beside zero is the better one, as good, worse, flat and gone. Right: the roots over lambda, at
depth 2, 3 and 4; at depth 2 they vanish gradually, beyond the global minimum jumps at lambda_g and the large root meets
the small one at lambda_c. (Derived, see docs, section 16.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import COLOURS, DASHES, Figure, Reproduction, Table, listed, tidy
from lassoflow.scalar_landscape import ScalarRoot, lambda_critical, lambda_global, scalar_roots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4)
LEVELS = (r"below $\lambda_g$", r"$\lambda = \lambda_g$", "between", r"$\lambda = \lambda_c$", r"above $\lambda_c$")
Marks = tuple[ScalarRoot, ...]
_MARKS = {"zero": "s", "small": "^", "double": "D", "large": "o"}


class Roots(NamedTuple):
    """Roots of one depth, p over y, at shares of lambda_c, each of shape (k,); the jump as a share of lambda_c."""

    depth: int
    shares: Floats
    large: Floats
    small: Floats
    jump: float


def run(quick: bool, seed: int) -> Reproduction:
    """Five losses of depth 3, and the roots of three depths, at y = 1; nothing is random."""
    points = 60 if quick else 400
    critical, best = float(lambda_critical(1.0, 3)), float(lambda_global(1.0, 3))
    lams = np.array([0.6 * best, best, (best + critical) / 2, critical, 1.3 * critical])
    p = np.linspace(0.0, 1.0, points)
    losses = [(p - 1.0) ** 2 + 3.0 * lam ** (1 / 3) * p ** (2 / 3) for lam in lams.tolist()]
    marks = [scalar_roots(1.0, lam, 3) for lam in lams.tolist()]
    found = [_roots(depth, points) for depth in DEPTHS]
    numbers = {f"lambda_critical_{depth}": float(lambda_critical(1.0, depth)) for depth in DEPTHS}
    numbers |= {f"lambda_global_{depth}": float(lambda_global(1.0, depth)) for depth in DEPTHS}
    numbers |= {f"at_critical_{one.depth}": float(one.large[-1]) for one in found}
    numbers["tie"] = max(root.value for root in marks[1]) - 1.0  # of the small root, between two minima of value 1
    sentence = (
        "published: the critical points are known in closed form; here, of one direction: at depth "
        f"{listed(DEPTHS, 'd')} the large root goes to {listed([one.large[-1] for one in found], '.4f')} of y as the "
        f"weight decay becomes critical, and the global minimum leaves it at "
        f"{listed([one.jump for one in found], '.4f')} of that."
    )
    loss_table: Table = {"p": np.tile(p, lams.size), "lambda": np.repeat(lams, p.size), "loss": np.concatenate(losses)}
    root_table: Table = {
        "depth": np.concatenate([np.full(one.shares.size, one.depth) for one in found]),
        "share": np.concatenate([one.shares for one in found]),
        "large": np.concatenate([one.large for one in found]),
        "small": np.concatenate([one.small for one in found]),
    }
    draw = partial(_draw, p, losses, marks, found)
    return Reproduction({"losses": loss_table, "roots": root_table}, numbers, sentence, draw, (10.5, 4.4))


def _roots(depth: int, points: int) -> Roots:
    """At depth 2 there is no small root: zero takes its place."""
    critical = float(lambda_critical(1.0, depth))
    shares = np.sin(np.linspace(0.0, np.pi / 2, points)[1:])  # finer where the roots meet
    large, small = np.zeros(shares.size), np.zeros(shares.size)
    for k, share in enumerate(shares.tolist()):
        by_name = {root.name: root.product for root in scalar_roots(1.0, share * critical, depth)}
        double = by_name.get("double", 0.0)
        large[k], small[k] = by_name.get("large", double), by_name.get("small", double)
    return Roots(depth, shares, large, small, float(lambda_global(1.0, depth)) / critical)


def _draw(p: Floats, losses: list[Floats], marks: list[Marks], found: list[Roots], figure: Canvas) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    _draw_losses(left, p, losses, marks)
    for k, one in enumerate(found):
        right.plot(one.shares, one.large, color=COLOURS[k], linewidth=1.8, label=f"depth {one.depth}")
        if one.depth > 2:
            right.plot(one.shares, one.small, color=COLOURS[k], linewidth=1.8, linestyle="--")
            height = (one.depth - 2) / (one.depth - 1)
            right.plot([one.jump, one.jump], [0.0, height], color=COLOURS[k], linewidth=0.9, linestyle=":")
            right.plot(one.jump, height, color=COLOURS[k], marker="o", markersize=6)
        right.plot(1.0, one.large[-1], color=COLOURS[k], marker="D", markersize=6, clip_on=False)
    right.plot([], [], color="0.3", linewidth=1.8, linestyle="--", label="small roots")
    right.plot([], [], color="0.3", marker="o", linestyle=":", label=r"$\lambda_g$: the minimum jumps to 0")
    right.plot([], [], color="0.3", marker="D", linestyle="", label=r"$\lambda_c$: the roots disappear")
    right.set_xlim(0.0, 1.03)
    right.set_ylim(-0.02, 1.02)
    tidy(right, r"$\lambda / \lambda_c$", "p / y", "roots")
    right.legend(frameon=False, fontsize="small", loc="upper right", bbox_to_anchor=(1.0, 1.02))


def _draw_losses(ax: Axes, p: Floats, losses: list[Floats], marks: list[Marks]) -> None:
    for k, (loss, roots) in enumerate(zip(losses, marks, strict=True)):
        dash = DASHES[k] if k < len(DASHES) else (0, (1, 3))
        ax.plot(p, loss, color=COLOURS[k], linewidth=1.6, linestyle=dash, label=LEVELS[k])
        for root in roots[1:]:
            ax.plot(root.product, root.value, color=COLOURS[k], marker=_MARKS[root.name], markersize=6)
    ax.plot(0.0, 1.0, color="0.2", marker="s", markersize=6)
    for name, words in (("zero", "zero"), ("small", "small root"), ("large", "large root"), ("double", "double root")):
        ax.plot([], [], color="0.4", marker=_MARKS[name], linestyle="", label=words)
    ax.axhline(1.0, color="0.6", linewidth=0.8, zorder=0)
    ax.set_ylim(0.8, 1.75)
    tidy(ax, "product of all layers p, over y", "loss φ over y²", "depth 3")
    ax.legend(frameon=False, fontsize="small", loc="upper left", ncols=2)


FIGURE = Figure(
    "scalar_roots",
    "Deep linear networks, one singular direction: its loss and its roots over the weight decay",
    "Chen, Jiang & Wang 2025 (arXiv 2502.11152), abstract; derived here",
    run,
)
