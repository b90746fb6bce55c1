"""Least squares over a cone: the direction of every exact path.

A knot of a path hands over *faces*, coordinates whose dual sits on the box, each with the sign its coefficient may
take, and the coordinates that are free. The direction is ``argmin |y - X d|^2 / (2 n) + sum_j decay_j sign_j d_j`` over
``{sign_j d_j >= 0 on the faces, any d_j on the free, 0 elsewhere}``. Its fitted values are unique however many columns
tie, so nothing here breaks ties.

:class:`Factor` is a thin QR factorisation of the *passive* columns (those that may be nonzero);
:class:`ConeFit` is the active-set method of Lawson & Hanson (1974, ch. 23), warm-started from the last direction and
with free columns. A column enters only if its gradient is above rounding, so passive columns stay independent.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg as sla
from scipy.linalg import lapack

from lassoflow.arrays import Floats, Ints
from lassoflow.design import Design
from lassoflow.qr_updates import Passive

Face = tuple[int, float]
"""A coordinate and the sign, +1 or -1, that its coefficient may take."""

_ROUNDS = 20
_PATIENCE = 3
"""How often a face may come straight out again, in one solve, before its gain counts as rounding."""
_DEPENDENT = 1e-12
"""Relative distance from the span of others below which a column counts as dependent on them; QR leaves some 1e-14."""


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

    def arrays(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Q' and R', the projections, the target and the residual, with their room for more columns."""
        return self._Q.T, self._R.T, self._projection, self.target, self.residual

    def append(self, column: Floats, norm: float) -> bool:
        """Add a column of a given norm unless it depends on the others (then return False)."""
        m = self.size
        if m == self.target.size:
            return False
        if m == self._projection.size:
            self._grow()
        Q = self._Q[:, :m]
        inner = column @ Q
        rest = column - Q @ inner
        height = math.sqrt(rest @ rest)
        if height < 0.25 * norm:  # then rounding spoilt it; "twice is enough" (Giraud et al. 2005)
            correction = rest @ Q
            rest -= Q @ correction
            inner += correction
            height = math.sqrt(rest @ rest)
        if height <= _DEPENDENT * norm:
            return False
        rest /= height
        self._Q[:, m] = rest
        self._R[:m, m] = inner
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
        if not (np.may_share_memory(Q, self._Q) and np.may_share_memory(R, self._R)):  # else updated in place
            self._Q[:, :m], self._R[:m, :m] = Q[:, :m], R[:m]
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

    def coordinates(self, column: Floats, norm: float) -> Floats:
        """``argmin_w |column - X_P w|``, shape (size,), for a column in the span; 0 where others can do without.

        Setting w_j to 0 costs w_j times the distance of column j from the others of P; where that is rounding, the
        column could not be exchanged for column j.
        """
        R, inner = self._R[: self.size, : self.size], column @ self._Q[:, : self.size]
        lengths, rounding = np.linalg.norm(R, axis=0), 2 * _DEPENDENT * norm
        along, inverse, among = self._back(inner), lapack.dtrtri(R)[0], np.arange(self.size)
        while True:
            distance = 1.0 / np.linalg.norm(inverse, axis=1)
            part = np.abs(along[among])
            weak = (part * distance <= rounding) & (part * lengths[among] > rounding)
            if not weak.any():
                along[np.abs(along) * lengths <= rounding] = 0.0
                return along
            among = np.delete(among, np.argmin(np.where(weak, part * distance, np.inf)))
            inverse = np.linalg.pinv(R[:, among])
            along[:] = 0.0
            along[among] = inverse @ inner

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
    """The direction, warm-started, and the factor of its passive columns.

    Attributes
    ----------
    index : array of shape (passive,)
        The passive columns, in the order in which they entered.
    sign : array of shape (passive,)
        Their faces, +1 or -1; 0 for columns without any penalty.
    bound : array of shape (passive,)
        The sign each coefficient must keep; 0 where it is free.
    coef : array of shape (passive,)
        The direction d on them.
    norm : array of shape (passive,)
        Their norms.
    settled : bool
        Whether ``coef`` is the minimiser on the passive columns.
    offset : float
        0: columns and target are centred where there is an intercept.
    """

    offset = 0.0

    def __init__(self, design: Design, target: Floats, decay: float | Floats, tolerance: float) -> None:
        n, d = design.shape
        self._design = design
        self._decay = np.zeros(d) + np.multiply(decay, n)
        self._decays = bool(self._decay.any())
        self._noise = tolerance * math.sqrt(target @ target)  # of a fitted value, and of |X_j| times a gradient
        self._factor = Factor(target)
        self._index: Ints = np.zeros(min(n, d), dtype=np.intp)
        self._rows = np.zeros((4, min(n, d)))
        self.settled = True
        self._resize()

    def _resize(self) -> None:
        m = self._factor.size
        self.index = self._index[:m]
        self.sign, self.bound, self.coef, self.norm = self._rows[:, :m]

    def resume(self, index: Ints, sign: Floats, coef: Floats, factor: Factor | None = None) -> None:
        """Take up passive columns from elsewhere, with their factor if there is one; :meth:`solve` must follow."""
        if factor is None:
            for j, face in zip(index.tolist(), sign.tolist(), strict=True):
                if not self.enter(j, face, bound=face):
                    raise ArithmeticError("The walk met a column it could not take up; please report this problem.")
        else:
            self._factor, self.settled = factor, False
            self._index[: index.size] = index
            self._rows[:, : index.size] = sign, sign, coef, self._design.norms[index]
            self._resize()
        self.coef[:] = coef

    def passive(self) -> Passive:
        """The passive columns as compiled loops take them."""
        return Passive(*self._factor.arrays(), self._index, *self._rows)

    def resize(self, size: int) -> None:
        """Note how many columns a compiled loop has left passive."""
        self._factor.size = size
        self._resize()

    @property
    def factor(self) -> Factor:
        """The factor of the passive columns."""
        return self._factor

    @property
    def residual(self) -> Floats:
        """``y - X d``, shape (n,)."""
        return self._factor.fit_residual(self._linear())

    def minimiser(self, penalty: Floats) -> tuple[Floats, Floats]:
        """``argmin_x |y - X x|^2 / (2 n) + <penalty, x>`` over the passive columns, and its residual."""
        linear = penalty * self.residual.size
        return self._factor.solve(linear), self._factor.fit_residual(linear)

    def enter(self, j: int, sign: float, bound: float) -> bool:
        """Make a column passive, with the face and the bound on its sign, unless it depends on the others."""
        m, norm = self._factor.size, float(self._design.norms[j])
        if not self._factor.append(self._design.column(j), norm):
            return False
        self._index[m] = j
        self._rows[:, m] = sign, bound, 0.0, norm
        self._resize()
        self.settled = False
        return True

    def drop(self, position: int) -> Face:
        """Take a column out of the passive ones and return its face; :meth:`solve` must follow."""
        face = int(self._index[position]), float(self._rows[0, position])
        self._factor.delete(position)
        m = self._factor.size
        self._index[position:m] = self._index[position + 1 : m + 1]
        self._rows[:, position:m] = self._rows[:, position + 1 : m + 1]
        self._resize()
        self.settled = False
        return face

    def solve(self, idle: list[Face]) -> tuple[list[Face], Face | None]:
        """Move to the minimiser over the cone, letting faces in and out.

        Returns the faces that are not passive there, and None; or, where the minimum is unbounded, a face whose entry
        makes it so. That takes weight decay: a column in the span of free ones which is cheaper than they are.
        """
        idle = idle if self.settled else idle + self._descend()
        refused: set[Face] = set()
        bounced: list[Face] = []
        for _ in range(_ROUNDS * (len(idle) + self._factor.size + 1)):
            face = self._steepest(idle, refused)
            if face is None:
                self.settled = True
                return idle, None
            if self.enter(*face, bound=face[1]):
                dropped = self._descend()
            elif self._saves(face):
                position = self.blocking(face, self.bound, self.coef)
                if position is None:
                    return idle, face
                dropped = self._exchange(face, position) + self._descend()
            else:
                dropped = [face]
            if dropped == [face]:
                refused.add(face)  # nothing came of it: only rounding makes its entry look worthwhile
            else:  # other columns have changed, so that it may be worthwhile now; but not for ever
                bounced += [face] if face in dropped else []
                refused = {other for other in bounced if bounced.count(other) >= _PATIENCE}
            idle = [other for other in idle if other != face] + dropped
        raise ArithmeticError("The cone fit did not settle; please report this problem.")

    def _saves(self, face: Face) -> bool:
        """Whether a face in the span of the passive columns is cheaper than they are, read off the costs alone."""
        if not self._decays:
            return False
        change = self._decay[self.index] * self.sign * self.null_direction(face)
        return bool(self._decay[face[0]] + change.sum() < -_DEPENDENT * np.abs(change).sum())

    def null_direction(self, face: Face) -> Floats:
        """How the passive coefficients change per unit of a face in their span, fitted values unchanged."""
        j, sign = face
        return -sign * self._factor.coordinates(self._design.column(j), float(self._design.norms[j]))

    def blocking(self, face: Face, sign: Floats, values: Floats) -> int | None:
        """The passive column whose value, kept to a sign, is first at zero along a face's null direction; or None."""
        along = self.null_direction(face)
        shrinking = (sign * along < 0).nonzero()[0]
        if not shrinking.size:
            return None
        return int(shrinking[np.argmin(np.abs(values[shrinking] / along[shrinking]))])

    def _exchange(self, face: Face, position: int) -> list[Face]:
        """Trade a passive column for one in the span, as the simplex method does: the same fit at a lower cost."""
        along = self.null_direction(face)
        step = abs(self.coef[position] / along[position])
        self.coef[:] += step * along
        dropped = self.drop(position)
        if not self.enter(*face, bound=face[1]):
            return [dropped, face]
        self.coef[-1] = face[1] * step
        return [dropped]

    def _descend(self) -> list[Face]:
        """Least squares on the passive columns; those whose sign would turn are dropped at zero and returned."""
        dropped: list[Face] = []
        while True:
            goal = self._factor.solve(self._linear())
            signed = self.bound.nonzero()[0]
            if not signed.size:
                self.coef[:] = goal
                return dropped
            kept = self.bound[signed] * goal[signed]
            small = kept * self.norm[signed] <= self._noise
            if not small.any():
                self.coef[:] = goal
                return dropped
            turned = signed[kept < 0]
            if turned.size:
                self.coef[self.bound * self.coef < 0] = 0.0  # a z that has just come back to zero
                here = self.coef[turned]
                share = here / (here - goal[turned])
                self.coef[:] += share.min() * (goal - self.coef)
                turned = turned[share == share.min()]
            else:
                self.coef[:] = goal
                turned = signed[small]  # zero but for rounding
            dropped += [self.drop(position) for position in turned[::-1].tolist()]

    def _steepest(self, idle: list[Face], refused: set[Face]) -> Face | None:
        """The idle face whose entry decreases the objective fastest, or None at the minimum."""
        if not idle:
            return None
        best, steepest, residual = None, self._noise, self.residual
        for face in idle:
            j, sign = face
            gain = sign * float(self._design.column(j) @ residual) - self._decay[j]
            norm = float(self._design.norms[j])
            if gain > steepest * norm and face not in refused:
                best, steepest = face, gain / norm
        return best

    def _linear(self) -> Floats | None:
        return self._decay[self.index] * self.sign if self._decays else None
