"""Blocks of the Hessian of a regularised deep linear network at its critical points: two singular directions each.

In frames in which all layers are diagonal, entries (i, j) and (j, i) of the layers couple to each other only: blocks of
at most 2L (docs, section 16). For any weight decays ``H = D^(1/2) H_1 D^(1/2)``, with D the weight decays and H_1 the
Hessian in ``sqrt(lambda_l) W_l``. Zeros are known beforehand, and are exact here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from lassoflow.arrays import Floats
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
    >>> from lassoflow.hessian_blocks import own_block
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
    >>> from lassoflow.hessian_blocks import Active, pair_block
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
    >>> from lassoflow.hessian_blocks import Active, swap_block
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
    >>> from lassoflow.hessian_blocks import idle_block
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
