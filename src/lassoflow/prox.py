"""The proximal map of the penalty that weight decay makes of deep diagonal layers, ``(L/2) weight_decay |x|^(2/L)``.

Soft thresholding at depth 2; from depth 3 on the penalty is not convex and the map jumps. It is what the global
minimiser of a network of L diagonal layers with an orthonormal design does to every coefficient; descent on the layers
need not find it (docs, section 16).
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import EPS, Floats, as_floats, read_nonnegative
from lassoflow.scalar_landscape import critical_value, global_value, read_depth

_MAX_STEPS = 200
_DIGITS = Context(prec=45)
"""Fewer than thresholds are computed in: those that are floats are met exactly."""


class ProxLandscape(NamedTuple):
    """The critical points of ``(x - r)^2 / 2 + (L/2) weight_decay |x|^(2/L)``, and where they appear and jump.

    Attributes
    ----------
    minimiser : array of the shape of r
        The global minimiser, :func:`prox_lp`.
    large, small : arrays of the shape of r
        The local minimum with the sign of r, and the local maximum between it and 0; NaN where there are none. At
        depth 2 there is no small one, and the large one is NaN where 0 is the only minimum. From depth 3 on 0 always
        is a local minimum, too.
    critical, jump : float
        The ``|r|`` from which on there is a large one, and above which it is the global minimiser.

    Examples
    --------
    >>> from lassoflow.prox import ProxLandscape
    >>> ProxLandscape._fields
    ('minimiser', 'large', 'small', 'critical', 'jump')
    """

    minimiser: Floats
    large: Floats
    small: Floats
    critical: float
    jump: float


def prox_lp(r: ArrayLike, weight_decay: float, depth: int) -> Floats:
    """The proximal map of ``(L/2) weight_decay |x|^p``, ``p = 2/L``: its minimum with ``(x - r)^2 / 2`` added.

    Parameters
    ----------
    r : float or array
        Finite.
    weight_decay : float
        Finite and >= 0: lambda of ``(lambda / 2) |w|^2`` for L layers with the product x.
    depth : int
        L >= 2.

    Returns
    -------
    array of the shape of r
        Of the sign of r, to a relative error of 1e-14. Zero for ``|r| <= jump``: at the jump itself, where from depth 3
        on 0 and ``r (L-2) / (L-1)`` are both minimisers, the answer is 0. That is decided for the exact jump, not for
        the float next to it.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    See Also
    --------
    prox_landscape : the other critical points, and the thresholds.

    Notes
    -----
    Soft thresholding at depth 2, the thresholdings of the l_(2/3) and l_(1/2) penalties at depth 3 and 4. Derived, see
    docs/theory, section 16.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.prox_lp([3.0, 0.5, -2.0], weight_decay=1.0, depth=2)
    array([ 2.,  0., -1.])
    >>> lf.prox_lp([3.0, 2.0, 2.0 + 1e-15], weight_decay=1.0, depth=3).round(4)
    array([2.2352, 0.    , 1.    ])
    """
    values, decay, depth = _read(r, weight_decay, depth)
    if decay == 0.0:
        return values
    active = np.abs(values) > _floor(_thresholds(decay, depth)[1])
    found = np.zeros_like(values)
    found[active] = _large(values[active], decay, depth)
    return found[()]


def prox_landscape(r: ArrayLike, weight_decay: float, depth: int) -> ProxLandscape:
    """All critical points of the proximal problem of :func:`prox_lp`, and its thresholds.

    Parameters
    ----------
    r : float or array
        Finite.
    weight_decay : float
        Finite and > 0.
    depth : int
        L >= 2.

    Returns
    -------
    ProxLandscape
        Where ``|r|`` is the critical value, rounded down, the two roots are one, ``r (L-2) / (2L-2)``. Near it they
        are as exact as if r had an error of its last place.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    Notes
    -----
    A network of equal layers that starts above the small root in size tends to the large one, one that starts below it
    to 0. Derived, see docs/theory, section 16.

    Examples
    --------
    >>> import lassoflow as lf
    >>> found = lf.prox_landscape([3.0, 1.9], weight_decay=1.0, depth=3)
    >>> found.large.round(4), found.small.round(4), found.minimiser.round(4)
    (array([2.2352, 0.8403]), array([0.0385, 0.2055]), array([2.2352, 0.    ]))
    >>> round(found.critical, 4), found.jump
    (1.7548, 2.0)
    """
    values, decay, depth = _read(r, weight_decay, depth)
    if decay == 0.0:
        raise ValueError("weight_decay must be positive: without it r is the only critical point.")
    critical, jump = _thresholds(decay, depth)
    size, least = np.abs(values), _floor(critical)
    large, small = np.full_like(values, np.nan), np.full_like(values, np.nan)
    large[size > least] = _large(values[size > least], decay, depth)
    if depth > 2:
        small[size > least] = _small(values[size > least], decay, depth)
        double = size == least
        large[double] = small[double] = values[double] * _double_share(depth)
    return ProxLandscape(prox_lp(values, decay, depth), large[()], small[()], float(critical), float(jump))


def _read(r: ArrayLike, weight_decay: Any, depth: int) -> tuple[Floats, float, int]:
    values = as_floats(r, "r")
    if not np.isfinite(values).all():
        raise ValueError(f"r must be finite; got {r!r}.")
    return values, read_nonnegative(weight_decay, "weight_decay"), read_depth(depth)


def _thresholds(decay: float, depth: int) -> tuple[Decimal, Decimal]:
    """Values of ``|r|``: the critical one, and the one at which the minimiser jumps."""
    lam = Decimal(decay) ** depth
    with localcontext(_DIGITS):
        return +critical_value(lam, depth), +global_value(lam, depth)


def _floor(value: Decimal) -> float:
    """The largest float that is not above: ``|r|`` is above that float if and only if it is above the value."""
    nearest = float(value)
    return nearest if Decimal(nearest) <= value else math.nextafter(nearest, 0.0)


def _double_share(depth: int) -> float:
    """The double root over r."""
    return (depth - 2) / (2 * depth - 2)


def _large(r: Floats, decay: float, depth: int) -> Floats:
    """Large roots x = u r where there are some: ``u + c u^(2/L - 1) = 1``, convex, by Newton's method from u = 1."""
    size = np.abs(r)
    if depth == 2:
        return np.copysign(size - decay, r)
    power = 2.0 / depth - 1.0
    c = decay * size ** (power - 1.0)
    return np.copysign(_newton(np.ones_like(size), np.ones_like(size), c, power, _double_share(depth)) * size, r)


def _small(r: Floats, decay: float, depth: int) -> Floats:
    """Small roots, by ``v = u^(2/L - 1)``: ``c v + v^(-L/(L-2)) = 1``, convex again, from v = 1/c."""
    size, power = np.abs(r), -depth / (depth - 2.0)
    c = decay * size ** (2.0 / depth - 2.0)
    v = _newton(1.0 / c, c, np.ones_like(size), power, _double_share(depth) ** (1.0 / power))
    return np.copysign(v**power * size, r)


def _newton(start: Floats, a: Floats, b: Floats, power: float, least: float) -> Floats:
    """The larger root of ``a v + b v^power = 1``, power < 0, from starts above it; it is at least so large."""
    v = start
    for _ in range(_MAX_STEPS):
        bent = b * v**power
        with np.errstate(divide="ignore"):  # at the least v, where two roots are one
            after = np.maximum(v - (a * v + bent - 1.0) / (a + power * bent / v), least)
        settled = np.abs(after - v) <= 2 * EPS * v
        v = after
        if settled.all():
            break
    return v
