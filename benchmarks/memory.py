"""How much memory a walk takes beside X, in a process of its own: ``python -m benchmarks.memory N D KNOTS``."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

import lassoflow as lf

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measured(n: int, d: int, knots: int) -> int:
    """Bytes at the peak, beyond what was resident before, of a walk over an n x d Gaussian problem."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "benchmarks.memory", str(n), str(d), str(knots)]
    return int(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout)


def main(n: int, d: int, knots: int) -> None:
    """Make X once, in place, and walk."""
    rng = np.random.default_rng(0)
    X = np.empty((n, d), order="F")
    rng.standard_normal(out=X.T)
    y = X[:, :10].sum(axis=1) + rng.standard_normal(n)
    _walk(rng.standard_normal((200, 8000)), rng.standard_normal(200), 30)  # what is imported and compiled stays
    before = resident()
    _walk(X, y, knots)
    print(peak() - before)


def _walk(X: np.ndarray, y: np.ndarray, knots: int) -> lf.Path:
    return lf.lasso_path(lf.LeastSquares(X, y), max_knots=knots)


def resident() -> int:
    """Bytes that are resident now; the peak begins anew where the system lets it."""
    if not _STATUS.exists():
        return peak()
    if _RESET.exists():
        _RESET.write_text("5")
    return _field("VmRSS")


def peak() -> int:
    """Bytes that were resident at most.

    ``ru_maxrss`` is that of the parent process in a child that has just begun, so it is asked only where /proc is not.
    """
    if _STATUS.exists():
        return _field("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _field(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
