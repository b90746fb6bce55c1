"""How the time of a walk grows with samples, features and knots: exponents fitted over four sizes each."""

from __future__ import annotations

import numpy as np
import threadpoolctl

import lassoflow as lf
from benchmarks.cases import gaussian
from benchmarks.kkt import Data
from benchmarks.table import table
from benchmarks.timing import Task, in_turn

SWEEPS = {
    "n": [(n, 20_000, 100) for n in (250, 500, 1000, 2000)],
    "d": [(300, d, 100) for d in (12_500, 25_000, 50_000, 100_000)],
    "knots": [(1000, 20_000, knots) for knots in (50, 100, 200, 400)],
}
"""Samples, features and knots, by the one that grows."""
HEADER = ["grows", "n x d, knots", "s", "passes", "exponent"]


def run(rounds: int, sweeps: dict[str, list[tuple[int, int, int]]] = SWEEPS) -> str:
    """The table, on one thread."""
    rows = []
    with threadpoolctl.threadpool_limits(1):
        for name, sizes in sweeps.items():
            data = {size: gaussian(*size[:2]) for size in sizes}
            tasks = {str(size): Task(lambda s=size, own=data[size]: _walk(own, s[2])) for size in sizes}
            passes = [int(task.solve().problem.passes) for task in tasks.values()]
            taken = [float(np.median(times)) for times in in_turn(tasks, rounds).values()]
            grown = [size[["n", "d", "knots"].index(name)] for size in sizes]
            exponent = np.polyfit(np.log(grown), np.log(taken), 1)[0]
            for k, (n, d, knots) in enumerate(sizes):
                last = f"{exponent:.2f}" if k == len(sizes) - 1 else ""
                rows.append([name, f"{n}x{d}, {knots}", f"{taken[k]:.3f}", str(passes[k]), last])
    text = [
        f"Gaussian problems, ten columns with coefficient 1, one thread, medians of {rounds} rounds. The exponent is",
        "the slope of log time against log size.",
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def _walk(data: Data, knots: int) -> lf.Path:
    return lf.lasso_path(lf.LeastSquares(data.X, data.y), max_knots=knots)
