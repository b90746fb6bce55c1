"""The box the dual lives in: the product of ``[-k_j^- - decay s, k_j^+ + decay s]`` over the coordinates j.

Penalty factors set its sides, weight decay lets it grow. A coefficient may be positive only while its dual sits on
the upper face and negative only on the lower one: ``x in N_B(theta)``, the normal cone of the box (docs, section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import Floats, read_nonnegative, read_switch
from lassoflow.problem import Problem


@dataclass(frozen=True, eq=False)
class Box:
    """``[-lower - decay s, upper + decay s]`` with sides of shape (d,) in [0, inf] and a decay >= 0."""

    lower: Floats
    upper: Floats
    decay: float = 0.0

    @classmethod
    def of(
        cls,
        problem: Problem,
        penalty_factor: ArrayLike | str | None = None,
        positive: bool = False,
        weight_decay: float = 0.0,
    ) -> Box:
        """The box of a problem and the arguments every path takes.

        Parameters
        ----------
        problem : Problem
            Its columns give "std" and d.
        penalty_factor : array of shape (d,) or (2, d), "std" or None
            Sides of the box: one row for both sides, or the positive side's row and then the negative side's.
            ``inf`` bars a side, 0 leaves it unpenalised. "std" takes the columns' standard deviations.
        positive : bool
            Bar the negative side.
        weight_decay : float
            The rate at which the box grows.

        Raises
        ------
        ValueError
            On a wrong shape, a negative or NaN factor, or a weight decay that is negative or not finite.
        """
        upper, lower = _sides(problem, penalty_factor)
        if read_switch(positive, "positive"):
            lower = np.full_like(lower, np.inf)
        return cls(lower, upper, read_nonnegative(weight_decay, "weight_decay"))

    @cached_property
    def symmetric(self) -> bool:
        """Whether both sides are the same for every coordinate."""
        return bool(np.array_equal(self.lower, self.upper))

    @cached_property
    def growth(self) -> Floats:
        """The rate at which each coordinate's sides grow, shape (d,): the decay."""
        return np.full(self.upper.size, self.decay)

    @property
    def unpenalised(self) -> NDArray[np.bool_]:
        """Where the box has no width at all, shape (d,): the coefficient is free, whatever its dual."""
        return (self.lower == 0) & (self.upper == 0) & (self.growth == 0)

    def side(self, sign: Floats) -> Floats:
        """The side each sign points to, as it is at time 0: upper where positive, else lower; shape (d,)."""
        return self.upper if self.symmetric else np.where(sign > 0, self.upper, self.lower)

    def part(self, index: Any) -> Box:
        """The box of some coordinates."""
        return Box(self.lower[index], self.upper[index], self.decay)

    def share(self, dual: Floats, s: float) -> Floats:
        """How far a dual at time s is from 0 to the face it is nearer to: 0 to 1 in the box, shape (d,)."""
        width = self.side(dual) + self.growth * s
        return np.divide(np.abs(dual), width, out=np.full(dual.size, np.inf), where=width > 0)

    def equals(self, other: Box) -> bool:
        """Whether two boxes are the same, side by side."""
        same = np.array_equal(self.lower, other.lower) and np.array_equal(self.upper, other.upper)
        return same and self.decay == other.decay


def _sides(problem: Problem, penalty_factor: ArrayLike | str | None) -> tuple[Floats, Floats]:
    d = problem.n_features
    if penalty_factor is None:
        return np.ones(d), np.ones(d)
    if isinstance(penalty_factor, str):
        if penalty_factor != "std":
            raise ValueError(f'penalty_factor must be an array or "std"; got {penalty_factor!r}.')
        return problem.deviations, problem.deviations
    try:
        factor = np.asarray(penalty_factor, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("penalty_factor must hold numbers.") from None
    if factor.shape not in ((d,), (2, d)):
        raise ValueError(f"penalty_factor must have shape ({d},) or (2, {d}); got {factor.shape}.")
    if not (factor >= 0).all():
        raise ValueError("penalty_factor must hold numbers >= 0 (inf bars a side); one is negative or NaN.")
    extreme = (factor > 0) & (factor < np.inf) & ((factor < 1e-150) | (factor > 1e150))
    if extreme.any():
        raise ValueError("penalty_factor must hold 0, inf, or numbers from 1e-150 to 1e150; one is beyond.")
    upper, lower = np.broadcast_to(factor, (2, d)).copy()
    return upper, lower
