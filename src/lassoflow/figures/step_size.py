"""Even, Pesme, Gunasekar & Flammarion 2023: step sizes of gradient descent and of stochastic gradient descent.

Large steps help stochastic descent to find sparse solutions and can hinder full-batch descent, most of all just below
the step size of divergence (arXiv 2302.08982). The settings of their figure are not at hand: n = 20, d = 30, three
signals, a Gaussian design, u = 0.1 * 2^(1/2) and v = 0 at the start. The mechanism is exact: descent ends where the
flow from *smaller* initial branches would, and :class:`lassoflow.recorded.Effective` says how much smaller.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.descent import gradient_descent
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, Table, stacked, tidy
from lassoflow.flow import gradient_flow
from lassoflow.network import ProductNetwork
from lassoflow.problem import LeastSquares
from lassoflow.recorded import Recorded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

N, D, SIGNALS, WEIGHT = 20, 30, 3, 0.1
NETWORK = ProductNetwork(scale=2 * WEIGHT**2)
_GOAL, _CONVERGED = 1e-10, 1e-6
"""Losses at which runs stop, and below which they count as converged; at the start it is of order 1."""
_LOOK = {"GD": (COLOURS[1], "s"), "SGD": (COLOURS[0], "o")}


class Point(NamedTuple):
    """Runs of one step size: means over them."""

    step: float
    distance: float
    error: float
    """Standard error of the mean distance."""
    gain_on: float
    """By how much the logarithm of the effective scale has fallen on the support."""
    gain_off: float
    """And off it."""


class Sweep(NamedTuple):
    """One method: points of increasing step size, all of which converge, and the least that was seen not to."""

    name: str
    points: list[Point]
    limit: float

    def column(self, name: str) -> Floats:
        """One of the fields of all points, shape (k,)."""
        return np.array([getattr(point, name) for point in self.points])


class Setting(NamedTuple):
    """What the runs of a method share."""

    problem: LeastSquares
    truth: Floats
    seeds: list[int] | None
    """Of batches of one row; None for all rows."""
    quick: bool


def run(quick: bool, seed: int) -> Reproduction:
    """Both methods, from small steps to those that no longer converge."""
    random = np.random.default_rng(seed)
    X, truth = random.standard_normal((N, D)), np.zeros(D)
    truth[:SIGNALS] = 1.0
    problem = LeastSquares(X, X @ truth)
    flow = float(np.linalg.norm(gradient_flow(problem, NETWORK).end - truth))
    methods: dict[str, list[int] | None] = {"GD": None, "SGD": [seed + k for k in range(4 if quick else 10)]}
    steps = np.geomspace(0.04, 4.0, 7) if quick else np.geomspace(0.02, 4.0, 16)
    sweeps = [_sweep(name, Setting(problem, truth, seeds, quick), steps) for name, seeds in methods.items()]
    numbers = {"flow": flow}
    for one in sweeps:
        first, last = one.points[0], one.points[-1]
        numbers |= {
            f"{one.name}_smallest_step": first.distance,
            f"{one.name}_largest_step": last.distance,
            f"{one.name}_best": float(one.column("distance").min()),
            f"{one.name}_converges_to": last.step,
            f"{one.name}_limit": one.limit,
            f"{one.name}_gain_on_over_off": last.gain_on / last.gain_off,
        }
    draw = partial(_draw, sweeps=sweeps, flow=flow)
    table = stacked([_table(one) for one in sweeps])
    return Reproduction({"sweep": table}, numbers, _sentence(numbers), draw, (10.0, 4.4))


def _sentence(numbers: dict[str, float]) -> str:
    words = [
        f"{name} {numbers[f'{name}_smallest_step']:.3f} with small steps and {numbers[f'{name}_largest_step']:.3f} at "
        f"{numbers[f'{name}_converges_to']:.2g}, the largest that converges (there the effective scale falls "
        f"{numbers[f'{name}_gain_on_over_off']:.1f} times as much on the support as off it)"
        for name in ("SGD", "GD")
    ]
    return (
        "published: large steps help SGD to recover a sparse solution and can hinder GD, most of all near divergence; "
        f"here, distances to the truth (gradient flow: {numbers['flow']:.3f}): {words[0]}; {words[1]}."
    )


def _sweep(name: str, setting: Setting, steps: Floats) -> Sweep:
    """Runs at all step sizes up to one that does not converge, and some between the last two."""
    found: list[Point] = []
    limit = np.inf
    for step in steps.tolist():
        point = _point(setting, step)
        if point is not None:
            found.append(point)
        elif found:  # before that, steps were too small for the number of them
            limit = step
            break
    if not found and setting.quick:
        return _sweep(name, setting._replace(quick=False), steps)
    if not found:
        raise ArithmeticError(f"{name} converges with no step size on these data; try another seed.")
    for _ in range((3 if setting.quick else 5) * int(np.isfinite(limit))):
        middle = float(np.sqrt(limit * found[-1].step))
        point = _point(setting, middle)
        if point is None:
            limit = middle
        else:
            found.append(point)
    return Sweep(name, found, limit)


def _point(setting: Setting, step: float) -> Point | None:
    """The runs of one step size; None if one of them does not converge."""
    n_steps = int(max(2000 / step, 20_000)) if setting.quick else int(max(5000 / step, 50_000))
    try:
        made = gradient_descent(
            setting.problem, NETWORK, step_size=step, n_steps=n_steps, stop_when=_GOAL, record=400,
            batch_size=None if setting.seeds is None else 1, seed=setting.seeds,
        )  # fmt: skip
    except ArithmeticError:
        return None
    runs = made if isinstance(made, list) else [made]
    curves = [path.curve for path in runs if isinstance(path.curve, Recorded)]
    if max(curve.losses[-1] for curve in curves) > _CONVERGED:
        return None
    distance = np.array([np.linalg.norm(path.end - setting.truth) for path in runs])
    logs = [curve.effective.log_scale for curve in curves if curve.effective is not None]
    gains = np.mean([log[0] - log[-1] for log in logs], axis=0)
    error = float(distance.std(ddof=1) / np.sqrt(distance.size)) if distance.size > 1 else 0.0
    return Point(step, float(distance.mean()), error, float(gains[:SIGNALS].mean()), float(gains[SIGNALS:].mean()))


def _table(one: Sweep) -> Table:
    columns = {name: one.column(name) for name in Point._fields}
    return {"method": np.full(len(one.points), one.name)} | columns


def _draw(figure: Canvas, sweeps: list[Sweep], flow: float) -> None:
    left, right = figure.subplots(1, 2, sharex=True)
    left.axhline(flow, color="0.35", linewidth=1.0, linestyle="--", label="gradient flow")
    for one in sweeps:
        _draw_distance(left, one)
        _draw_gains(right, one)
    left.set_ylim(0.0, None)
    left.set_xscale("log")
    left.legend(frameon=False)
    right.set_yscale("log")
    right.legend(frameon=False)
    tidy(left, "step size", "distance to the sparse truth  |x − x*|", "where descent ends")
    tidy(right, "step size", "fall of log(effective scale)", "what the steps do to the initialisation")


def _draw_distance(ax: Axes, one: Sweep) -> None:
    colour, mark = _LOOK[one.name]
    step, distance = one.column("step"), one.column("distance")
    ax.errorbar(
        step, distance, one.column("error"), color=colour, marker=mark, markersize=4, linewidth=1.4, capsize=2,
        label=f"{one.name}{', mean of runs' if one.name == 'SGD' else ''}",
    )  # fmt: skip
    if np.isfinite(one.limit):
        dashes = ":" if one.name == "GD" else "-."
        ax.axvline(one.limit, color=colour, linewidth=1.0, linestyle=dashes, label=f"{one.name} no longer converges")


def _draw_gains(ax: Axes, one: Sweep) -> None:
    colour, mark = _LOOK[one.name]
    look: dict[str, Any] = {"color": colour, "marker": mark, "markersize": 4}
    ax.plot(one.column("step"), one.column("gain_on"), **look, label=f"{one.name}, on the support")
    look |= {"markerfacecolor": "white", "linestyle": "--"}
    ax.plot(one.column("step"), one.column("gain_off"), **look, label=f"{one.name}, off the support")


FIGURE = Figure(
    "step_size",
    "Large steps help stochastic gradient descent to a sparse solution, not gradient descent",
    "Even, Pesme, Gunasekar & Flammarion 2023 (arXiv 2302.08982); settings from memory",
    run,
)
