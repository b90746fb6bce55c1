"""All critical points of a regularised deep linear network: classes in order of their loss, as they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, product

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.critical import CriticalClass
from lassoflow.directions import Directions, Group
from lassoflow.factored_loss import FactoredLoss, Layers
from lassoflow.frame_distance import Distance, layer_values
from lassoflow.ordered_choices import Option, n_choices, ordered_choices


class CriticalSet:
    """All classes of critical points, or the first of them, in ascending order of the loss.

    They are enumerated as they are asked for: there may be ``3^k``.

    Attributes
    ----------
    n_classes : int
        How many there are, counted without listing them.
    at_most : int or None
        How many are listed.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> classes = lf.DeepLinear(np.diag(np.arange(1.0, 41.0)), [40, 40], 0.01).critical_points(at_most=5)
    >>> classes
    <CriticalSet: the first 5 of 12157665459056928801 classes>
    >>> len(classes), [round(each.value, 3) for each in classes][:2]
    (5, [8.592, 9.562])
    """

    def __init__(self, loss: FactoredLoss, directions: Directions, at_most: int | None = None) -> None:
        self._loss, self._directions, self.at_most = loss, directions, at_most
        self.n_classes = n_choices(self._options(), directions.capacity)

    def __iter__(self) -> Iterator[CriticalClass]:
        found = ordered_choices(self._options(), self._directions.capacity)
        return (CriticalClass(counts, self._loss, self._directions) for _, counts in islice(found, self.at_most))

    def __len__(self) -> int:
        return self.n_classes if self.is_complete else int(self.at_most or 0)

    def __repr__(self) -> str:
        part = "" if self.is_complete else f"the first {self.at_most} of "
        return f"<CriticalSet: {part}{self.n_classes} classes>"

    @property
    def is_complete(self) -> bool:
        """Whether all classes are listed."""
        return self.at_most is None or self.n_classes <= self.at_most

    def nearest(self, weights: Layers, at_most: int = 1000) -> tuple[CriticalClass, Distance]:
        """The class nearest to some weights, and the distance to the whole critical set.

        Classes are visited by a lower bound of their distance, until it exceeds the least upper bound.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})
        at_most : int
            How many classes are visited; if these are not enough, the lower bound says so.

        Returns
        -------
        nearest : CriticalClass
        distance : Distance

        Raises
        ------
        ValueError
            If the weights do not have the shapes of the layers, or are not finite.

        Examples
        --------
        >>> import lassoflow as lf
        >>> problem = lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[2], weight_decay=1.0)
        >>> found, distance = problem.critical_points().nearest([[[0.1, 0.0], [0.0, 0.0]], [[0.1, 0.0], [0.0, 0.0]]])
        >>> found.description, round(distance.upper, 6), distance.exact
        ('rank 0', 0.141421, True)
        """
        layers = self._loss.read_finite(weights)
        values = layer_values(layers)
        best: tuple[CriticalClass, Distance] | None = None
        lower = math.inf
        queue = ordered_choices(_outer_distances(self._directions, layers), self._directions.capacity)
        for visited, (squared, counts) in enumerate(queue):
            bound = math.sqrt(squared)
            if best and (bound >= best[1].upper or visited >= at_most):
                lower = min(lower, bound)
                break
            each = CriticalClass(counts, self._loss, self._directions)
            bound = max(bound, each.layers_apart(layers, values))
            if best and bound >= best[1].upper:
                lower = min(lower, bound)
                continue
            distance = each.distance(layers)
            lower = min(lower, max(bound, distance.lower))
            if best is None or distance.upper < best[1].upper:
                best = (each, distance)
        if best is None:  # W = 0 is always a class
            raise ArithmeticError("No class of critical points was found.")
        exact = best[1].exact and lower >= best[1].upper
        return best[0], Distance(min(lower, best[1].upper), best[1].upper, exact)

    def _options(self) -> list[list[Option]]:
        return [
            [Option(group.loss(counts), sum(counts), counts) for counts in _counts_of(group)]
            for group in self._directions.groups
        ]


def _outer_distances(directions: Directions, layers: list[Floats]) -> list[list[Option]]:
    """Squared distances of the outer layers to those of a class, which add up over groups: a lower bound."""
    found = []
    scale = np.sqrt(directions.weight_decay[[0, -1]])
    for group in directions.groups:
        inside = [layers[0] @ group.right, layers[-1].T @ group.left]
        values = [np.linalg.svd(part, compute_uv=False) for part in inside]
        options = []
        for counts in _counts_of(group):
            if sum(counts) <= min(map(len, values)):
                sigma = np.repeat([root.sigma for root in group.roots], counts)
                sigma[::-1].sort()
                squared = 0.0
                for value, root in zip(values, scale, strict=True):
                    apart = value.copy()
                    apart[: sigma.size] -= sigma / root
                    squared += float(apart @ apart)
                options.append(Option(squared, sum(counts), counts))
        found.append(options)
    return found


def _counts_of(group: Group) -> list[tuple[int, ...]]:
    """All numbers of directions of a group at its positive roots."""
    numbers = product(range(group.size + 1), repeat=len(group.roots))
    return [counts for counts in numbers if sum(counts) <= group.size]
