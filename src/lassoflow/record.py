"""What an exact walk leaves behind: its knots, each on its nonzeros only, as a curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Polygon
from lassoflow.problem import Problem
from lassoflow.state import State


class Progress(NamedTuple):
    """What a ``callback`` is told at each knot: its number, its time, the penalty 1/s and the active coordinates."""

    knot: int
    s: float
    lam: float
    n_active: int


class Record:
    """The knots seen so far: time, cumulated coefficients there and slope after, each on its nonzeros only."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.averages: list[tuple[Ints, Floats]] = []
        self.slopes: list[tuple[Ints, Floats]] = []
        self.offsets: list[float] = []

    @property
    def count(self) -> int:
        """Knots so far; the start at s = 0 is none."""
        return len(self.times) - 1

    def add(self, state: State) -> None:
        """Note the present knot and the direction that leaves it, in place of the last knot if the walk lingers."""
        if state.lingers:
            for rows in (self.times, self.averages, self.slopes, self.offsets):
                del rows[-1]
        support = state.integral.nonzero()[0]
        self.times.append(state.s)
        self.averages.append((support, state.integral[support] / (state.s or 1.0)))
        self.slopes.append((state.fit.index.copy(), state.fit.coef.copy()))
        self.offsets.append(state.fit.offset)

    def progress(self, problem: Problem) -> Progress:
        """The last knot as a callback is told of it."""
        s = float(problem.units.time(self.times[-1]))
        return Progress(self.count, s, 1.0 / s, self.slopes[-1][0].size)

    def curve(self, problem: Problem, noise: float, stop: float) -> Polygon:
        """All knots as a curve in the user's units."""
        knots = np.asarray(problem.units.time(np.array(self.times[1:])), dtype=np.float64)
        averages, slopes = (_stack(rows, problem, noise) for rows in (self.averages, self.slopes))
        return Polygon(knots, averages, slopes, stop)

    def offset(self, problem: Problem, stop: float) -> Polygon:
        """The intercept of centred columns as a curve, in the user's units."""
        knots = np.asarray(problem.units.time(np.array(self.times[1:])), dtype=np.float64)
        slopes = np.ldexp(np.array(self.offsets), problem.units.target)
        start = np.concatenate([[0.0], knots])
        cumulated = np.concatenate([[0.0], np.cumsum(np.diff(start) * slopes[:-1])])
        averages = np.divide(cumulated, start, out=slopes.copy(), where=start > 0)
        return Polygon(knots, sp.csr_array(averages[:, None]), sp.csr_array(slopes[:, None]), stop)


def _stack(rows: list[tuple[Ints, Floats]], problem: Problem, noise: float) -> sp.csr_array:
    """Sparse rows, given as (columns, working coefficients), as one matrix in the user's units; noise becomes zero."""
    supports, coefs = zip(*rows, strict=True)
    starts = np.cumsum([0, *map(len, supports)])
    columns, values = np.concatenate(supports), np.concatenate(coefs)
    values[np.abs(values) * problem.design.norms[columns] <= noise] = 0.0
    return sp.csr_array((problem.units.coef(values), columns, starts), shape=(len(rows), problem.n_features))
