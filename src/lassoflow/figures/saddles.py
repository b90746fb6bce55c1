"""Pesme & Flammarion 2023, Figure 1: the loss falls from saddle to saddle as the initialisation vanishes.

In lasso time the flow of ``u v`` tends to a piecewise constant curve, uniformly away from its jumps (arXiv 2304.00488;
the setting of the figure could not be read, so the design here is our own). How fast is derived: the dual is within
a constant over ``log(1 / scale)`` of its limit up to the last jump (docs, section 9). After that the gradient is zero:
a coordinate that the last jump has switched off stays at the face of the box and decays like ``1 / s`` only, which
costs a factor ``log log(1 / scale)``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import (
    COLOURS,
    DASHES,
    Figure,
    Reproduction,
    listed,
    name_ends,
    numbered,
    stacked,
    tidy,
)
from lassoflow.flow import gradient_flow
from lassoflow.network import ProductNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.walk import limit_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SCALES = (1e-4, 1e-20, 1e-100)


class Drawn(NamedTuple):
    """A flow at times s: loss of shape (k,), coefficients of shape (k, d)."""

    name: str
    s: Floats
    loss: Floats
    coef: Floats


def run(quick: bool, seed: int) -> Reproduction:
    """Three finite scales and the limit."""
    problem, truth = _problem(seed)
    limit = limit_flow(problem)
    flows = [gradient_flow(problem, ProductNetwork(scale=scale)) for scale in SCALES]
    s = np.geomspace(0.3 * limit.knots[0], 3.0 * limit.knots[-1], 400 if quick else 2000)
    until = s[s <= limit.knots[-1]]
    apart = np.array([np.abs(flow.dual(until) - limit.dual(until)).max() for flow in flows])
    shown = [_drawn(_power(scale), flow, s) for scale, flow in zip(SCALES, flows, strict=True)]
    exact = _drawn("limit", limit, np.sort(np.concatenate([s, limit.knots])))
    numbers = {f"dual_apart_{scale:g}": float(value) for scale, value in zip(SCALES, apart, strict=True)}
    numbers |= {f"times_log_{scale:g}": float(-v * np.log(scale)) for scale, v in zip(SCALES, apart, strict=True)}
    numbers |= {"jumps": limit.knots.size, "end_to_truth": float(np.abs(limit.end - truth).max())}
    sentence = (
        "published: as the initialisation vanishes the flow jumps from saddle to saddle until it is the solution of "
        f"least l1 norm, uniformly away from the jumps; here: {limit.knots.size} jumps; until the last the dual is "
        f"within {listed(apart, '.2g')} of its limit at scales {listed(SCALES, 'g')}; times log(1/scale) that is "
        f"{listed(-apart * np.log(SCALES), '.2g')}."
    )
    table = stacked([_table(one, -np.inf if one is exact else _log10(one, SCALES, shown)) for one in [*shown, exact]])
    return Reproduction(
        {"flows": table, "jumps": {"s": limit.knots}}, numbers, sentence, partial(_draw, shown=shown, exact=exact),
        (9.5, 6.4),
    )  # fmt: skip


def _problem(seed: int, n: int = 6, d: int = 9) -> tuple[LeastSquares, Floats]:
    """Noiseless data from three signals, and these."""
    random = np.random.default_rng(seed)
    X, truth = random.standard_normal((n, d)), np.zeros(d)
    truth[:3] = 1.5, -1.0, 0.6
    return LeastSquares(X, X @ truth), truth


def _drawn(name: str, path: Path, s: Floats) -> Drawn:
    coef = path(s)
    return Drawn(name, s, np.asarray(path.require_problem("a loss").loss(coef)), coef)


def _power(scale: float) -> str:
    return f"scale $10^{{{round(np.log10(scale))}}}$"


def _log10(one: Drawn, scales: tuple[float, ...], shown: list[Drawn]) -> float:
    return float(np.log10(scales[shown.index(one)]))


def _table(one: Drawn, log_scale: float) -> dict[str, Floats]:
    same = {"log10_scale": np.full(one.s.size, log_scale), "s": one.s, "loss": one.loss}
    return same | numbered("x", one.coef)


def _draw(figure: Canvas, shown: list[Drawn], exact: Drawn) -> None:
    grid = figure.add_gridspec(2, len(shown))
    _draw_losses(figure.add_subplot(grid[0, :]), shown, exact)
    first = None
    for number, one in enumerate(shown):
        first = figure.add_subplot(grid[1, number], sharey=first) if first else figure.add_subplot(grid[1, 0])
        _draw_sizes(first, one, exact, last=number == len(shown) - 1)
        first.set_ylabel("" if number else "|coefficient|")


def _draw_losses(ax: Axes, shown: list[Drawn], exact: Drawn) -> None:
    ax.plot(exact.s, exact.loss, color="0.7", linewidth=5.0, label="limit, scale → 0", drawstyle="steps-post")
    for one, colour, dashes in zip(shown, (COLOURS[3], COLOURS[1], COLOURS[0]), (":", "--", "-"), strict=True):
        ax.plot(one.s, one.loss, color=colour, linestyle=dashes, linewidth=1.5, label=one.name)
    ax.set_xscale("log")
    ax.set_xlim(exact.s[0], exact.s[-1])
    ax.legend(frameon=False)
    tidy(ax, "lasso time  s = 2 t / log(1/scale)", "loss  |y − Xx|² / (2n)", "saddle to saddle")


def _draw_sizes(ax: Axes, one: Drawn, exact: Drawn, last: bool) -> None:
    """Coefficients that are ever of a visible size; the limit behind them."""
    kept = np.flatnonzero(np.abs(exact.coef).max(axis=0) > 0)
    colours = [COLOURS[rank % len(COLOURS)] for rank in range(kept.size)]
    for rank, j in enumerate(kept.tolist()):
        look: dict[str, Any] = {"color": colours[rank], "drawstyle": "steps-post", "linewidth": 4.0, "alpha": 0.3}
        ax.plot(exact.s, np.abs(exact.coef[:, j]), **look)
        ax.plot(one.s, np.abs(one.coef[:, j]), color=colours[rank], linewidth=1.2, linestyle=DASHES[rank // 6])
    ax.set_xscale("log")
    ax.set_xlim(exact.s[0], exact.s[-1])
    tidy(ax, "lasso time  s", "", one.name)
    if last:
        large = kept[np.abs(exact.coef[-1, kept]) > 0]
        names = [f"$x_{j + 1}$" for j in large]
        name_ends(ax, np.abs(one.coef[-1, large]), names, [colours[int(np.searchsorted(kept, j))] for j in large])


FIGURE = Figure(
    "saddles",
    "Gradient flow jumps from saddle to saddle as its initialisation vanishes",
    "Pesme & Flammarion 2023 (arXiv 2304.00488), Figure 1 (own design; the setting is not at hand)",
    run,
)
