"""A convex loss over a cone: the direction of an exact limit flow whose loss is not a square.

:class:`FaceFit` is what :class:`lassoflow.cone.ConeFit` is for least squares: coordinates on a face of the box keep the
sign of that face, others are zero or free. On the *passive* columns the loss is minimised by Newton's method; one whose
sign would turn is dropped at zero, and the idle face along which the loss falls fastest is let in.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla
from numpy.typing import NDArray
from scipy.optimize import brentq

from lassoflow.arrays import Floats, Ints
from lassoflow.cone import Face
from lassoflow.convex import ConvexProblem
from lassoflow.recession import NoMinimum, recession_columns

_STEPS, _ROUNDS, _PATIENCE = 100, 20, 3
_RIDGE = 1e-12
"""Share of the largest curvature that is added to all, for directions in which there is none."""
_LESS = 0.5
"""Share of the slope that a whole step of Newton's method may leave."""
_SETTLED = 1e3
"""Times the noise of a gradient below which one that no longer falls has converged."""
_FAR = 20.0
"""Linear predictors from which on it is asked whether there is a minimum: probabilities are then 1 - 2e-9."""


class FaceFit:
    """The minimiser, warm-started.

    Attributes
    ----------
    index, sign, bound, coef, norm : arrays of shape (passive,)
        As of :class:`lassoflow.cone.ConeFit`.
    factor : None
        There is none to hand on.
    offset : float
        The best intercept of centred columns, in working units.
    residual : array of shape (n,)
        ``-w df / d eta``.

    Raises
    ------
    NoMinimum
        By :meth:`solve`, if there is none.
    """

    factor = None

    def __init__(self, problem: ConvexProblem, decay: float, tolerance: float) -> None:
        self._problem, self._design = problem, problem.design
        n, d = problem.design.shape
        self.price = np.full((2, d), decay * n)
        """Penalties of a positive and of a negative coefficient, times n."""
        self._noise = tolerance * problem.size
        self.index: Ints = np.zeros(0, dtype=np.intp)
        self.sign, self.bound, self.coef, self.norm = np.zeros((4, 0))
        self._columns, self._free_offset = np.zeros((n, 0)), problem.fit_intercept
        """Passive columns of unit norm; whether there is an intercept."""
        self.offset = float(problem.best_offset(np.zeros(n)))
        self._look(np.full(n, self.offset))

    def _look(self, eta: Floats) -> None:
        self._eta = eta
        self.residual = self._slopes(eta)

    def _slopes(self, eta: Floats) -> Floats:
        return -self._problem.weights * self._problem.loss_of.slope(eta, self._problem.response)

    def enter(self, j: int, sign: float, bound: float) -> bool:
        """Make a column passive, with its face and the bound on its sign, unless centring has left nothing of it."""
        if self._design.norms[j] == 0.0:
            return False
        self.index = np.append(self.index, j)
        row = sign, bound, 0.0, float(self._design.norms[j])
        kept = np.stack([self.sign, self.bound, self.coef, self.norm])
        self.sign, self.bound, self.coef, self.norm = np.column_stack([kept, row])
        self._columns = np.column_stack([self._columns, self._design.column(j) / self.norm[-1]])
        return True

    def resume(self, index: Ints, sign: Floats, coef: Floats, factor: object = None) -> None:
        """Take up passive columns from elsewhere; :meth:`solve` must follow."""
        for j, face in zip(index.tolist(), sign.tolist(), strict=True):
            self.enter(j, face, bound=face)
        self.coef = coef.copy()
        self._look(self.offset + self._columns @ (self.coef * self.norm))

    def drop(self, position: int) -> Face:
        """Take a column out of the passive ones and return its face."""
        face = int(self.index[position]), float(self.sign[position])
        self.index, self._columns = np.delete(self.index, position), np.delete(self._columns, position, axis=1)
        kept = np.stack([self.sign, self.bound, self.coef, self.norm])
        self.sign, self.bound, self.coef, self.norm = np.delete(kept, position, axis=1)
        return face

    def solve(self, idle: list[Face]) -> tuple[list[Face], Face | None]:
        """Move to the minimiser over the cone, letting faces in and out: the faces that are not passive, and None."""
        idle = idle + self._descend()
        refused: set[Face] = set()
        bounced: list[Face] = []
        for _ in range(_ROUNDS * (len(idle) + self.index.size + 1)):
            face = self._steepest(idle, refused)
            if face is None:
                self._require_minimum(idle)
                return idle, None
            self.enter(*face, bound=face[1])
            dropped = self._descend()
            if dropped == [face]:
                refused.add(face)
            else:
                bounced += [face] if face in dropped else []
                refused = {other for other in bounced if bounced.count(other) >= _PATIENCE}
            idle = [other for other in idle if other != face] + dropped
        raise ArithmeticError("The fit over a cone did not settle; please report this problem.")

    def _steepest(self, idle: list[Face], refused: set[Face]) -> Face | None:
        """The idle face along which the loss falls fastest, or None at the minimum."""
        best, steepest = None, self._noise
        for face in idle:
            j, sign = face
            gain = sign * float(self._design.column(j) @ self.residual) - self.price[0 if sign > 0 else 1, j]
            norm = float(self._design.norms[j])
            if gain > steepest * norm and face not in refused:
                best, steepest = face, gain / norm
        return best

    def _require_minimum(self, idle: list[Face]) -> None:
        """Raise if the loss falls for ever over the cone, which shows in predictors that are far out."""
        if np.abs(self._eta).max(initial=0.0) < _FAR:
            return
        index = np.concatenate([self.index, np.array([j for j, _ in idle], dtype=np.intp)])
        signs = np.concatenate([self.sign, [sign for _, sign in idle]])
        for_nothing = (np.where(signs > 0, *self.price[:, index]) == 0) | (signs == 0)
        columns = recession_columns(self._problem, index[for_nothing], signs[for_nothing])
        if columns is not None:
            raise NoMinimum(columns)

    def _descend(self) -> list[Face]:
        """Minimise over the passive columns; those whose sign would turn are dropped at zero and returned."""
        dropped: list[Face] = []
        before = np.inf
        for _ in range(_STEPS + 2 * self.index.size):
            rise = self._rise()
            left = float(np.abs(rise).max(initial=0.0))
            if left <= self._noise or before / 2 <= left <= _SETTLED * self._noise:  # or where rounding stops it
                zeros = (self.bound * self.coef * self.norm <= self._noise) & (self.bound != 0)
                if not zeros.any():
                    return dropped
                dropped += self._drop_all(zeros)
                left = np.inf
            else:
                dropped += self._step(rise)
            before = left
        self._require_minimum([])
        raise ArithmeticError("Newton's method for a convex loss did not converge; please report this problem.")

    def _rise(self) -> Floats:
        """Minus the gradient by passive columns of unit norm and, at the end, by the intercept."""
        rise = self._columns.T @ self.residual - self._costs() / self.norm
        return np.append(rise, self.residual.sum() / np.sqrt(self.residual.size)) if self._free_offset else rise

    def _costs(self) -> Floats:
        """The derivative of the penalties by the passive coefficients."""
        return self.sign * np.where(self.sign > 0, *self.price[:, self.index])

    def _step(self, rise: Floats) -> list[Face]:
        """One step of Newton's method, to the first column that comes to zero: it is dropped and returned."""
        step = self._direction(rise)
        moved = step[: self.index.size] / self.norm
        along = self._columns @ step[: self.index.size]
        shift = step[-1] / np.sqrt(self.residual.size) if self._free_offset else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            until = np.where(self.bound * moved < 0, -self.coef / moved, np.inf)
        share = self._share(along + shift, float(self._costs() @ moved), min(1.0, until.min(initial=np.inf)))
        self.coef = self.coef + share * moved
        self.offset += share * shift
        blocked = until <= share
        if blocked.any():
            return self._drop_all(blocked)
        self._look(self._eta + share * (along + shift))
        return []

    def _direction(self, rise: Floats) -> Floats:
        """Newton's step, of columns of unit norm; along flat directions it is as long as a ridge lets it be."""
        n, columns = self.residual.size, self._columns
        if self._free_offset:
            columns = np.column_stack([columns, np.full(n, n**-0.5)])
        bend = self._problem.weights * self._problem.loss_of.curvature(self._eta, self._problem.response)
        matrix = (columns.T * bend) @ columns
        matrix.flat[:: rise.size + 1] += _RIDGE * (bend.max() or 1.0)
        return np.asarray(sla.solve(matrix, rise, assume_a="pos", check_finite=False))

    def _share(self, along: Floats, decay: float, most: float) -> float:
        """The share of a step, at most so large, at which the loss is about least."""

        def slope(share: float) -> float:
            return decay - float(along @ self._slopes(self._eta + share * along))

        allowed = -_LESS * slope(0.0) if most == 1.0 else 0.0  # up to a zero the loss must fall, lest a face cycle
        if most == 0.0 or slope(most) <= allowed:
            return most
        return float(brentq(slope, 0.0, most, xtol=1e-300, rtol=0.1, maxiter=2000)) if slope(0.0) < 0.0 else most

    def _drop_all(self, which: NDArray[np.bool_]) -> list[Face]:
        """Drop columns at zero; the predictors are summed anew."""
        faces = [self.drop(int(position)) for position in np.flatnonzero(which)[::-1]]
        self._look(self.offset + self._columns @ (self.coef * self.norm))
        return faces
