"""The path of a large sparse design, against the approximate grids that take one."""

from __future__ import annotations

import numpy as np
import threadpoolctl

import lassoflow as lf
from benchmarks import cases, grids, solvers
from benchmarks.kkt import Curve, Data, Ints, violation
from benchmarks.table import absences, table
from benchmarks.timing import Task, in_turn, spread

SHAPE, DENSITY, KNOTS, GAP = (20_000, 100_000), 1e-3, 200, 1e-6
RESTRICTED = 2000
"""Columns of the dense walk that ours is compared with."""
THREADS = (1, 2)
HEADER = ["threads", "solver", "tolerance", "largest gap", "s", "grid / ours, median (min-max)"]


def run(rounds: int, shape: tuple[int, int] = SHAPE, knots: int = KNOTS) -> str:
    """The table, and how far ours is from a dense walk."""
    data = cases.sparse(*shape, DENSITY)
    path = _walk(data, knots)
    passes, curve = path.problem.passes, Curve(1.0 / path.knots, path(path.knots).T)
    rows, share = [], path.knots[0] / path.knots[-1]
    for threads in THREADS:
        with threadpoolctl.threadpool_limits(threads), solvers.quiet():
            rows += [[str(threads), *row] for row in _rows(data, path, threads, rounds)]
    text = [
        f"{shape[0]}x{shape[1]}, {data.X.nnz} entries stored; {path.knots.size} knots, to {share:.2g} of lambda_max;",
        f"{int(passes)} passes. Grids have {grids.SIZE} penalties over the same range, each at the loosest tolerance,",
        f"by powers of ten, whose relative duality gap is at most {GAP:.0e} at every penalty. {rounds} rounds.",
        f"KKT of ours at the knots: {violation(data, curve):.0e}. {_restriction(data, path, knots)}",
        *absences({name: grids.INSTALLED[name] for name in ("celer", "skglm")}),
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def ever_active(path: lf.Path) -> Ints:
    """The columns that are active at a knot or begin to be."""
    return np.flatnonzero(path(path.knots).any(axis=0) | path.instantaneous()(path.knots).any(axis=0))


def _walk(data: Data, knots: int) -> lf.Path:
    return lf.lasso_path(lf.LeastSquares(data.X, data.y), max_knots=knots)


def _rows(data: Data, path: lf.Path, threads: int, rounds: int) -> list[list[str]]:
    """Ours and each grid."""
    lambdas = grids.penalties(data, 1.0 / path.knots[-1])
    found = {}
    tasks = {"ours": Task(lambda: _walk(data, path.knots.size))}
    for name, grid in grids.available(data).items():
        found[name] = grids.loosest(grid, data, lambdas, GAP, threads)
        tasks[name] = Task(lambda g=grid, t=found[name].tolerance: g(data, lambdas, t, threads))
    taken = in_turn(tasks, rounds)
    own = f"{grids.gap_of_path(data, lambdas, path):.0e}"
    rows = [["ours, all knots", "", own, f"{np.median(taken['ours']):.3f}", ""]]
    for name, reached in found.items():
        ratio = spread(taken[name] / taken["ours"])
        rows.append([name, *reached.cells(GAP), f"{np.median(taken[name]):.3f}", ratio])
    return rows


def _restriction(data: Data, path: lf.Path, knots: int) -> str:
    """How far the path is from the dense walk on columns that hold all that are ever active."""
    active = ever_active(path)
    nearness = np.abs(data.X.T @ data.y)
    nearness[active] = np.inf
    index = np.sort(np.argsort(-nearness)[:RESTRICTED])
    dense = _walk(Data(data.X[:, index].toarray(order="F"), data.y), knots)
    if dense.knots.size != path.knots.size:
        return f"On {index.size} columns, dense, there are {dense.knots.size} knots: NOT THE SAME."
    there, here = dense(dense.knots), path(path.knots)[:, index]
    knots_apart = float(np.abs(dense.knots / path.knots - 1.0).max())
    coefs_apart = float(np.abs(there - here).max() / np.abs(here).max())
    same = f"has the same knots\nto {knots_apart:.0e} and coefficients to {coefs_apart:.0e} (relative)."
    return f"The dense\nwalk on {index.size} of the columns, those that are ever active among them, {same}"
