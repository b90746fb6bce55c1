"""The scalar map phi of a diagonal network: coefficients as functions of the dual, coordinate by coordinate.

Each phi is a difference of two branches of one decreasing function f, one for either face (docs, section 9)::

    x = f(k+ + decay s - theta) - f(k- + decay s + theta)

with ``f(g) = exp(-L g)`` at depth 2, L = -log(scale), and ``f(g) = scale g^(-D/(D-2))`` at depth D >= 3. The faces
``k+`` and ``k-`` are the network's own box: what the flow tends to as the scale vanishes is the limit flow in it.

Where an exponential branch starts at 1 or more there is no such box. Coefficients are then a small difference of large
branches, and theta is small: the scale is kept outside, ``f(g) = exp(log_scale - rate g)``, so that faces are small,
too, and gaps have as many digits as theta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, Ints


class Maps(NamedTuple):
    """A network's branches on m coordinates; the series has no rows but for products of layers."""

    power: float
    rate: float
    log_scale: float
    both: bool
    """Whether the far branch can matter."""
    log_factor: float
    series: Floats
    mu: Floats
    span: Floats


@dataclass(frozen=True, eq=False)
class Branches:
    """The map phi of d coordinates and everything that follows from it.

    Attributes
    ----------
    power : float
        ``D / (D - 2)``, or inf for exponential branches.
    rate : float
        L of an exponential branch; unused otherwise.
    log_scale : float
        Logarithm of the factor of every branch. The other factors of exponential ones are in the faces.
    upper, lower : arrays of shape (d,)
        From where gaps are measured: the faces ``k+`` and ``k-`` if ``log_scale`` is 0 or the branch a power; inf
        where a branch is absent.
    decay : float
        The rate at which the faces move away.
    """

    power: float
    rate: float
    log_scale: float
    upper: Floats
    lower: Floats
    decay: float = 0.0

    def rescaled(self, log_factor: float) -> Branches:
        """The same branches for coefficients multiplied by ``exp(log_factor)``."""
        return replace(self, log_scale=self.log_scale + log_factor)

    def faces(self) -> tuple[Floats, Floats]:
        """The upper and the lower face: where a branch is 1 if it is exponential, infinite if it is a power."""
        shift = self.log_scale / self.rate if self.power == np.inf else 0.0
        return self.upper - shift, self.lower - shift

    def on(self, index: Ints, reach: float = np.inf, least: float = 0.0) -> Maps:
        """The branches of some coordinates for the integrator; without the far ones where, as far as the gaps reach,
        they are below ``least``.
        """
        none, both = np.zeros((0, index.size)), True
        if least:
            nearest = ((self.upper + self.lower)[index] - reach).min(initial=np.inf)
            both = bool(self.log_branch(nearest) > math.log(least))
        return Maps(self.power, self.rate, self.log_scale, both, 0.0, none, none, np.ones(index.size))

    def gaps(self, theta: ArrayLike, s: ArrayLike = 0.0) -> tuple[Floats, Floats]:
        """How far theta is from the upper and the lower face at time s: each of shape (..., d)."""
        dual = np.asarray(theta, dtype=np.float64)
        moved = self.decay * np.asarray(s, dtype=np.float64)[..., None]
        return self.upper + moved - dual, self.lower + moved + dual

    def log_branch(self, gap: ArrayLike) -> Floats:
        """``log f(gap)``; inf at a face and beyond it where the branch is a power."""
        g = np.asarray(gap, dtype=np.float64)
        if self.power == np.inf:
            return self.log_scale - self.rate * g
        with np.errstate(divide="ignore"):
            return self.log_scale - self.power * np.log(np.maximum(g, 0.0))

    def gap_of(self, log_value: ArrayLike) -> Floats:
        """The gap at which ``log f`` has a value: the inverse of :meth:`log_branch`."""
        value = np.asarray(log_value, dtype=np.float64)
        if self.power == np.inf:
            return (self.log_scale - value) / self.rate
        return np.exp((self.log_scale - value) / self.power)

    def steepness(self, gap: ArrayLike) -> Floats:
        """``-d log f / d gap``."""
        g = np.asarray(gap, dtype=np.float64)
        return np.full_like(g, self.rate) if self.power == np.inf else self.power / g

    def coef(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``x`` at the two gaps."""
        if self.power < np.inf:
            return np.exp(self.log_branch(gaps[0])) - np.exp(self.log_branch(gaps[1]))
        left = -np.expm1(-self._log_ratio(gaps))  # share of the larger branch that the other one leaves
        return np.where(gaps[0] <= gaps[1], 1.0, -1.0) * np.exp(self.log_branch(np.minimum(*gaps))) * left

    def _log_ratio(self, gaps: tuple[Floats, Floats]) -> Floats:
        """Logarithm of the larger over the smaller of two exponential branches, >= 0; inf if one or both are absent."""
        with np.errstate(invalid="ignore"):
            ratio = self.rate * np.abs(gaps[1] - gaps[0])
        return np.where(np.isnan(ratio), np.inf, ratio)

    def log_abs(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``log|x|`` at the two gaps, right where x underflows; -inf where the branches cancel."""
        near, far = (self.log_branch(gap) for gap in gaps)
        near, far = np.maximum(near, far), np.minimum(near, far)
        with np.errstate(divide="ignore", invalid="ignore"):
            exponential, absent = self.power == np.inf, near == -np.inf
            ratio = self._log_ratio(gaps) if exponential else np.where(absent, np.inf, near - far)
            return near + np.log(-np.expm1(-ratio))

    def sign(self, gaps: tuple[Floats, Floats]) -> Floats:
        """The sign of x at the two gaps, right where x underflows."""
        return np.sign(gaps[1] - gaps[0])

    def rounding(self, gaps: tuple[Floats, Floats]) -> float:
        """How far the largest coefficient may be off for the rounding of gaps."""
        sizes = [np.where(np.isinf(gap), 0.0, np.abs(gap)) for gap in gaps]
        return EPS * float((self.derivative(gaps) * np.maximum(*sizes)).max())

    def derivative(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``dx / dtheta`` at the two gaps."""
        return np.exp(self.log_derivative(gaps))

    def log_derivative(self, gaps: tuple[Floats, Floats]) -> Floats:
        """The logarithm of :meth:`derivative`, right where it underflows; -inf where both branches are absent."""
        with np.errstate(divide="ignore"):
            return np.logaddexp(*(self.log_branch(gap) + np.log(self.steepness(gap)) for gap in gaps))

    def dual(self, coef: ArrayLike) -> Floats:
        """The theta with ``phi(theta) = x`` at s = 0, the derivative of :meth:`potential`: shape of x."""
        x = np.asarray(coef, dtype=np.float64)
        if self.power == np.inf:
            return self._dual_exponential(x)
        gap = self.nearer_gap(np.abs(x))
        return np.where(x < 0, gap - self.lower, self.upper - gap)

    def nearer_gap(self, size: Floats) -> Floats:
        """The gap to the nearer face at absolute values of coefficients, shape (..., d); of power branches."""
        width = self.upper + self.lower
        # f(g) - f(width - g) = |x| by Newton from below in log g: convex, so it converges from there.
        with np.errstate(divide="ignore"):
            g = np.minimum(self.gap_of(np.log(size)), width / 2)
        for _ in range(100):
            value = np.exp(self.log_branch(g)) - np.exp(self.log_branch(width - g)) - size
            slope = self.steepness(g) * np.exp(self.log_branch(g))
            slope = slope + self.steepness(width - g) * np.exp(self.log_branch(width - g))
            change = value / slope
            g = np.clip(g + change, g / 4, width / 2)
            if (np.abs(change) <= 4e-16 * g).all():
                break
        return g

    def _dual_exponential(self, x: Floats) -> Floats:
        if np.isinf(self.lower).all():
            with np.errstate(divide="ignore"):
                return self.upper + (np.log(x) - self.log_scale) / self.rate
        centre, half = (self.upper - self.lower) / 2, (self.upper + self.lower) / 2
        # asinh(x e^(L half) / 2) without overflow: log of what is large, asinh of what is not
        with np.errstate(divide="ignore"):
            exponent = np.log(np.abs(x) / 2) - self.log_scale + self.rate * half
        small = np.arcsinh(np.exp(np.minimum(exponent, 300.0)))
        return centre + np.sign(x) * np.where(exponent > 300.0, exponent + math.log(2.0), small) / self.rate

    def conjugate(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``Phi(theta)``, the integral of phi: convex, and the potential's conjugate."""
        values = [np.exp(self.log_branch(gap)) for gap in gaps]
        if self.power == np.inf:
            return (values[0] + values[1]) / self.rate
        return (values[0] * gaps[0] + values[1] * gaps[1]) / (self.power - 1.0)

    def potential(self, coef: ArrayLike) -> Floats:
        """The mirror potential ``Q(x) = x theta(x) - Phi(theta(x))`` of each coordinate, with ``Q' = theta``."""
        x = np.asarray(coef, dtype=np.float64)
        if self.power < np.inf:  # gaps may be below the rounding of theta
            near, width = self.nearer_gap(np.abs(x)), self.upper + self.lower
            gaps = np.where(x < 0, width - near, near), np.where(x < 0, near, width - near)
            return x * np.where(x < 0, near - self.lower, self.upper - near) - self.conjugate(gaps)
        theta = self.dual(x)
        product = np.multiply(x, theta, out=np.zeros_like(x), where=x != 0)
        far = np.add(self.lower, theta, out=np.full_like(theta, np.inf), where=np.isfinite(self.lower))
        return product - self.conjugate((self.upper - theta, far))

    def divergence(self, coef: ArrayLike, start: ArrayLike) -> Floats:
        """The Bregman divergence ``Q(x) - Q(y) - <Q'(y), x - y>``, summed over the last axis."""
        x, y = np.asarray(coef, dtype=np.float64), np.asarray(start, dtype=np.float64)
        if self.power == np.inf:
            return self._divergence_exponential(x, y).sum(axis=-1)
        return (self.potential(x) - self.potential(y) - self.dual(y) * (x - y)).sum(axis=-1)

    def _divergence_exponential(self, x: Floats, y: Floats) -> Floats:
        """Branch by branch ``f_y - f_x - f_x log(f_y / f_x)`` over the rate: none is negative, nothing cancels."""
        at_x, at_y, total = self.dual(x), self.dual(y), np.zeros(())
        for face, sign in ((self.upper, 1.0), (self.lower, -1.0)):
            if np.isinf(face).all():
                continue
            to_x, to_y = (np.exp(self.log_branch(face - sign * at)) for at in (at_x, at_y))
            with np.errstate(invalid="ignore"):
                u = np.where(to_x > 0, sign * self.rate * (at_y - at_x), 0.0)
            near = np.minimum(np.abs(u), 0.01) * np.sign(u)
            series = near**2 / 2 * (1 + near / 3 * (1 + near / 4 * (1 + near / 5 * (1 + near / 6))))
            total = total + np.where((np.abs(u) < 0.01) & (to_x > 0), to_x * series, to_y - to_x - to_x * u) / self.rate
        return total
