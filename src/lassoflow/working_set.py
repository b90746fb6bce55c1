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
    """How many of its times are right for all columns; one more if all are and it may go on for ever."""
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
    nearness = np.zeros(inside.size)
    vectors = np.vstack([ahead.impulses, ahead.residual]) / design.shape[0]
    sizes = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    columns, first = [], []
    for block, products in design.blocks(vectors):
        part, slack = box.part(block), noise[block]
        loose = np.zeros(0) if design.rounding is None else design.rounding[block]
        maybe = (_may_leave(products, sizes, ahead, part, slack, loose) & ~inside[block]).nonzero()[0]
        among = (block.start or 0) + maybe
        exact = products[:, maybe] if design.rounding is None else vectors @ design.columns(among)
        columns.append(among)
        first.append(_first_outside(exact, ahead, part.part(maybe), slack[maybe]))
        if ahead.times.size:
            nearness[block] = part.share(products[-2], ahead.times[-1])
    when = np.concatenate(first)
    right = int(when.min(initial=ahead.times.size + 1))
    outside = np.concatenate(columns)[when == right] if right <= ahead.times.size else np.zeros(0, dtype=np.intp)
    return Verdict(right, outside, nearness)


def _may_leave(
    products: Floats, sizes: Floats, ahead: Ahead, box: Box, noise: Floats, loose: Floats
) -> NDArray[np.bool_]:
    """Whether columns of a block may leave the box, at the times or in the end, by products that may be loose.

    Parameters
    ----------
    products : array of shape (k + 1, columns)
        The dual at the times, and its rate after them.
    sizes : array of shape (k + 1,)
        Norms of the vectors they are products with.
    loose : array of shape (columns,) or (0,)
        How far products with a vector of unit norm may be off.
    """
    dual, rate = products[:-1], products[-1]
    maybe = np.zeros(rate.size, dtype=bool)
    if ahead.times.size:
        margin = box.growth * ahead.times[0] - (loose * sizes[:-1].max() if loose.size else 0.0)
        maybe |= (dual.max(axis=0) > box.upper + margin) | (-dual.min(axis=0) > box.lower + margin)
    if ahead.is_last:
        maybe |= np.abs(rate) + (loose * sizes[-1] if loose.size else 0.0) > noise + box.growth
    return maybe


def _first_outside(products: Floats, ahead: Ahead, box: Box, noise: Floats) -> Ints:
    """For each column the number of the first time outside the box; k if only in the end, k + 1 if never."""
    dual, rate = products[:-1], products[-1]
    slack = np.multiply.outer(ahead.times, box.growth + noise)
    outside = (dual > box.upper + slack) | (-dual > box.lower + slack)
    runs_away = (np.abs(rate) - box.growth > noise) & (box.side(rate) < np.inf) & ahead.is_last
    return np.vstack([outside, runs_away, np.ones(rate.size, dtype=bool)]).argmax(axis=0)


def nearest(nearness: Floats, must: Ints, count: int) -> Ints:
    """The columns that are nearest to the box, so many of them, and those that must be among them; in order."""
    count = min(count, nearness.size)
    return np.union1d(must, np.argpartition(-nearness, count - 1)[:count])
