"""A class of critical points of a regularised deep linear network: kind, spectrum, members, distance, error bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.directions import Directions
from lassoflow.factored_loss import FactoredLoss, Layers, norm_of
from lassoflow.frame_distance import Distance, Frames, gradient_bound, layer_values
from lassoflow.inertia import Branches

Kind = Literal["global minimum", "local minimum", "strict saddle", "non-strict saddle"]
Counts = tuple[tuple[int, ...], ...]
_LISTED = 6
"""How many singular values a description names."""


class ErrorBound(NamedTuple):
    """Whether the distance to critical points is at most a multiple of the gradient's norm, near them.

    Attributes
    ----------
    holds : bool
    reason : str
        A sentence.
    margin : float
        How far the weight decay is from a value at which the bound fails for some class: ``min |y / sqrt(lambda) - 1|``
        at depth 2, ``min |lambda / lambda_critical(y) - 1|`` beyond.
    kappa : float
        The limit superior of distance over norm of the gradient: one over the least size of a nonzero eigenvalue of
        the Hessian. Infinite where the bound fails.
    """

    holds: bool
    reason: str
    margin: float
    kappa: float


@dataclass(frozen=True, eq=False)
class CriticalClass:
    """Critical points that differ by turns of frames only: a compact manifold, with one loss and one spectrum.

    Attributes
    ----------
    counts : tuple of tuples
        For each distinct positive singular value, descending: how many of its directions are at each of its positive
        roots (small and large; large at depth 2; double where the weight decay is critical). The others are zero.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[2], weight_decay=1.0)
    >>> best, second, *_ = problem.critical_points()
    >>> best
    <CriticalClass: global minimum, F = 8, rank 2 (large: 3, 2)>
    >>> second.kind, second.value, second.index, second.nullity, second.dimension
    ('strict saddle', 9.0, 1, 1, 1)
    >>> second.spectrum
    array([-2.,  0.,  2.,  4.,  4.,  6.,  8., 10.])
    """

    counts: Counts
    _loss: FactoredLoss = field(repr=False)
    _directions: Directions = field(repr=False)

    def __repr__(self) -> str:
        return f"<CriticalClass: {self.kind}, F = {self.value:.6g}, {self.description}>"

    @cached_property
    def _branches(self) -> Branches:
        return Branches.of(self._directions, self.counts)

    @cached_property
    def _frames(self) -> Frames:
        return Frames.of(self._branches)

    @property
    def description(self) -> str:
        """The rank, and which singular values are active at which root, with their numbers of directions."""
        parts = []
        for name in ("large", "double", "small"):
            at = [each for each in self._branches.active if each.root.name == name]
            values = [f"{each.y:.4g}" + (f" x {each.count}" if each.count > 1 else "") for each in at]
            if len(values) > _LISTED:
                values[_LISTED - 1 :] = [f"{len(values) - _LISTED + 1} more"]
            if values:
                parts.append(f"{name}: {', '.join(values)}")
        return f"rank {self.rank}" + (f" ({'; '.join(parts)})" if parts else "")

    @property
    def rank(self) -> int:
        """The rank of every layer: how many directions are active."""
        return self._branches.rank

    @property
    def singular_values(self) -> Floats:
        """The singular values of every layer that are not zero, shape (L, rank)."""
        return self._frames.sizes

    @property
    def value(self) -> float:
        """The loss F."""
        total = self._directions.constant
        for group, numbers in zip(self._directions.groups, self.counts, strict=True):
            total += group.loss(numbers)
        return total

    @property
    def kind(self) -> Kind:
        """Global minimum, local minimum (a spurious one), strict saddle or non-strict saddle."""
        branches, d = self._branches, self._directions
        names = {each.root.name for each in branches.active}
        if branches.swaps or "small" in names:
            return "strict saddle"
        if "double" in names:
            return "non-strict saddle"
        reach = [group.size for group in d.groups if group.roots]
        if d.depth == 2:
            return "global minimum" if self.rank == min(d.capacity, sum(reach)) else "strict saddle"
        surely = sum(group.size for group in d.groups if group.y - d.jump > d.resolution)
        perhaps = sum(group.size for group in d.groups if group.y - d.jump >= -d.resolution)
        is_best = min(d.capacity, surely) <= self.rank <= min(d.capacity, perhaps)
        return "global minimum" if is_best else "local minimum"

    @property
    def index(self) -> int:
        """The number of negative eigenvalues of the Hessian."""
        return self._branches.index

    @property
    def nullity(self) -> int:
        """The number of zero eigenvalues of the Hessian."""
        return self._branches.nullity

    @property
    def dimension(self) -> int:
        """The dimension of the manifold; less than the nullity only where the weight decay is critical."""
        return self._branches.dimension

    @cached_property
    def eigenvalues(self) -> tuple[Floats, Ints]:
        """The distinct eigenvalues of the Hessian, ascending, and how often they occur; zeros are exact."""
        return self._branches.eigenvalues()

    @property
    def spectrum(self) -> Floats:
        """All eigenvalues of the Hessian, ascending."""
        return np.repeat(*self.eigenvalues)

    def point(self, seed: int | np.random.Generator = 0) -> list[Floats]:
        """Weights of a random member, its frames uniformly distributed.

        Parameters
        ----------
        seed : int or numpy.random.Generator

        Returns
        -------
        list of L arrays, W_l of shape (d_l, d_{l-1})
        """
        return self._frames.member(*self._frames.random(self._directions.widths, np.random.default_rng(seed)))

    def nearest(self, weights: Layers, n_starts: int = 0, seed: int | np.random.Generator = 0) -> list[Floats]:
        """The nearest member that polar factors in turn find, from two starts and some random ones.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})
        n_starts : int
            How many random starts to add; far from the class they may find nearer members.
        seed : int or numpy.random.Generator
            Of the random starts.

        Returns
        -------
        list of L arrays
            Of all members the nearest where ``distance(weights).exact``.

        Raises
        ------
        ValueError
            If the weights do not have the shapes of the layers, or are not finite.
        """
        layers, frames = self._loss.read_finite(weights), self._frames
        starts = islice(frames.chains(layers), 1 if frames.exact else 2)
        found = [frames.settle(layers, *start) for start in starts]
        rng = np.random.default_rng(seed)
        draws = (frames.random(self._directions.widths, rng) for _ in range(0 if frames.exact else n_starts))
        found += [frames.settle(layers, *draw) for draw in draws]
        return min(found, key=lambda member: _apart(layers, member))

    def distance(self, weights: Layers, n_starts: int = 0, seed: int | np.random.Generator = 0) -> Distance:
        """The Frobenius distance of some weights, all layers together, to the class.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})
        n_starts, seed
            As in :meth:`nearest`.

        Returns
        -------
        Distance
            Its bounds ``lower`` and ``upper``, and whether it is ``exact``: at depth 2 unless some but not all
            directions of a repeated singular value are active, and at any depth at W = 0. The lower bound treats
            layers apart, or divides the gradient by a bound of the Hessian, whichever is larger.

        Raises
        ------
        ValueError
            If the weights do not have the shapes of the layers, or are not finite.

        Examples
        --------
        >>> import numpy as np
        >>> import lassoflow as lf
        >>> best = next(iter(lf.DeepLinear(np.diag([3.0, 2.0]), [2, 2], 0.1).critical_points()))
        >>> distance = best.distance([W + 0.01 for W in best.point(0)])
        >>> bool(0.0 < distance.lower < distance.upper < 0.035), distance.exact
        (True, False)
        """
        layers = self._loss.read_finite(weights)
        upper = _apart(layers, self.nearest(layers, n_starts, seed))
        if self._frames.exact:
            return Distance(upper, upper, True)
        apart = self.layers_apart(layers, layer_values(layers))
        return Distance(max(apart, gradient_bound(self._loss, layers, upper)), upper, False)

    def layers_apart(self, layers: list[Floats], values: list[Floats]) -> float:
        """The lower bound of the distance that treats layers apart, at weights of given singular values."""
        return self._frames.layers_apart(layers, values)

    def error_bound(self) -> ErrorBound:
        """Whether the distance to the class is at most a multiple of the gradient near it, and of which.

        Returns
        -------
        ErrorBound

        Notes
        -----
        It holds if and only if the Hessian is zero along the manifold only. Derived, see docs/theory, section 16.

        Examples
        --------
        >>> import lassoflow as lf
        >>> best = next(iter(lf.DeepLinear([[3.0]], [2], 1.0).critical_points()))
        >>> best.error_bound().kappa
        0.25
        """
        margin, values = self._directions.margin, self.eigenvalues[0]
        if self._branches.is_degenerate:
            why = "it has an active double root" if self._directions.depth > 2 else (
                "the weight decay is critical for a singular value that is zero here, and there are spare hidden units"
            )  # fmt: skip
            return ErrorBound(False, f"The error bound fails at this class: {why}.", margin, math.inf)
        kappa = 1.0 / float(np.abs(values[values != 0]).min())
        return ErrorBound(True, "The Hessian is zero along the class only.", margin, kappa)

    def error_ratio(self, weights: Layers) -> float:
        """Distance to the class (its upper bound) over the norm of the gradient, at some weights.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        float
            Near the class at most kappa, up to terms that vanish.

        Raises
        ------
        ValueError
            If the weights do not have the shapes of the layers, or are not finite.

        Examples
        --------
        >>> import lassoflow as lf
        >>> problem = lf.DeepLinear([[3.0]], [1], 1.0)
        >>> origin = list(problem.critical_points())[-1]
        >>> round(origin.error_ratio([[[1e-6]], [[1e-6]]]), 6)  # kappa: 1/4
        0.25
        """
        slope = norm_of(self._loss.gradient(weights))
        return self.distance(weights).upper / slope if slope else math.inf


def _apart(layers: list[Floats], member: list[Floats]) -> float:
    return norm_of([W - M for W, M in zip(layers, member, strict=True)])
