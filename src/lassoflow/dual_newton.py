"""Where a gradient flow ends, without integrating it: ``X phi(X'nu) = y`` by Newton's method in the convex dual.

With r basic columns that span the others, ``X_rest = X_basic B``, and b the fit of y on them, the end solves

    x_basic + B x_rest = b,      x = phi(theta),      theta_rest = B' theta_basic,

r equations for theta_basic, the gradient of a convex function with the matrix ``W + B W B'``, ``W = dx/dtheta``
(derived, see docs, section 11). Weights and coefficients may lie thousands of decades apart: every row is measured by
its own heaviest term, in logarithms, and the basis holds the heaviest columns, so that rows of light columns do not
drown in the rounding of heavy ones. Gaps of basic coordinates to the face they are near are the variables.

Newton's method starts where plain steps in the samples end (:mod:`lassoflow.rough_dual`), at the network's own scale or
the nearest one they can do, and follows the end down from there; without such a start, from a large scale or a small
rate.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy.linalg as sla
from scipy.optimize import brentq

from lassoflow.arrays import Floats, Ints
from lassoflow.branches import Branches
from lassoflow.rough_dual import least_along, plain, rough_dual, slope_along
from lassoflow.spanning import Basis

_STEEP = 1000.0
"""Rate from which on it is tried to begin with the last level."""
_RATE, _RATIO, _SLOWER = 2.0, 4.0, 1.4
"""The rate to start from, and how much faster the next one is; and that with entries of the size of rounding."""
_CLOSER = 4.0
"""By how much, in logarithms, gaps of large coefficients shrink from one scale to the next."""
_SMALLEST = -60.0
"""Logarithm of gaps of large coefficients below which those of inactive columns are in proportion to the scale."""
_GROWTH = 2.0
"""How much a coefficient that counts may grow in a step, in logarithms."""
_FAR = 30.0
"""How far, in logarithms, is out of reach of Newton's method."""
_ROUGH, _FINE = 0.3, 1e-8
"""Steps, in logarithms of coefficients, after which a scale on the way and the last one are left: Newton's method
leaves the square of a step."""
_SPENT = 1e-13
"""Steps that are rounding."""
_NEARLY = 0.05
"""Steps from which on the last few are taken."""
_SEEN = -18.0
"""Log weight over a row's heaviest from which on a column takes part in the matrix; all do in the residual."""
_WIDE = 500.0
"""How far rows may lie apart, in logarithms, to be computed without them."""
_FLAT = 1e-6
"""Slope of the convex function over its terms that is rounding, or too little to look for its least value."""
_TIE = 4e-15
"""Share of its terms below which the distance of a corner from a face is rounding."""
_ROW = 1e-6
"""Share of the largest term of a row that may be left of it."""
_STEPS, _FEW, _CLOSEST = 150, 20, 30
"""Steps at most on one level, and where others can be tried; and how many levels may be put in between."""


