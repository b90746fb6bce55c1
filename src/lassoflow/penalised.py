"""A convex loss with an l1 penalty at one lambda: solved from anywhere, and followed along a fixed active set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.face_fit import FaceFit

_PASSES = 200


class Node(NamedTuple):
    """Coefficients on their support and their derivatives by lambda: each of shape (m,); the same of the intercept."""

    support: Ints
    coef: Floats
    rate: Floats
    offset: float
    offset_rate: float


class Kept(NamedTuple):
    """A state of a fit."""

    support: Ints
    sign: Floats
    bound: Floats
    coef: Floats
    norm: Floats
    columns: Floats
    offset: float
    eta: Floats


class PenalisedFit(FaceFit):
    """``argmin l(x) + sum_j (k_j lambda + decay) |x_j|``, warm-started; in working units."""

    def __init__(self, problem: ConvexProblem, box: Box, tolerance: float) -> None:
        super().__init__(problem, box.decay, tolerance)
        self._box = box
        for j in np.flatnonzero(box.unpenalised).tolist():
            self.enter(j, sign=0.0, bound=0.0)

    def first(self) -> float:
        """The lambda at which the first coefficient leaves zero, where only those without penalty are active."""
        self._price(0.0)
        self.solve([])
        n, rise = self._problem.n_samples, self._design.rmatvec(self.residual)
        rise = np.where(np.abs(rise) > self._noise * self._design.norms, rise, 0.0) / n
        sides = (rise - self._box.decay, self._box.upper), (-rise - self._box.decay, self._box.lower)
        enters = [np.divide(gain, side, out=np.zeros_like(gain), where=side > 0) for gain, side in sides]
        return float(np.where(self._box.unpenalised, 0.0, np.maximum(*enters)).max(initial=0.0))

    def _price(self, lam: float) -> None:
        sides = np.stack([self._box.upper, self._box.lower])
        with np.errstate(invalid="ignore"):
            self.price = self._problem.n_samples * (np.where(np.isinf(sides), np.inf, lam * sides) + self._box.decay)

    def solve_at(self, lam: float) -> None:
        """The solution at a penalty: on faces of columns that break their bound, until none does."""
        self._price(lam)
        self.bound = self.sign.copy()
        for _ in range(_PASSES):
            margin, sign = self._inactive()
            worst = np.flatnonzero(margin < 0.0)
            if not worst.size and not self._descend():
                return
            self.solve([(int(j), float(sign[j])) for j in worst])
        raise ArithmeticError("The penalised fit did not settle; please report this problem.")

    def follow(self, lam: float) -> None:
        """The stationary point at a penalty with the present active set and signs, whether or not it keeps them."""
        self._price(lam)
        self.bound = np.zeros_like(self.sign)
        self._descend()

    def margin(self) -> float:
        """How far the nearest event is: negative where a sign is wrong, or a column breaks its bound."""
        active = np.where(self.sign == 0, np.inf, self.sign * self.coef * self.norm)
        size = float(np.abs(self.coef * self.norm).max(initial=0.0)) or 1.0
        scale = self._problem.size
        return min(float((active / size).min(initial=np.inf)), float(self._inactive()[0].min(initial=np.inf)) / scale)

    def _inactive(self) -> tuple[Floats, Floats]:
        """How far inactive columns are from their bound, inf for others; and the side they are nearer to."""
        rise = self._design.rmatvec(self.residual)
        sides = self.price[0] - rise, self.price[1] + rise
        margin, norms = np.minimum(*sides), self._design.norms
        margin = np.divide(margin, norms, out=np.full_like(margin, np.inf), where=norms > 0) + self._noise
        margin[self.index] = np.inf
        return margin, np.where(sides[0] <= sides[1], 1.0, -1.0)

    def node(self) -> Node:
        """Where the fit is, and its derivative by lambda."""
        sides = np.where(self.sign > 0, self._box.upper[self.index], self._box.lower[self.index])
        pull = -self._problem.n_samples * np.where(self.sign == 0, 0.0, self.sign * sides) / self.norm
        step = self._direction(np.append(pull, 0.0) if self._free_offset else pull)
        rate, shift = step[: self.index.size] / self.norm, 0.0
        if self._free_offset:
            shift = float(step[-1]) / np.sqrt(self.residual.size)
        return Node(self.index.copy(), self.coef.copy(), rate, self.offset, shift)

    def active_set(self) -> frozenset[tuple[int, float]]:
        """The active columns with their signs."""
        return frozenset(zip(self.index.tolist(), self.sign.tolist(), strict=True))

    def state(self) -> Kept:
        """Everything that :meth:`restore` takes back; nothing is changed in place."""
        return Kept(self.index, self.sign, self.bound, self.coef, self.norm, self._columns, self.offset, self._eta)

    def restore(self, kept: Kept) -> None:
        """Back to an earlier state."""
        self.index, self.sign, self.bound, self.coef, self.norm, self._columns, self.offset, _ = kept
        self._look(kept.eta)
