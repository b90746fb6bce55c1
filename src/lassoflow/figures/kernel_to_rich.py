"""From the kernel to the rich regime: what training finds, over the scale of the weights and the depth.

Woodworth et al. (2020): from large weights training ends in the interpolator of the least l2 norm, from small ones in
that of the least l1 norm, which finds sparse signals; at depth 3 and more the l1 regime is reached from larger weights
(their Theorem 3, from memory). Their settings, as code citing them has them: 100 samples of 1000 features, 5 equal
signals of length one together, noise of variance 0.01. Ends are computed by duality, none is integrated.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.endpoint import flow_endpoint, min_l1
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, listed, tidy
from lassoflow.network import PowerNetwork
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4, 5)
SIGNALS, VARIANCE = 5, 0.01
NEAR = 2.0
"""Times the error of the l1 solution that counts as being there."""
_MARKS = ("o", "s", "^", "D")


class Curve(NamedTuple):
    """The test error of one depth over the weights at the start, each of shape (k,)."""

    depth: int
    weights: Floats
    error: Floats


def run(quick: bool, seed: int) -> Reproduction:
    """The squared distance to the signals over the scale of the weights, at four depths."""
    n, d = (40, 200) if quick else (100, 1000)
    rng = np.random.default_rng(seed)
    X, signal = rng.standard_normal((n, d)), np.zeros(d)
    signal[:SIGNALS] = SIGNALS**-0.5
    y = X @ signal + np.sqrt(VARIANCE) * rng.standard_normal(n)
    problem = LeastSquares(X, y)
    weights = 10.0 ** np.arange(-4.0, 2.1, 1.0 if quick else 0.5)
    curves = [Curve(depth, weights, _errors(problem, signal, depth, weights)) for depth in DEPTHS]
    rich = _error(min_l1(problem).coef, signal)
    kernel = _error(np.asarray(np.linalg.pinv(X) @ y, dtype=np.float64), signal)
    reached = [float(one.weights[one.error <= NEAR * rich].max(initial=0.0)) for one in curves]
    numbers = {"l1_error": rich, "l2_error": kernel}
    numbers |= {f"reached_{depth}": value for depth, value in zip(DEPTHS, reached, strict=True)}
    numbers |= {f"large_{one.depth}": float(one.error[-1]) for one in curves}
    numbers |= {f"small_{one.depth}": float(one.error[0]) for one in curves}
    sentence = (
        "published: large weights give the solution of the least l2 norm, small ones that of the least l1 norm, and "
        f"deeper networks reach it from larger ones; here: errors of {kernel:.3g} and {rich:.3g}, and below "
        f"{NEAR:g} times the latter from weights of {listed(reached, '.2g')} on at depth "
        f"{listed(DEPTHS, 'd')}."
    )
    table = {
        "depth": np.concatenate([np.full(one.weights.size, one.depth) for one in curves]),
        "weights": np.concatenate([one.weights for one in curves]),
        "error": np.concatenate([one.error for one in curves]),
    }
    draw = partial(_draw, curves=curves, rich=rich, kernel=kernel)
    return Reproduction({"errors": table}, numbers, sentence, draw, (7.2, 4.6))


def _errors(problem: LeastSquares, signal: Floats, depth: int, weights: Floats) -> Floats:
    """From weights w the scale of the coefficients is ``w^D``."""
    networks = [PowerNetwork(depth, log_scale=depth * value) for value in np.log(weights).tolist()]
    return np.array([_error(flow_endpoint(problem, network).coef, signal) for network in networks])


def _error(coef: Floats, signal: Floats) -> float:
    return float(np.sum((coef - signal) ** 2))


def _draw(figure: Canvas, curves: list[Curve], rich: float, kernel: float) -> None:
    ax = figure.subplots()
    for k, one in enumerate(curves):
        look = {"color": COLOURS[k], "marker": _MARKS[k], "markersize": 4.5, "linewidth": 1.4}
        ax.loglog(one.weights, one.error, label=f"depth {one.depth}", **look)
    for level, words, dash in ((kernel, "least l2 norm", ":"), (rich, "least l1 norm", "--")):
        ax.axhline(level, color="0.4", linewidth=0.9, linestyle=dash, label=words)
    ax.minorticks_off()
    title = "small weights find the signals, large ones do not"
    tidy(ax, "scale of the weights at the start", "squared distance to the signals", title)
    ax.legend(frameon=False, loc="center left")


FIGURE = Figure(
    "kernel_to_rich",
    "From the kernel to the rich regime: the test error of trained networks over the scale of the weights",
    "Woodworth et al. 2020 (arXiv 2002.09277), Theorems 2 and 3",
    run,
)
