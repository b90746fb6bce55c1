"""Null-space constants of a sign pattern: whether l1 finds it, and by how much.

A vector x with support S and signs sigma is the only minimiser of ``|x|_1`` among ``{X n = X x}`` if and only if the
columns X_S are independent and ``rho < 1``, where, over all n in ker X with ``n_T != 0`` on the complement T of S,

    rho       = sup -<sigma, n_S> / |n_T|_1  =  min { |nu_T|_inf : nu in range X', nu_S = sigma },
    rho_minus = sup sum_S (sigma_i n_i)_- / |n_T|_1  =  rho_plus,
    rho_tilde = sup |n_S|_1 / |n_T|_1

(derived, see docs, section 11). The rates at which flows of depth 2 approach the solution of least l1 norm are tied
to such constants (Matt & Stöger 2025, arXiv 2506.01143, abstract).

If X_S has full column rank, then n_S = A n_T on ker X and the kernel is ``{B n_T = 0}``, where B may have orthonormal
rows: :mod:`lassoflow.sign_patterns` has the norm h of which rho is the value at sigma, rho_tilde the maximum over
{-1, 1}^S and rho_minus the maximum over ``sigma / 2 + {-1/2, 1/2}^S``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import Floats, Ints, read_nonnegative, read_vector
from lassoflow.problem import LeastSquares
from lassoflow.sign_patterns import TOLERANCE, Interval, largest, modulo, solve

_DEPENDENT = 1e-12
"""Relative size below which a singular value of X, its columns scaled to length 1, counts as zero."""


@dataclass(frozen=True, eq=False)
class NullSpaceConstants:
    """What :func:`null_space_constants` found; depends on X and on the signs of x alone.

    Attributes
    ----------
    rho : float
        Attained by ``direction``; inf if a kernel vector on the support alone is not orthogonal to the signs.
    rho_dual : float
        ``|nu_T|_inf`` of the certificate: never below rho but for rounding.
    minus, tilde : Interval
        rho_minus and rho_tilde; exact unless the time ran out, (inf, inf) if the columns X_S are dependent.
    kernel_dimension : int
        Of ker X.
    support : array of shape (k,)
        The indices S of the nonzeros of x.
    signs : array of shape (k,)
        The signs sigma, -1.0 or 1.0.
    direction : array of shape (d,)
        A kernel vector n that attains rho, with ``|n_T|_1 = 1``; zeros if rho is 0. If rho is inf, one on the support
        alone with ``|n_S|_1 = 1`` and ``<sigma, n_S> < 0``.
    certificate : array of shape (d,) or None
        The dual certificate nu in range X' with ``nu_S = sigma`` and the least ``|nu_T|_inf``; None if rho is inf.
    unique : bool
        Whether x is the only minimiser of the l1 norm: rho_dual is below 1, by more than 1e-9, and X_S has full column
        rank.
    """

    rho: float
    rho_dual: float
    minus: Interval
    tilde: Interval
    kernel_dimension: int
    support: Ints
    signs: Floats
    direction: Floats
    certificate: Floats | None
    unique: bool

    @property
    def plus(self) -> Interval:
        """rho_plus, which is rho_minus: n and -n are both in the kernel."""
        return self.minus

    @property
    def gap(self) -> float:
        """``rho_dual - rho``; 0 if both are inf."""
        return 0.0 if self.rho == self.rho_dual else self.rho_dual - self.rho

    def __repr__(self) -> str:
        kind = "unique" if self.unique else "not unique"
        return f"<NullSpaceConstants: rho {self.rho:.4g}, {kind}, support of {self.support.size}>"

    def __str__(self) -> str:
        size, d = self.support.size, self.direction.size
        return "\n".join(
            [
                f"Null-space constants of {size} of {d} columns, kernel of dimension {self.kernel_dimension}",
                f"  rho        {self.rho:.4g} (dual certificate {self.rho_dual:.4g})",
                f"  rho_minus  {self.minus}",
                f"  rho_tilde  {self.tilde}",
                f"  {'the only' if self.unique else 'not the only'} minimiser of the l1 norm",
            ]
        )


def null_space_constants(problem: LeastSquares, x: ArrayLike, *, time_limit: float = 10.0) -> NullSpaceConstants:
    """The null-space constants of the design at the support and signs of a vector, with a dual certificate.

    The supremum over no n at all (trivial kernel, or x without a zero) is 0. Singular values of X below 1e-12 of the
    largest, with columns scaled to length 1, count as zero. Columns of zeros are in the kernel: harmless off the
    support, and on it rho is inf. Least squares with an intercept or weights have the constants of the centred,
    weighted design.

    Parameters
    ----------
    problem : LeastSquares
        Of n samples and d features; its response plays no part.
    x : array of shape (d,)
        Only the signs of its entries count.
    time_limit : float, default 10.0
        Seconds for rho_minus and rho_tilde together. When they are over, both are intervals; each takes one linear
        program at least. The work grows like ``2^|S|`` at worst.

    Returns
    -------
    NullSpaceConstants

    Raises
    ------
    ValueError
        If x is not d finite numbers, or time_limit not a finite number >= 0.

    Notes
    -----
    Derived, see docs, section 11; tied to rates by Matt & Stöger (2025, arXiv 2506.01143, abstract). The linear
    programs are solved by HiGHS.

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.null_space import null_space_constants
    >>> constants = null_space_constants(lf.LeastSquares([[1.0, 2.0]], [1.0]), [0.0, 3.0])
    >>> print(constants)
    Null-space constants of 1 of 2 columns, kernel of dimension 1
      rho        0.5 (dual certificate 0.5)
      rho_minus  0.5
      rho_tilde  0.5
      the only minimiser of the l1 norm
    >>> constants.certificate
    array([0.5, 1. ])
    """
    signs = np.sign(read_vector(x, "x", problem.n_features, "column"))
    seconds = read_nonnegative(time_limit, "time_limit")
    split = _split(problem, signs != 0)
    sigma, start = signs[split.on], time.monotonic()
    if split.loose.size and (np.abs(split.loose @ sigma) > TOLERANCE * np.abs(split.loose).sum(axis=1)).any():
        return _unbounded(split, signs)

    program = solve(split.B, -sigma @ split.A, np.zeros(split.A.shape[1]))
    nu = signs.copy()
    nu[~split.on] = program.rest
    rho = max(0.0, float(-sigma @ (split.A @ program.w)))
    minus = tilde = Interval(np.inf, np.inf)
    if not split.loose.size:
        minus = largest(split.A, split.B, sigma / 2, 0.5, program.w, start + seconds / 2)
        tilde = largest(split.A, split.B, np.zeros_like(sigma), 1.0, program.w, start + seconds)
        # |n_S|_1 is the sum of a positive and of a negative part
        tilde = Interval(max(tilde.lower, minus.lower), min(tilde.upper, 2 * minus.upper))
    unique = not split.loose.size and program.upper < 1.0 - TOLERANCE
    direction = split.lift(program.w) if rho else np.zeros_like(signs)
    support = np.flatnonzero(split.on)
    return NullSpaceConstants(
        rho, program.upper, minus, tilde, split.kernel_dimension, support, sigma, direction, nu, unique
    )


@dataclass(frozen=True)
class _Split:
    """The kernel of X as ``{n : n_S = A n_T, B n_T = 0}``, if X_S has full column rank, with orthonormal rows of B."""

    on: NDArray[np.bool_]
    A: Floats
    B: Floats
    loose: Floats
    """Rows that span the kernel of X_S."""
    kernel_dimension: int

    def lift(self, w: Floats) -> Floats:
        """The kernel vector n of a ``n_T = w``."""
        n = np.empty(self.on.size)
        n[~self.on], n[self.on] = w, self.A @ w
        return n


def _split(problem: LeastSquares, on: NDArray[np.bool_]) -> _Split:
    norms = problem.design.norms
    lengths = np.where(norms > 0, norms, 1.0)
    _, sizes, rows = np.linalg.svd(problem.design.columns(np.arange(norms.size)) / lengths, full_matrices=False)
    rows = rows[sizes > _DEPENDENT * sizes[0]]
    left, sizes, right = np.linalg.svd(rows[:, on])
    rank = int((sizes > _DEPENDENT).sum())  # relative: the rows are orthonormal
    inverse = (right[:rank].T / sizes[:rank]) @ left[:, :rank].T
    B = left[:, rank:].T @ rows[:, ~on]
    A = modulo(B, -inverse @ rows[:, ~on])
    A[np.linalg.norm(A, axis=1) <= _DEPENDENT * np.linalg.norm(inverse, axis=1)] = 0.0
    A *= norms[~on] / lengths[on, None]
    B = _orthonormal(B * norms[~on])
    return _Split(on, modulo(B, A), B, right[rank:] / lengths[on], norms.size - len(rows))


def _orthonormal(B: Floats) -> Floats:
    """An orthonormal basis of the span of independent rows; long columns first, so that rounding spares short ones."""
    order = np.argsort(-np.abs(B).max(axis=0, initial=0.0))
    basis = np.empty((B.shape[1], min(B.shape)))
    if basis.size:
        basis[order] = sla.qr(B.T[order], mode="economic", pivoting=True)[0]
    return basis.T


def _unbounded(split: _Split, signs: Floats) -> NullSpaceConstants:
    """Of a support that has a kernel vector of its own on which the norm falls at once: rho is inf."""
    sigma, direction = signs[split.on], np.zeros_like(signs)
    row = split.loose[np.abs(split.loose @ sigma / np.abs(split.loose).sum(axis=1)).argmax()]
    direction[split.on] = -np.sign(row @ sigma) * row / np.abs(row).sum()
    all_of_it = Interval(np.inf, np.inf)
    support = np.flatnonzero(split.on)
    return NullSpaceConstants(
        np.inf, np.inf, all_of_it, all_of_it, split.kernel_dimension, support, sigma, direction, None, False
    )
