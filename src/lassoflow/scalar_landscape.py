"""One singular direction of a regularised deep linear network: the scalar equation and its roots.

With ``sigma`` the common singular value of the balanced layers ``sqrt(lambda_l) W_l``, lambda the product of their
weight decays and y a singular value of the target, the loss is
``phi(sigma) = (sigma^L / sqrt(lambda) - y)^2 + L sigma^2``, and ``phi' = 0`` at 0 and where
``sigma^(2L-2) - sqrt(lambda) y sigma^(L-2) + lambda = 0`` (docs, section 16).

All is computed in fifty digits with exponents of any size and rounded once: products of weight decays leave the range
of floats at once, and the two roots are nearly double where lambda is nearly critical.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats

FIFTY_DIGITS = Context(prec=50, Emax=MAX_EMAX, Emin=MIN_EMIN)
_CONVERGED = Decimal("1e-30")
"""Relative step at which Newton's method has long been quadratic; nearer roots than this are one."""
_MAX_STEPS = 400

RootName = Literal["zero", "small", "double", "large"]


@dataclass(frozen=True)
class ScalarRoot:
    """A critical point ``sigma >= 0`` of the scalar loss of one singular direction.

    Attributes
    ----------
    name : {"zero", "small", "double", "large"}
        At depth 2 the only positive root is called large.
    sigma : float
        Singular value of every ``sqrt(lambda_l) W_l``.
    product : float
        ``p = sigma^L / sqrt(lambda)``, the singular value of the product of all layers.
    residual : float
        ``y - p``, without cancellation.
    beta : float
        ``sigma^(2L-2) / lambda = p / (y - p)``; below, at or above ``(L-2)/L`` at a small, double or large root.
    value, curvature : float
        phi and its second derivative there.

    Examples
    --------
    >>> from lassoflow.scalar_landscape import scalar_roots
    >>> zero, small, large = scalar_roots(1.0, 0.05, depth=3)
    >>> large.name, round(large.product, 4), large.curvature > 0
    ('large', 0.5505, True)
    """

    name: RootName
    sigma: float
    product: float
    residual: float
    beta: float
    value: float
    curvature: float


def lambda_critical(y: ArrayLike, depth: int) -> Floats:
    """The product of weight decays at which the positive roots of a singular value disappear.

    ``y^(2L-2) L^L (L-2)^(L-2) / (2L-2)^(2L-2)``: below it there are a small and a large root, at it a double one. At
    depth 2 it is ``y^2``, where the only positive root reaches 0.

    Parameters
    ----------
    y : float or array
        Singular values, finite and >= 0.
    depth : int
        L >= 2.

    Returns
    -------
    float or array of the shape of y
        Infinite, or zero, beyond the range of floats.

    Raises
    ------
    ValueError
        If y is negative or not finite, or the depth no whole number >= 2.

    Notes
    -----
    Derived, see docs/theory, section 16. With equal weight decays each is the L-th root of the product.

    Examples
    --------
    >>> import lassoflow as lf
    >>> float(lf.lambda_critical(4.0, depth=2)), float(lf.lambda_critical(4.0, depth=3))
    (16.0, 27.0)
    """
    return _threshold(y, depth, _critical_factor)


def lambda_global(y: ArrayLike, depth: int) -> Floats:
    """The product of weight decays at which the global minimiser of a singular value jumps to zero.

    ``y^(2L-2) (L-2)^(L-2) / (L-1)^(2L-2)``: below it the large root is better than 0, above it 0 is. From depth 3 on it
    is smaller than :func:`lambda_critical`; at depth 2 they are equal and nothing jumps.

    Parameters
    ----------
    y : float or array
        Singular values, finite and >= 0.
    depth : int
        L >= 2.

    Returns
    -------
    float or array of the shape of y
        Infinite, or zero, beyond the range of floats.

    Raises
    ------
    ValueError
        If y is negative or not finite, or the depth no whole number >= 2.

    Notes
    -----
    Derived, see docs/theory, section 16.

    Examples
    --------
    >>> import lassoflow as lf
    >>> float(lf.lambda_global(4.0, depth=3))
    16.0
    """
    return _threshold(y, depth, _global_factor)


