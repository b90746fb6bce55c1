"""How fast descent on regularised deep linear networks converges: linearly, but where the weight decay is critical.

Left: from near the global minimum, at depth 2, 3, 4 and 6, with lines of the slope that the least positive eigenvalue
of the Hessian predicts. Right: at a weight decay that is critical for a singular value, and beside it. (Chen, Jiang &
Wang 2025, abstract, see linear convergence; rates are derived, see docs, section 16.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.critical import CriticalClass
from lassoflow.deep_descent import descend
from lassoflow.deep_linear import DeepLinear
from lassoflow.deep_run import DeepDescent
from lassoflow.figures.reproduction import COLOURS, DASHES, Figure, Reproduction, Table, listed, stacked, tidy
from lassoflow.scalar_landscape import lambda_critical

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4, 6)
VALUES = (2.0, 1.0)
SHARE = 0.05
"""Product of weight decays, over the critical one of the smaller singular value."""
BESIDE = 0.9
_POINTS = 200


class Curve(NamedTuple):
    """The gradient of one run over the steps, as a share of its natural size, and what is predicted of it."""

    label: str
    depth: int
    run: DeepDescent
    degenerate: bool


def run(quick: bool, seed: int) -> Reproduction:
    """Four runs near minima, and four where the weight decay is critical or nearly so."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    target = left @ np.diag(VALUES) @ right.T
    linear = [_linear(DeepLinear(target, [3] * (depth - 1), _decay(depth, SHARE)), seed) for depth in DEPTHS]
    n_steps = 20_000 if quick else 200_000
    slow = [_slow(target, depth, share, n_steps, seed) for share in (1.0, BESIDE) for depth in (2, 3)]
    numbers = {f"rate_{one.depth}": one.run.rate for one in linear}
    numbers |= {f"predicted_{one.depth}": one.run.predicted_rate for one in linear}
    numbers |= {f"exponent_{one.depth}": one.run.exponent for one in slow if one.degenerate}
    errors = [abs(one.run.rate / one.run.predicted_rate - 1.0) for one in linear]
    exponents = [one.run.exponent for one in slow if one.degenerate]
    sentence = (
        "published: gradient descent converges linearly; here: at the rate of the least positive eigenvalue, to "
        f"{100 * max(errors):.2g} % at depth {listed(DEPTHS, 'd')}, and where the weight decay is critical like "
        f"k^{exponents[0]:.3f} at depth 2 and k^{exponents[1]:.3f} at depth 3, predicted -3/2 and -2."
    )
    tables = {"linear": stacked([_table(one) for one in linear]), "critical": stacked([_table(one) for one in slow])}
    return Reproduction(tables, numbers, sentence, partial(_draw, linear=linear, slow=slow), (10.5, 4.4))


def _decay(depth: int, share: float) -> float:
    """Equal weight decays, the product being a share of the critical one of the smaller singular value."""
    return float(share * lambda_critical(VALUES[1], depth)) ** (1.0 / depth)


def _linear(problem: DeepLinear, seed: int) -> Curve:
    best = next(iter(problem.critical_points()))
    made = descend(problem, best, scale=0.03, seed=seed, tolerance=1e-12)
    return Curve(f"depth {problem.depth}", problem.depth, made, False)


def _slow(target: Floats, depth: int, share: float, n_steps: int, seed: int) -> Curve:
    """From random weights at depth 2; beyond from above the roots, where the double one is reached."""
    problem = DeepLinear(target, [3] * (depth - 1), _decay(depth, share))
    largest = max(problem.critical_points(), key=_size)
    above = [1.1 * W + 0.05 for W in largest.point(seed)]
    made = descend(problem, "random" if depth == 2 else above, seed=seed, max_steps=n_steps, tolerance=1e-12)
    words = "λ critical" if share == 1.0 else f"{BESIDE:g} of it"
    return Curve(f"depth {depth}, {words}", depth, made, share == 1.0)


def _size(each: CriticalClass) -> float:
    """Of the layers: the largest has all directions at their largest roots."""
    return float(np.sum(each.singular_values**2))


def _table(one: Curve) -> Table:
    steps = np.unique(np.rint(np.geomspace(1, one.run.n_steps, _POINTS)).astype(np.intp))
    return {
        "depth": np.full(steps.size, one.depth),
        "degenerate": np.full(steps.size, float(one.degenerate)),
        "step": steps,
        "gradient": one.run.gradients[steps] / one.run.gradient_scale,
        "step_size": one.run.step_sizes[steps - 1],
    }


def _draw(figure: Canvas, linear: list[Curve], slow: list[Curve]) -> None:
    left, right = figure.subplots(1, 2)
    for k, one in enumerate(linear):
        shares, steps = one.run.gradients / one.run.gradient_scale, np.arange(one.run.n_steps + 1)
        label = f"{one.label}: {one.run.rate:.4f} a step, {one.run.predicted_rate:.4f} predicted"
        left.semilogy(steps, shares, color=COLOURS[k], linewidth=2.4, alpha=0.6, label=label)
        line = shares[-1] * np.exp(one.run.predicted_rate * (steps[-1] - steps))
        shown = line < 3.0 * shares[0]
        left.semilogy(steps[shown], line[shown], color="0.1", linewidth=0.9, linestyle="--")
    left.semilogy([], [], color="0.1", linewidth=0.9, linestyle="--", label="predicted slope")
    for one in slow:
        look = {"color": COLOURS[DEPTHS.index(one.depth)], "linewidth": 2.4, "alpha": 0.6}
        words = f": $k^{{{one.run.exponent:.3f}}}$" if one.degenerate else ""
        steps = np.arange(1, one.run.n_steps + 1)
        shares = one.run.gradients[1:] / one.run.gradient_scale
        right.loglog(steps, shares, linestyle=DASHES[3 * (not one.degenerate)], label=one.label + words, **look)
        if one.degenerate:
            line = shares[-1] * (steps / steps[-1]) ** one.run.predicted_exponent
            right.loglog(steps[line < 1.0], line[line < 1.0], color="0.1", linewidth=0.9, linestyle="--")
    right.loglog([], [], color="0.1", linewidth=0.9, linestyle="--", label="predicted: $k^{-3/2}$ and $k^{-2}$")
    for ax, title in ((left, "near the global minimum"), (right, "where the weight decay is critical")):
        tidy(ax, "step k", "|∇F| over its natural size" if ax is left else "", title)
        ax.minorticks_off()
        ax.legend(frameon=False, fontsize="small", loc="best" if ax is right else "upper right")


FIGURE = Figure(
    "deep_rates",
    "Deep linear networks: descent beside the predicted rates, and where the weight decay is critical",
    "Chen, Jiang & Wang 2025 (arXiv 2502.11152), abstract; rates derived here",
    run,
)
