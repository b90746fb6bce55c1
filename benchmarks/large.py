"""Paths of problems that are large, against the exact solvers and the approximate grids of today.

Exact solvers stop where ours does: after as many knots, or at the same penalty. KKT is the worst violation at any
knot, as a share of lambda_max.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import threadpoolctl
from sklearn.linear_model import lars_path

import lassoflow as lf
from benchmarks import grids, memory, solvers
from benchmarks.cases import LARGE, Long
from benchmarks.kkt import Curve, Floats, violation
from benchmarks.table import absences, table
from benchmarks.timing import Task, in_turn, seconds, spread

THREADS = (1, 2)
HEADER = ["case", "threads", "peer", "knots ours / peer", "s ours", "s peer", "peer / ours, median (min-max)"]
HEADER += ["KKT ours", "KKT peer", "passes", "read / X", "knots a pass"]
GRID_CASE, GRID_GAP = "Gaussian 500x10000 to 0.01", 1e-4
GRID_HEADER = ["threads", "grid", "tolerance", "largest gap", "s", "grid / ours, median (min-max)"]
MEMORY_HEADER = ["case", "X, MB", "peak beyond X, MB", "peak / X"]


def run(rounds: int, cases: Any = LARGE, grid: str = GRID_CASE) -> str:
    """The three tables."""
    rows, grid_rows, memory_rows = [], [], []
    for name, make in cases.items():
        case = make()
        if case.knots and memory.TOLD:
            memory_rows.append([name, *_memory(*case.data.X.shape, case.knots)])
        for threads in THREADS:
            with threadpoolctl.threadpool_limits(threads), solvers.quiet():
                rows += [[name, str(threads), *row] for row in _exact(case, threads, rounds)]
                print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
                if name == grid:
                    grid_rows += [[str(threads), *row] for row in grid_rows_of(case, GRID_GAP, threads, rounds)]
    text = [
        f"Paths from the raw arrays, {rounds} rounds in one process, all solvers in turn. A ratio of 2 means that ours",
        "takes half the time. KKT is the worst violation at any knot, as a share of lambda_max. `lars_path` has",
        "Gram=None and copy_X=False, which permutes the columns of X in place; they are put back outside the clock.",
        "`spams.lasso` is told how many knots there are; cholesky is what was faster in a first run.",
        *absences({"spams-bin": solvers.spams}),
        "",
        table(HEADER, rows),
        "",
        f"Approximate grids of {grids.SIZE} penalties ({grid}), each at the loosest tolerance, by powers of",
        f"ten, whose relative duality gap is at most {GRID_GAP:.0e} at every penalty; ours is the whole exact path.",
        "adelie asks for numpy < 2: it is compared where it is installed all the same.",
        *absences(grids.INSTALLED),
        "",
        table(GRID_HEADER, grid_rows),
        "",
        "Memory: the peak of what is resident over a walk, in a process of its own, less what was before the problem",
        "was made: X itself and the compiled code.",
        "",
        table(MEMORY_HEADER, memory_rows),
    ]
    return "\n".join(text)


def _memory(n: int, d: int, knots: int) -> list[str]:
    size, held = 8 * n * d, memory.measured(n, d, knots)
    return [f"{1e-6 * size:.0f}", f"{1e-6 * held:.0f}", f"{1.0 + held / size:.2f}"]


# -- exact solvers ---------------------------------------------------------------------------------------------------


def our_path(case: Long, lambda_min: float) -> lf.Path:
    """Our path, from the raw arrays."""
    return lf.lasso_path(lf.LeastSquares(case.data.X, case.data.y), max_knots=case.knots, lambda_min=lambda_min)


def curve_to(path: lf.Path, last: float) -> Curve:
    """The knots of a path, and the penalty it stops at if that is given."""
    lambdas, coefs = 1.0 / path.knots, path(path.knots)
    if last:
        lambdas, coefs = np.append(lambdas, last), np.vstack([coefs, path.at(lam=last, side="left")])
    return Curve(lambdas, coefs.T)


def _exact(case: Long, threads: int, rounds: int) -> Iterator[list[str]]:
    """One row for each peer."""
    lambda_min = case.lambda_min
    path = our_path(case, lambda_min)
    ours, passes = curve_to(path, lambda_min), path.problem.passes
    lars, spams = Lars(case, lambda_min), Spams(case, ours, threads)
    tasks = {"ours": Task(lambda: our_path(case, lambda_min)), "lars_path": Task(lars.solve, lars.prepare)}
    if solvers.spams:
        tasks |= {spams.setting: Task(spams.solve)}
    taken = in_turn(tasks, rounds)
    accuracy = violation(case.data, ours)
    for name in list(tasks)[1:]:
        theirs = lars.curve() if name == "lars_path" else spams.curve()
        yield [
            name,
            f"{ours.lambdas.size} / {theirs.lambdas.size}",
            f"{np.median(taken['ours']):.3f}",
            f"{np.median(taken[name]):.3f}",
            spread(taken[name] / taken["ours"]),
            f"{accuracy:.0e}",
            f"{violation(case.data, theirs):.0e}",
            str(int(passes)),
            f"{passes.bytes / case.data.X.nbytes:.1f}",
            f"{ours.lambdas.size / passes:.0f}",
        ]


class Lars:
    """``lars_path``, which is given a copy of X to permute."""

    def __init__(self, case: Long, lambda_min: float) -> None:
        self._data, self._X = case.data, case.data.X.copy(order="F")
        self._limits = {"max_iter": case.knots - 1} if case.knots else {"max_iter": 10**5, "alpha_min": lambda_min}

    def prepare(self) -> None:
        """Put the columns back."""
        self._X[...] = self._data.X

    def solve(self) -> None:
        """The path."""
        self._found = lars_path(self._X, self._data.y, method="lasso", Gram=None, copy_X=False, **self._limits)

    def curve(self) -> Curve:
        """What was found last."""
        lambdas, _, coefs = self._found
        return Curve(lambdas, coefs)


class Spams:
    """``spams.lasso`` down to the last penalty of a curve."""

    def __init__(self, case: Long, ours: Curve, threads: int) -> None:
        self._data, self._last, self._threads = case.data, ours.lambdas[-1], threads
        self._length, self._signal = ours.lambdas.size + 8, np.asfortranarray(case.data.y[:, None])
        if solvers.spams:
            self._cholesky = min((False, True), key=lambda cholesky: seconds(lambda: self._path(cholesky)))
            self.setting = f"spams, cholesky={self._cholesky}"

    def _path(self, cholesky: bool) -> Floats:
        n, d = self._data.X.shape
        return solvers.spams.lasso(
            self._signal, D=self._data.X, return_reg_path=True, mode=2, lambda1=self._last * n, L=min(n, d),
            max_length_path=self._length, cholesky=cholesky, numThreads=self._threads,
        )[1]  # fmt: skip

    def solve(self) -> None:
        """The path."""
        self._found = self._path(self._cholesky)

    def curve(self) -> Curve:
        """What was found last."""
        return solvers.spams_curve(self._data, self._found)


# -- approximate grids -----------------------------------------------------------------------------------------------


def grid_rows_of(case: Long, gap: float, threads: int, rounds: int) -> Iterator[list[str]]:
    """A row for our whole path, and one for each grid."""
    data, lambda_min = case.data, case.lambda_min
    path = our_path(case, lambda_min)
    lambdas = grids.penalties(data, lambda_min or 1.0 / path.knots[-1])
    found = {
        name: (grid, grids.loosest(grid, data, lambdas, gap, threads)) for name, grid in grids.available(data).items()
    }
    tasks = {"ours": Task(lambda: our_path(case, lambda_min))}
    for name, (grid, reached) in found.items():
        tasks[name] = Task(lambda g=grid, t=reached.tolerance: g(data, lambdas, t, threads))
    taken = in_turn(tasks, rounds)
    own = f"{grids.gap_of_path(data, lambdas, path):.0e}"
    yield ["ours, all knots", "", own, f"{np.median(taken['ours']):.3f}", ""]
    for name, (_, reached) in found.items():
        yield [name, *reached.cells(gap), f"{np.median(taken[name]):.3f}", spread(taken[name] / taken["ours"])]
