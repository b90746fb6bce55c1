"""The end of a gradient flow in as many digits as it takes, the data taken as exact.

The equations are those of :mod:`lassoflow.dual_newton`, ``x_basic + B x_rest = b``, in balls of arbitrary precision
(python-flint) whose exponents have no bounds: no logarithms are needed, nor a basis of heavy columns. How many digits
follows from how far the rows lie apart.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.branches import Branches
from lassoflow.dual_newton import DualNewton
from lassoflow.layered import LayeredBranches
from lassoflow.spanning import Basis

if TYPE_CHECKING:
    from flint import arb

_BITS, _PER_BIT = 320, 2.0
"""Bits to begin with, of which a float has 53, and how many more for every bit by which rows lie apart."""
_MOST_BITS = 1 << 17
_EXACT, _ROUGH = 2.0**-64, 0.1
"""Relative change of coefficients in a step after which the last level, and one on the way, are left."""
_FASTER, _CLOSER = 1.5, 6.0
"""The ratio of rates, and of the gaps of large coefficients, from one level to the next where there is no start."""
_STEPS, _HALVINGS = 300, 2000


class Exact(NamedTuple):
    """An end: arrays of shape (d,) rounded to floats, the last relative change of a coefficient, and steps."""

    sign: Floats
    log_abs: Floats
    theta: Floats
    change: float
    steps: int


def exact_end(solver: DualNewton, shift: int, branches: Branches) -> Exact:
    """The x with ``X x = 2^shift y``, ``x = phi(theta)``, theta in the row space of X.

    Parameters
    ----------
    solver : DualNewton
        Of X and y in double precision: where it succeeds, its end is the start.
    shift : int
    branches : Branches
        The map phi; of powers or exponentials. The solver has the same, rescaled.

    Raises
    ------
    ImportError
        If python-flint is not there.
    ValueError
        If the branches are those of layers with different starts.
    ArithmeticError
        If Newton's method does not converge.
    """
    try:
        import flint
    except ImportError:
        raise ImportError("precision='mp' needs python-flint: pip install 'lassoflow[mp]'.") from None
    if isinstance(branches, LayeredBranches):
        raise ValueError("precision='mp' is for powers and exponentials; got layers that start differently.")
    basis, bits = solver.basis, _BITS
    if not basis.rank:
        zero = np.zeros(basis.X.shape[1])
        return Exact(zero, zero - np.inf, zero, 0.0, 0)
    try:
        solver.solve()
        levels, start = [branches], solver.basic_dual
    except ArithmeticError:
        size = math.log(2.0) * shift + math.log(np.abs(basis.b).max() or 1.0)
        levels, start = _levels(branches, size), None
    while bits <= _MOST_BITS:
        with flint.ctx.workprec(bits):
            try:
                equations = _Equations(basis, shift)
                found, needed = equations.solve(levels, start), equations.bits_needed
            except ZeroDivisionError:  # a matrix that may be singular as far as these bits tell
                needed = 2 * bits
        if needed <= bits:
            return found
        bits = needed
    raise ArithmeticError(f"The end of the flow could not be found with {_MOST_BITS} bits either.")


def _levels(last: Branches, size: float) -> list[Branches]:
    """Branches from a small rate or a large scale to the last ones, for coefficients of a logarithmic size."""
    levels = [last]
    if last.power == np.inf:
        while levels[0].rate > 2.0 * _FASTER:
            levels.insert(0, replace(last, rate=levels[0].rate / _FASTER))
        return levels
    apart = last.power * math.log(_CLOSER)
    while levels[0].log_scale < size - apart:
        levels.insert(0, levels[0].rescaled(apart))
    return levels


class _Equations:
    """``x_basic + B x_rest = b`` with their state, the dual of the basic columns."""

    def __init__(self, basis: Basis, shift: int) -> None:
        from flint import arb, arb_mat

        self.basic, self.rest, self.steps = basis.basic, basis.rest, 0
        A = arb_mat(basis.X[:, self.basic].tolist())
        right = arb_mat(np.column_stack([basis.X[:, self.rest], basis.y]).tolist())
        fits = (A.transpose() * A).solve(A.transpose() * right).mid()
        self.b = [fits[i, self.rest.size] * arb(2) ** shift for i in range(self.basic.size)]
        self.B = arb_mat(self.basic.size, self.rest.size, [v for row in fits.tolist() for v in row[:-1]])

    def solve(self, levels: list[Branches], start: tuple[Floats, Floats] | None) -> Exact:
        """Through the levels to the end of the last one, from faces and gaps of the basic columns, or from zero."""
        from flint import arb

        self.theta = [arb(0)] * self.basic.size
        if start:
            self.theta = [arb(face) + arb(gap) for face, gap in zip(*(part.tolist() for part in start), strict=True)]
        for level in levels:
            self.branches = level
            change = self._converge(_EXACT if level is levels[-1] else _ROUGH)
        theta = self._all(self.theta)
        x, _ = self._coefficients(theta)
        logs = [float(abs(value).log()) if value != 0 else -math.inf for value in x]
        sign = [1.0 if value > 0 else -1.0 if value < 0 else 0.0 for value in x]
        dual = [float(value) for value in theta]
        return Exact(np.array(sign), np.array(logs), np.array(dual), change, self.steps)

    @property
    def bits_needed(self) -> int:
        """Enough for light rows not to drown in the rounding of heavy ones."""
        x, _ = self._coefficients(self._all(self.theta))
        found = [_exponent(row) for row in self._terms(x)]
        tops = [top for top in found if top is not None]
        return _BITS + int(_PER_BIT * (max(tops, default=0) - min(tops, default=0)))

    def _all(self, basic: list[arb]) -> list[arb]:
        """The duals of all columns, from those of the basic ones: what is linear in them as well."""
        from flint import arb, arb_mat

        rest = self.B.transpose() * arb_mat([[value] for value in basic])
        full = [arb(0)] * (self.basic.size + self.rest.size)
        for k, j in enumerate(self.basic):
            full[j] = basic[k].mid()
        for k, j in enumerate(self.rest):
            full[j] = rest[k, 0].mid()
        return full

    def _coefficients(self, theta: list[arb]) -> tuple[list[arb], list[arb]]:
        """``x`` and ``dx / dtheta``."""
        x, weights = [], []
        sides = zip(self.branches.upper.tolist(), self.branches.lower.tolist(), theta, strict=True)
        for upper, lower, value in sides:
            one, other = self._branch(upper, -value), self._branch(lower, value)
            x.append((one[0] - other[0]).mid())
            weights.append((one[1] + other[1]).mid())
        return x, weights

    def _branch(self, face: float, beyond: arb) -> tuple[arb, arb]:
        """``f`` and ``-f'`` at the gap ``face + beyond``."""
        from flint import arb

        if math.isinf(face):
            return arb(0), arb(0)
        b, gap = self.branches, arb(face) + beyond
        if b.power == np.inf:
            value = (arb(b.log_scale) - arb(b.rate) * gap).exp()
            return value, value * arb(b.rate)
        value = arb(b.log_scale).exp() * gap ** -arb(b.power)
        return value, value * arb(b.power) / gap

    def _terms(self, x: list[arb]) -> list[list[arb]]:
        """The terms of every row."""
        rest = [x[j] for j in self.rest]
        return [
            [self.b[i], x[j], *(self.B[i, k] * value for k, value in enumerate(rest))] for i, j in enumerate(self.basic)
        ]

    def _converge(self, tolerance: float) -> float:
        """Newton's method until relative changes are below a tolerance: the last one."""
        for _ in range(_STEPS):
            theta = self._all(self.theta)
            x, weights = self._coefficients(theta)
            step = self._direction(x, weights)
            moved = self._all(step)
            share = self._share(theta, moved, step)
            self.theta = [(value + share * part).mid() for value, part in zip(self.theta, step, strict=True)]
            self.steps += 1
            sizes = [float(abs(m * w / v)) for m, w, v in zip(moved, weights, x, strict=True) if v != 0]
            change = max(sizes, default=math.inf)
            if share == 1 and change <= tolerance:
                return change
        raise ArithmeticError("The end of the flow could not be found in multiprecision either: it does not converge.")

    def _direction(self, x: list[arb], weights: list[arb]) -> list[arb]:
        """Newton's step of the basic duals."""
        from flint import arb_mat

        light = arb_mat([[self.B[i, k] * weights[j] for k, j in enumerate(self.rest)] for i in range(self.basic.size)])
        matrix = light * self.B.transpose() if self.rest.size else arb_mat(self.basic.size, self.basic.size)
        for i, j in enumerate(self.basic):
            matrix[i, i] += weights[j]
        root = [(1 / matrix[i, i].sqrt()).mid() for i in range(self.basic.size)]
        rows = self.B * arb_mat([[x[j]] for j in self.rest]) if self.rest.size else arb_mat(self.basic.size, 1)
        right = arb_mat([[(self.b[i] - x[j] - rows[i, 0]) * root[i]] for i, j in enumerate(self.basic)])
        scaled = arb_mat([[matrix[i, k] * root[i] * root[k] for k in range(len(root))] for i in range(len(root))])
        found = scaled.mid().solve(right.mid())
        return [(found[i, 0] * root[i]).mid() for i in range(len(root))]

    def _share(self, theta: list[arb], moved: list[arb], step: list[arb]) -> arb:
        """The share of a step, halved until it does not go beyond the least value of the convex function."""
        from flint import arb

        share, goal = arb(1), sum((s * b for s, b in zip(step, self.b, strict=True)), arb(0))
        for _ in range(_HALVINGS):
            ahead = [value + share * part for value, part in zip(theta, moved, strict=True)]
            if self._inside(ahead):
                x, _ = self._coefficients(ahead)
                terms = [m * v for m, v in zip(moved, x, strict=True)]
                slope, size = sum(terms, arb(0)) - goal, sum((abs(term) for term in terms), abs(goal))
                if slope <= size * arb(1e-6):
                    break
            share = share / 2
        return share

    def _inside(self, theta: list[arb]) -> bool:
        """Whether no power is beyond its face."""
        b = self.branches
        if b.power == np.inf:
            return True
        sides = zip(b.upper.tolist(), b.lower.tolist(), theta, strict=True)
        return all(value < upper and -value < lower for upper, lower, value in sides)


def _exponent(terms: list[Any]) -> int | None:
    """The binary exponent of the largest of some balls; None if all are zero."""
    sizes = [abs(term) for term in terms]
    largest = max((size for size in sizes if size != 0), default=None, key=lambda size: size.mid())
    return None if largest is None else int(float(largest.log()) / math.log(2.0))
