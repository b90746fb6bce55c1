"""A walk over an X that stays in a file, in a process whose memory is limited, against the walk in memory.

The process alone: ``python -m benchmarks.mapped FOLDER ORDER KNOTS BYTES MEMORY_LIMIT``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import lassoflow as lf
from benchmarks import memory
from benchmarks.kkt import Curve, Data, violation
from benchmarks.sparse import ever_active
from benchmarks.table import table

SAMPLES, KNOTS = 2000, 100
FULL, FULL_LIMIT = 400_000, 1_500_000_000
"""Columns of the file of 3.2 GB, and the bytes a process may have for its data there, its modules included."""
SHARE, SHARE_HELD = 0.47, 0.08
"""Of smaller files: what a process may have beyond its modules, and the ``memory_limit``, as shares of the file."""
_IN_MEMORY = 2**30
"""Bytes up to which the walk in memory is over all columns, in double precision."""
_FIRST = 20_000
"""Beyond that, over those that are ever active and this many more."""
_ROWS = 100
"""Written at a time."""
HEADER = ["order", "s", "passes", "read / file", "limit, MB", "KKT", "knots apart", "apart"]


def run(columns: int, orders: tuple[str, ...] = ("C", "F")) -> str:
    """The table: one row an order."""
    if not memory.TOLD:
        return "Memory can be limited and measured on Linux alone."
    with tempfile.TemporaryDirectory() as folder:
        y = write(Path(folder), SAMPLES, columns)
        done = {order: _walked(Path(folder), order, columns) for order in orders}
        reference, index, in_memory = _in_memory(Path(folder), y, done[orders[0]][0])
        data = Data(np.load(Path(folder) / "F.npy", mmap_mode="r"), y)
        rows = [_row(order, path, told, reference, index, data) for order, (path, told) in done.items()]
    text = [
        f"float32, {SAMPLES}x{columns} ({4e-9 * SAMPLES * columns:.2g} GB), {KNOTS} knots, as numpy.memmap, row-major",
        "(C) and column-major (F), freshly written, so most likely in the page cache; seconds from the mapped file to",
        "the path, in a process under RLIMIT_DATA. The walk in memory, in double precision, over",
        f"{index.size} of the columns, takes {in_memory:.2f} s; apart are knots, relative to each, and coefficients,",
        "relative to the largest. KKT is over all columns, in double precision, as a share of lambda_max.",
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def write(folder: Path, n: int, d: int) -> Any:
    """X in both orders and y, which is returned; ten columns have coefficient 1, the noise variance 1."""
    rng = np.random.default_rng(0)
    rowwise = _file(folder / "C.npy", (n, d), fortran_order=False)
    columnwise = _file(folder / "F.npy", (n, d), fortran_order=True)
    for start in range(0, n, _ROWS):
        rowwise[start : start + _ROWS] = rng.standard_normal((min(_ROWS, n - start), d), dtype=np.float32)
    for start in range(0, d, d // 20):
        columnwise[:, start : start + d // 20] = rowwise[:, start : start + d // 20]
    y = rowwise[:, :10].sum(axis=1, dtype=np.float64) + rng.standard_normal(n)
    np.save(folder / "y.npy", y)
    return y


def _file(file: Path, shape: tuple[int, int], fortran_order: bool) -> Any:
    return np.lib.format.open_memmap(file, "w+", np.float32, shape, fortran_order)


def _walked(folder: Path, order: str, columns: int) -> tuple[lf.Path, dict[str, Any]]:
    """The path that a limited process finds, and what it says of itself."""
    size = 4 * SAMPLES * columns
    limit, held = (FULL_LIMIT, 0) if columns >= FULL else (-int(SHARE * size), int(SHARE_HELD * size))
    command = [sys.executable, "-m", "benchmarks.mapped", str(folder), order, str(KNOTS), str(limit), str(held)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The walk over a mapped file ended with:\n{done.stderr}")
    return lf.load(folder / f"{order}.path"), json.loads(done.stdout)


def _in_memory(folder: Path, y: Any, path: lf.Path) -> tuple[lf.Path, Any, float]:
    """The walk in memory, the columns it is over, and its seconds."""
    X = np.load(folder / "F.npy", mmap_mode="r")
    index = np.arange(X.shape[1])
    if 8 * X.size > _IN_MEMORY:
        index = np.union1d(ever_active(path), index[:_FIRST])
    inside = np.asfortranarray(X[:, index].astype(np.float64))
    start = time.perf_counter()
    found = lf.lasso_path(lf.LeastSquares(inside, y), max_knots=KNOTS)
    return found, index, time.perf_counter() - start


def _row(order: str, path: lf.Path, told: dict[str, Any], reference: lf.Path, index: Any, data: Data) -> list[str]:
    lambdas, coefs = 1.0 / path.knots, path(path.knots)
    there = reference(reference.knots)
    same = path.knots.size == reference.knots.size
    apart = [
        f"{np.abs(path.knots / reference.knots - 1.0).max():.0e}" if same else "NOT AS MANY",
        f"{np.abs(coefs[:, index] - there).max() / np.abs(there).max():.0e}" if same else "",
    ]
    return [
        order,
        f"{told['seconds']:.2f}",
        str(told["passes"]),
        f"{told['bytes'] / data.X.nbytes:.1f}",
        f"{1e-6 * told['limit']:.0f}",
        f"{violation(data, Curve(lambdas, coefs.T)):.0e}",
        *apart,
    ]


# -- the limited process ---------------------------------------------------------------------------------------------


def main(folder: Path, order: str, knots: int, limit: int, memory_limit: int) -> None:
    """Walk under a limit in bytes; a negative one is what may be used beyond the modules."""
    import resource  # not on every system

    limit = limit if limit > 0 else memory.field("VmData") - limit
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    start = time.perf_counter()
    X = np.load(folder / f"{order}.npy", mmap_mode="r")
    problem = lf.LeastSquares(X, np.load(folder / "y.npy"), memory_limit=memory_limit or None)
    path = lf.lasso_path(problem, max_knots=knots)
    told = {"seconds": time.perf_counter() - start, "passes": int(problem.passes), "bytes": problem.passes.bytes}
    path.save(folder / f"{order}.path")
    print(json.dumps(told | {"limit": limit}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
