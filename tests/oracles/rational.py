"""The lasso path and the limit flow in exact rational arithmetic, each with its proof.

Both are computed from one solver: the least-index criss-cross method for the linear complementarity problem
``w = A x + q >= 0, x >= 0, w'x = 0`` with positive semidefinite A, which starts cold every time, keeps no history
and never breaks a tie by size. Nothing is shared with the library but the definition of the problem:

- lasso: at each s, the complementarity problem of ``min <z, M z> / 2 - s <r, z> + sigma_B(z)``, solved in the germ of
  times just above s (q is linear in s, signs are read lexicographically). Its basis stays optimal up to an s that
  is read off exactly; there the next cold solve starts.
- limit flow: at each event, the complementarity problem of the least-squares fit over the cone of touched faces.

:func:`check_law` then verifies, with ``==`` and ``<=`` only, that the curve obeys its law at both ends of every
segment. Both laws are preserved under convex combination along a segment, so that proves the whole curve; the fitted
values ``X z(s)`` (lasso) and ``X z'(s)`` (flow) of a curve that obeys the law are unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from flint import fmpq

ZERO, ONE = fmpq(0), fmpq(1)
Vector = list[fmpq]
Matrix = list[list[fmpq]]
Face = tuple[int, int]
"""A coordinate and the side of the box, +1 or -1."""


def exact(value: float) -> fmpq:
    """The rational that a float or an integer is."""
    return fmpq(*(int(part) for part in Fraction(value).as_integer_ratio()))


@dataclass
class Problem:
    """``|y - X x|^2 / (2 n)`` with a box, in rationals; None stands for a side at infinity."""

    X: Matrix
    y: Vector
    upper: list[fmpq | None]
    lower: list[fmpq | None]
    decay: fmpq = field(default_factory=lambda: ZERO)
    M: Matrix = field(init=False)
    r: Vector = field(init=False)

    def __post_init__(self) -> None:
        columns = [list(column) for column in zip(*self.X, strict=True)]
        n = fmpq(len(self.X))
        self.M = [[dot(a, b) / n for b in columns] for a in columns]
        self.r = [dot(a, self.y) / n for a in columns]

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        penalty_factor: np.ndarray | None = None,
        positive: bool = False,
        weight_decay: float = 0.0,
        fit_intercept: bool = False,
    ) -> Problem:
        """The exact twin of a problem given in floats; the rows are already repeated instead of weighted."""
        d = X.shape[1]
        rows = [[exact(entry) for entry in row] for row in X]
        target = [exact(entry) for entry in y]
        if fit_intercept:
            rows = transpose([centred(column) for column in transpose(rows)])
            target = centred(target)
        factor = np.broadcast_to(np.ones(d) if penalty_factor is None else penalty_factor, (2, d))
        upper, lower = ([None if np.isinf(k) else exact(k) for k in side] for side in factor)
        return cls(rows, target, upper, [None] * d if positive else lower, exact(weight_decay))

    def side(self, face: Face) -> fmpq | None:
        """The distance of a face from zero at s = 0, or None where that side is barred."""
        j, sign = face
        return self.upper[j] if sign > 0 else self.lower[j]

    @property
    def faces(self) -> list[Face]:
        """All faces a dual can reach."""
        both = [(j, sign) for j in range(len(self.r)) for sign in (1, -1)]
        return [face for face in both if self.side(face) is not None]

    def gap(self, face: Face, dual: Vector, s: fmpq) -> fmpq:
        """How far the dual is from a face at time s; negative beyond it."""
        return self.side(face) + self.decay * s - face[1] * dual[face[0]]

    def dual(self, z: Vector, s: fmpq) -> Vector:
        """``s r - M z``."""
        return [s * r - dot(row, z) for r, row in zip(self.r, self.M, strict=True)]

    def boundary(self, z: Vector, s: fmpq) -> list[int]:
        """The coordinates whose dual is on the box."""
        dual = self.dual(z, s)
        return sorted({face[0] for face in self.faces if self.gap(face, dual, s) == 0})

    def independent(self, columns: Sequence[int]) -> bool:
        """Whether columns of X are linearly independent."""
        gram = [[self.M[i][j] for j in columns] for i in columns]
        for k in range(len(columns)):
            if gram[k][k] == 0:
                return False
            for i in range(k + 1, len(columns)):
                ratio = gram[i][k] / gram[k][k]
                gram[i] = [a - ratio * b for a, b in zip(gram[i], gram[k], strict=True)]
        return True


@dataclass(frozen=True)
class Segment:
    """``z(s) = start + (s - begin) slope`` on [begin, end]; end is None on the last one."""

    begin: fmpq
    end: fmpq | None
    start: Vector
    slope: Vector

    def at(self, s: fmpq) -> Vector:
        """z(s)."""
        wait = s - self.begin
        return [z + wait * slope for z, slope in zip(self.start, self.slope, strict=True)]


@dataclass(frozen=True)
class Curve:
    """A path z(s), as its segments from s = 0 to infinity."""

    problem: Problem
    segments: list[Segment]

    def segment(self, s: fmpq) -> Segment:
        """The segment that holds s; at a knot the one that ends there."""
        return next(part for part in self.segments if part.end is None or s <= part.end)

    def integral(self, s: fmpq) -> Vector:
        """z(s)."""
        return self.segment(s).at(s)

    def fit(self, coef: Vector) -> Vector:
        """``X coef``."""
        return [dot(row, coef) for row in self.problem.X]

    @property
    def knots(self) -> list[fmpq]:
        """The times, in increasing order, at which the slope of ``X z`` changes."""
        fits = [self.fit(part.slope) for part in self.segments]
        return [
            part.begin
            for part, before, after in zip(self.segments[1:], fits, fits[1:], strict=False)
            if before != after and part.begin > 0
        ]

    @property
    def jumps(self) -> list[fmpq]:
        """The knots at which this z jumps; X z is continuous there, but z may have no continuous choice."""
        pairs = zip(self.segments, self.segments[1:], strict=False)
        return [after.begin for before, after in pairs if before.at(after.begin) != after.start]

    def has_unique_coef(self, s: fmpq) -> bool:
        """Whether the lasso's z(s) itself is unique because the columns on the boundary at s are independent."""
        return self.problem.independent(self.problem.boundary(self.integral(s), s))

    def has_unique_history(self, s: fmpq) -> bool:
        """Whether the flow's z(s) itself is unique because its slope is up to s."""
        return all(self._has_unique_slope(part) for part in self.segments if part.begin <= s)

    def has_unique_slope(self, s: fmpq) -> bool:
        """Whether z' is unique inside the segment of s, by the columns that may be nonzero on it."""
        return self._has_unique_slope(self.segment(s))

    def _has_unique_slope(self, part: Segment) -> bool:
        return self.problem.independent(self.problem.boundary(part.start, part.begin))


