"""How near the averaged flow comes to the lasso at depth 2, 3, 4 and 6: a square of a logarithm against powers.

The dual of a network of depth D ends its jumps a distance ``scale^((D-2)/D)`` from the face of the box, at depth 2 a
distance of order ``1 / log(1 / scale)``; the gap of the lasso objective is of the order of its square. Derived here
(docs, section 6); the statement at depth 2, without a rate, is Berthier 2025, Theorem 2.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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

DEPTHS = (2, 3, 4, 6)
_MARKS = {2: "o", 3: "s", 4: "^", 6: "D"}
_LOOK = dict(zip(DEPTHS, (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[3]), strict=True))
_RTOL = 1e-10


def run(quick: bool, seed: int) -> Reproduction:
    """The largest relative gap along one monotone path, over the scale and the depth."""
    lasso = next(case.lasso for case in instances(seed) if case.monotone and case.lasso.knots.size > 2)
    s = np.geomspace(0.5 * lasso.knots[0], 5.0 * lasso.knots[-1], 200 if quick else 1000)
    powers = {depth: _powers(depth, quick) for depth in DEPTHS}
    gaps = {depth: _gaps(lasso, depth, powers[depth], s) for depth in DEPTHS}
    fitted = {depth: _fitted(depth, powers[depth], gaps[depth]) for depth in DEPTHS}
    expected = {depth: -2.0 if depth == 2 else 2 * (depth - 2) / depth for depth in DEPTHS}
    numbers = {f"slope_{depth}": fitted[depth] for depth in DEPTHS}
    numbers |= {f"expected_{depth}": expected[depth] for depth in DEPTHS}
    sentence = (
        "published: the gap of the lasso objective vanishes with the scale (depth 2, no rate; the rates are derived: "
        f"log(1/scale)^-2, and scale to the power {listed([expected[d] for d in DEPTHS[1:]])} at depth "
        f"{listed(DEPTHS[1:], 'd')}); here: log(1/scale)^{fitted[2]:.3f}, and powers "
        f"{listed([fitted[d] for d in DEPTHS[1:]], '.3f')}."
    )
    table = {
        "depth": np.concatenate([np.full(powers[depth].size, depth) for depth in DEPTHS]),
        "log10_scale": -np.concatenate([powers[depth] for depth in DEPTHS]),
        "largest_relative_gap": np.concatenate([gaps[depth] for depth in DEPTHS]),
    }
    slopes = {
        "depth": np.array(DEPTHS),
        "expected": np.array([expected[depth] for depth in DEPTHS]),
        "fitted": np.array([fitted[depth] for depth in DEPTHS]),
    }
    draw = partial(_draw, powers=powers, gaps=gaps, fitted=fitted)
    return Reproduction({"gaps": table, "slopes": slopes}, numbers, sentence, draw, (10.0, 4.4))


def _powers(depth: int, quick: bool) -> Floats:
    """The scales as negative powers of ten."""
    if depth == 2:
        return 2.0 ** np.arange(2, 11 if quick else 13)
    return np.arange(2.0, 10.5, 2.0 if quick else 1.0)


def _gaps(lasso: Path, depth: int, powers: Floats, s: Floats) -> Floats:
    problem = lasso.require_problem("a gap")
    least = lasso_value(lasso, s)
    networks = [PowerNetwork(depth, log_scale=-power * np.log(10.0)) for power in powers]
    averages = [gradient_flow(problem, network, rtol=_RTOL).average(s) for network in networks]
    return np.array([(lasso_gap(lasso, average, s) / least).max() for average in averages])


def _fitted(depth: int, powers: Floats, gaps: Floats) -> float:
    """The slope over the smaller half of the scales: in the logarithm of log(1/scale) at depth 2, else of the scale."""
    tail = slice(powers.size // 2, None)
    x = np.log(powers) if depth == 2 else -powers * np.log(10.0)
    return slope(x[tail], np.log(gaps[tail]))


def _draw(figure: Canvas, powers: dict[int, Floats], gaps: dict[int, Floats], fitted: dict[int, float]) -> None:
    left, right = figure.subplots(1, 2)
    for depth in DEPTHS:
        shown = powers[depth] <= 10.0 if depth == 2 else np.ones(powers[depth].size, dtype=bool)
        _draw_gaps(left, 10.0 ** -powers[depth][shown], gaps[depth][shown], depth)
    for depth in DEPTHS[1:]:
        ratio = 10.0 ** ((powers[depth][-1] - powers[depth]) * 2 * (depth - 2) / depth)
        left.plot(10.0 ** -powers[depth], gaps[depth][-1] * ratio, color="0.45", linewidth=0.8, linestyle="--")
    left.plot([], [], color="0.45", linewidth=0.8, linestyle="--", label="slope 2 (D − 2) / D")
    left.set_xscale("log")
    left.invert_xaxis()
    left.legend(frameon=False, loc="lower left")
    tidy(left, "scale of the initialisation", "largest relative gap", "powers of the scale at depth 3 and more")
    _draw_gaps(right, powers[2] * np.log(10.0), gaps[2], 2)
    right.plot(powers[2] * np.log(10.0), gaps[2][-1] * (powers[2][-1] / powers[2]) ** 2, "--", color="0.45",
               linewidth=0.8, label="slope −2")  # fmt: skip
    right.set_xscale("log")
    right.legend(frameon=False, loc="lower left")
    tidy(right, "log(1 / scale)", "largest relative gap", f"depth 2: fitted slope {fitted[2]:.2f}")


def _draw_gaps(ax: Axes, x: Floats, gaps: Floats, depth: int) -> None:
    ax.plot(x, gaps, color=_LOOK[depth], marker=_MARKS[depth], markersize=4.5, linewidth=1.4, label=f"depth {depth}")
    ax.set_yscale("log")


FIGURE = Figure(
    "depth_ladder",
    "Deeper networks come nearer to the lasso path: the gap of the averaged flow over scale and depth",
    "rates derived here; the limit at depth 2 is Berthier 2025 (arXiv 2509.18766), Theorem 2.1",
    run,
)
