"""Zhao, Wang, Yang, Bai & Zhang 2026, experiment 1: three jumps whose times and saddles are known in closed form.

``X = [[1, .5, .7, 0], [.5, 1, .1, .7]]``, y = (1, 0), loss ``|Xk - y|^2`` without 1/2 (arXiv 2607.12332). Their
algorithm moves by ``X'(y - Xk)``, the gradient of *half* that loss: its clock is that of the problem without 1/n here.
Their network is an analytic one of two layers with all growth times 1; the one here has the same growth times.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import (
    COLOURS,
    Figure,
    Reproduction,
    crossings,
    listed,
    name_ends,
    numbered,
    tidy,
    without_mean,
)
from lassoflow.flow import gradient_flow
from lassoflow.network import PowerNetwork
from lassoflow.path import Path
from lassoflow.walk import limit_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

X = np.array([[1.0, 0.5, 0.7, 0.0], [0.5, 1.0, 0.1, 0.7]])
Y = np.array([1.0, 0.0])
JUMPS = np.array([1.0, 3.0, 80 / 49])
"""Published: the time each saddle takes to the next, from the origin on."""
SADDLES = np.array([[0.8, 0.0, 0.0, 0.0], [0.0, 0.0, 1.4, 0.0], [0.0, 0.0, 10 / 7, -10 / 49]])
LOG_SCALE = -1000.0


def run(quick: bool, seed: int) -> Reproduction:
    """The limit flow, exactly, and a network of initialisation e^-1000; nothing is random."""
    problem = without_mean(X, Y)
    limit, flow = limit_flow(problem), gradient_flow(problem, PowerNetwork(2, log_scale=LOG_SCALE))
    jumps, saddles = np.diff(limit.knots, prepend=0.0), limit(limit.knots)
    times = np.append(limit.knots, 10.0)
    plateaus = flow((times[:-1] + times[1:]) / 2)
    crossed = np.diff(crossings(flow, limit), prepend=0.0)
    numbers = {f"jump_{k + 1}": float(jump) for k, jump in enumerate(jumps)}
    numbers |= {"jumps": jumps.size, "saddles_apart": float(np.abs(saddles - SADDLES).max())}
    numbers |= {"jumps_apart": float(np.abs(jumps - JUMPS).max())}
    numbers |= {"network_apart": float(np.abs(plateaus - SADDLES).max())}
    numbers |= {"network_jumps_apart": float(np.abs(crossed - JUMPS).max())}
    table = {"jump": np.arange(1, jumps.size + 1), "published": JUMPS, "limit": jumps, "network": crossed}
    table |= numbered("published_k", SADDLES) | numbered("limit_k", saddles) | numbered("network_k", plateaus)
    s = np.unique(np.concatenate([np.linspace(0.0, 8.0, 300 if quick else 2000), flow.mesh[flow.mesh < 8.0]]))
    curves = {"s": s} | numbered("network_k", flow(s)) | numbered("limit_k", limit(s))
    draw = partial(_draw, limit=limit, flow=flow, s=s)
    return Reproduction({"jumps": table, "paths": curves}, numbers, _sentence(numbers, jumps), draw, (7.5, 5.6))


def _sentence(numbers: dict[str, float], jumps: Floats) -> str:
    return (
        "published: jumps after times 1, 3 and 80/49 = 1.632653 to the saddles (0.8, 0, 0, 0), (0, 0, 1.4, 0) and "
        f"(0, 0, 10/7, -10/49); here: the limit flow jumps after {listed(jumps, '.7g')}, its saddles are within "
        f"{numbers['saddles_apart']:.1g} of those; the flow from e^-1000 jumps within "
        f"{numbers['network_jumps_apart']:.1g} of these times and rests within {numbers['network_apart']:.1g} of the "
        "saddles."
    )


def _draw(figure: Canvas, limit: Path, flow: Path, s: Floats) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.7))
    exact = np.sort(np.concatenate([s, limit.knots]))
    problem = limit.require_problem("a loss")
    # half the paper's loss is the library's here
    upper.plot(exact, 2 * problem.loss(limit(exact)), color="0.75", linewidth=5.0, drawstyle="steps-post")
    upper.plot(s, 2 * problem.loss(flow(s)), color="0.1", linewidth=1.2)
    tidy(upper, "", "loss  |Xk − y|²")
    _draw_coefficients(lower, limit(exact), exact, flow(s), s)
    for ax in (upper, lower):
        for knot in np.cumsum(JUMPS):
            ax.axvline(knot, color="0.35", linewidth=0.8, linestyle=(0, (4, 3)))
    upper.set_xlim(0.0, s[-1])
    handles = [
        upper.plot([], [], color="0.75", linewidth=5.0, label="limit flow")[0],
        upper.plot([], [], color="0.1", linewidth=1.2, label="network from $e^{-1000}$")[0],
        upper.plot([], [], color="0.35", linewidth=0.8, linestyle=(0, (4, 3)), label="published jumps")[0],
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)


def _draw_coefficients(ax: Axes, exact: Floats, exact_s: Floats, coef: Floats, s: Floats) -> None:
    for j in range(coef.shape[1]):
        look: dict[str, Any] = {"color": COLOURS[j], "linewidth": 5.0, "alpha": 0.3, "drawstyle": "steps-post"}
        ax.plot(exact_s, exact[:, j], **look)
        ax.plot(s, coef[:, j], color=COLOURS[j], linewidth=1.2)
    tidy(ax, "lasso time  s  (of half the loss)", "coefficient  k")
    name_ends(ax, coef[-1], [f"$k_{j + 1}$" for j in range(coef.shape[1])], list(COLOURS))


FIGURE = Figure(
    "zhao_jumps",
    "Three jumps between saddles at known times, by the exact limit flow and by a network from e^-1000",
    "Zhao, Wang, Yang, Bai & Zhang 2026 (arXiv 2607.12332), experiment 1",
    run,
)
