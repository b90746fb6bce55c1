"""Which columns a walk takes along, and whether the others have stayed in the box meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import EPS, Floats, Ints
from lassoflow.box import Box
from lassoflow.design import Design

_PARTS = 7
"""How many vectors others are mixed from, at most; with one more they are multiplied in one go."""
_PIECE = 4096
"""Columns that are looked at together."""
_ENTRIES = 2**19
"""Entries of the columns that are followed exactly together."""


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


class Mixtures(NamedTuple):
    """Vectors as mixtures of fewer parts, about; the last one exactly."""

    parts: Floats
    """Shape (r, n)."""
    weights: Floats
    """Shape (k + 1, r): the vectors are about ``weights parts``."""
    missing: float
    """The norm of what one of them lacks, at most."""
    reach: Floats
    """How far products are off where those with vectors of unit norm are off by one: of the first k, and the last."""

    @classmethod
    def of(cls, vectors: Floats) -> Mixtures:
        """From the sums of groups of successive vectors, of shape (k + 1, n)."""
        k, n = vectors.shape[0] - 1, vectors.shape[1]
        weights, parts = np.eye(k + 1), vectors
        if k > _PARTS:
            sums = np.add.reduceat(vectors[:k], np.arange(0, k, -(-k // _PARTS)), axis=0)
            basis = np.linalg.qr(sums.T)[0].T
            parts = np.vstack([basis, vectors[k]])
            weights = np.zeros((k + 1, parts.shape[0]))
            weights[:k, :-1], weights[k, -1] = vectors[:k] @ basis.T, 1.0
        reach, missing = np.abs(weights) @ _sizes(parts), _sizes(vectors - weights @ parts).max()
        most = float(reach[:k].max(initial=0.0))
        return cls(parts, weights, float(missing + n * EPS * most), np.array([most, reach[k]]))

    def off(self, norms: Floats, loose: Floats) -> Floats:
        """How far products with columns may be off: with the first k vectors, and the last, shape (2, columns).

        Parameters
        ----------
        norms : array of shape (columns,)
        loose : array of shape (columns,)
            How far products with a vector of unit norm may be off.
        """
        return np.multiply.outer(self.reach, loose) + np.multiply.outer([self.missing, 0.0], norms)


def check(design: Design, box: Box, noise: Floats, inside: NDArray[np.bool_], ahead: Ahead) -> Verdict:
    """Follow all columns through a walk on some of them: one pass over X.

    Cumulated residuals of many knots are nearly mixtures of a few vectors. Products with those tell, by Cauchy and
    Schwarz, which columns may leave the box; only these are followed exactly.

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
    (n, d), count = design.shape, ahead.times.size
    vectors, slack, nearness = np.vstack([ahead.impulses, ahead.residual]) / n, noise + box.growth, np.zeros(d)
    mixed, first, certain = Mixtures.of(vectors), np.full(d, count + 1), count
    for block, products in _pieces(design, mixed.parts):
        dual, part, norms = mixed.weights @ products, box.part(block), design.norms[block]
        off = mixed.off(norms, np.zeros_like(norms) if design.rounding is None else design.rounding[block])
        if count:
            nearness[block] = part.share(dual[-2], ahead.times[-1])
        near = np.flatnonzero(~inside[block] & _may_leave(dual, off, ahead, part, slack[block]))
        among, margin = block.start + near, np.repeat(off[:, near], [count, 1], axis=0)
        beyond = _beyond(dual[:, near], ahead, box.part(among), slack[among])
        first[among] = _first(beyond > -margin)
        certain = min(certain, _first(beyond > margin).min(initial=count))
    suspects = np.flatnonzero(first <= certain)
    for some in np.array_split(suspects, 1 + suspects.size * n // _ENTRIES):
        first[some] = _first(_beyond(vectors @ design.columns(some), ahead, box.part(some), slack[some]) > 0.0)
    right = int(first.min(initial=count + 1))
    return Verdict(right, np.flatnonzero((first == right) & (first <= count)), nearness)


def _pieces(design: Design, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
    """``vectors X``, not too many columns at a time."""
    for block, products in design.blocks(vectors):
        start = block.start or 0
        for at in range(0, products.shape[1], _PIECE):
            piece = products[:, at : at + _PIECE]
            yield slice(start + at, start + at + piece.shape[1]), piece


def _may_leave(products: Floats, off: Floats, ahead: Ahead, box: Box, slack: Floats) -> NDArray[np.bool_]:
    """Whether columns may be outside at some time, or in the end: at a glance.

    Parameters
    ----------
    products : array of shape (k + 1, columns)
        The dual at the times, and its rate after them.
    off : array of shape (2, columns)
        How far these may be off.
    ahead : Ahead
    box : Box
    slack : array of shape (columns,)
        How fast a column may leave the box.
    """
    dual, rate = products[:-1], products[-1]
    maybe = np.abs(rate) + off[1] > slack if ahead.is_last else np.zeros(rate.size, dtype=bool)
    if ahead.times.size:
        margin = slack * ahead.times[0] - off[0]
        maybe |= (dual.max(axis=0) > box.upper + margin) | (-dual.min(axis=0) > box.lower + margin)
    return maybe


def _beyond(products: Floats, ahead: Ahead, box: Box, slack: Floats) -> Floats:
    """How far the dual is outside at each time, and how fast it leaves in the end: as of :func:`_may_leave`."""
    dual, rate = products[:-1], products[-1]
    beyond = np.maximum(dual - box.upper, -dual - box.lower) - np.multiply.outer(ahead.times, slack)
    leaves = (box.side(rate) < np.inf) & ahead.is_last
    return np.vstack([beyond, np.where(leaves, np.abs(rate) - slack, -np.inf)])


def _first(outside: NDArray[np.bool_]) -> Ints:
    """For each column the number of the first row in which it is outside, or of rows if in none."""
    return np.vstack([outside, np.ones(outside.shape[1], dtype=bool)]).argmax(axis=0)


def _sizes(vectors: Floats) -> Floats:
    """Norms of rows."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def nearest(nearness: Floats, must: Ints, count: int) -> Ints:
    """The columns that are nearest to the box, so many of them, and those that must be among them; in order."""
    count = min(count, nearness.size)
    return np.union1d(must, np.argpartition(-nearness, count - 1)[:count])
