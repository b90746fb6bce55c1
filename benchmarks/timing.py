"""Seconds a call, of several solvers in turn."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.kkt import Floats


class Task(NamedTuple):
    """What is timed, and what has to be done before each time it is, which is not."""

    solve: Callable[[], Any]
    prepare: Callable[[], object] | None = None


def seconds(solve: Callable[[], Any], count: int = 1) -> float:
    """Mean seconds a call over ``count`` calls, without garbage collection."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(count):
            solve()
        return (time.perf_counter() - start) / count
    finally:
        gc.enable()


def in_turn(tasks: Mapping[str, Task], rounds: int) -> dict[str, Floats]:
    """Seconds of each task in each of so many rounds."""
    timings: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, (solve, prepare) in tasks.items():
            if prepare:
                prepare()
            timings[name].append(seconds(solve))
    return {name: np.array(taken) for name, taken in timings.items()}


def spread(ratios: Floats) -> str:
    """The median of paired ratios, the smallest and the largest."""
    return f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f})"
