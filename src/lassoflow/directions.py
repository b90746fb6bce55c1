"""The singular directions of a target, grouped by equal singular values, each with its scalar roots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.scalar_landscape import FIFTY_DIGITS, ScalarRoot, critical_value, global_value, scalar_roots


@dataclass(frozen=True, eq=False)
class Group:
    """Equal positive singular values of the target.

    Attributes
    ----------
    y : float
    left, right : arrays of shape (d_L, m), (d_0, m)
        Singular vectors, m the multiplicity.
    roots : tuple of ScalarRoot
        The positive roots: none, one or two.
    zero : ScalarRoot
    """

    y: float
    left: Floats
    right: Floats
    roots: tuple[ScalarRoot, ...]
    zero: ScalarRoot

    @property
    def size(self) -> int:
        """The multiplicity."""
        return self.left.shape[1]

    def loss(self, counts: tuple[int, ...]) -> float:
        """The part of the loss of these directions, so many of them at each positive root, the others at zero."""
        active = sum(n * root.value for n, root in zip(counts, self.roots, strict=True))
        return active + (self.size - sum(counts)) * self.zero.value

    @property
    def degenerate(self) -> bool:
        """Whether the weight decay is critical for this value."""
        return self.zero.curvature == 0 or any(root.name == "double" for root in self.roots)


@dataclass(frozen=True, eq=False)
class Directions:
    """What the critical points of a deep linear network are made of.

    Attributes
    ----------
    widths : tuple of int
        ``(d_0, ..., d_L)``.
    weight_decay : array of shape (L,)
    groups : tuple of Group
        Of distinct positive singular values, descending.
    critical, jump : float
        The singular values at which the weight decay is critical, and at which the global minimiser jumps.
    margin : float
        ``min |y / critical - 1|`` at depth 2, ``min |(critical / y)^(2L-2) - 1|`` beyond, over the positive singular
        values; infinite if there are none. 0 where they agree to the tolerance.
    resolution : float
        Singular values closer than this count as equal, and below it as zero.
    constant : float
        The loss that no weights can change.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.directions import directions_of
    >>> found = directions_of(np.diag([2.0, 2.0, 0.5]), (3, 2, 3), np.array([1.0, 1.0]))
    >>> [(group.y, group.size, len(group.roots)) for group in found.groups], found.capacity
    ([(2.0, 2, 1), (0.5, 1, 0)], 2)
    """

    widths: tuple[int, ...]
    weight_decay: Floats
    groups: tuple[Group, ...]
    critical: float
    jump: float
    margin: float
    resolution: float
    constant: float

    @property
    def depth(self) -> int:
        """The number of layers, L."""
        return len(self.widths) - 1

    @property
    def capacity(self) -> int:
        """The least of all widths: no more directions can be active."""
        return min(self.widths)

    @property
    def n_zero(self) -> int:
        """How many singular values are zero, of ``min(d_0, d_L)``."""
        return min(self.widths[0], self.widths[-1]) - sum(group.size for group in self.groups)


def directions_of(
    target: Floats,
    widths: tuple[int, ...],
    weight_decay: Floats,
    input_scale: float = 1.0,
    constant: float = 0.0,
    tolerance: float = 1e-13,
) -> Directions:
    """Singular values of a target in groups, with their roots.

    Parameters
    ----------
    target : array of shape (d_L, d_0)
    widths : tuple of int
    weight_decay : array of shape (L,)
    input_scale : float
        a of ``|a W_L ... W_1 - T|^2``: ``a W_1`` has the weight decay ``lambda_1 / a^2``.
    constant : float
    tolerance : float
        As a share of the largest singular value: values that are closer count as equal, to each other, to zero, and
        to those at which the weight decay is critical or the global minimiser jumps.

    Returns
    -------
    Directions
    """
    left, values, right = np.linalg.svd(target, full_matrices=False)
    resolution = tolerance * float(values[0])
    depth = len(widths) - 1
    with localcontext(FIFTY_DIGITS):
        lam = math.prod(map(Decimal, weight_decay.tolist()), start=Decimal(1)) / Decimal(input_scale) ** 2
    critical, jump = critical_value(lam, depth), global_value(lam, depth)
    groups = []
    positive = values[values > resolution]
    for block in np.split(np.arange(positive.size), np.flatnonzero(-np.diff(positive) > resolution) + 1):
        if block.size:
            y = float(positive[block[0]] + (positive[block] - positive[block[0]]).mean())
            zero, *roots = scalar_roots(y, lam, depth, resolution / y)
            groups.append(Group(y, left[:, block], right[block].T, tuple(roots), zero))
    margin = min((_margin(group, critical, depth) for group in groups), default=math.inf)
    return Directions(
        widths, weight_decay, tuple(groups), float(critical), float(jump), margin, resolution, constant
    )  # fmt: skip


def _margin(group: Group, critical: Decimal, depth: int) -> float:
    if group.degenerate:
        return 0.0
    with localcontext(FIFTY_DIGITS):
        ratio = critical / Decimal(group.y)
        return float(abs(1 / ratio - 1) if depth == 2 else abs(ratio ** (2 * depth - 2) - 1))
