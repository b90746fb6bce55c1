"""Least squares over a cone: the direction of every exact path.

A knot of a path hands over *faces*, coordinates whose dual sits on the box, each with the sign its coefficient may
take, and the coordinates that are free. The direction is ``argmin |y - X d|^2 / (2 n) + decay sum_j sign_j d_j`` over
``{sign_j d_j >= 0 on the faces, any d_j on the free, 0 elsewhere}``. Its fitted values are unique however many columns
tie, so nothing here breaks ties.

:class:`Factor` is a thin QR factorisation of the *passive* columns (those that may be nonzero);
:class:`ConeFit` is the active-set method of Lawson & Hanson (1974, ch. 23), warm-started from the last direction and
with free columns. A column enters only if its gradient is above rounding, so passive columns stay independent.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla
from scipy.linalg import lapack

from lassoflow.problem import Design, Floats, Ints

_ROUNDS = 20


class Factor:
    """A thin QR factorisation ``X_P = Q R`` with the projections of one target, updated column by column."""

    def __init__(self, target: Floats, capacity: int = 16) -> None:
        n = target.size
        self.size = 0
        self.target = target
        self.residual = target.copy()
        """``y - Q Q'y``, shape (n,)."""
        self._Q = np.zeros((n, capacity), order="F")
        self._R = np.zeros((capacity, capacity), order="F")
        self._projection = np.zeros(capacity)

    def append(self, column: Floats, tolerance: float) -> bool:
        """Add a column unless it is within ``tolerance`` of the span (then return False)."""
        m = self.size
        if m == self.target.size:
            return False
        if m == self._projection.size:
            self._grow()
        Q = self._Q[:, :m]
        inner = column @ Q
        rest = column - Q @ inner
        correction = rest @ Q  # "twice is enough": orthogonal to rounding even when little is left
        rest -= Q @ correction
        height = float(np.sqrt(rest @ rest))
        if height <= tolerance:
            return False
        rest /= height
        self._Q[:, m] = rest
        self._R[:m, m] = inner + correction
        self._R[m, m] = height
        along = float(rest @ self.residual)
        self._projection[m] = along
        self.residual -= along * rest
        self.size = m + 1
        return True

    def delete(self, position: int) -> None:
        """Remove the column at ``position``."""
        m = self.size
        Q, R = sla.qr_delete(
            self._Q[:, :m], self._R[:m, :m], position, which="col", overwrite_qr=True, check_finite=False
        )
        m -= 1
        self._Q[:, :m], self._R[:m, :m] = Q[:, :m], R[:m]  # a square Q comes back square
        Q = self._Q[:, :m]
        self._projection[:m] = self.target @ Q
        self.residual = self.target - Q @ self._projection[:m]
        self.residual -= Q @ (self.residual @ Q)
        self.size = m

    def solve(self, linear: Floats | None = None) -> Floats:
        """``argmin_d |y - X_P d|^2 / 2 + <linear, d>``, shape (size,)."""
        if not self.size:
            return np.zeros(0)
        return self._back(self._shifted(linear))

    def fit_residual(self, linear: Floats | None = None) -> Floats:
        """``y - X_P d`` at that minimiser, shape (n,)."""
        if linear is None or not self.size:
            return self.residual
        m = self.size
        return self.residual + self._Q[:, :m] @ self._back(linear, trans=1)

    def _shifted(self, linear: Floats | None) -> Floats:
        projection = self._projection[: self.size]
        return projection if linear is None else projection - self._back(linear, trans=1)

    def _back(self, vector: Floats, trans: int = 0) -> Floats:
        """``R^-1 vector`` or ``R^-T vector`` in place of a buffer larger than R."""
        solution: Floats = lapack.dtrtrs(self._R[:, : self.size], vector, trans=trans)[0]
        return solution

    def _grow(self) -> None:
        m = self.size
        Q, R, projection = self._Q, self._R, self._projection
        self._Q = np.zeros((self.target.size, 2 * m), order="F")
        self._R = np.zeros((2 * m, 2 * m), order="F")
        self._projection = np.zeros(2 * m)
        self._Q[:, :m], self._R[:m, :m], self._projection[:m] = Q, R, projection


