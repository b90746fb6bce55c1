"""Distances of weights to a class of critical points: orthogonal Procrustes for an upper bound, and lower bounds.

A class is ``W_l = Q_{l+1} S_l Q_l'`` with S_l fixed and frames Q_l free (docs, section 16). The best of one frame with
the others fixed is a polar factor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import EPS, Floats
from lassoflow.factored_loss import FactoredLoss, norm_of
from lassoflow.inertia import Branches

_SETTLED = 1e-9
"""Share of the distance that a round of polar factors must gain, else they have settled."""
_MAX_ROUNDS = 2000
_ROUNDING = 32.0
"""Times the machine epsilon, and the sizes that are added up: taken off lower bounds."""


class Distance(NamedTuple):
    """The distance of some weights to a set of critical points, ``(sum_l |W_l - W*_l|_F^2)^(1/2)``."""

    lower: float
    """The distance is at least this."""
    upper: float
    """It is at most this, the distance to the member that was found."""
    exact: bool
    """Whether both are the distance."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a class: fixed outer ones, up to turns within groups that are partly active.

    Attributes
    ----------
    sizes : array of shape (L, r)
        The diagonals of S_l.
    left, right : arrays of shape (d_L, M), (d_0, M)
        Singular vectors of the groups that are active in part or whole.
    spans : list of (rows, columns)
        Of each group: its columns in ``left`` and ``right``, and its active directions, larger roots first.
    mixed : list of bool
        Whether a group is at more than one root, zero among them: then a turn of it is free.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.directions import directions_of
    >>> from lassoflow.frame_distance import Frames
    >>> from lassoflow.inertia import Branches
    >>> directions = directions_of(np.diag([4.0, 2.0]), (2, 2, 2), np.array([1.0, 1.0]))
    >>> frames = Frames.of(Branches.of(directions, ((1,), (0,))))
    >>> frames.sizes.round(3), frames.exact
    (array([[1.732],
           [1.732]]), True)
    """

    sizes: Floats
    left: Floats
    right: Floats
    spans: list[tuple[slice, slice]]
    mixed: list[bool]

    @staticmethod
    def of(branches: Branches) -> Frames:
        """The frames of a class."""
        d = branches.directions
        sigma: list[float] = []
        spans, mixed, blocks, rows = [], [], [], 0
        for a in sorted({each.group for each in branches.active}):
            mine = sorted((each for each in branches.active if each.group == a), key=lambda each: -each.root.sigma)
            start = len(sigma)
            sigma += [each.root.sigma for each in mine for _ in range(each.count)]
            group = d.groups[a]
            spans.append((slice(rows, rows + group.size), slice(start, len(sigma))))
            mixed.append(len(mine) > 1 or len(sigma) - start < group.size)
            blocks.append(group)
            rows += group.size
        left = np.hstack([np.zeros((d.widths[-1], 0)), *(group.left for group in blocks)])
        right = np.hstack([np.zeros((d.widths[0], 0)), *(group.right for group in blocks)])
        return Frames(np.array(sigma) / np.sqrt(d.weight_decay)[:, None], left, right, spans, mixed)

    @property
    def exact(self) -> bool:
        """Whether one polar factor gives the distance."""
        return self.sizes.shape[1] == 0 or (self.sizes.shape[0] == 2 and not any(self.mixed))

    def member(self, inner: list[Floats], turns: list[Floats]) -> list[Floats]:
        """The weights of given frames ``Q_2 .. Q_L`` and turns of the groups."""
        return self._product(self._all(inner, turns))

    def random(self, widths: tuple[int, ...], rng: np.random.Generator) -> tuple[list[Floats], list[Floats]]:
        """Frames and turns, uniformly distributed."""
        rank = self.sizes.shape[1]
        inner = [_polar(rng.standard_normal((width, rank))) for width in widths[1:-1]]
        return inner, [_polar(rng.standard_normal(_shape(span))) for span in self.spans]

    def settle(self, weights: list[Floats], inner: list[Floats], turns: list[Floats]) -> list[Floats]:
        """The member at which polar factors in turn no longer come nearer, each being the best of its frame."""
        frames, nearest = self._all(inner, turns), np.inf
        for _ in range(_MAX_ROUNDS):
            for unit in range(1, len(weights)):
                pull = (weights[unit - 1] @ frames[unit - 1]) * self.sizes[unit - 1]
                frames[unit] = _polar(pull + (weights[unit].T @ frames[unit + 1]) * self.sizes[unit])
            if any(self.mixed):
                first = (self.right.T @ weights[0].T @ frames[1]) * self.sizes[0]
                last = (self.left.T @ weights[-1] @ frames[-2]) * self.sizes[-1]
                pull = first + last
                turns = [
                    _polar(pull[rows, columns]) if free else turn
                    for (rows, columns), free, turn in zip(self.spans, self.mixed, turns, strict=True)
                ]
                frames[0], frames[-1] = self._outer(self.right, turns), self._outer(self.left, turns)
            member = self._product(frames)
            apart = norm_of([W - M for W, M in zip(weights, member, strict=True)])
            if self.exact or apart >= (1.0 - _SETTLED) * nearest:
                break
            nearest = apart
        return member

    def chains(self, weights: list[Floats]) -> Iterator[tuple[list[Floats], list[Floats]]]:
        """Starts that fit frames one after the other, from the first layer on and from the last one back."""
        forward = self._turns_of(weights[0] @ self.right)
        found = [self._outer(self.right, forward)]
        for W, size in zip(weights[:-1], self.sizes[:-1], strict=True):
            found.append(_polar((W @ found[-1]) * size))
        yield found[1:], forward
        backward = self._turns_of(weights[-1].T @ self.left)
        found = [self._outer(self.left, backward)]
        for W, size in zip(weights[:0:-1], self.sizes[:0:-1], strict=True):
            found.append(_polar((W.T @ found[-1]) * size))
        yield found[:0:-1], backward

    def layers_apart(self, weights: list[Floats], values: list[Floats]) -> float:
        """A lower bound: the distance of each layer to all that it may be, by von Neumann's trace inequality.

        ``values`` holds the singular values of all layers.
        """
        total = 0.0
        for layer, (W, size, apart) in enumerate(zip(weights, self.sizes, values, strict=True)):
            apart = apart - np.pad(np.sort(size)[::-1], (0, apart.size - size.size))
            bound = float(np.linalg.norm(apart))
            if layer == 0:
                bound = max(bound, self._outer_apart(W, self.right, size))
            elif layer == len(weights) - 1:
                bound = max(bound, self._outer_apart(W.T, self.left, size))
            reach = float(np.linalg.norm(W)) + float(np.linalg.norm(size))
            total += max(0.0, bound - _ROUNDING * EPS * reach) ** 2
        return float(np.sqrt(total))

    def _outer_apart(self, W: Floats, basis: Floats, size: Floats) -> float:
        """The distance of an outer layer to ``{Q S Z' basis'}``: exact without turns, else by singular values."""
        inside = W @ basis
        outside = W - inside @ basis.T
        if any(self.mixed):
            fitted = np.linalg.svd(inside, compute_uv=False)
            fitted[: size.size] -= np.sort(size)[::-1]
        else:
            fitted = inside - _polar(inside * size) * size
        return float(np.hypot(np.linalg.norm(outside), np.linalg.norm(fitted)))

    def _turns_of(self, inside: Floats) -> list[Floats]:
        """Turns that put the directions of a group in the order of what a layer makes of them."""
        return [
            np.linalg.svd(inside[:, rows])[2].T[:, : columns.stop - columns.start]
            if free
            else np.eye(*_shape((rows, columns)))
            for (rows, columns), free in zip(self.spans, self.mixed, strict=True)
        ]

    def _outer(self, basis: Floats, turns: list[Floats]) -> Floats:
        columns = [basis[:, rows] @ turn for (rows, _), turn in zip(self.spans, turns, strict=True)]
        return np.hstack([basis[:, :0], *columns])

    def _all(self, inner: list[Floats], turns: list[Floats]) -> list[Floats]:
        return [self._outer(self.right, turns), *inner, self._outer(self.left, turns)]

    def _product(self, frames: list[Floats]) -> list[Floats]:
        links = zip(frames[:-1], frames[1:], self.sizes, strict=True)
        return [(after * size) @ before.T for before, after, size in links]


def gradient_bound(loss: FactoredLoss, weights: list[Floats], reach: float) -> float:
    """A lower bound of the distance to every critical point within a reach: the gradient over a Lipschitz constant.

    Parameters
    ----------
    loss : FactoredLoss
    weights : list of L arrays
    reach : float
        R, an upper bound of the distance.

    Returns
    -------
    float
        Positive at all weights that are not critical, up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.factored_loss import FactoredLoss
    >>> from lassoflow.frame_distance import gradient_bound
    >>> loss = FactoredLoss(np.array([[0.0]]), (1, 1, 1), np.array([1.0, 1.0]))
    >>> 0.0 < gradient_bound(loss, [np.array([[0.1]]), np.array([[0.1]])], 0.15) < 0.1 * 2**0.5
    True
    """
    norms = np.array([np.linalg.norm(W, 2) for W in weights])
    far, scale = norms + reach, loss.input_scale
    misfit = loss.input_scale * loss.product(weights) - loss.target
    error = np.linalg.norm(misfit, 2) + scale * (np.prod(far) - np.prod(norms))
    layers = range(far.size)
    others = scale * np.array([np.prod(np.delete(far, k)) for k in layers])
    couplings = [[scale * np.prod(np.delete(far, [j, k])) * (j != k) for j in layers] for k in layers]
    steepness = 2.0 * np.sum(others**2) + 2.0 * error * np.linalg.norm(couplings, 2) + 2.0 * loss.weight_decay.max()
    sizes = others * (scale * np.prod(far) + np.linalg.norm(loss.target)) + loss.weight_decay * far
    rounding = _ROUNDING * EPS * max(loss.widths) * float(np.sum(sizes))
    return max(0.0, (norm_of(loss.gradient(weights)) - rounding) / float(steepness))


def layer_values(weights: list[Floats]) -> list[Floats]:
    """The singular values of every layer, descending.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.frame_distance import layer_values
    >>> layer_values([np.array([[3.0, 4.0]])])
    [array([5.])]
    """
    return [np.asarray(np.linalg.svd(W, compute_uv=False), dtype=np.float64) for W in weights]


def _shape(span: tuple[slice, slice]) -> tuple[int, int]:
    rows, columns = span
    return rows.stop - rows.start, columns.stop - columns.start


def _polar(matrix: Floats) -> Floats:
    """The nearest matrix of orthonormal columns."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right
