"""How much memory a walk takes beside X, in a process of its own: ``python -m benchmarks.memory N D KNOTS``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import lassoflow as lf
from benchmarks.kkt import Floats

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TOLD = _STATUS.exists() and _RESET.exists()
"""Whether the system tells a process its peak of memory, as Linux does; ``ru_maxrss`` begins at the parent's."""


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
    _RESET.write_text("5")  # the peak begins anew
    before = field("VmRSS")
    _walk(X, y, knots)
    print(field("VmHWM") - before)


def _walk(X: Floats, y: Floats, knots: int) -> lf.Path:
    return lf.lasso_path(lf.LeastSquares(X, y), max_knots=knots)


def field(name: str) -> int:
    """Bytes of memory of one kind of this process."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