def lasso_path(problem: Problem) -> Curve:
    """``z(s) in N_B(s r - M z(s))`` for all s."""
    faces = problem.faces
    matrix = _signed(problem.M, faces)
    constant = [problem.side(face) for face in faces]
    rate = [problem.decay - sign * problem.r[j] for j, sign in faces]
    s, segments = ZERO, []
    while True:
        solution = solve_lcp(matrix, constant, rate, s)
        end = min((root for row in solution.rows if (root := row.root()) is not None), default=None)
        slope = _unsigned(solution.rate, faces, len(problem.r))
        start = [
            at_zero + s * x for at_zero, x in zip(_unsigned(solution.constant, faces, len(slope)), slope, strict=True)
        ]
        segments.append(Segment(s, end, start, slope))
        if end is None:
            return _checked(Curve(problem, segments), "lasso")
        s = end


def limit_flow(problem: Problem) -> Curve:
    """``z'(s) in N_B(s r - M z(s))`` for all s."""
    d = len(problem.r)
    s, z, segments = ZERO, [ZERO] * d, []
    while True:
        dual = problem.dual(z, s)
        gaps = {face: problem.gap(face, dual, s) for face in problem.faces}
        faces = [face for face, gap in gaps.items() if gap == 0]
        constant = [problem.decay - sign * problem.r[j] for j, sign in faces]
        solution = solve_lcp(_signed(problem.M, faces), constant, [ZERO] * len(faces), s)
        x = _unsigned(solution.constant, faces, d)
        rate = [r - dot(row, x) for r, row in zip(problem.r, problem.M, strict=True)]
        closing = {(j, sign): sign * rate[j] - problem.decay for j, sign in gaps}
        wait = min((gaps[face] / speed for face, speed in closing.items() if speed > 0), default=None)
        end = None if wait is None else s + wait
        segments.append(Segment(s, end, z, x))
        if end is None:
            return _checked(Curve(problem, segments), "flow")
        z = segments[-1].at(end)
        s = end


def check_law(curve: Curve, law: str) -> None:
    """Prove that a curve obeys its law on [0, inf), or raise AssertionError.

    On a segment z is affine in s and so are the gaps between the dual and the faces. The faces that the law's
    coefficients (z or z') use anywhere on it must have gap zero throughout, all others a gap that is never negative.
    """
    problem = curve.problem
    assert curve.segments[0].begin == 0
    assert not any(curve.fit(curve.segments[0].start))
    for before, part in zip([None, *curve.segments[:-1]], curve.segments, strict=True):
        if before is not None:
            assert before.end == part.begin
            assert curve.fit(before.at(part.begin)) == curve.fit(part.start)
        _check_segment(problem, part, law)
    assert curve.segments[-1].end is None


