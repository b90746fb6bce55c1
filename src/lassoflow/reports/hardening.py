"""Five flows of finite networks beside the limit flow: how the flow hardens as the initialisation vanishes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.flow import gradient_flow
from lassoflow.network import ProductNetwork
from lassoflow.problem import LeastSquares
from lassoflow.reports.subject import Subject
from lassoflow.reports.tracks import Track, track

LOG_SCALES = (-5.0, -20.0, -70.0, -250.0, -1000.0)
"""Natural logarithms of the scales of the coefficients at the start, for standardised columns and response."""
MOST_ENTRIES = 1_000_000
"""Of X; beyond, five flows take minutes."""
TIME_LIMIT = 40.0
"""Seconds for all of them; those that take longer are left out, and the page says so."""
DEEPEST = 1000.0
"""How far flows are followed: to this many times the first knot."""


def reason_without(subject: Subject) -> str | None:
    """Why there are no such flows, in a sentence; None if there are."""
    path, problem = subject.limit, subject.problem
    if subject.path.law not in ("lasso", "flow"):
        return "The flow is that of a finite network already; it is shown beside its limit."
    if path is None or not isinstance(problem, LeastSquares):
        return "Flows from a finite initialisation are shown for least squares, where the data came with the path."
    box = path.box
    free = (box.upper == 0) & (problem.deviations > 0)
    if not box.symmetric or not np.isfinite(box.upper).all() or free.any() or box.decay:
        return "Flows from a finite initialisation are left out: the penalties differ by sign, bar or free features."
    entries = problem.n_samples * problem.n_features
    if entries > MOST_ENTRIES:
        return (
            f"Flows from a finite initialisation are left out: X has {entries:,} entries, and beyond "
            f"{MOST_ENTRIES:,} they take minutes."
        )
    if not path.knots.size:
        return "Flows from a finite initialisation are left out: nothing is ever learnt here."
    return None


class Stop(NamedTuple):
    """A flow of a finite network and its average, in the units of the subject."""

    log_scale: float
    flow: Track
    average: Track


class _OutOfTimeError(Exception):
    pass


def stops(subject: Subject, features: Ints, span: tuple[float, float], tell: Callable[[str], object]) -> list[Stop]:
    """The flows of u v at :data:`LOG_SCALES`, over some features, from a time to a time: as many as time allows."""
    assert subject.limit is not None
    factor = np.where(subject.limit.box.upper > 0, subject.limit.box.upper, 1.0)  # of a constant column: it stays at 0
    problem, size = standardised(subject.problem, factor)
    scale, ends = subject.scale / factor * size, (span[0] * size, span[1] * size)
    found: list[Stop] = []
    late = time.perf_counter() + TIME_LIMIT

    def watch(progress: object) -> None:
        if time.perf_counter() > late:
            raise _OutOfTimeError

    for number, log_scale in enumerate(LOG_SCALES, 1):
        tell(f"flow {number} of {len(LOG_SCALES)}, log scale {log_scale:,.0f}")
        try:
            flow = gradient_flow(problem, ProductNetwork(log_scale=log_scale), ends[1], callback=watch)
        except _OutOfTimeError:
            break
        own, average = (track(one, features, scale, ends).of_response(size) for one in (flow, flow.averaged()))
        found.append(Stop(log_scale, own, average))
    return found


def standardised(problem: LeastSquares, factor: Floats) -> tuple[LeastSquares, float]:
    """The problem of columns over their penalty factors and of y over its deviation, and that deviation.

    The scale of an initialisation is one of coefficients: only so does it mean the same for all data. Coefficients of y
    are so many times larger, and times smaller.
    """
    columns = problem.design.columns(np.arange(problem.n_features))
    size = float(np.sqrt(np.mean(problem.target**2)))
    matrix = np.ldexp(columns, problem.units.design) / factor
    return LeastSquares(matrix, problem.target / size), float(np.ldexp(size, problem.units.target))
