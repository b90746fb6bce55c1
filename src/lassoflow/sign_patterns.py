"""The largest values of a norm over sign patterns, proven from both sides.

The norm, for matrices A of shape (k, m) and B with orthonormal rows of shape (r, m), is

    h(c) = max { <c, A w> : B w = 0, |w|_1 <= 1 } = min_mu |A'c - B'mu|_inf,

one linear program. Its maximum over the 2^k patterns ``centre + half c``, c in {-1, 1}^k, is found by fixing signs one
at a time: where some are free, A'c is off by no more than ``half`` times the sum of the absolute rows of A that are
free, and a program of the same size bounds all completions at once. Best-first search over such parts ends with the
maximum (derived, see docs, section 11). Any w and any mu bound h from either side, so both ends of an interval are
proven up to rounding, whatever the tolerances of the solver, HiGHS.
"""

from __future__ import annotations

import heapq
import time
from itertools import count
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

from lassoflow.arrays import Floats

TOLERANCE = 1e-9
"""Relative distance at which two ends of an interval count as equal."""
_NEAR = 1e-6
"""Relative distance of a solver's vector from the kernel; HiGHS leaves 1e-10."""
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Interval(NamedTuple):
    """Proven bounds of a number."""

    lower: float
    """The number is at least this,"""
    upper: float
    """and at most this."""

    @property
    def exact(self) -> bool:
        """Whether the ends are equal up to 1e-9, relative: the search ended before its time did."""
        return self.lower == self.upper or self.upper - self.lower <= TOLERANCE * self.upper

    def __str__(self) -> str:
        return f"{self.upper:.4g}" if self.exact else f"between {self.lower:.4g} and {self.upper:.4g}"


def modulo(B: Floats, A: Floats) -> Floats:
    """A less its projection on the rows of B, which vanishes on the kernel; vectors likewise."""
    return A - (A @ B.T) @ B


class Program(NamedTuple):
    """Of ``max <g, w> + <extra, |w|>`` over B w = 0, |w|_1 <= 1: a bound, a kernel vector, its relaxation, g - B'mu."""

    upper: float
    w: Floats
    total: Floats
    rest: Floats


def solve(B: Floats, g: Floats, extra: Floats) -> Program:
    """One linear program: both parts of w may be positive at a time, so the value is a bound unless extra is 0."""
    mu, w, total = B @ g, np.zeros_like(g), np.zeros_like(g)
    size = max(np.abs(g).max(initial=0.0), extra.max(initial=0.0))
    for method in ("highs-ipm", "highs-ds") if size > 0 else ():
        cost = -np.concatenate([extra + g, extra - g]) / size
        ones, zeros = np.ones((1, cost.size)), np.zeros(len(B))
        result = linprog(cost, ones, [1.0], np.hstack([B, -B]), zeros, method=method, options=_TIGHT)
        if result.status == 0:
            mu = -size * result.eqlin.marginals
            p, q = np.split(result.x, 2)
            w, total = _into_kernel(B, p - q), p + q
            break
    rest = g - mu @ B
    return Program(float((np.abs(rest) + extra).max(initial=0.0)), w, total, rest)


def _into_kernel(B: Floats, w: Floats) -> Floats:
    """The kernel vector of length 1 in l1 next to w; zeros if w is only what rounding left of zeros."""
    inside = modulo(B, w)
    if np.abs(inside - w).sum() >= _NEAR * np.abs(w).sum():
        return np.zeros_like(w)
    inside = modulo(B, inside)
    return inside / np.abs(inside).sum()


def largest(A: Floats, B: Floats, centre: Floats, half: float, w: Floats, deadline: float) -> Interval:
    """``max h(centre + half c)`` over sign patterns c, best first; w is a kernel vector to start from."""
    if not A.any():
        return Interval(0.0, 0.0)

    def value(w: Floats) -> float:
        n = A @ w
        return float(abs(centre @ n) + half * np.abs(n).sum())

    def part(fixed: Floats) -> tuple[Program, int]:
        """The program of the patterns that agree with fixed where it is not 0, and where to fix it next."""
        free = fixed == 0
        program = solve(B, (centre + half * fixed) @ A, half * np.abs(A[free]).sum(axis=0))
        slack = np.abs(A) @ program.total - np.abs(A @ program.w)
        return program, int(np.where(free, slack, -np.inf).argmax())

    root, index = part(np.zeros_like(centre))
    best = max(value(w), value(root.w))
    w = max(w, root.w, key=value)
    # The best vector for the pattern of a good one is better, until it is its own.
    while root.upper > best * (1.0 + TOLERANCE) and time.monotonic() < deadline:
        n = A @ w
        w = part(np.where((n < 0) == (centre @ n >= 0), -1.0, 1.0))[0].w
        if value(w) <= best * (1.0 + TOLERANCE):
            break
        best = value(w)
    order = count(1)
    heap = [(-root.upper, 0, index, np.zeros_like(centre))]
    while -heap[0][0] > best * (1.0 + TOLERANCE) and not heap[0][3].all() and time.monotonic() < deadline:
        bound, _, index, fixed = heapq.heappop(heap)
        for sign in (1.0, -1.0) if fixed.any() or centre.any() else (1.0,):  # c and -c are one without a centre
            child = fixed.copy()
            child[index] = sign
            program, branch = part(child)
            best = max(best, value(program.w))
            heapq.heappush(heap, (max(bound, -program.upper), next(order), branch, child))
    return Interval(best, max(best, -heap[0][0]))
