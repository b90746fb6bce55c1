"""The Hessian of a regularised deep linear network at its critical points, by pairs of singular directions.

In frames in which all layers are diagonal the Hessian falls apart into blocks of at most 2L (docs, section 13), for any
weight decays: ``H = D^(1/2) H_1 D^(1/2)``, with H_1 that of ``sqrt(lambda_l) W_l`` and D the weight decays. Zeros are
known beforehand, and are exact here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats, Ints
from lassoflow.directions import Directions
from lassoflow.scalar_landscape import ScalarRoot

_LONG = 1e5
"""Squared length, over the rest of a block, from which on a direction is split off."""


@dataclass(frozen=True)
class Active:
    """Directions of one group that are at one positive root.

    Attributes
    ----------
    group : int
        Groups are numbered by descending singular value.
    y : float
    root : ScalarRoot
    count : int
    """

    group: int
    y: float
    root: ScalarRoot
    count: int


@dataclass(frozen=True, eq=False)
class Branches:
    """Which directions are active, and which are not.

    Attributes
    ----------
    directions : Directions
    active : tuple of Active
    inactive : tuple of (group, count)
        The directions of positive singular value that are at zero.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.directions import directions_of
    >>> from lassoflow.inertia import Branches
    >>> directions = directions_of(np.diag([3.0, 2.0]), (2, 2, 2), np.array([1.0, 1.0]))
    >>> upper_only = Branches.of(directions, ((1,), (0,)))
    >>> upper_only.rank, upper_only.index, upper_only.nullity
    (1, 1, 1)
    >>> upper_only.eigenvalues()
    (array([-2.,  0.,  2.,  4.,  6.,  8., 10.]), array([1, 1, 1, 2, 1, 1, 1]))
    """

    directions: Directions
    active: tuple[Active, ...]
    inactive: tuple[tuple[int, int], ...]

    @staticmethod
    def of(directions: Directions, counts: tuple[tuple[int, ...], ...]) -> Branches:
        """From the numbers of every group's directions at each of its positive roots."""
        active, inactive = [], []
        for a, (group, numbers) in enumerate(zip(directions.groups, counts, strict=True)):
            active += [Active(a, group.y, root, n) for root, n in zip(group.roots, numbers, strict=True) if n]
            if sum(numbers) < group.size:
                inactive.append((a, group.size - sum(numbers)))
        return Branches(directions, tuple(active), tuple(inactive))

    @property
    def rank(self) -> int:
        """How many directions are active, the rank of every layer."""
        return sum(each.count for each in self.active)

    @property
    def index(self) -> int:
        """The number of negative eigenvalues."""
        groups, hidden = self.directions.groups, self.directions.widths[1:-1]
        overtaken = sum(n * each.count for a, n in self.inactive for each in self.active if a < each.group)
        if self.directions.depth == 2:
            above = sum(n for a, n in self.inactive if groups[a].roots)
            return overtaken + (hidden[0] - self.rank) * above
        small = sum(n * (n + 1) // 2 for n in (each.count for each in self.active if each.root.name == "small"))
        crossed = sum(
            first.count * second.count
            for first in self.active
            for second in self.active
            if first.group < second.group and first.root.product < second.root.product
        )
        return small + crossed + overtaken

    @property
    def dimension(self) -> int:
        """The dimension of the manifold of all critical points with these branches."""
        rank = self.rank
        turns = sum(width * rank - rank * (rank + 1) // 2 for width in self.directions.widths[1:-1])
        for a, group in enumerate(self.directions.groups):
            counts = [each.count for each in self.active if each.group == a]
            parts = [*counts, group.size - sum(counts)]
            turns += (group.size**2 - sum(part**2 for part in parts)) // 2
        return turns

    @property
    def nullity(self) -> int:
        """The number of zero eigenvalues: the dimension, and more where the weight decay is critical."""
        double = sum(each.count for each in self.active if each.root.name == "double")
        extra = double * (double + 1) // 2
        if self.directions.depth == 2:
            at_zero = sum(n for a, n in self.inactive if self.directions.groups[a].degenerate)
            extra += (self.directions.widths[1] - self.rank) * at_zero
        return self.dimension + extra

    @property
    def is_degenerate(self) -> bool:
        """Whether there are more zero eigenvalues than the manifold has dimensions."""
        return self.nullity > self.dimension

    @property
    def swaps(self) -> bool:
        """Whether an inactive singular value is above an active one."""
        return any(a < each.group for a, _ in self.inactive for each in self.active)

    def eigenvalues(self) -> tuple[Floats, Ints]:
        """The whole spectrum of the Hessian.

        Returns
        -------
        values, counts : arrays of shape (k,)
            Ascending, with multiplicities; the zeros are exact.
        """
        values, counts = [], []
        for block, count in self._blocks():
            values.append(block)
            counts.append(np.full(block.size, count))
        merged, where = np.unique(np.concatenate(values) + 0.0, return_inverse=True)
        totals = np.zeros(merged.size, dtype=np.intp)
        np.add.at(totals, where, np.concatenate(counts))
        return merged[totals > 0], totals[totals > 0]

    def _blocks(self) -> list[tuple[Floats, int]]:
        """Eigenvalues of every kind of block, and how often it occurs."""
        d, decay = self.directions, self.directions.weight_decay
        first, last = d.widths[0], d.widths[-1]
        shared, rank = min(first, last), self.rank
        found: list[tuple[Floats, int]] = []
        for i, one in enumerate(self.active):
            found.append((own_block(decay, one.root), one.count))
            found.append((pair_block(decay, one, one), one.count * (one.count - 1) // 2))
            found += [(pair_block(decay, one, two), one.count * two.count) for two in self.active[i + 1 :]]
            found += [(swap_block(d, a, one), n * one.count) for a, n in self.inactive]
            gain = 2.0 * (one.root.beta + 1.0)
            found.append((gain * decay[:1], one.count * (d.n_zero + first - shared)))
            found.append((gain * decay[-1:], one.count * (d.n_zero + last - shared)))
        for layer, width in enumerate(d.widths[1:-1]):
            turn = np.array([0.0, 2.0 * (decay[layer] + decay[layer + 1])])
            found.append((turn, rank * (width - rank)))
        return found + self._idle_blocks()

    def _idle_blocks(self) -> list[tuple[Floats, int]]:
        """Between inactive directions and hidden units that no active direction uses."""
        d, decay, rank = self.directions, self.directions.weight_decay, self.rank
        sizes = [(after - rank) * (before - rank) for before, after in zip(d.widths[:-1], d.widths[1:], strict=True)]
        alone = 2.0 * decay[:, None]
        if d.depth > 2:
            return list(zip(alone, sizes, strict=True))
        spare, coupled = d.widths[1] - rank, sum(n for _, n in self.inactive)
        found = [(idle_block(d, a), n * spare) for a, n in self.inactive]
        return [*found, *((value, size - spare * coupled) for value, size in zip(alone, sizes, strict=True))]


def own_block(decay: Floats, root: ScalarRoot) -> Floats:
    """Eigenvalues of an active direction with itself, size L.

    Parameters
    ----------
    decay : array of shape (L,)
    root : ScalarRoot

    Returns
    -------
    array of shape (L,)

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.inertia import own_block
    >>> from lassoflow.scalar_landscape import scalar_roots
    >>> own_block(np.array([1.0, 1.0]), scalar_roots(3.0, 1.0, depth=2)[1])
    array([4., 8.])
    """
    roots, gain = np.sqrt(decay), 2.0 * (root.beta - 1.0)
    base = 4.0 * np.diag(decay) + min(gain, 0.0) * np.outer(roots, roots)
    return _eigenvalues(base, np.sqrt(max(gain, 0.0)) * roots[:, None], int(root.name == "double"))


def pair_block(decay: Floats, one: Active, two: Active) -> Floats:
    """Eigenvalues of two active directions with each other, size 2L.

    Parameters
    ----------
    decay : array of shape (L,)
    one, two : Active
        The same twice for two directions of equal value at one root.

    Returns
    -------
    array of shape (2L,)

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.inertia import Active, pair_block
    >>> from lassoflow.scalar_landscape import scalar_roots
    >>> one, two = (Active(a, y, scalar_roots(y, 1.0, depth=2)[1], 1) for a, y in ((0, 3.0), (1, 2.0)))
    >>> pair_block(np.array([1.0, 1.0]), one, two).round(12)
    array([ 0.,  4.,  6., 10.])
    """
    depth = decay.size
    layer = np.arange(1, depth + 1)
    power = 1.0 / (2 * depth - 2)
    u, v = one.root.beta**power, two.root.beta**power
    there, back = u ** (depth - layer) * v ** (layer - 1), v ** (depth - layer) * u ** (layer - 1)
    apart = layer[:, None] - layer[None, :]
    turned = np.where(apart > 0, (v / u) ** (apart - 1.0), (v / u) ** (apart + 1.0)) * (apart != 0)
    identity, none = np.eye(depth), np.zeros(depth)
    roots = np.sqrt(2.0 * np.tile(decay, 2))
    base = roots[:, None] * np.block([[identity, -turned], [-turned.T, identity]]) * roots
    spikes = roots[:, None] * np.column_stack([np.append(there, none), np.append(none, back)])
    # rotations of the frame between two layers; of both outer frames together, where the values are equal
    turns_together = one.group == two.group and (one.root.name != two.root.name or one.root.name == "double")
    return _eigenvalues(base, spikes, depth - 1 + int(turns_together))


def swap_block(directions: Directions, inactive: int, active: Active) -> Floats:
    """Eigenvalues of an inactive direction with an active one, in the first and the last layer.

    Parameters
    ----------
    directions : Directions
    inactive : int
        Number of the group.
    active : Active

    Returns
    -------
    array of shape (2,)
        One is negative where the inactive singular value is the larger, zero where they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.directions import directions_of
    >>> from lassoflow.inertia import Active, swap_block
    >>> found = directions_of(np.diag([3.0, 2.0]), (2, 2, 2), np.array([1.0, 1.0]))
    >>> swap_block(found, 0, Active(1, 2.0, found.groups[1].roots[0], 1))
    array([-2., 10.])
    """
    first, last = float(directions.weight_decay[0]), float(directions.weight_decay[-1])
    gain, share = active.root.beta + 1.0, directions.groups[inactive].y / active.y
    below = 0.0 if inactive == active.group else (1.0 - share) * (1.0 + share)
    return 2.0 * gain * _two_by_two(first, last, share, below)


def idle_block(directions: Directions, inactive: int) -> Floats:
    """Eigenvalues at depth 2 of an inactive direction with a hidden unit that is not used.

    Parameters
    ----------
    directions : Directions
    inactive : int
        Number of the group.

    Returns
    -------
    array of shape (2,)

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.directions import directions_of
    >>> from lassoflow.inertia import idle_block
    >>> idle_block(directions_of(np.diag([3.0, 1.0]), (2, 2, 2), np.array([1.0, 1.0])), 1)
    array([0., 4.])
    """
    first, last = float(directions.weight_decay[0]), float(directions.weight_decay[-1])
    group = directions.groups[inactive]
    share = group.y / directions.critical
    below = group.zero.curvature / 4.0 * (1.0 + share)  # 1 - share is known to all digits
    return 2.0 * _two_by_two(first, last, share, below)


def _two_by_two(a: float, b: float, share: float, below: float) -> Floats:
    """Eigenvalues of ``[[a, -share sqrt(ab)], [-share sqrt(ab), b]]``, with ``below = 1 - share^2``."""
    large = (a + b) / 2.0 + np.hypot((a - b) / 2.0, share * np.sqrt(a) * np.sqrt(b))
    return np.array([a * (b / large) * below, large])


def _eigenvalues(base: Floats, spikes: Floats, n_zeros: int) -> Floats:
    """Ascending eigenvalues of ``base + spikes spikes'``, the columns orthogonal; so many are known to vanish.

    Long spikes are split off by a Schur complement, to first order in the eigenvalue: small ones would be lost in
    the rounding of large ones, and the remainder is of the order of the cube of base over spikes.
    """
    whole = np.linalg.eigvalsh(base + spikes @ spikes.T)
    long = (spikes**2).sum(axis=0) > _LONG * np.abs(base).max()
    if long.any():
        n_long = int(long.sum())
        frame, upper = np.linalg.qr(spikes[:, long], mode="complete")
        turned = frame.T @ (base + spikes[:, ~long] @ spikes[:, ~long].T) @ frame
        turned[:n_long, :n_long] += upper[:n_long] @ upper[:n_long].T
        carried = np.linalg.solve(turned[:n_long, :n_long], turned[:n_long, n_long:])
        small = turned[n_long:, n_long:] - turned[n_long:, :n_long] @ carried
        mass = np.eye(len(small)) + carried.T @ carried
        whole[: len(small)] = sla.eigh(small, mass, eigvals_only=True)
    values = np.asarray(whole, dtype=np.float64)
    values[np.argsort(np.abs(values))[:n_zeros]] = 0.0
    return np.sort(values)
