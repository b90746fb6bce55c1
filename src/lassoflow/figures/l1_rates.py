"""How near training ends to the l1 solution, over the scale: at depth 2 for four levels of noise, and by depth.

At depth 2 the distance falls like ``scale^(1 - rho)``, rho the null-space constant of the data at the solution's signs,
and with noise the solution has as many entries as there are samples and rho is nearly 1; from depth 3 on it falls like
the scale itself (Matt & Stöger 2025, abstract; their Experiment 1 has these four levels of noise. Derived, see docs,
section 11). Rates of depth 2 are fitted from 1e-400 on: at scales that can be trained they are not reached yet.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.accuracy import accuracy_bounds, log_distance
from lassoflow.arrays import Floats
from lassoflow.endpoint import flow_endpoint, min_l1
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, listed, slope, tidy
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NOISE = (0.0, 0.03, 0.1, 0.4)
DEPTHS = (2, 3, 4, 6)
N, D = 6, 12
_MARKS = ("o", "s", "^", "D")
_LN10 = float(np.log(10.0))


class Curve(NamedTuple):
    """One network on one instance: log10 of scales and of distances, the rate and the one fitted far below."""

    label: str
    scales: Floats
    distances: Floats
    rate: float
    fitted: float
    look: int


def run(quick: bool, seed: int) -> Reproduction:
    """Distances on one instance with four levels of noise, and of four depths at the third of them."""
    rng = np.random.default_rng(seed)
    X, errors = rng.standard_normal((N, D)) / np.sqrt(N), rng.standard_normal(N)
    problems = [LeastSquares(X, X[:, 0] + noise * errors) for noise in NOISE]
    scales = np.arange(-2.0, -17.0 if not quick else -9.0, -1.0)
    noisy = [
        _curve(p, 2, scales, f"noise {noise:g}", k) for k, (p, noise) in enumerate(zip(problems, NOISE, strict=True))
    ]
    deep = [_curve(problems[2], depth, scales, f"depth {depth}", k) for k, depth in enumerate(DEPTHS)]
    numbers = {f"rate_noise_{noise:g}": one.rate for noise, one in zip(NOISE, noisy, strict=True)}
    numbers |= {f"fitted_noise_{noise:g}": one.fitted for noise, one in zip(NOISE, noisy, strict=True)}
    numbers |= {f"fitted_depth_{depth}": one.fitted for depth, one in zip(DEPTHS, deep, strict=True)}
    sentence = (
        "published: the distance to the l1 solution falls like scale^(1-rho) at depth 2, more slowly with noise, and "
        f"like the scale from depth 3 on; here: at noise {listed(NOISE, 'g')} powers "
        f"{listed([one.fitted for one in noisy], '.4f')} where 1-rho is {listed([one.rate for one in noisy], '.4f')}, "
        f"and {listed([one.fitted for one in deep[1:]], '.4f')} at depth {listed(DEPTHS[1:], 'd')}."
    )
    tables = {"noise": _table(noisy), "depth": _table(deep)}
    return Reproduction(tables, numbers, sentence, partial(_draw, noisy=noisy, deep=deep), (10.5, 4.4))


def _curve(problem: LeastSquares, depth: int, scales: Floats, label: str, look: int) -> Curve:
    solution = min_l1(problem)

    def distance(log10_scale: float) -> float:
        end = flow_endpoint(problem, PowerNetwork(depth, log_scale=log10_scale * _LN10))
        return log_distance(end, solution) / _LN10

    far = np.array([-400.0, -410.0, -420.0]) if depth == 2 else np.array([-20.0, -25.0, -30.0])
    rate = accuracy_bounds(problem, PowerNetwork(depth, 1e-3), solution=solution).rate
    fitted = slope(far, np.array([distance(value) for value in far.tolist()]))
    return Curve(label, scales, np.array([distance(value) for value in scales.tolist()]), rate, fitted, look)


def _table(curves: list[Curve]) -> dict[str, Floats]:
    return {
        "log10_scale": np.concatenate([one.scales for one in curves]),
        "log10_distance": np.concatenate([one.distances for one in curves]),
        "rate": np.concatenate([np.full(one.scales.size, one.rate) for one in curves]),
        "curve": np.concatenate([np.full(one.scales.size, one.look) for one in curves]),
    }


def _draw(figure: Canvas, noisy: list[Curve], deep: list[Curve]) -> None:
    left, right = figure.subplots(1, 2)
    for ax, curves, title in ((left, noisy, "depth 2"), (right, deep, f"noise {NOISE[2]:g}")):
        for one in curves:
            _draw_curve(ax, one)
        ax.plot([], [], color="0.4", linewidth=0.9, linestyle="--", label="rate")
        ax.invert_xaxis()
        tidy(ax, "scale of the initialisation", "distance to the l1 solution, |x − x*|₁", title)
        ax.legend(frameon=False, loc="lower left")


def _draw_curve(ax: Axes, one: Curve) -> None:
    """The distances and, through the last of them, a line of the stated rate."""
    scales, distances = 10.0**one.scales, 10.0**one.distances
    colour = COLOURS[one.look]
    label = f"{one.label}: rate {one.rate:.3f}"
    ax.loglog(scales, distances, color=colour, marker=_MARKS[one.look], markersize=4.5, linewidth=1.4, label=label)
    line = distances[-1] * (scales / scales[-1]) ** one.rate
    ax.loglog(scales, line, color="0.4", linewidth=0.9, linestyle="--", zorder=3)
    ax.minorticks_off()


FIGURE = Figure(
    "l1_rates",
    "Where training ends: the distance to the l1 solution over the scale, by noise and by depth",
    "Matt & Stöger 2025 (arXiv 2506.01143), abstract; rates derived here",
    run,
)
