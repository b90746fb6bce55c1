"""Where training ends, and the l1 solution: against linear programming on the l1 solution, in paired runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import linprog
from threadpoolctl import threadpool_limits

import lassoflow as lf
from benchmarks.table import table

try:
    import spams
except ImportError:
    spams = None
try:
    import cvxpy
except ImportError:
    cvxpy = None

HEADER = ["data", "task", "ms", "linprog / this", "residual"]
SHAPE, SIGNALS = (100, 1000), 10
NETWORKS = {
    "depth 2, 1e-2": lf.PowerNetwork(2, 1e-2),
    "depth 2, 1e-10": lf.PowerNetwork(2, 1e-10),
    "depth 2, 1e-100": lf.PowerNetwork(2, 1e-100),
    "depth 2, e^-10000": lf.PowerNetwork(2, log_scale=-1e4),
    "depth 3, 1e-6": lf.PowerNetwork(3, 1e-6),
    "depth 3, 1e-12": lf.PowerNetwork(3, 1e-12),
    "depth 4, 1e-12": lf.PowerNetwork(4, 1e-12),
}


def run(repetitions: int) -> str:
    """The table: one row a task, medians of paired runs on one thread."""
    rows = []
    with threadpool_limits(1):
        for noise, name in ((0.0, "noiseless"), (0.5, "noisy")):
            X, y = _data(noise)
            tasks = _tasks(X, y)
            seconds: dict[str, list[float]] = {task: [] for task in tasks}
            ends = {task: work() for task, work in tasks.items()}  # and nothing is compiled or loaded below
            for _ in range(repetitions):
                for task, work in tasks.items():
                    start = time.perf_counter()
                    work()
                    seconds[task].append(time.perf_counter() - start)
            peer = np.array(seconds["linprog (HiGHS)"])
            for task, own in seconds.items():
                residual = np.abs(X @ ends[task] - y).max() / np.abs(y).max()
                ratio = np.median(peer / np.array(own))
                rows.append([name, task, f"{1e3 * np.median(own):.1f}", f"{ratio:.1f}", f"{residual:.0e}"])
    text = [
        f"{SHAPE[0]}x{SHAPE[1]}, {SIGNALS} signals, one thread. The first rows find the l1 solution, as",
        "`min_l1` does; the other rows are ends of flows, which are further from it the larger the scale.",
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def _data(noise: float) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.standard_normal(SHAPE)
    signals = random.choice([-1.0, 1.0], SIGNALS)
    return X, X[:, :SIGNALS] @ signals + noise * random.standard_normal(SHAPE[0])


def _tasks(X: Any, y: Any) -> dict[str, Callable[[], Any]]:
    d = X.shape[1]

    def program() -> Any:
        x = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=y).x
        return x[:d] - x[d:]

    tasks: dict[str, Callable[[], Any]] = {"linprog (HiGHS)": program}
    if spams is not None:
        columns, target = np.asfortranarray(X), np.asfortranarray(y[:, None])
        tasks["spams lasso"] = lambda: spams.lasso(target, D=columns, lambda1=0.0, mode=2).toarray().ravel()
    if cvxpy is not None:
        x = cvxpy.Variable(d)
        modelled = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(x)), [X @ x == y])

        def model() -> Any:
            modelled.solve()
            return x.value

        tasks["cvxpy's default"] = model
    tasks["min_l1"] = lambda: lf.min_l1(lf.LeastSquares(X, y)).coef
    for name, network in NETWORKS.items():
        tasks[name] = lambda network=network: lf.flow_endpoint(lf.LeastSquares(X, y), network).coef
    return tasks