class ConeFit:
    """The direction, warm-started: passive columns with their signs, coefficients and factor.

    Attributes (arrays of the ``size`` passive columns, in the order of the factor)
    ----------
    index : columns; sign : +1, -1, or 0 for columns without any penalty; free : whether the sign is unconstrained.
    coef : the direction d on them.
    residual : ``y - X d``, shape (n,).
    """

    def __init__(self, design: Design, target: Floats, decay: float, tolerance: float) -> None:
        self._design = design
        self._decay = decay * target.size
        self._tolerance = tolerance
        self._gain_tolerance = tolerance * float(np.sqrt(target @ target))
        self.factor = Factor(target)
        self.index: Ints = np.zeros(0, dtype=np.intp)
        self.sign: Floats = np.zeros(0)
        self.free = np.zeros(0, dtype=np.bool_)
        self.coef: Floats = np.zeros(0)

    @property
    def residual(self) -> Floats:
        """``y - X d``, shape (n,)."""
        return self.factor.fit_residual(self._linear())

    def enter_free(self, index: Ints) -> None:
        """Make columns passive without any sign or penalty, leaving out those that depend on the others."""
        for j, column in zip(index, self._design.columns(index).T, strict=True):
            self._append(j, 0.0, column, free=True)

    def drop(self, position: int) -> tuple[int, float]:
        """Take a column out of the passive ones; return it with its sign. :meth:`solve` must follow."""
        face = int(self.index[position]), float(self.sign[position])
        self.factor.delete(position)
        self.index = np.delete(self.index, position)
        self.sign = np.delete(self.sign, position)
        self.free = np.delete(self.free, position)
        self.coef = np.delete(self.coef, position)
        return face

    def solve(self, faces: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """Move to the minimiser, letting faces in and out; return the faces that are not passive there."""
        idle = list(faces)
        columns = {face: self._column(face[0]) for face in idle}
        barred: set[tuple[int, float]] = set()
        for _ in range(_ROUNDS * (len(faces) + self.index.size + 1)):
            idle += self._descend()
            best = self._steepest(idle, columns, barred)
            if best is None:
                return idle
            j, sign = best
            if not self._append(j, sign, columns[best], free=False):
                barred.add(best)
            else:
                idle.remove(best)
        raise ArithmeticError("The cone fit did not settle; please report this problem.")

    def _descend(self) -> list[tuple[int, float]]:
        """Least squares on the passive columns; those whose sign would turn are dropped at zero and returned."""
        dropped: list[tuple[int, float]] = []
        while True:
            goal = self.factor.solve(self._linear())
            turned = np.flatnonzero((self.sign * goal < 0) & ~self.free)
            if not turned.size:
                self.coef = goal
                return dropped
            here, there = self.coef[turned], goal[turned]
            share = here / (here - there)
            self.coef = self.coef + share.min() * (goal - self.coef)
            for position in turned[share == share.min()][::-1]:
                dropped.append(self.drop(int(position)))

    def _steepest(
        self, idle: list[tuple[int, float]], columns: dict[tuple[int, float], Floats], barred: set[tuple[int, float]]
    ) -> tuple[int, float] | None:
        """The idle face whose entry decreases the objective fastest, or None at the minimum."""
        if not idle:
            return None
        residual, best, steepest = self.residual, None, 0.0
        for face in idle:
            j, sign = face
            if face not in columns:
                columns[face] = self._column(j)
            norm = float(self._design.norms[j])
            gain = sign * float(columns[face] @ residual) - self._decay
            if gain > self._gain_tolerance * norm and gain > steepest * norm and face not in barred:
                best, steepest = face, gain / norm
        return best

    def _append(self, j: int, sign: float, column: Floats, free: bool) -> bool:
        if not self.factor.append(column, self._tolerance * float(self._design.norms[j])):
            return False
        self.index = np.append(self.index, j)
        self.sign = np.append(self.sign, sign)
        self.free = np.append(self.free, free)
        self.coef = np.append(self.coef, 0.0)
        return True

    def _linear(self) -> Floats | None:
        return self._decay * self.sign if self._decay else None

    def _column(self, j: int) -> Floats:
        return self._design.columns([j])[:, 0]
