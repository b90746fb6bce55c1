"""Where a walk can go on from after it was stopped, in a file.

A batch begins from what is written here and nothing else, so that a walk that was stopped and goes on comes to the
very path, bit by bit, of one that was not (on the same machine and with as many threads).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import numpy as np

from lassoflow.archive import read_arrays, replacing
from lassoflow.arrays import Ints
from lassoflow.box import Box
from lassoflow.path import Law
from lassoflow.problem import Problem
from lassoflow.record import Record
from lassoflow.state import Knot

_FORMAT = 1
_SAME = 1e-6
"""Share of the largest correlation with y by which others may differ from the file's, with other threads, say."""


class Batch(NamedTuple):
    """What the next batch of a walk begins from."""

    knot: Knot
    chosen: Ints
    """The columns it is to walk on."""
    knots: int
    """How many knots it is to walk."""
    width: int
    """How many columns are taken along for each of them."""
    record: Record


class Checkpoint:
    """A file that holds the next batch of one walk.

    Raises
    ------
    ValueError
        If the file holds something else.
    """

    def __init__(self, file: str | os.PathLike[str], problem: Problem, box: Box, law: Law) -> None:
        self.file = FilePath(file)
        self._digest = _digest(problem, box, law)
        self._correlation = problem.design.rmatvec(problem.target)

    def __str__(self) -> str:
        return str(self.file)

    def write(self, batch: Batch) -> None:
        """Put a batch in the place of the last one."""
        knot = batch.knot._asdict()
        knot["idle"] = np.array(batch.knot.idle, dtype=np.float64).reshape(-1, 2)
        arrays = {f"knot_{name}": value for name, value in knot.items()}
        arrays |= {
            "format": _FORMAT,
            "correlation": self._correlation,
            "digest": self._digest,
            "chosen": batch.chosen,
            "knots": batch.knots,
            "width": batch.width,
        }
        with replacing(self.file) as stream:
            np.savez(stream, allow_pickle=False, **arrays, **batch.record.to_arrays())

    def read(self) -> Batch | None:
        """The batch to go on with; None if there is no file yet."""
        if not self.file.exists():
            return None
        try:
            arrays = read_arrays(self.file)
            fits = arrays["format"] == _FORMAT and arrays["digest"] == self._digest
            largest = np.abs(self._correlation).max(initial=0.0)
            fits = fits and bool((np.abs(arrays["correlation"] - self._correlation) <= _SAME * largest).all())
        except (ValueError, KeyError):
            raise ValueError(f"checkpoint: {self.file} is no checkpoint, or is damaged; remove it.") from None
        if not fits:
            raise ValueError(
                f"checkpoint: {self.file} is of other data or options; remove it, or name another file for this walk."
            )
        parts: dict[str, Any] = {name: arrays[f"knot_{name}"] for name in Knot._fields}
        idle = tuple((int(j), float(sign)) for j, sign in parts["idle"])
        knot = Knot(**(parts | {"s": float(parts["s"]), "peak": float(parts["peak"]), "idle": idle}))
        return Batch(knot, arrays["chosen"], int(arrays["knots"]), int(arrays["width"]), Record.from_arrays(arrays))

    def remove(self) -> None:
        """Remove the file: the walk has come to its end."""
        self.file.unlink(missing_ok=True)


def _digest(problem: Problem, box: Box, law: Law) -> str:
    """What tells one walk from another but for X'y, whose last digits may depend on the number of threads."""
    design, units = problem.design, problem.units
    parts: list[Any] = [design.shape, (units.design, units.target), type(problem).__name__, law, box.decay]
    hashed = hashlib.sha256(repr(parts).encode())
    for array in (design.norms, design.means, problem.target, box.lower, box.upper):
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()
