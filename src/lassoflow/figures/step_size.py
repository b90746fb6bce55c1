"""Even, Pesme, Gunasekar & Flammarion 2023: step sizes of gradient descent and of stochastic gradient descent.

Large steps help stochastic descent to find sparse solutions and can hinder full-batch descent, most of all just below
the step size of divergence (arXiv 2302.08982). The settings of their figure are not at hand: n = 20, d = 30, three
signals, a Gaussian design, u = 0.1 * 2^(1/2) and v = 0 at the start. The mechanism is exact: descent ends where the
flow from *smaller* initial branches would, and :class:`lassoflow.descent.Effective` says how much smaller.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.descent import Recorded, gradient_descent
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, stacked, tidy
from lassoflow.flow import gradient_flow
from lassoflow.network import ProductNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

N, D, SIGNALS, WEIGHT = 20, 30, 3, 0.1
NETWORK = ProductNetwork(scale=2 * WEIGHT**2)
_GOAL = 1e-10
_LOOK = {"GD": (COLOURS[1], "s"), "SGD": (COLOURS[0], "o")}


class Sweep(NamedTuple):
    """One method: arrays of shape (k,) over its step sizes, means over the runs."""

    name: str
    step: Floats
    distance: Floats
    error: Floats
    """Standard error of the mean distance."""
    gain_on: Floats
    """By how much the logarithm of the effective scale has fallen on the support, and off it."""
    gain_off: Floats
    loss: Floats
    """The largest of the final losses."""
    diverged: float
    """The smallest step size that was seen to diverge; inf if none."""


def run(quick: bool, seed: int) -> Reproduction:
    """Both methods, from small steps to those that diverge."""
    random = np.random.default_rng(seed)
    X, truth = random.standard_normal((N, D)), np.zeros(D)
    truth[:SIGNALS] = 1.0
    problem = LeastSquares(X, X @ truth)
    flow = float(np.linalg.norm(gradient_flow(problem, NETWORK).end - truth))
    seeds = [seed + k for k in range(5 if quick else 20)]
    steps = np.geomspace(0.02, 4.0, 8 if quick else 16)
    sweeps = [
        _sweep("GD", problem, truth, steps, None, quick),
        _sweep("SGD", problem, truth, steps, seeds, quick),
    ]
    numbers = {"flow": flow}
    for one in sweeps:
        good = one.loss < 1e-6
        numbers |= {
            f"{one.name}_smallest_step": float(one.distance[0]),
            f"{one.name}_largest_step": float(one.distance[good][-1]),
            f"{one.name}_best": float(one.distance[good].min()),
            f"{one.name}_stable_to": float(one.step[good][-1]),
            f"{one.name}_diverges_at": one.diverged,
            f"{one.name}_gain_on_over_off": float((one.gain_on / one.gain_off)[good][-1]),
        }
    table = stacked([_table(one) for one in sweeps])
    draw = partial(_draw, sweeps=sweeps, flow=flow)
    return Reproduction({"sweep": table}, numbers, _sentence(numbers), draw, (10.0, 4.4))


def _sentence(numbers: dict[str, float]) -> str:
    words = [
        f"{name}, {numbers[f'{name}_smallest_step']:.3f} with small steps and {numbers[f'{name}_largest_step']:.3f} at "
        f"{numbers[f'{name}_stable_to']:.2g}, the largest that converges (effective scale lowered "
        f"{numbers[f'{name}_gain_on_over_off']:.1f} times as much on the support as off it)"
        for name in ("SGD", "GD")
    ]
    return (
        "published: large steps help SGD to recover a sparse solution and can hinder GD, most of all near divergence; "
        f"here, distances to the truth (gradient flow: {numbers['flow']:.3f}): {words[0]}; {words[1]}."
    )


def _sweep(
    name: str, problem: LeastSquares, truth: Floats, steps: Floats, seeds: list[int] | None, quick: bool
) -> Sweep:
    """Runs at all step sizes up to one that diverges, and some between the last two."""
    found: dict[float, Sweep] = {}
    diverged = np.inf
    for step in steps.tolist():
        if not _try(found, name, problem, truth, step, seeds, quick):
            diverged = step
            break
    for _ in range((2 if quick else 5) * int(np.isfinite(diverged))):
        middle = float(np.sqrt(diverged * max(found)))
        if not _try(found, name, problem, truth, middle, seeds, quick):
            diverged = middle
    rows = [found[step] for step in sorted(found)]
    columns = [np.concatenate([getattr(row, field) for row in rows]) for field in Sweep._fields[1:-1]]
    return Sweep(name, *columns, diverged)


def _try(
    found: dict[float, Sweep],
    name: str,
    problem: LeastSquares,
    truth: Floats,
    step: float,
    seeds: list[int] | None,
    quick: bool,
) -> bool:
    """Add the runs at one step size; False if they diverge."""
    n_steps = int((2000 if quick else 6000) / step)
    try:
        made = gradient_descent(
            problem, NETWORK, step_size=step, n_steps=n_steps, batch_size=None if seeds is None else 1,
            seed=seeds, stop_when=_GOAL, record=400,
        )  # fmt: skip
    except ArithmeticError:
        return False
    found[step] = _point(name, made if isinstance(made, list) else [made], truth, step)
    return True


def _point(name: str, runs: list[Path], truth: Floats, step: float) -> Sweep:
    distance = np.array([np.linalg.norm(path.end - truth) for path in runs])
    curves = [path.curve for path in runs if isinstance(path.curve, Recorded)]
    logs = [curve.effective.log_scale for curve in curves if curve.effective is not None]
    gains = np.mean([log[0] - log[-1] for log in logs], axis=0)
    error = distance.std(ddof=1) / np.sqrt(distance.size) if distance.size > 1 else 0.0
    loss = max(float(curve.losses[-1]) for curve in curves)
    values = (step, distance.mean(), error, gains[:SIGNALS].mean(), gains[SIGNALS:].mean(), loss)
    return Sweep(name, *(np.array([value], dtype=np.float64) for value in values), np.inf)


def _table(one: Sweep) -> dict[str, Floats]:
    columns = {"method": np.full(one.step.size, one.name), "step_size": one.step}
    return columns | {
        "distance": one.distance, "standard_error": one.error, "gain_on_support": one.gain_on,
        "gain_off_support": one.gain_off, "largest_final_loss": one.loss,
    }  # fmt: skip


def _draw(figure: Canvas, sweeps: list[Sweep], flow: float) -> None:
    left, right = figure.subplots(1, 2, sharex=True)
    for one in sweeps:
        _draw_distance(left, one)
        _draw_gains(right, one)
    left.axhline(flow, color="0.35", linewidth=1.0, linestyle="--", label="gradient flow")
    left.set_ylim(0.0, None)
    left.set_xscale("log")
    left.legend(frameon=False)
    right.set_yscale("log")
    right.legend(frameon=False)
    tidy(left, "step size", "distance to the sparse truth  |x − x*|", "where descent ends")
    tidy(right, "step size", "fall of log(effective scale)", "what the steps do to the initialisation")


def _draw_distance(ax: Axes, one: Sweep) -> None:
    """Runs that have not converged have empty marks."""
    colour, mark = _LOOK[one.name]
    ax.errorbar(one.step, one.distance, one.error, color=colour, linewidth=1.4, capsize=2)
    good = one.loss < 1e-6
    ax.plot(one.step[good], one.distance[good], mark, color=colour, markersize=5, label=one.name)
    ax.plot(one.step[~good], one.distance[~good], mark, color=colour, markersize=5, markerfacecolor="white")
    if np.isfinite(one.diverged):
        ax.axvline(one.diverged, color=colour, linewidth=1.0, linestyle=":", label=f"{one.name} diverges")


def _draw_gains(ax: Axes, one: Sweep) -> None:
    colour, mark = _LOOK[one.name]
    ax.plot(one.step, one.gain_on, color=colour, marker=mark, markersize=4, label=f"{one.name}, on the support")
    ax.plot(
        one.step, one.gain_off, color=colour, marker=mark, markersize=4, markerfacecolor="white", linestyle="--",
        label=f"{one.name}, off the support",
    )  # fmt: skip


FIGURE = Figure(
    "step_size",
    "Large steps help stochastic gradient descent to a sparse solution, not gradient descent",
    "Even, Pesme, Gunasekar & Flammarion 2023 (arXiv 2302.08982); settings from memory",
    run,
)