class DualNewton:
    """The solution of ``X phi(theta) = y`` with theta in the row space of X, y in the column space: see the module.

    Raises
    ------
    ArithmeticError
        By :meth:`solve`, if the method does not converge.
    """

    def __init__(self, X: Floats, y: Floats, branches: Branches, first: Ints | None = None) -> None:
        """``first`` are independent columns that will be large, such as those of the l1 solution."""
        self.target, self.branches, self.steps = branches, plain(branches, _log_size(X, y)), 0
        steep = branches.power < np.inf or branches.rate > _STEEP
        self._near_limit = steep and first is not None and first.size == min(X.shape)
        theta = None if self._near_limit else rough_dual(X, y, self.branches)
        self._rough = self.branches if theta is not None else None
        gaps = self.branches.gaps(np.zeros(X.shape[1]) if theta is None else theta)
        self.basis = Basis(X, y, self.branches.log_derivative(gaps), first)
        self.place(gaps)

    def place(self, gaps: tuple[Floats, Floats]) -> None:
        """Start from gaps of all columns to the two faces, of which the basic ones count."""
        upper, lower = (gap[self.basis.basic] for gap in gaps)
        self.sign, self.near = np.where(upper <= lower, 1.0, -1.0), np.minimum(upper, lower)

    @property
    def gaps(self) -> tuple[Floats, Floats]:
        """Gaps of all columns to the two faces."""
        b, basis = self.branches, self.basis
        basic, rest, upper, lower = basis.basic, basis.rest, np.empty_like(b.upper), np.empty_like(b.lower)
        width = b.upper + b.lower
        far = width[basic] - self.near
        upper[basic] = np.where(self.sign > 0, self.near, far)
        lower[basic] = np.where(self.sign > 0, far, self.near)
        face = np.where(self.sign > 0, b.upper[basic], b.lower[basic])
        to_face, back = basis.B.T @ (self.sign * face), basis.B.T @ (self.sign * self.near)
        rounding = _TIE * (np.abs(to_face) + np.abs(basis.B).T @ face)
        upper[rest] = _unless(b.upper[rest] - to_face, rounding) + back
        lower[rest] = _unless(b.lower[rest] + to_face, rounding) - back
        if b.power < np.inf:  # beyond a face is rounding
            least = 1e-15 * (np.abs(basis.B).T @ self.near) + 1e-290
            upper[rest], lower[rest] = np.maximum(upper[rest], least), np.maximum(lower[rest], least)
        return upper, lower

    @property
    def theta(self) -> Floats:
        """The dual, from the nearer face."""
        b, (upper, lower) = self.branches, self.gaps
        one_sided = np.isinf(b.lower)
        from_lower = np.where(one_sided, 0.0, lower) - np.where(one_sided, 0.0, b.lower)
        return np.asarray(np.where(upper <= lower, b.upper - upper, from_lower))

    @property
    def basic_dual(self) -> tuple[Floats, Floats]:
        """The duals of basic columns as sums of two: the nearer face, and what is left of the way to it."""
        b, basic = self.branches, self.basis.basic
        return np.where(self.sign > 0, b.upper[basic], -b.lower[basic]), -self.sign * self.near

    def solve(self) -> tuple[Floats, Floats]:
        """Signs of the coefficients and logarithms of their absolute values: each of shape (d,)."""
        last = self._last()
        if self.basis.rank and not (self._from_limit(last) or self._descend(last)):
            raise ArithmeticError(
                "The end of the flow could not be found in double precision, as Newton's method does not converge: "
                "try precision='mp'."
            )
        gaps = self.gaps
        sign, logs = self.branches.sign(gaps), self.branches.log_abs(gaps)
        if self.branches.power < np.inf:  # what is left out of the scale
            small = logs - self._size < (self.branches.log_scale - self._size) / 2
            logs = np.where(small, logs + (self.target.log_scale - self.branches.log_scale), logs)
        return sign, logs

    def _descend(self, last: Branches) -> bool:
        """Level after level from a rough end, or without one from afar, down to the last; whether that succeeds."""
        if self._rough is not None:
            if self._through(self._ladder(self._rough, last), self._rough) and self._solved():
                return True
            self.branches, self.steps = self.target, 0
            self.place((self.target.upper, self.target.lower))
        return self._through(self._ladder(None, last), None)

    def _solved(self) -> bool:
        """Whether every row holds, measured by its largest term."""
        basis, x = self.basis, self.branches.coef(self.gaps)
        terms = basis.B * x[basis.rest]
        largest = np.abs([x[basis.basic], basis.b, *terms.T]).max(axis=0)
        return bool((np.abs(x[basis.basic] + terms.sum(axis=1) - basis.b) <= _ROW * largest).all())

    def _through(self, levels: list[Branches], reached: Branches | None) -> bool:
        """Through some levels, the last one first reached before, with others between where these are too far apart."""
        ahead, closest = levels[::-1], 0
        while ahead:
            gaps, theta, before = self.gaps, self.theta, self.branches
            self.branches = ahead[-1]
            if self.branches is not before:
                self._scale_dual(theta)
            if self._converge(_FINE if len(ahead) == 1 else _ROUGH):
                reached = ahead.pop()
            elif reached is None or reached is ahead[-1] or closest == _CLOSEST:
                return False
            else:
                self.branches, closest = reached, closest + 1
                self.place(gaps)
                ahead.append(_between(reached, ahead[-1]))
        return True

    def _from_limit(self, branches: Branches) -> bool:
        """Start on the last level from the fit on the basis, which small scales tend to; whether that succeeds."""
        if not self._near_limit or not (self.basis.b != 0).all():
            return False
        first, theta, self.branches = self.branches, self.gaps, branches
        width = (branches.upper + branches.lower)[self.basis.basic]
        with np.errstate(divide="ignore"):
            gap = branches.gap_of(np.log(np.abs(self.basis.b)))
        self.sign = np.where(np.isinf(branches.lower[self.basis.basic]), 1.0, np.sign(self.basis.b))
        self.near = np.minimum(gap, width / 2)
        if self._converge(_FINE, _FEW):
            return True
        self.branches = first
        self.place(theta)
        return False

    def _is_clean(self) -> bool:
        """Whether no entry of b is so small that it is of the size of rounding of the data."""
        size = np.abs(self.basis.b)
        return not ((size > 0) & (size < 1e-8 * size.max(initial=0.0))).any()

    def _last(self) -> Branches:
        """The last level: the network's own branches, or powers of so small a scale that the rest is in proportion."""
        least = self._size + _SMALLEST * self.target.power
        if self.target.power == np.inf or self.target.log_scale >= least:
            return self.target
        return self.target.rescaled(least - self.target.log_scale)

    def _ladder(self, start: Branches | None, last: Branches) -> list[Branches]:
        """Levels to the last one from a start, otherwise from a large scale or a small rate."""
        levels = [last]
        if last.power == np.inf:
            slowest = start.rate if start else max(_RATE, last.log_scale - self._size)
            ratio = _RATIO if self._is_clean() else _SLOWER
            while levels[0].rate > slowest * ratio:
                levels.insert(0, replace(last, rate=levels[0].rate / ratio))
            return levels
        largest, apart = start.log_scale if start else self._size, _CLOSER * last.power
        while levels[0].log_scale < largest - apart:
            levels.insert(0, levels[0].rescaled(apart))
        return levels

    @property
    def _size(self) -> float:
        """The logarithm of the largest entry of b."""
        return math.log(np.abs(self.basis.b).max(initial=0.0) or 1.0)

    def _converge(self, tolerance: float, most: int = _STEPS) -> bool:
        """Steps until they are below a tolerance and the basis is one of heavy columns; whether that succeeds."""
        before = math.inf
        self._level()
        for _ in range(most):
            try:
                step, whole = self._step()
            except np.linalg.LinAlgError:
                if not self._adapt(touchy=True):
                    return False
                continue
            self.steps += 1
            near = step <= (tolerance if whole or tolerance == _ROUGH else _SPENT)
            if near and (not self._adapt() or tolerance == _ROUGH):
                return True
            if step <= _NEARLY < before and tolerance == _FINE:  # the steps to come are exact in a good basis only
                self._adapt()
            before = step
        return False

    def _level(self) -> None:
        """Set basic coefficients that are far from all that balances their rows: Newton's method goes by factors."""
        basis, b = self.basis, self.branches
        heights = b.log_branch(np.minimum(*self.gaps))
        own, beside = heights[basis.basic], (basis.logs / 2 + heights[basis.rest]).max(axis=1, initial=-np.inf)
        with np.errstate(divide="ignore"):
            fit = np.log(np.abs(basis.b))
        low = fit > np.maximum(own, beside) + _FAR
        other = np.where(low, fit, np.maximum(fit, beside))
        far = low | ((own > other + _FAR) & (other > -np.inf))
        half = (b.upper + b.lower)[basis.basic] / 2
        self.near = np.where(far, np.minimum(b.gap_of(np.where(far, other, 0.0)), half), self.near)
        self.sign = np.where(low & np.isfinite(b.lower[basis.basic]), np.sign(basis.b), self.sign)

    def _adapt(self, touchy: bool = False) -> bool:
        """A basis of heavier columns; whether there was one."""
        gaps = self.gaps
        if not self.basis.adapt(self.branches.log_derivative(gaps), touchy):
            return False
        self.place(gaps)
        return True

    def _step(self) -> tuple[float, bool]:
        """One step: the largest change of the logarithm of a coefficient that counts, and whether it was a whole one.

        Coefficients that count, beside others in some row, may grow by a factor; others until they count.
        """
        b, basis, gaps = self.branches, self.basis, self.gaps
        logs, weights, sign = b.log_abs(gaps), b.log_derivative(gaps), b.sign(gaps)
        moved = np.empty_like(logs)
        moved[basis.basic] = self._direction(logs, weights, sign)
        moved[basis.rest] = basis.B.T @ moved[basis.basic]
        near, ahead = np.minimum(*gaps), np.where(moved > 0, *gaps)
        heights, change = b.log_branch(near), b.steepness(near) * np.abs(moved)
        growth, margin = b.steepness(ahead) * np.abs(moved), self._margins(heights)
        above = heights - b.log_branch(ahead) + _GROWTH
        which = np.flatnonzero(growth > self._bounded(margin + above))
        margin = self._margins(heights, which)
        allowed = self._bounded(margin + above)
        share = min(1.0, float(np.divide(allowed, growth, out=np.ones_like(growth), where=growth > allowed).min()))
        share = self._descent(gaps, moved, share)
        self.near = self.near - self.sign * share * moved[basis.basic]
        width = (b.upper + b.lower)[basis.basic]
        turned = self.near > width / 2
        self.near, self.sign = np.where(turned, width - self.near, self.near), np.where(turned, -self.sign, self.sign)
        return float(change[margin < -2.0 * _SEEN].max(initial=0.0)), share == 1.0

    def _descent(self, gaps: tuple[Floats, Floats], moved: Floats, share: float) -> float:
        """The share of a step, up to one, at which the convex function is least along it."""
        slope = slope_along(self.branches, gaps, moved, float(moved[self.basis.basic] @ self.basis.b))
        value, size = slope(share)
        if value <= _FLAT * size:
            return share
        return least_along(slope, share) if slope(0.0)[0] < 0.0 else share

    def _bounded(self, growth: Floats) -> Floats:
        """The growth that Newton's method sees, steepness times distance, where a branch grows by so much."""
        power = self.branches.power
        return growth if power == np.inf else -power * np.expm1(-growth / power)

    def _direction(self, logs: Floats, weights: Floats, sign: Floats) -> Floats:
        """Newton's step of the basic duals."""
        basis, basic, rest = self.basis, self.basis.basic, self.basis.rest
        top = max(weights[basic].max(), (basis.largest + weights[rest]).max(initial=-np.inf))
        heavy = np.exp(weights[rest] - top)
        diagonal = np.exp(weights[basic] - top) + basis.squares @ heavy
        if diagonal.min() < math.exp(-_WIDE):
            return self._graded_direction(logs, weights, sign)
        right = np.clip(basis.b * math.exp(-max(top, -700.0)), -1e250, 1e250)
        right = right - sign[basic] * np.exp(logs[basic] - top) - basis.B @ (sign[rest] * np.exp(logs[rest] - top))
        seen = basis.largest + weights[rest] - top > math.log(diagonal.min()) + _SEEN
        scaled = basis.B[:, seen] * np.sqrt(heavy[seen])
        root = np.sqrt(diagonal)
        matrix = (scaled @ scaled.T) / root / root[:, None]
        matrix[np.diag_indices_from(matrix)] = 1.0
        factor = sla.cho_factor(matrix, overwrite_a=True, check_finite=False)
        return np.asarray(sla.cho_solve(factor, right / root, check_finite=False) / root)

    def _graded_direction(self, logs: Floats, weights: Floats, sign: Floats) -> Floats:
        """The same where rows lie too far apart for floats: each is measured by its heaviest term, in logarithms."""
        basis, basic, rest, B = self.basis, self.basis.basic, self.basis.rest, self.basis.B
        rows, seen = weights[basic], np.flatnonzero(basis.largest + weights[rest] > weights[basic].min() + _SEEN)
        if seen.size:
            rows = np.maximum(rows, (basis.logs[:, seen] + weights[rest[seen]]).max(axis=1))
        with np.errstate(divide="ignore"):
            log_fit = np.minimum(np.log(np.abs(basis.b)) - rows, 300.0)
        right = np.sign(basis.b) * np.exp(log_fit) - sign[basic] * np.exp(logs[basic] - rows)
        light = B[:, seen] * np.exp(np.minimum(weights[rest[seen]] - rows[:, None], 700.0))
        right = right - light @ (sign[rest[seen]] * np.exp(logs[rest[seen]] - weights[rest[seen]]))
        return np.asarray(np.linalg.solve(light @ B[:, seen].T + np.diag(np.exp(weights[basic] - rows)), right))

    def _margins(self, heights: Floats, which: Ints | None = None) -> Floats:
        """How far branches are below what counts beside them in some row; their logarithms are given.

        At least: for some of the columns exactly.
        """
        basis = self.basis
        with np.errstate(divide="ignore"):
            size = np.maximum(heights[basis.basic], np.log(np.abs(basis.b)))
        margin = np.empty_like(heights)
        margin[basis.basic] = size - heights[basis.basic]
        margin[basis.rest] = np.maximum(size.min(initial=np.inf) - basis.largest / 2 - heights[basis.rest], 0.0)
        if which is not None:
            chosen = np.flatnonzero(np.isin(basis.rest, which))
            own = basis.logs[:, chosen] / 2 + heights[basis.rest[chosen]]
            size = np.maximum(size, own.max(axis=1, initial=-np.inf))
            with np.errstate(invalid="ignore"):
                exact = np.nan_to_num(size[:, None] - own, nan=np.inf).min(axis=0, initial=np.inf)
            margin[basis.rest[chosen]] = exact
        return margin

    def _scale_dual(self, theta: Floats) -> None:
        """Start from the best multiple of the dual of another level: with itself coefficients would be too large."""
        b = self.branches
        goal = float(theta[self.basis.basic] @ self.basis.b)

        def gaps(factor: float) -> tuple[Floats, Floats]:
            upper, lower = b.gaps(factor * theta)
            return (upper, lower) if b.power == np.inf else (_inside(upper, b.upper), _inside(lower, b.lower))

        def slope(factor: float) -> float:
            with np.errstate(over="ignore"):
                return float(theta @ np.clip(b.coef(gaps(factor)), -1e200, 1e200)) - goal

        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            if slope(high) >= 0.0:
                break
            low, high = high, 1.25 * high
        else:
            return
        if slope(low) < 0.0:
            self.place(gaps(float(brentq(slope, low, high, xtol=1e-300, rtol=1e-3))))


def _inside(gap: Floats, width: Floats) -> Floats:
    """A gap of a power, which ends at its face."""
    return np.maximum(gap, 1e-12 * width)


def _log_size(X: Floats, y: Floats) -> float:
    """The logarithm of the largest coefficient of y on a single column."""
    norms = np.einsum("ij,ij->j", X, X)
    return math.log(float(np.abs(X.T @ y / np.where(norms > 0, norms, np.inf)).max(initial=0.0)) or 1.0)


def _unless(difference: Floats, rounding: Floats) -> Floats:
    """Differences, or zero where they are rounding: columns that depend on each other meet their faces together."""
    return np.where(np.abs(difference) <= rounding, 0.0, difference)


def _between(one: Branches, other: Branches) -> Branches:
    """Branches half way in the logarithms of rate and scale."""
    if one.power == np.inf:
        return replace(other, rate=math.sqrt(one.rate * other.rate))
    return other.rescaled((one.log_scale - other.log_scale) / 2)
