"""Regularised deep linear networks: the loss, all of its critical points, and the error bound.

``F(W) = |W_L ... W_1 X - Y|_F^2 + sum_l lambda_l |W_l|_F^2``, depth L >= 2, any widths (docs, section 16).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, as_floats
from lassoflow.critical import CriticalClass, ErrorBound
from lassoflow.critical_set import CriticalSet
from lassoflow.directions import Directions, directions_of
from lassoflow.factored_loss import FactoredLoss, Layers
from lassoflow.frame_distance import Distance
from lassoflow.hessian_blocks import Active, idle_block, own_block, pair_block, swap_block

_DEPENDENT = 1e-12
"""Share of the largest singular value of X below which one counts as zero in whitening."""


class DeepLinear(FactoredLoss):
    """A deep linear network with weight decay, fitted by least squares.

    Parameters
    ----------
    Y : array of shape (d_L, d_0), or (d_L, m) with X
        The target.
    hidden_widths : sequence of int
        ``d_1, ..., d_{L-1}``; one at least, in any relation to the others.
    weight_decay : float or sequence of L floats
        ``lambda_l``, positive.
    X : array of shape (d_0, m), optional
        Inputs in columns, with ``X X' = c I``; the identity by default. Others: :meth:`whitened`.
    tolerance : float
        Share of the largest singular value of the target within which singular values count as equal, to each other,
        to zero and to values at which the weight decay is critical; and within which ``X X'`` is ``c I``.

    Attributes
    ----------
    widths : tuple of int
        ``(d_0, ..., d_L)``.
    weight_decay : array of shape (L,)
    target : array of shape (d_L, d_0)
        Y, or ``Y X' / sqrt(c)``.
    directions : Directions
        Its singular values and vectors in groups, their scalar roots, and the singular values at which the weight decay
        is critical and the global minimiser jumps.
    whitener : array, or None
        See :meth:`whitened`.

    Raises
    ------
    ValueError
        If an argument makes no sense, or ``X X'`` is not a multiple of the identity.

    Notes
    -----
    The critical set is that of Chen, Jiang & Wang (2025, arXiv 2502.11152, abstract); all formulas are derived, see
    docs/theory, section 16.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[2], weight_decay=1.0)
    >>> problem
    <DeepLinear: 2 layers, widths 2-2-2>
    >>> for each in problem.critical_points():
    ...     print(each)
    <CriticalClass: global minimum, F = 8, rank 2 (large: 3, 2)>
    <CriticalClass: strict saddle, F = 9, rank 1 (large: 3)>
    <CriticalClass: strict saddle, F = 12, rank 1 (large: 2)>
    <CriticalClass: strict saddle, F = 13, rank 0>
    >>> problem.error_bound()
    ErrorBound(holds=True, reason='The weight decay is critical for no singular value.', margin=1.0, kappa=0.5)
    """

    def __init__(
        self,
        Y: ArrayLike,
        hidden_widths: Sequence[int],
        weight_decay: ArrayLike,
        X: ArrayLike | None = None,
        *,
        tolerance: float = 1e-13,
    ) -> None:
        target = _read_matrix(Y, "Y")
        hidden = _read_widths(hidden_widths)
        decay = _read_decay(weight_decay, len(hidden) + 1)
        if not 0 <= tolerance < 1:
            raise ValueError(f"tolerance must be a number in [0, 1); got {tolerance!r}.")
        scale, constant = 1.0, 0.0
        if X is not None:
            inputs = _read_matrix(X, "X")
            if inputs.shape[1] != target.shape[1]:
                raise ValueError(f"X and Y must have as many columns; got {inputs.shape[1]} and {target.shape[1]}.")
            scale = _scale_of(inputs, tolerance)
            rotated = target @ (inputs / scale).T
            constant = float(np.sum((target - rotated @ (inputs / scale)) ** 2))
            target = rotated
        super().__init__(target, (target.shape[1], *hidden, target.shape[0]), decay, scale, constant)
        self.tolerance = tolerance
        self.whitener: Floats | None = None
        self.directions: Directions = directions_of(target, self.widths, decay, scale, constant, tolerance)

    @classmethod
    def whitened(
        cls,
        Y: ArrayLike,
        hidden_widths: Sequence[int],
        weight_decay: ArrayLike,
        X: ArrayLike,
        *,
        tolerance: float = 1e-13,
    ) -> DeepLinear:
        """The problem for any X, with another penalty on the first layer: ``lambda_1 |W_1 C^(1/2)|^2``, ``C = X X'``.

        Its inputs are ``whitener @ X``, with orthonormal rows, as many as X has rank, and its first layer is
        ``V_1 = W_1 C^(1/2)`` in a basis of the range of X. What W_1 makes of directions orthogonal to all data is not
        seen by this loss, and taken for zero.

        Parameters
        ----------
        Y : array of shape (d_L, m)
        hidden_widths, weight_decay, tolerance
            As for the class.
        X : array of shape (d_0, m)
            Not zero throughout.

        Returns
        -------
        DeepLinear
            ``unwhiten(weights)`` turns its weights into those for X.

        Raises
        ------
        ValueError
            If an argument makes no sense.

        Examples
        --------
        >>> import numpy as np
        >>> import lassoflow as lf
        >>> X, Y = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 2.0]])
        >>> problem = lf.DeepLinear.whitened(Y, [2], 0.1, X)
        >>> best = next(iter(problem.critical_points()))
        >>> W = problem.unwhiten(best.point(0))
        >>> penalty = 0.1 * (np.sum((W[0] @ X) ** 2) + np.sum(W[1] ** 2))
        >>> bool(np.isclose(np.sum((W[1] @ W[0] @ X - Y) ** 2) + penalty, best.value, rtol=1e-12))
        True
        """
        inputs = _read_matrix(X, "X")
        left, sizes, right = np.linalg.svd(inputs, full_matrices=False)
        rank = int((sizes > _DEPENDENT * sizes[0]).sum())
        if rank == 0:
            raise ValueError("X must not be zero throughout.")
        problem = cls(Y, hidden_widths, weight_decay, right[:rank], tolerance=tolerance)
        problem.whitener = left[:, :rank].T / sizes[:rank, None]
        return problem

    def unwhiten(self, weights: Layers) -> list[Floats]:
        """Weights for the X that :meth:`whitened` was given; for other problems the same weights.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        list of L arrays
            The first of shape ``(d_1, rows of X)``.

        Raises
        ------
        ValueError
            If the weights do not have the shapes of the layers.
        """
        first, *others = self.read_layers(weights)
        return [first if self.whitener is None else first @ self.whitener, *others]

    def __repr__(self) -> str:
        return f"<DeepLinear: {self.depth} layers, widths {'-'.join(map(str, self.widths))}>"

    def critical_points(self, at_most: int | None = None) -> CriticalSet:
        """All classes of critical points, in ascending order of the loss, enumerated as they are asked for.

        Parameters
        ----------
        at_most : int, optional
            List the first so many only.

        Returns
        -------
        CriticalSet
            Iterable, with ``len``.

        Raises
        ------
        ValueError
            If at_most is no whole number >= 1.
        """
        if at_most is not None and (not isinstance(at_most, Integral) or at_most < 1):
            raise ValueError(f"at_most must be a whole number >= 1; got {at_most!r}.")
        return CriticalSet(self, self.directions, at_most)

    def nearest(self, weights: Layers, at_most: int = 1000) -> tuple[CriticalClass, Distance]:
        """The class nearest to some weights, and the distance to the whole critical set.

        See :meth:`CriticalSet.nearest`.
        """
        return self.critical_points().nearest(weights, at_most)

    def error_bound(self) -> ErrorBound:
        """Whether, near all critical points, the distance to them is at most a multiple of the gradient's norm.

        Returns
        -------
        ErrorBound
            Its kappa is the largest of all classes, found without listing them.

        Notes
        -----
        It holds if and only if the weight decay is critical for no singular value. Derived, see docs/theory,
        section 16.

        Examples
        --------
        >>> import lassoflow as lf
        >>> lf.DeepLinear([[2.0]], [1, 1], lf.lambda_critical(2.0, depth=3) ** (1 / 3)).error_bound().holds
        False
        """
        d = self.directions
        values = [group.y for group in d.groups if group.degenerate]
        if values:
            reason = f"The weight decay is critical for the singular value {values[0]:.6g}."
            return ErrorBound(False, reason, 0.0, math.inf)
        found = np.concatenate(_all_blocks(d))
        least = float(np.abs(found[found != 0]).min())
        return ErrorBound(True, "The weight decay is critical for no singular value.", d.margin, 1.0 / least)


def _all_blocks(d: Directions) -> list[Floats]:
    """Eigenvalues of every block that occurs at some class: each depends on two directions at most."""
    decay, hidden = d.weight_decay, d.widths[1:-1]
    branches = [Active(a, group.y, root, 1) for a, group in enumerate(d.groups) for root in group.roots]
    coupled = sum(group.size for group in d.groups)
    beside = [side for side in (0, -1) if d.widths[side] > coupled]
    found = [2.0 * decay]  # at W = 0
    if d.depth == 2:
        found = [2.0 * decay[beside], *(idle_block(d, a) for a in range(len(d.groups)))]
    for i, one in enumerate(branches):
        found.append(own_block(decay, one.root))
        found.append(2.0 * (one.root.beta + 1.0) * decay[beside])
        found += [2.0 * (decay[[layer]] + decay[[layer + 1]]) for layer, width in enumerate(hidden) if width > 1]
        found += [swap_block(d, a, one) for a, group in enumerate(d.groups) if a != one.group or group.size > 1]
        if d.capacity > 1:
            others = [two for two in branches[i:] if two.group != one.group or d.groups[one.group].size > 1]
            found += [pair_block(decay, one, two) for two in others]
    return found


def _read_matrix(values: ArrayLike, argument: str) -> Floats:
    matrix = as_floats(values, argument)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"{argument} must be a matrix with rows and columns; got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(f"{argument} must be finite; the entry in row {row}, column {column} is not.")
    return matrix


def _read_widths(values: Sequence[int]) -> tuple[int, ...]:
    widths = tuple(values) if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else ()
    if not widths or not all(isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in widths):
        raise ValueError(f"hidden_widths must be a sequence of one or more whole numbers >= 1; got {values!r}.")
    return tuple(map(int, widths))


def _read_decay(values: ArrayLike, depth: int) -> Floats:
    decay = as_floats(values, "weight_decay")
    if decay.shape not in ((), (depth,)):
        raise ValueError(f"weight_decay must be a number, or one for each of {depth} layers; got shape {decay.shape}.")
    if not (np.isfinite(decay) & (decay > 0)).all():
        raise ValueError(f"weight_decay must be finite and > 0 for every layer; got {values!r}.")
    return np.broadcast_to(decay, (depth,)).copy()


def _scale_of(X: Floats, tolerance: float) -> float:
    """The root of c, where ``X X' = c I``."""
    size = float(np.abs(X).max()) or 1.0
    gram = (X / size) @ (X / size).T
    c = float(np.trace(gram)) / len(gram)
    if c == 0 or np.abs(gram - c * np.eye(len(gram))).max() > tolerance * c:
        raise ValueError(
            "X must have X X' = c I; for any other X, DeepLinear.whitened(Y, hidden_widths, weight_decay, X) solves "
            "the problem with another penalty on the first layer, lambda_1 |W_1 (X X')^(1/2)|^2."
        )
    return math.sqrt(c) * size
