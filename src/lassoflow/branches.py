"""The scalar map phi of a diagonal network: coefficients as functions of the dual, coordinate by coordinate.

Each phi is a difference of two branches of one decreasing function f, one for either face (docs, section 6)::

    x = f(k+ + decay s - theta) - f(k- + decay s + theta)

with ``f(g) = exp(-L g)`` at depth 2, L = -log(scale), and ``f(g) = scale g^(-D/(D-2))`` at depth D >= 3. The faces
``k+`` and ``k-`` are the network's own box: what the flow tends to as the scale vanishes is the limit flow in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints


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
        Logarithm of the factor of a power branch; 0 for exponential ones, whose factors are in the faces.
    upper, lower : arrays of shape (d,)
        The faces ``k+`` and ``k-``; inf where a branch is absent.
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
        if self.power < np.inf:
            return replace(self, log_scale=self.log_scale + log_factor)
        shift = log_factor / self.rate
        return replace(self, upper=self.upper - shift, lower=self.lower - shift)

    def on(self, index: Ints) -> tuple[float, float, float, float, Floats, Floats, Floats]:
        """What the integrator needs of some coordinates: power, rate, log scale, and a series (none here)."""
        none = np.zeros((0, index.size))
        return self.power, self.rate, self.log_scale, 0.0, none, none, np.ones(index.size)

    def gaps(self, theta: ArrayLike, s: ArrayLike = 0.0) -> tuple[Floats, Floats]:
        """How far theta is from the upper and the lower face at time s: each of shape (..., d)."""
        dual = np.asarray(theta, dtype=np.float64)
        moved = self.decay * np.asarray(s, dtype=np.float64)[..., None]
        return self.upper + moved - dual, self.lower + moved + dual

    def log_branch(self, gap: ArrayLike) -> Floats:
        """``log f(gap)``; inf at a face and beyond it where the branch is a power."""
        g = np.asarray(gap, dtype=np.float64)
        if self.power == np.inf:
            return -self.rate * g
        with np.errstate(divide="ignore"):
            return self.log_scale - self.power * np.log(np.maximum(g, 0.0))

    def gap_of(self, log_value: ArrayLike) -> Floats:
        """The gap at which ``log f`` has a value: the inverse of :meth:`log_branch`."""
        value = np.asarray(log_value, dtype=np.float64)
        if self.power == np.inf:
            return -value / self.rate
        return np.exp((self.log_scale - value) / self.power)

    def steepness(self, gap: ArrayLike) -> Floats:
        """``-d log f / d gap``."""
        g = np.asarray(gap, dtype=np.float64)
        return np.full_like(g, self.rate) if self.power == np.inf else self.power / g

    def coef(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``x`` at the two gaps."""
        return np.exp(self.log_branch(gaps[0])) - np.exp(self.log_branch(gaps[1]))

    def log_abs(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``log|x|`` at the two gaps, right where x underflows; -inf where the branches cancel."""
        near, far = (self.log_branch(gap) for gap in gaps)
        near, far = np.maximum(near, far), np.minimum(near, far)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(near == -np.inf, 0.0, np.exp(far - near))
            return near + np.log1p(-ratio)

    def derivative(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``dx / dtheta`` at the two gaps."""
        return sum((self.steepness(gap) * np.exp(self.log_branch(gap)) for gap in gaps), np.zeros(()))

    def dual(self, coef: ArrayLike) -> Floats:
        """The theta with ``phi(theta) = x`` at s = 0, the derivative of :meth:`potential`: shape of x."""
        x = np.asarray(coef, dtype=np.float64)
        if self.power == np.inf:
            return self._dual_exponential(x)
        sign, size = np.where(x < 0, -1.0, 1.0), np.abs(x)
        width = self.upper + self.lower
        near = np.where(x < 0, self.lower, self.upper)
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
        return sign * (near - g)

    def _dual_exponential(self, x: Floats) -> Floats:
        if np.isinf(self.lower).all():
            with np.errstate(divide="ignore"):
                return self.upper + np.log(x) / self.rate
        centre, half = (self.upper - self.lower) / 2, (self.upper + self.lower) / 2
        # asinh(x e^(L half) / 2) without overflow: log of what is large, asinh of what is not
        with np.errstate(divide="ignore"):
            exponent = np.log(np.abs(x) / 2) + self.rate * half
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
        theta = self.dual(x)
        product = np.multiply(x, theta, out=np.zeros_like(x), where=x != 0)
        far = np.add(self.lower, theta, out=np.full_like(theta, np.inf), where=np.isfinite(self.lower))
        return product - self.conjugate((self.upper - theta, far))

    def divergence(self, coef: ArrayLike, start: ArrayLike) -> Floats:
        """The Bregman divergence ``Q(x) - Q(y) - <Q'(y), x - y>``, summed over the last axis."""
        x, y = np.asarray(coef, dtype=np.float64), np.asarray(start, dtype=np.float64)
        return (self.potential(x) - self.potential(y) - self.dual(y) * (x - y)).sum(axis=-1)
