"""Rows of a problem for descent: batches and label noise of many runs, their residuals and gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.problem import LeastSquares

_BLOCK = 256
_BLOCK_NUMBERS = 2**20
"""Random numbers are drawn so many steps ahead, but no more than so many numbers at once."""


class Chance:
    """Batches and label noise of several runs, a block of steps ahead, each run's from generators of its own.

    The generators give the same numbers however they are cut into blocks: a longer run begins as a shorter one.
    """

    def __init__(self, seeds: Sequence[int | None], n: int, batch_size: int | None, noisy: bool) -> None:
        self.n, self.batch_size, self.noisy = n, batch_size, noisy
        self.rows = batch_size or n
        self.sorts = self.rows**2 > 8 * n
        width = n if self.sorts else self.rows
        self.length = min(max(_BLOCK_NUMBERS // (width * len(seeds)), 1), _BLOCK)
        self.streams = [np.random.default_rng(seed).spawn(2) for seed in seeds]

    def draw(self, step: int) -> tuple[Ints | None, Floats | None]:
        """Row numbers and standard normal numbers of a step, both of shape (runs, batch size), or None."""
        at = step % self.length
        if at == 0:
            shape = (self.length, self.rows)
            if self.batch_size:
                self.batches = np.stack([self._subsets(rows) for rows, _ in self.streams], axis=1)
            if self.noisy:
                self.noise = np.stack([labels.standard_normal(shape) for _, labels in self.streams], axis=1)
        return (self.batches[at] if self.batch_size else None), (self.noise[at] if self.noisy else None)

    def _subsets(self, rng: np.random.Generator) -> Ints:
        """Random subsets of the rows, shape (length, batch size)."""
        n, size = self.n, self.rows
        if self.sorts:
            return np.argpartition(rng.random((self.length, n)), size - 1, axis=1)[:, :size]
        # Floyd's algorithm, whose cost does not depend on n: what has been drawn before is replaced by the newest row
        newest = np.arange(n - size, n)
        chosen = (rng.random((self.length, size)) * (newest + 1)).astype(np.intp)
        for k in range(1, size):
            seen = (chosen[:, :k] == chosen[:, k, None]).any(axis=1)
            chosen[seen, k] = newest[k]
        return chosen


class Rows:
    """The working rows, for coefficients in the user's units: residuals and gradients of several runs at once.

    With X = 2^a X_work and y = 2^b y_work, ``2^(a - b) X_work x - y_work`` is the working residual, and what it gives
    through the same matrix is 2^(-2b) times the gradient. No number here is beyond floating point if the run is not.
    """

    def __init__(self, problem: LeastSquares, chance: Chance, label_noise: float, n_steps: int) -> None:
        self.n, d = problem.design.shape
        self.units, self.chance = problem.units, chance
        matrix, self.target, self.rest = problem.design.columns(np.arange(d)), problem.target, 0.0
        self.noise = np.full(self.n, float(np.ldexp(label_noise, -self.units.target)))
        if problem.sample_weight is not None:
            self.noise = self.noise * np.sqrt(problem.sample_weight)
        if not chance.batch_size and not chance.noisy and self.n > 2 * d and n_steps > d:
            # a rotation of the rows leaves d of them and a constant
            rotation, matrix = np.linalg.qr(matrix)
            self.target = rotation.T @ problem.target
            outside = problem.target - rotation @ self.target
            self.rest = float(outside @ outside)
        self.matrix = np.ascontiguousarray(np.ldexp(matrix, self.units.design - self.units.target))

    def squares(self, coef: Floats) -> Floats:
        """Sums of the squared residuals of all rows, shape (runs,): each run by itself, that none sways another."""
        residuals = [self.matrix @ x - self.target for x in coef]
        return np.array([residual @ residual for residual in residuals])

    def gradient(self, coef: Floats, step: int) -> tuple[Floats, Floats]:
        """The residual of a step and what it gives through the matrix, of shapes (runs, batch size) and (runs, d)."""
        batch, noise = self.chance.draw(step)
        if batch is None:
            residual = coef @ self.matrix.T - self.target
            if noise is not None:
                residual -= self.noise * noise
            return residual, residual @ self.matrix
        # stacks of small products: each run's is computed as it would be alone
        rows = self.matrix.take(batch, axis=0)
        residual = (rows @ coef[:, :, None])[:, :, 0] - self.target[batch]
        if noise is not None:
            residual -= self.noise[batch] * noise
        return residual, (residual[:, None, :] @ rows)[:, 0, :]

    def loss(self, squares: Floats) -> Floats:
        """The loss, in the user's units, from sums of squared residuals of all rows."""
        return np.asarray(np.ldexp((squares + self.rest) / (2 * self.n), 2 * self.units.target), dtype=np.float64)
