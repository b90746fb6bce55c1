"""Which depth for which scale: the test error where training ends, from scales that are used in practice.

Sparse signals with noise, networks of four depths from scales of 1e-4 to 1, repeated on new data. Ends are computed by
duality, none is integrated. (Matt & Stöger 2025, abstract: deeper networks may generalise better at realistic scales.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.endpoint import flow_endpoint, min_l1
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, listed, tidy
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4, 5)
SIGNALS, NOISE = 5, 0.1
_MARKS = ("o", "s", "^", "D")


class Errors(NamedTuple):
    """Squared distances to the signals over their squared norm: (repetitions, depths, scales) and (repetitions,)."""

    scales: Floats
    flow: Floats
    l1: Floats


def run(quick: bool, seed: int) -> Reproduction:
    """Mean errors over the scale, by depth, with their standard errors."""
    n, d, repetitions = (30, 120, 4) if quick else (60, 400, 20)
    scales = 10.0 ** np.arange(-4.0, 0.1, 1.0 if quick else 0.5)
    scales[-1] = min(scales[-1], 0.999)  # at depth 2 a scale of 1 has no lasso time
    made = [_repetition(np.random.default_rng([seed, k]), n, d, scales) for k in range(repetitions)]
    errors = Errors(scales, np.stack([one for one, _ in made]), np.array([l1 for _, l1 in made]))
    mean = errors.flow.mean(axis=0)
    numbers = {f"error_{depth}_at_{scale:.0e}": mean[k, i].item() for k, depth in enumerate(DEPTHS)
               for i, scale in enumerate(scales.tolist()) if i in (0, scales.size // 2)}  # fmt: skip
    numbers |= {"l1_error": float(errors.l1.mean())}
    middle = scales.size // 2
    sentence = (
        "published: at scales used in practice deeper networks may generalise better; here: from a scale of "
        f"{scales[middle]:.0e} the error is {listed(mean[:, middle].tolist(), '.3g')} at depth {listed(DEPTHS, 'd')}, "
        f"from {scales[0]:.0e} {listed(mean[:, 0].tolist(), '.3g')}, that of the l1 solution {errors.l1.mean():.3g}."
    )
    spread = errors.flow.std(axis=0, ddof=1) / np.sqrt(repetitions)
    table = {
        "depth": np.repeat(DEPTHS, scales.size),
        "scale": np.tile(scales, len(DEPTHS)),
        "error": mean.ravel(),
        "standard_error": spread.ravel(),
    }
    draw = partial(_draw, errors=errors, mean=mean, spread=spread)
    return Reproduction({"errors": table}, numbers, sentence, draw, (7.2, 4.6))


def _repetition(rng: np.random.Generator, n: int, d: int, scales: Floats) -> tuple[Floats, float]:
    """Errors of all depths and scales on new data, shape (depths, scales), and that of the l1 solution."""
    X, signal = rng.standard_normal((n, d)), np.zeros(d)
    signal[:SIGNALS] = SIGNALS**-0.5
    problem = LeastSquares(X, X @ signal + NOISE * rng.standard_normal(n))
    ends = [[flow_endpoint(problem, PowerNetwork(depth, scale)).coef for scale in scales] for depth in DEPTHS]
    return np.sum((np.array(ends) - signal) ** 2, axis=-1), float(np.sum((min_l1(problem).coef - signal) ** 2))


def _draw(figure: Canvas, errors: Errors, mean: Floats, spread: Floats) -> None:
    ax = figure.subplots()
    for k, depth in enumerate(DEPTHS):
        look: dict[str, Any] = {"color": COLOURS[k], "marker": _MARKS[k], "markersize": 4.5, "linewidth": 1.4}
        ax.errorbar(errors.scales, mean[k], spread[k], capsize=2.0, label=f"depth {depth}", **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.axhline(errors.l1.mean(), color="0.4", linewidth=0.9, linestyle="--", label="least l1 norm")
    ax.invert_xaxis()
    ax.minorticks_off()
    tidy(ax, "scale of the initialisation", "squared distance to the signals", "deeper is nearer, from the same scale")
    ax.legend(frameon=False)


FIGURE = Figure(
    "realistic_scales",
    "Which depth for which scale: the test error where training ends, from scales used in practice",
    "Matt & Stöger 2025 (arXiv 2506.01143), abstract",
    run,
)
