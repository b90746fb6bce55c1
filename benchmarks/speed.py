"""How long whole paths take, ours and a peer's in turn: what counts is the median of the paired ratios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import threadpoolctl

from benchmarks import solvers
from benchmarks.cases import SPEED
from benchmarks.kkt import Data, end_violation, flow_violation, violation
from benchmarks.solvers import Solve
from benchmarks.table import table
from benchmarks.timing import seconds

_LONG_ENOUGH = 0.01
"""Seconds a single timing should take; shorter calls are repeated."""

HEADER = [
    "case",
    "threads",
    "curve / peer",
    "knots",
    "ms ours",
    "ms peer",
    "ours / peer, median (min-max)",
    "KKT ours",
    "KKT peer",
]


class Accuracy(NamedTuple):
    """Knots of a curve and its worst violation, at the knots and at the end, as a share of lambda_max."""

    knots: int
    worst: float


def run(pairs: int) -> str:
    """The table and what goes with it."""
    rows, notes = [], []
    for name, make in SPEED.items():
        data = make()
        for threads in (1, 2):
            with threadpoolctl.threadpool_limits(threads), solvers.quiet():
                for row, note in _case(data, threads, pairs):
                    rows.append([name, str(threads), *row])
                    notes.append(f"{name}, {threads} thread{'s' * (threads > 1)}: {note}")
    absent = [] if solvers.spams else ["spams is not installed: no comparison (pip install spams-bin).", ""]
    text = [
        f"Whole paths from the raw arrays to the end, {pairs} pairs in one process, ours and the peer's in turn.",
        "KKT is the worst violation at any knot and at the end, as a share of lambda_max. No peer computes the limit",
        "flow: it is compared with lars_path on the same data. Knots of the lasso count the end at penalty 0.",
        "",
        table(HEADER, rows),
        "",
        *absent,
        "Settings of the peers, the fastest of those tried:",
        "",
        *(f"- {note}" for note in dict.fromkeys(notes)),
    ]
    return "\n".join(text)


def _case(data: Data, threads: int, pairs: int) -> Iterator[tuple[list[str], str]]:
    """One row for each comparison on one problem."""
    path = solvers.our_path(data)
    ours = _judge_ours(data, path)
    flow = _judge_flow(data, solvers.our_flow(data))

    setting, lars = _fastest(solvers.lars_settings(data, ours.knots))
    theirs = _judge(data, lars())
    for law, solve, accuracy in (("lasso", solvers.our_path, ours), ("limit flow", solvers.our_flow, flow)):
        yield _row(f"{law} / lars_path", data, solve, accuracy, lars, theirs, pairs), f"lars_path {setting}"

    if solvers.spams:
        setting, peer = _fastest(solvers.spams_settings(data, ours.knots, threads))
        theirs = _judge(data, solvers.spams_curve(data, peer()))
        yield _row("lasso / spams", data, solvers.our_path, ours, peer, theirs, pairs), f"spams.lasso {setting}"


def _row(what: str, data: Data, solve: Any, ours: Accuracy, peer: Solve, theirs: Accuracy, pairs: int) -> list[str]:
    timings = np.array(list(_paired(lambda: solve(data), peer, pairs)))
    mine, other = 1e3 * np.median(timings, axis=0)
    ratio = timings[:, 0] / timings[:, 1]
    return [
        what,
        f"{ours.knots} / {theirs.knots}",
        f"{mine:.2f}",
        f"{other:.2f}",
        f"{np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f})",
        f"{ours.worst:.0e}",
        f"{theirs.worst:.0e}",
    ]


def _paired(first: Solve, second: Solve, pairs: int) -> Iterator[tuple[float, float]]:
    """Seconds a call of the two, timed in turn."""
    counts = [max(1, int(_LONG_ENOUGH / seconds(solve, 1))) for solve in (first, second)]
    for _ in range(pairs):
        yield seconds(first, counts[0]), seconds(second, counts[1])


def _fastest(settings: Iterator[tuple[str, Solve]]) -> tuple[str, Solve]:
    """The setting with the least median of five timings, after a first call that does not count."""

    def median(setting: tuple[str, Solve]) -> float:
        setting[1]()
        return float(np.median([seconds(setting[1], 1) for _ in range(5)]))

    return min(settings, key=median)


def _judge(data: Data, curve: Any) -> Accuracy:
    """A peer's curve: its knots, the start where all is zero among them, and its last column as the end."""
    return Accuracy(curve.lambdas.size, max(violation(data, curve), end_violation(data, curve.coefs[:, -1])))


def _judge_ours(data: Data, path: Any) -> Accuracy:
    curve = solvers.our_curve(path)
    return _judge(data, curve)


def _judge_flow(data: Data, path: Any) -> Accuracy:
    slopes = path(path.knots)
    worst = flow_violation(data, path.knots, path.average(path.knots), slopes)
    return Accuracy(path.knots.size, worst)
