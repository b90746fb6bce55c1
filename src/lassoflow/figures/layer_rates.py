"""Labarriere, Molinari, Rosasco, Vega & Villa 2024: the loss falls exponentially, and when deeper is faster.

Under the Polyak-Lojasiewicz inequality the excess loss is below ``exp(-2 mu c t)`` times that at the start, with c the
least gain ``dx/dg`` of the network (arXiv 2412.16765; this form is derived, see docs). The settings of their
experiments are not known to us: least squares with 8 rows and 4 columns, and the networks of this library.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import COLOURS, DASHES, Figure, Reproduction, listed, slope, stacked, tidy
from lassoflow.flow import gradient_flow
from lassoflow.mirror import exponential_rate, polyak_lojasiewicz, solution
from lassoflow.network import Network, PowerNetwork, ProductNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 3, 4, 6)
SCALE, SMALL = 0.1, 1e-6
_MARKS = ("o", "s", "^", "D")


class Decay(NamedTuple):
    """One flow: its training times, the excess loss and the bound, over the excess at the start, of shape (k,)."""

    name: str
    t: Floats
    excess: Floats
    bound: Floats

    @property
    def speed(self) -> float:
        """The rate at which the loss falls in the end, over that of the bound."""
        end = slice(self.t.size // 2, None)
        return slope(self.t[end], np.log(self.excess[end])) / slope(self.t[end], np.log(self.bound[end]))


def run(quick: bool, seed: int) -> Reproduction:
    """Four flows beside their bounds, and the time to a small loss over scale and depth."""
    random = np.random.default_rng(seed)
    problem = _problem(random)
    decays = [_decay(problem, name, network) for name, network in _networks(random).items()]
    scales = np.geomspace(1e-4, 0.9, 7 if quick else 17)
    times = np.array([[_time(problem, PowerNetwork(depth, scale)) for scale in scales] for depth in DEPTHS])
    ratios = [float((one.excess / one.bound).max()) for one in decays]
    crossing = {depth: _crossing(scales, times[0], row) for depth, row in zip(DEPTHS[1:], times[1:], strict=True)}
    speeds = [one.speed for one in decays]
    numbers = {"largest_ratio": max(ratios), "slowest": min(speeds), "fastest": max(speeds)}
    numbers |= {f"faster_from_{depth}": at for depth, at in crossing.items()}
    sentence = (
        "published: the loss stays below an exponential whose rate the initialisation sets, and deeper networks can be "
        f"faster; here: the bound is {'kept' if max(ratios) <= 1.0 else 'BROKEN'} by {len(decays)} networks, whose "
        f"loss falls {min(speeds):.2g} to {max(speeds):.2g} times as fast in the end; networks of depth "
        f"{listed(DEPTHS[1:], 'd')} reach {SMALL:g} of the initial loss before that of depth 2 from scales of "
        f"{listed(list(crossing.values()), '.2g')} on."
    )
    sweep = {
        "depth": np.repeat(DEPTHS, scales.size),
        "scale": np.tile(scales, len(DEPTHS)),
        "training_time": times.ravel(),
    }
    losses = stacked([
        {"network": np.full(one.t.size, one.name), "t": one.t, "excess": one.excess, "bound": one.bound}
        for one in decays
    ])  # fmt: skip
    draw = partial(_draw, decays=decays, scales=scales, times=times)
    return Reproduction({"losses": losses, "times": sweep}, numbers, sentence, draw, (10.5, 4.4))


def _problem(random: np.random.Generator) -> LeastSquares:
    X = random.standard_normal((8, 4))
    return LeastSquares(X, X @ np.array([1.0, -0.7, 0.5, 0.3]) + 0.2 * random.standard_normal(8))


def _networks(random: np.random.Generator) -> dict[str, Network]:
    """One product with unequal layers, weights uniform in ranges that do not meet, and powers from the same scale."""
    u, v = random.uniform(0.8, 1.4, 4), random.uniform(0.2, 0.5, 4)
    root = np.sqrt(SCALE)
    powers: dict[str, Network] = {f"$u^{depth} - v^{depth}$": PowerNetwork(depth, SCALE) for depth in DEPTHS[:3]}
    return {"u v, unbalanced": ProductNetwork(SCALE, shape_u=u / root, shape_v=v / root)} | powers


def _decay(problem: LeastSquares, name: str, network: Network) -> Decay:
    flow = gradient_flow(problem, network)
    rate = exponential_rate(flow, solution(flow), polyak_lojasiewicz(problem))
    if rate is None:
        raise ValueError(f"{network!r} has no exponential rate.")
    start = _excess(flow, np.zeros(1))[0]
    seen = rate.excess > 1e-10 * start
    return Decay(name, network.training_time(rate.s[seen]), rate.excess[seen] / start, rate.bound[seen] / start)


def _excess(flow: Path, s: Floats) -> Floats:
    """The loss above that of the least-squares solution, which is unique here."""
    problem = flow.require_problem("a loss")
    gap = problem.fitted(flow(s) - solution(flow))
    return np.asarray(np.square(gap).sum(axis=1) / (2 * problem.n_samples) * 4.0**problem.units.target)


def _time(problem: LeastSquares, network: Network) -> float:
    """The training time at which the excess loss is a small share of what it is at the start."""
    flow = gradient_flow(problem, network)
    goal = SMALL * _excess(flow, np.zeros(1))[0]
    low, high = 0.0, float(flow.mesh[-1])
    for _ in range(4):  # the excess never rises: each round finds the sixtieth of the interval it falls below in
        s = np.linspace(low, high, 61)
        after = max(int((_excess(flow, s) <= goal).argmax()), 1)
        low, high = float(s[after - 1]), float(s[after])
    return float(network.training_time(high))


def _crossing(scales: Floats, shallow: Floats, deep: Floats) -> float:
    """The scale from which on the deep network is the faster one, by interpolation; inf if it never is."""
    ahead = np.log(shallow / deep)
    behind = np.flatnonzero(ahead <= 0)
    if not behind.size:
        return float(scales[0])
    last = int(behind[-1])
    if last == scales.size - 1:
        return np.inf
    share = -ahead[last] / (ahead[last + 1] - ahead[last])
    return float(scales[last] * (scales[last + 1] / scales[last]) ** share)


def _draw(figure: Canvas, decays: list[Decay], scales: Floats, times: Floats) -> None:
    left, right = figure.subplots(1, 2)
    _draw_decays(left, decays)
    for depth, row, colour, mark in zip(DEPTHS, times, COLOURS, _MARKS, strict=False):
        right.loglog(scales, row, color=colour, marker=mark, markersize=4.5, linewidth=1.4, label=f"depth {depth}")
    right.legend(frameon=False)
    wait = f"training time t to {SMALL:g} of the loss"
    tidy(right, "scale of the initialisation", wait, "$u^D - v^D$: when deeper is faster")


def _draw_decays(ax: Axes, decays: list[Decay]) -> None:
    last = max(one.t[-1] for one in decays)
    for one, colour, dashes in zip(decays, COLOURS, DASHES, strict=False):
        ax.semilogy(one.t, one.excess, color=colour, linestyle=dashes, linewidth=1.6, label=one.name)
        ax.semilogy(one.t, one.bound, color=colour, linestyle=dashes, linewidth=3.5, alpha=0.3)
    ax.plot([], [], color="0.3", linewidth=3.5, alpha=0.3, label="its bound")
    ax.set(xlim=(0.0, last), ylim=(1e-9, 3.0))
    ax.legend(frameon=False, fontsize="small", loc="upper right")
    tidy(ax, "training time  t", "excess loss, over that at the start", f"loss and bound, scale {SCALE:g}")


FIGURE = Figure(
    "layer_rates",
    "The loss of diagonal networks below its exponential bound, and the scales at which deeper is faster",
    "Labarriere, Molinari, Rosasco, Vega & Villa 2024 (arXiv 2412.16765); own settings",
    run,
)
