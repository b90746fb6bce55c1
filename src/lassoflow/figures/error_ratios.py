"""The error bound: distance to the critical points over the norm of the gradient, along descents and beside kappa.

Near a class of critical points the ratio is at most kappa, one over the least size of a nonzero eigenvalue of its
Hessian, and a descent, which ends in its slowest mode, comes to it. Where the weight decay is critical it grows without
bound, like dist^-2 at depth 2 and dist^-1 beyond. (Chen, Jiang & Wang 2025, abstract: such a bound holds if and only if
conditions on the weight decay do; constants and powers are derived, see docs, section 16.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.deep_descent import descend
from lassoflow.deep_linear import DeepLinear
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, listed, slope, tidy
from lassoflow.scalar_landscape import lambda_critical

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4, 6)
VALUES = (2.0, 1.0)
SHARE = 0.05
_MARKS = ("o", "s", "^", "D")


class Curve(NamedTuple):
    """One descent at recorded steps: the distance and its ratio to the gradient, each of shape (k,), and kappa."""

    depth: int
    distance: Floats
    ratio: Floats
    kappa: float


def run(quick: bool, seed: int) -> Reproduction:
    """Ratios along descents to the global minimum, and to degenerate classes."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    target = left @ np.diag(VALUES) @ right.T
    generic = [_generic(target, depth, seed) for depth in DEPTHS]
    critical = [_critical(target, depth, 10_000 if quick else 100_000, seed) for depth in (2, 3)]
    numbers = {f"kappa_{one.depth}": one.kappa for one in generic}
    numbers |= {f"last_{one.depth}": float(one.ratio[-1]) for one in generic}
    late = [one.distance < 3.0 * one.distance[-1] for one in critical]
    powers = [slope(np.log(one.distance[k]), np.log(one.ratio[k])) for one, k in zip(critical, late, strict=True)]
    numbers |= {f"power_{one.depth}": power for one, power in zip(critical, powers, strict=True)}
    ratios = [one.ratio[-1] / one.kappa for one in generic]
    sentence = (
        "published: the distance to the critical points is at most a multiple of the gradient, if and only if the "
        f"weight decay is not critical; here: descents end at {listed(ratios, '.4f')} times the kappa of the Hessian "
        f"at depth {listed(DEPTHS, 'd')}, and at critical weight decay the ratio grows like dist^{powers[0]:.3f} at "
        f"depth 2 and dist^{powers[1]:.3f} at depth 3, predicted -2 and -1."
    )
    tables = {"generic": _table(generic), "critical": _table(critical)}
    return Reproduction(tables, numbers, sentence, partial(_draw, generic, critical, powers), (10.5, 4.4))


def _decay(depth: int, share: float) -> float:
    return float(share * lambda_critical(VALUES[1], depth)) ** (1.0 / depth)


def _generic(target: Floats, depth: int, seed: int) -> Curve:
    """From beside the global minimum, all modes excited."""
    problem = DeepLinear(target, [2] * (depth - 1), _decay(depth, SHARE))
    made = descend(problem, next(iter(problem.critical_points())), scale=0.03, seed=seed, tolerance=1e-9)
    return Curve(depth, made.distances, made.error_ratios, made.ended_in.error_bound().kappa)


def _critical(target: Floats, depth: int, n_steps: int, seed: int) -> Curve:
    """From random weights at depth 2, from above the double root beyond."""
    problem = DeepLinear(target, [3] * (depth - 1), _decay(depth, 1.0))
    classes = list(problem.critical_points())
    if depth == 2:
        made = descend(problem, "random", seed=seed, max_steps=n_steps, tolerance=0.0)
    else:
        saddle = next(each for each in classes if each.kind == "non-strict saddle")
        made = descend(problem, [1.1 * W for W in saddle.point(seed)], max_steps=n_steps, tolerance=0.0)
    return Curve(depth, made.distances, made.error_ratios, made.ended_in.error_bound().kappa)


def _table(curves: list[Curve]) -> dict[str, Floats]:
    return {
        "depth": np.concatenate([np.full(one.ratio.size, float(one.depth)) for one in curves]),
        "distance": np.concatenate([one.distance for one in curves]),
        "ratio": np.concatenate([one.ratio for one in curves]),
        "kappa": np.concatenate([np.full(one.ratio.size, one.kappa) for one in curves]),
    }


def _draw(generic: list[Curve], critical: list[Curve], powers: list[float], figure: Canvas) -> None:
    left, right = figure.subplots(1, 2)
    for k, one in enumerate(generic):
        look = {"color": COLOURS[k], "marker": _MARKS[k], "markersize": 4.0, "linewidth": 1.2, "markevery": 6}
        left.semilogx(one.distance, one.ratio / one.kappa, label=f"depth {one.depth}: κ = {one.kappa:.3g}", **look)
    left.axhline(1.0, color="0.3", linewidth=0.9, linestyle="--")
    for one, power in zip(critical, powers, strict=True):
        k = DEPTHS.index(one.depth)
        look = {"color": COLOURS[k], "marker": _MARKS[k], "markersize": 4.0, "linewidth": 1.2, "markevery": 6}
        right.loglog(one.distance, one.ratio, label=f"depth {one.depth}: $\\mathrm{{dist}}^{{{power:.3f}}}$", **look)
        line = one.ratio[-1] * (one.distance / one.distance[-1]) ** (-2.0 if one.depth == 2 else -1.0)
        right.loglog(one.distance, line, color="0.3", linewidth=0.9, linestyle="--")
    words = r"predicted: $\mathrm{dist}^{-2}$ and $\mathrm{dist}^{-1}$"
    right.loglog([], [], color="0.3", linewidth=0.9, linestyle="--", label=words)
    for ax, label, title in (
        (left, "distance / |∇F| / κ", "generic weight decay"),
        (right, "distance / |∇F|", "critical weight decay"),
    ):
        ax.invert_xaxis()
        ax.minorticks_off()
        tidy(ax, "distance to the critical points", label, title)
        ax.legend(frameon=False, fontsize="small", loc="lower right" if ax is left else "upper left")
    left.set_ylim(0.0, 1.1)


FIGURE = Figure(
    "error_ratios",
    "Deep linear networks: the distance to the critical points over the gradient, and where no bound holds",
    "Chen, Jiang & Wang 2025 (arXiv 2502.11152), abstract; constants derived here",
    run,
)
