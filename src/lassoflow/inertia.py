"""Index, nullity and spectrum of the Hessian at the critical points of a regularised deep linear network.

All in closed form or from blocks of two directions (:mod:`lassoflow.hessian_blocks`; docs, section 16).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.directions import Directions
from lassoflow.hessian_blocks import Active, idle_block, own_block, pair_block, swap_block


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
