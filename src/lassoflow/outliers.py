"""Huber's loss as least squares with outlier shifts: what makes its lasso path exact.

    f(r) = min over g of (r - g)^2 / 2 + delta |g|,

so that the lasso of Huber's loss is a lasso of the design ``[X, I]`` whose *shifts* g are penalised by ``delta / n``
throughout. In time ``s = 1 / lambda`` the box of a coefficient has the side ``k_j``, that of a shift ``delta s / n``:
no penalty factor and a weight decay of its own. The walk of least squares needs no more (docs, section 4): a residual
that crosses delta is a shift that enters or leaves, and ties, flat minima and dependent columns are those of squares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box
from lassoflow.convex import OUTLYING, Huber
from lassoflow.curve import Polygon
from lassoflow.design import Counted, Design, Subset
from lassoflow.path import Status
from lassoflow.problem import Problem
from lassoflow.record import Progress, Record
from lassoflow.state import State
from lassoflow.stride import Budget, follow

_WIDER = 1e6
"""How much later responses are cut off where it was too soon."""


class OutlierDesign(Counted):
    """``[W X, W 1, I]`` with W the roots of the weights; the column of ones only where there is an intercept."""

    rows, rounding = None, None

    def __init__(self, design: Design, root: Floats, fit_intercept: bool) -> None:
        n, d = design.shape
        self.shape, self.first = (n, d + fit_intercept + n), d + fit_intercept
        self._design, self._root, self._ones = design, root, fit_intercept
        norms = design.norms
        if (root != 1.0).any():
            norms = np.array([np.linalg.norm(root * design.column(j)) for j in range(d)])
        self.norms = np.concatenate([norms, [np.linalg.norm(root)] * fit_intercept, np.ones(n)])
        self.means = np.zeros(self.norms.size)

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :meth:`Design.blocks`."""
        yield slice(None), self.rmatvec(vectors.T).T

    def subset(self, index: Ints) -> Subset:
        """See :meth:`Design.subset`."""
        return Subset(np.ascontiguousarray(self.columns(index).T), self.norms[index])

    def column(self, j: int) -> Floats:
        """See :meth:`Design.column`."""
        if j < self._design.shape[1]:
            return self._root * self._design.column(j)
        if j < self.first:
            return self._root.copy()
        column = np.zeros(self.shape[0])
        column[j - self.first] = 1.0
        return column

    def columns(self, index: ArrayLike) -> Floats:
        """See :meth:`Design.columns`."""
        return np.column_stack([np.zeros((self.shape[0], 0)), *(self.column(int(j)) for j in np.ravel(index))])

    def rmatvec(self, vector: Floats) -> Floats:
        """See :meth:`Design.rmatvec`."""
        weighted = (vector.T * self._root).T
        ones = [weighted.sum(axis=0, keepdims=True)] * self._ones
        return np.concatenate([self._design.rmatvec(weighted), *ones, vector])


@dataclass(frozen=True, eq=False)
class OutlierBox(Box):
    """The box of coefficients, intercept and shifts, whose sides grow at rates of their own."""

    rates: Floats = field(kw_only=True)

    @cached_property
    def growth(self) -> Floats:
        """See :attr:`Box.growth`."""
        return self.rates

    def part(self, index: Any) -> OutlierBox:
        """See :meth:`Box.part`."""
        return OutlierBox(self.lower[index], self.upper[index], rates=self.rates[index])


class OutlierProblem(Problem):
    """The least squares of coefficients, intercept and shifts, in working units.

    Responses are taken from the best constant and cut off where they are far out: of a residual beyond delta only the
    sign matters, and digits that an outlier would cost all others are kept.

    Parameters
    ----------
    problem : Huber
    room : float
        How many times a typical response a response may be before it is cut off.
    """

    def __init__(self, problem: Huber, room: float) -> None:
        self.units, self.n_samples, self.delta = problem.units, problem.n_samples, problem.loss_of.delta
        self._root = np.sqrt(problem.weights)
        self.design: OutlierDesign = OutlierDesign(problem.design, self._root, problem.fit_intercept)
        self.n_features, self.n_own = self.design.shape[1], problem.n_features
        self.centre = float(problem.best_offset(np.zeros(problem.n_samples)))
        response, seen = problem.response - self.centre, self._root > 0
        largest = room * (self.delta + float(np.median(np.abs(response[seen]))))
        self.cut: Ints = np.flatnonzero((np.abs(response) > largest) & seen)
        """Rows whose response is cut off."""
        self.target = self._root * np.clip(response, -largest, largest)

    def start(self, box: Box) -> State:
        """The start of the walk in a box of the features: rows beyond delta have shifts; the first fit finds others."""
        n_others, first = self.n_features - self.n_own, self.design.first
        rates = np.where(self._root > 0, self._root, 1.0) * self.delta / self.n_samples
        rates = np.concatenate([box.growth, np.zeros(first - self.n_own), rates])
        lower, upper = (np.append(side, np.zeros(n_others)) for side in (box.lower, box.upper))
        state = State.at_start(self, OutlierBox(lower, upper, rates=rates), "lasso")
        beyond = np.flatnonzero(np.abs(self.target) > self.delta * self._root)
        faces = [(int(first + i), float(np.sign(self.target[i]))) for i in beyond]
        entered = {face for face in faces if state.fit.enter(*face, bound=face[1])}
        state.idle = [face for face in state.idle if face not in entered]
        return state


class OutlierRecord(Record):
    """The knots of such a walk, and what they are for the features alone."""

    def __init__(self, joint: OutlierProblem) -> None:
        super().__init__()
        self._joint = joint

    def progress(self, problem: Problem, number: int) -> Progress:
        """See :meth:`Record.progress`: the active features are counted."""
        _, _, (active, _) = self.entry(number)
        return super().progress(problem, number)._replace(n_active=int((active < self._joint.n_own).sum()))

    def split(self, noise: float, stop: float) -> tuple[Polygon, Polygon, bool]:
        """The curves of coefficients and of the intercept of centred columns, and whether no cut-off has mattered."""
        joint, d = self._joint, self._joint.n_own
        whole = self.curve(joint, noise, stop)
        shifts = sp.vstack([whole.slopes[:1], whole.averages[1:]]).tocsc()[:, joint.design.first + joint.cut].toarray()
        sound = bool((shifts * np.sign(joint.target[joint.cut]) > 0).all())
        offsets: list[sp.csr_array] = []
        for rows in (whole.averages, whole.slopes):
            constant = rows[:, d : joint.design.first].toarray().sum(axis=1, keepdims=True)
            offsets.append(
                sp.csr_array(np.ldexp(constant, joint.units.design) + np.ldexp(joint.centre, joint.units.target))
            )
        curve = Polygon(whole.knots, whole.averages[:, :d], whole.slopes[:, :d], stop)
        return curve, Polygon(whole.knots, offsets[0], offsets[1], stop), sound


def outlier_walk(
    problem: Huber, box: Box, budget: Budget, report: Callable[[Record, int], object] | None
) -> tuple[Polygon, Polygon, Status]:
    """The lasso path of Huber's loss in a box in working units: coefficients, intercept, and how it ended.

    Where a row that was cut off turns out not to be an outlier all along, the walk is repeated with more room.
    """
    room = OUTLYING
    while True:
        joint = OutlierProblem(problem, room)
        state, record = joint.start(box), OutlierRecord(joint)
        end = follow(state, record, budget, report)
        curve, offset, sound = record.split(state.coef_noise, float(problem.units.time(end.s)))
        if sound:
            return curve, offset, end.status
        room *= _WIDER