def scalar_roots(y: float, lam: float | Decimal, depth: int, rtol: float = EPS) -> tuple[ScalarRoot, ...]:
    """All critical points ``sigma >= 0`` of the scalar loss, ascending; the first is zero.

    Parameters
    ----------
    y : float
        Singular value, finite and >= 0.
    lam : float or Decimal
        The product of the weight decays, positive.
    depth : int
        L >= 2.
    rtol : float
        Where y is within this share of the value at which lam is critical, the roots are taken for one double root,
        in closed form; at depth 2, for zero.

    Returns
    -------
    tuple of ScalarRoot
        With every number right to the last digit or two.

    Raises
    ------
    ValueError
        If y is negative or not finite, lam not positive or the depth no whole number >= 2.

    Notes
    -----
    The equation divided by ``sigma^(L-2)`` is convex, and Newton's method from beyond a root is monotone. Derived, see
    docs/theory, section 16.

    Examples
    --------
    >>> from lassoflow.scalar_landscape import scalar_roots
    >>> [(root.name, root.product) for root in scalar_roots(5.0, 4.0, depth=2)]
    [('zero', 0.0), ('large', 3.0)]
    >>> [(root.name, root.product) for root in scalar_roots(4.0, 27.0, depth=3)]
    [('zero', 0.0), ('double', 1.0)]
    """
    depth = read_depth(depth)
    if not (isinstance(lam, Decimal) or math.isfinite(lam)) or not lam > 0:
        raise ValueError(f"lam must be a finite number > 0; got {lam!r}.")
    if not 0 <= y < math.inf:
        raise ValueError(f"y must be finite and >= 0; got {y!r}.")
    with localcontext(FIFTY_DIGITS):
        size, product = Decimal(float(y)), Decimal(lam)
        ratio = size / critical_value(product, depth)
        if abs(ratio - 1) <= max(Decimal(rtol), _CONVERGED):
            size = critical_value(product, depth)
            names: tuple[RootName, ...] = ("double",) if depth > 2 else ()
        else:
            names = () if ratio < 1 else ("small", "large") if depth > 2 else ("large",)
        positive = tuple(_root(name, _solve(name, size, product, depth), size, product, depth) for name in names)
        return (_zero(size, product, depth), *positive)


def critical_value(lam: Decimal, depth: int) -> Decimal:
    """The singular value at which lam is critical, in fifty digits."""
    with localcontext(FIFTY_DIGITS):
        return lam.sqrt() if depth == 2 else (lam / _critical_factor(depth)) ** (1 / Decimal(2 * depth - 2))


def global_value(lam: Decimal, depth: int) -> Decimal:
    """The singular value at which the global minimiser jumps at lam, in fifty digits."""
    with localcontext(FIFTY_DIGITS):
        return (lam / _global_factor(depth)) ** (1 / Decimal(2 * depth - 2))


def read_depth(depth: int) -> int:
    """A whole number >= 2."""
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth < 2:
        raise ValueError(f"depth must be a whole number >= 2; got {depth!r}.")
    return int(depth)


def _critical_factor(depth: int) -> Decimal:
    numerator = Decimal(depth**depth * (depth - 2) ** (depth - 2))  # 0^0 = 1 at depth 2
    return numerator / Decimal((2 * depth - 2) ** (2 * depth - 2))


def _global_factor(depth: int) -> Decimal:
    return Decimal((depth - 2) ** (depth - 2)) / Decimal((depth - 1) ** (2 * depth - 2))


def _threshold(y: ArrayLike, depth: int, factor: Callable[[int], Decimal]) -> Floats:
    depth, values = read_depth(depth), np.asarray(y, dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"y must be finite and >= 0; got {y!r}.")
    with localcontext(FIFTY_DIGITS):
        share = factor(depth)
        found = [float(share * Decimal(value) ** (2 * depth - 2)) for value in values.ravel().tolist()]
    return np.reshape(np.array(found), values.shape)[()]


def _solve(name: RootName, y: Decimal, lam: Decimal, depth: int) -> Decimal:
    """Sigma of a root: ``sigma^L + lam sigma^(2-L) = sqrt(lam) y``, both terms convex from depth 3 on."""
    target = lam.sqrt() * y
    if depth == 2:
        return (target - lam).sqrt()
    if name == "double":
        return ((depth - 2) * target / (2 * depth - 2)) ** (1 / Decimal(depth))
    # either term alone is below the target: starts beyond the roots
    sigma = target ** (1 / Decimal(depth)) if name == "large" else (lam / target) ** (1 / Decimal(depth - 2))
    for _ in range(_MAX_STEPS):
        up, down = sigma**depth, lam * sigma ** (2 - depth)
        step = sigma * (up + down - target) / (depth * up - (depth - 2) * down)
        sigma -= step
        if abs(step) <= _CONVERGED * sigma:
            return sigma
    raise ArithmeticError(f"Newton's method for the {name} root did not converge; y is {y}, lam {lam}.")


def _root(name: RootName, sigma: Decimal, y: Decimal, lam: Decimal, depth: int) -> ScalarRoot:
    if name == "double":
        beta, curvature = Decimal(depth - 2) / depth, Decimal(0)
    else:
        beta = sigma ** (2 * depth - 2) / lam
        curvature = 2 * depth * (depth * beta - (depth - 2))
    residual = y / (1 + beta)
    value = residual**2 + depth * sigma**2
    return ScalarRoot(
        name, float(sigma), float(beta * residual), float(residual), float(beta), float(value), float(curvature)
    )


def _zero(y: Decimal, lam: Decimal, depth: int) -> ScalarRoot:
    curvature = 2 * depth * (1 - y / lam.sqrt()) if depth == 2 else Decimal(2 * depth)
    return ScalarRoot("zero", 0.0, 0.0, float(y), 0.0, float(y**2), float(curvature))
