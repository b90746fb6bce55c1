"""What an exact walk leaves behind: its knots, each on its nonzeros only, as a curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Polygon
from lassoflow.ordinary import Log
from lassoflow.problem import Problem
from lassoflow.state import State

_KNOTS, _ENTRIES = 128, 4096
"""Room to begin with."""


class Progress(NamedTuple):
    """What a ``callback`` is told at each knot: its number, its time, the penalty 1/s and the active coordinates."""

    knot: int
    """The number of the knot."""
    s: float
    """Its time."""
    lam: float
    """The penalty 1 / s."""
    n_active: int
    """How many coordinates are active."""


class Record:
    """The knots seen so far: time, cumulated coefficients there and slope after, each on its nonzeros only.

    The start at s = 0 is the first entry of ``log``, and no knot.
    """

    def __init__(self) -> None:
        self.size = 0
        self.log = Log(
            np.zeros(_KNOTS),
            np.zeros((2, _KNOTS + 1), dtype=np.intp),
            np.zeros((2, _ENTRIES), dtype=np.intp),
            np.zeros((2, _ENTRIES)),
        )
        self.offsets: list[float] = []

    @property
    def count(self) -> int:
        """Knots so far; the start at s = 0 is none."""
        return self.size - 1

    def add(self, state: State, chosen: Ints | None = None) -> None:
        """Note the present knot and the direction that leaves it, in place of the last knot if the walk lingers.

        The coordinates of the state are those ``chosen`` among all.
        """
        if state.lingers:
            self.cut(self.size - 1)
        support = state.integral.nonzero()[0]
        index = state.fit.index
        self.reserve(max(support.size, index.size))
        times, starts, columns, values = self.log
        times[self.size] = state.s
        rows = (support, state.integral[support] / (state.s or 1.0)), (index, state.fit.coef)
        for kind, (where, what) in enumerate(rows):
            begin = starts[kind, self.size]
            end = starts[kind, self.size + 1] = begin + where.size
            columns[kind, begin:end], values[kind, begin:end] = where, what
        self.offsets.append(state.fit.offset)
        self.size += 1
        self.relabel(self.size - 1, chosen)

    def relabel(self, first: int, chosen: Ints | None) -> None:
        """Note entries from a knot on, made by a walk over chosen coordinates, as of all."""
        self.offsets += [0.0] * (self.size - len(self.offsets))
        if chosen is None:
            return
        for kind in (0, 1):
            made = slice(*self.log.starts[kind, [first, self.size]])
            self.log.columns[kind, made] = chosen[self.log.columns[kind, made]]

    def cut(self, size: int) -> None:
        """Forget all but the first entries."""
        self.size = size
        del self.offsets[size:]

    def entry(self, number: int) -> tuple[float, tuple[Ints, Floats], tuple[Ints, Floats]]:
        """An entry: the time, and columns and values of the averages and of the slopes."""
        parts = []
        for kind in (0, 1):
            made = slice(*self.log.starts[kind, number : number + 2])
            parts.append((self.log.columns[kind, made].copy(), self.log.values[kind, made].copy()))
        return float(self.log.times[number]), parts[0], parts[1]

    def reserve(self, entries: int) -> None:
        """Make room for one more knot of so many entries."""
        times, starts, columns, values = self.log
        if self.size + 1 >= times.size:
            times, starts = _longer(times, times.size), _longer(starts, times.size)
        missing = int(starts[:, self.size].max()) + entries - columns.shape[1]
        if missing > 0:
            more = max(missing, columns.shape[1])
            columns, values = _longer(columns, more), _longer(values, more)
        self.log = Log(times, starts, columns, values)

    def to_arrays(self) -> dict[str, Any]:
        """The record as named arrays."""
        made = int(self.log.starts[:, self.size].max())
        return {
            "times": self.log.times[: self.size],
            "starts": self.log.starts[:, : self.size + 1],
            "columns": self.log.columns[:, :made],
            "values": self.log.values[:, :made],
            "offsets": np.array(self.offsets),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Record:
        """The record that :meth:`to_arrays` wrote."""
        record = cls()
        record.size, record.offsets = arrays["times"].size, arrays["offsets"].tolist()
        times, starts = _longer(arrays["times"], _KNOTS), _longer(arrays["starts"], _KNOTS)
        columns, values = _longer(arrays["columns"], _ENTRIES), _longer(arrays["values"], _ENTRIES)
        record.log = Log(times, starts, columns, values)
        return record

    def progress(self, problem: Problem, number: int) -> Progress:
        """A knot as a callback is told of it."""
        s = float(problem.units.time(self.log.times[number]))
        begin, end = self.log.starts[1, number : number + 2]
        return Progress(number, s, 1.0 / s, int(end - begin))

    def curve(self, problem: Problem, noise: float, stop: float) -> Polygon:
        """All knots as a curve in the user's units."""
        averages, slopes = (self._stack(kind, problem, noise) for kind in (0, 1))
        return Polygon(self._knots(problem), averages, slopes, stop)

    def _knots(self, problem: Problem) -> Floats:
        return np.asarray(problem.units.time(self.log.times[1 : self.size]), dtype=np.float64)

    def _stack(self, kind: int, problem: Problem, noise: float) -> sp.csr_array:
        """Averages or slopes as sparse rows in the user's units; noise becomes zero."""
        starts = self.log.starts[kind, : self.size + 1].copy()
        columns, values = self.log.columns[kind, : starts[-1]].copy(), self.log.values[kind, : starts[-1]].copy()
        values[np.abs(values) * problem.design.norms[columns] <= noise] = 0.0
        return sp.csr_array((problem.units.coef(values), columns, starts), shape=(self.size, problem.n_features))

    def offset(self, problem: Problem, stop: float) -> Polygon:
        """The intercept of centred columns as a curve, in the user's units."""
        knots = self._knots(problem)
        slopes = np.ldexp(np.array(self.offsets), problem.units.target)
        start = np.concatenate([[0.0], knots])
        cumulated = np.concatenate([[0.0], np.cumsum(np.diff(start) * slopes[:-1])])
        averages = np.divide(cumulated, start, out=slopes.copy(), where=start > 0)
        return Polygon(knots, sp.csr_array(averages[:, None]), sp.csr_array(slopes[:, None]), stop)


def _longer(values: Floats | Ints, more: int) -> Any:
    """With room for so many more, at the end of the last axis."""
    size = values.shape[-1]
    longer = np.empty((*values.shape[:-1], size + more), dtype=values.dtype)
    longer[..., :size] = values
    return longer
