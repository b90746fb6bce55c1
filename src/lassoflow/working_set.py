"""Which columns a walk takes along, and whether the others have stayed in the box meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box
from lassoflow.design import Design


class Ahead(NamedTuple):
    """What a walk on some columns has come by, as it bears on the others."""

    times: Floats
    """Of the new knots and, if the walk has ended, of its end, shape (k,)."""
    impulses: Floats
    """The residual, cumulated over time, at each of them, shape (k, n)."""
    residual: Floats
    """After the last knot, shape (n,)."""
    is_last: bool
    """Whether it goes on like that for ever."""


class Verdict(NamedTuple):
    """What a pass over X says of a walk on some columns."""

    right: int
    """How many of its times are right for all columns."""
    outside: Ints
    """Columns that have left the box at the next one."""
    nearness: Floats
    """How far each column has come from the middle of the box to its face, 1 on the face: shape (d,)."""


def check(design: Design, box: Box, noise: Floats, inside: NDArray[np.bool_], ahead: Ahead) -> Verdict:
    """Follow all columns through a walk on some of them: one pass over X.

    Parameters
    ----------
    design : Design
        n samples, d features.
    box : Box
    noise : array of shape (d,)
        To which a rate of the dual is known; the dual at s, to s times that.
    inside : array of shape (d,)
        The columns the walk was on.
    ahead : Ahead
    """
    count, nearness = ahead.times.size, np.zeros(inside.size)
    columns, first = [], []
    for block, products in design.blocks(np.vstack([ahead.impulses, ahead.residual]) / design.shape[0]):
        part = box.part(block)
        at, when = _departures(products[:-1], ahead.times, part, noise[block], inside[block])
        if ahead.is_last:
            late = _runaways(products[-1], part, noise[block], inside[block])
            at, when = np.append(at, late), np.append(when, np.full(late.size, count))
        columns.append(np.arange(inside.size)[block][at])
        first.append(when)
        if count:
            nearness[block] = part.share(products[-2], ahead.times[-1])
    when = np.concatenate(first)
    right = int(when.min(initial=count))
    return Verdict(right, np.concatenate(columns)[when == right], nearness)


def _departures(dual: Floats, times: Floats, box: Box, noise: Floats, inside: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The columns of a block that leave the box, and the number of the first time at which they are outside."""
    if not times.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    least = box.decay * times[0]
    high, low = dual.max(axis=0), dual.min(axis=0)
    maybe = (((high > box.upper + least) | (low < -box.lower - least)) & ~inside).nonzero()[0]
    slack = np.multiply.outer(times, box.decay + noise[maybe])
    out = (dual[:, maybe] > box.upper[maybe] + slack) | (-dual[:, maybe] > box.lower[maybe] + slack)
    left = out.any(axis=0)
    return maybe[left], out.argmax(axis=0)[left]


def _runaways(rate: Floats, box: Box, noise: Floats, inside: NDArray[np.bool_]) -> Ints:
    """The columns of a block that would leave the box in the end."""
    moving = (np.abs(rate) - box.decay > noise) & (box.side(rate) < np.inf) & ~inside
    return moving.nonzero()[0]


def nearest(nearness: Floats, must: Ints, count: int) -> Ints:
    """The columns that are nearest to the box, so many of them, and those that must be among them; in order."""
    count = min(count, nearness.size)
    return np.union1d(must, np.argpartition(-nearness, count - 1)[:count])