def _check_segment(problem: Problem, part: Segment, law: str) -> None:
    used = _faces_of(part.slope) if law == "flow" or part.end is None else _faces_of(part.at(part.end))
    used |= _faces_of(part.slope if law == "flow" else part.start)
    dual = problem.dual(part.start, part.begin)
    rate = problem.dual(part.slope, ONE)
    for face in problem.faces:
        gap, opening = problem.gap(face, dual, part.begin), problem.decay - face[1] * rate[face[0]]
        last = opening if part.end is None else gap + (part.end - part.begin) * opening
        assert gap >= 0
        assert last >= 0
        assert face not in used or gap == last == 0
    assert used <= set(problem.faces)


def _faces_of(coef: Vector) -> set[Face]:
    return {(j, 1 if x > 0 else -1) for j, x in enumerate(coef) if x != 0}


def _checked(curve: Curve, law: str) -> Curve:
    check_law(curve, law)
    return curve


# -- linear complementarity ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affine:
    """``constant + rate s``."""

    constant: fmpq
    rate: fmpq

    def negative_after(self, s: fmpq) -> bool:
        """Whether the value is negative at all times just above s."""
        value = self.constant + s * self.rate
        return value < 0 or (value == 0 and self.rate < 0)

    def root(self) -> fmpq | None:
        """Where a value that is nonnegative now becomes negative, or None."""
        return -self.constant / self.rate if self.rate < 0 else None


@dataclass(frozen=True)
class Solution:
    """x of a complementarity problem, affine in s, and the basic values that must stay nonnegative."""

    constant: Vector
    rate: Vector
    rows: list[Affine]


def solve_lcp(matrix: Matrix, constant: Vector, rate: Vector, s: fmpq) -> Solution:
    """``w = A x + constant + rate t >= 0, x >= 0, w'x = 0`` for t just above s, by the least-index criss-cross method.

    Finite for every positive semidefinite A (den Hertog, Roos & Terlaky 1993). Row i of the tableau holds the basic
    one of (w_i, x_i) in terms of the other ones; the last two entries are its constant and its rate.
    """
    m = len(matrix)
    tableau = [[*row, c, v] for row, c, v in zip(matrix, constant, rate, strict=True)]
    basic = [False] * m  # whether x_i rather than w_i is basic
    while True:
        i = next((i for i in range(m) if Affine(tableau[i][m], tableau[i][m + 1]).negative_after(s)), None)
        if i is None:
            break
        if tableau[i][i] > 0:
            _pivot(tableau, i, i)
        else:
            j = next(j for j in range(m) if tableau[i][j] > 0)
            _exchange(tableau, i, j)
            basic[j] = not basic[j]
        basic[i] = not basic[i]
    x = [(row[m], row[m + 1]) if inside else (ZERO, ZERO) for row, inside in zip(tableau, basic, strict=True)]
    rows = [Affine(row[m], row[m + 1]) for row in tableau]
    return Solution([value for value, _ in x], [value for _, value in x], rows)


def _pivot(tableau: Matrix, i: int, j: int) -> None:
    """Make the nonbasic variable of column j basic in row i."""
    inverse = 1 / tableau[i][j]
    pivot = [-entry * inverse for entry in tableau[i]]
    pivot[j] = inverse
    for k, row in enumerate(tableau):
        if k == i or row[j] == 0:
            continue
        share = row[j]
        row[:] = [a + share * b if b else a for a, b in zip(row, pivot, strict=True)]
        row[j] = share * inverse
    tableau[i] = pivot


def _exchange(tableau: Matrix, i: int, j: int) -> None:
    """A principal pivot on two pairs whose own diagonal entry (i, i) is zero."""
    _pivot(tableau, i, j)
    _pivot(tableau, j, i)
    tableau[i], tableau[j] = tableau[j], tableau[i]
    for row in tableau:
        row[i], row[j] = row[j], row[i]


def _signed(matrix: Matrix, faces: list[Face]) -> Matrix:
    return [[matrix[i][j] if a == b else -matrix[i][j] for j, b in faces] for i, a in faces]


def _unsigned(values: Vector, faces: list[Face], d: int) -> Vector:
    coef = [ZERO] * d
    for (j, sign), value in zip(faces, values, strict=True):
        coef[j] += sign * value
    return coef


def dot(a: Vector, b: Vector) -> fmpq:
    """The inner product."""
    total = ZERO
    for u, v in zip(a, b, strict=True):
        if u and v:
            total += u * v
    return total


def transpose(matrix: Matrix) -> Matrix:
    """The transpose."""
    return [list(column) for column in zip(*matrix, strict=True)]


def centred(values: Vector) -> Vector:
    """Values less their mean."""
    mean = sum(values, ZERO) / len(values)
    return [value - mean for value in values]
