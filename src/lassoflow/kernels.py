"""The maps of a network on its active coordinates, for the inner loops: compiled where numba is installed.

An active coordinate is described by its *gap* g, the distance of its dual from the face it is near, signed so that the
face is the upper one. With f the branch of the network (``exp(-rate g)`` or ``scale g^-power``) and w the width of the
box,

    x = f(g) - f(w - g),        -dx/dg = -f'(g) - f'(w - g).

A product of layers has one function of g instead, given by a series (:mod:`lassoflow.layered`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.branches import Maps

try:
    import numba
except ImportError:  # slower, with equal results
    numba = None  # type: ignore[assignment]

compiled: Final[bool] = numba is not None


def compile_kernel(function: Callable[..., Any]) -> Any:
    """The function, compiled where numba is installed."""
    return numba.njit(cache=True, error_model="numpy")(function) if compiled else function


def compile_part(function: Callable[..., Any]) -> Any:
    """The function, as a part of kernels: put into each of them, so that all processes run the same instructions.

    A function that is linked may be another copy, optimised differently, where it was compiled than where it was read
    from the cache. (The cache heeds the file of the kernel alone: who changes a part elsewhere deletes
    ``__pycache__/*.nb*``.)
    """
    return numba.njit(error_model="numpy", forceinline=True)(function) if compiled else function


def compile_sums(function: Callable[..., Any]) -> Any:
    """As :func:`compile_part`, with leave to add in another order, as fast sums do."""
    fast = {"reassoc", "contract", "nsz"}
    return numba.njit(error_model="numpy", fastmath=fast, forceinline=True)(function) if compiled else function


class Gram(NamedTuple):
    """``M = F'F`` on m coordinates: M itself, or where that is larger F, of n rows; the other one has none."""

    matrix: Floats
    factor: Floats
    norms: Floats
    """Roots of the diagonal of M."""


@compile_kernel
def branch(maps: Maps, g: Floats, log_cap: float) -> tuple[Floats, Floats]:
    """The branch f(g) and -f'(g), continued linearly above the cap so that nothing overflows."""
    power, rate = maps.power, maps.rate
    if power == np.inf:
        exponent = maps.log_scale - rate * g
        inside = np.exp(np.minimum(exponent, log_cap))
        return inside * (1.0 + np.maximum(exponent - log_cap, 0.0)), rate * inside
    unit = np.exp(maps.log_scale / power)  # the gap at which f = 1
    inner = np.maximum(g, unit * np.exp(-log_cap / power))
    ratio = unit / inner
    if power == 3.0:
        inside = ratio * ratio * ratio
    elif power == 2.0:
        inside = ratio * ratio
    else:
        inside = np.exp(power * np.log(ratio))
    return inside * (1.0 + power * (inner - g) / inner), power * inside / inner


@compile_kernel
def layered(maps: Maps, g: Floats, log_cap: float) -> tuple[Floats, Floats]:
    """X and -dx/dg of a product of layers, by the series for the smallest one."""
    mu, series, span = maps.mu, maps.series, maps.span
    excess = mu.shape[0] - 1
    least = np.exp((maps.log_scale - log_cap) / maps.power)
    inner = np.maximum(g, least)
    w = np.minimum(inner ** (1.0 / excess), span)
    at = 2.0 * w / span - 1.0
    later, last = np.zeros_like(at), np.zeros_like(at)
    for row in range(series.shape[0] - 1, 0, -1):
        later, last = 2.0 * at * later - last + series[row], later
    z = (at * later - last + series[0]) / w
    product, total = np.exp(maps.log_factor) * np.ones_like(z), np.ones_like(z)
    root = product * z
    for layer in range(mu.shape[0]):
        both = z * z + mu[layer] * mu[layer]
        product = product * both
        root = root * np.sqrt(both)
        total = total + z * z / both
    slope = product * total
    return root + slope * (inner - g), slope


@compile_kernel
def coefficients(maps: Maps, g: Floats, width: Floats, log_cap: float) -> tuple[Floats, Floats, Floats]:
    """x, -dx/dg, and the slope of the far branch alone."""
    if maps.series.shape[0]:
        x, slope = layered(maps, g, log_cap)
        return x, slope, np.zeros_like(x)
    near, near_slope = branch(maps, g, log_cap)
    if not maps.both:
        return near, near_slope, np.zeros_like(near)
    far, far_slope = branch(maps, width - g, log_cap)
    x = near - far
    if maps.power == np.inf:  # where the branches are nearly equal their difference cancels
        apart = maps.rate * (width - 2.0 * g)
        x = np.where(np.abs(apart) < 1.0, -near * np.expm1(-np.minimum(np.maximum(apart, -1.0), 1.0)), x)
    return x, near_slope + far_slope, far_slope


@compile_kernel
def largest_branch(maps: Maps, g: Floats, width: Floats) -> float:
    """The larger of the branches, which may be far above their difference; 0 where there are none."""
    if maps.series.shape[0]:
        return 0.0
    top = branch(maps, g, 700.0)[0].max()
    return max(top, branch(maps, width - g, 700.0)[0].max()) if maps.both else top


@compile_kernel
def steepness(maps: Maps, g: Floats, width: Floats) -> Floats:
    """``-d log f / dg`` at the nearer face."""
    if maps.power == np.inf:
        return np.full(g.size, maps.rate)
    return maps.power / np.minimum(g, width - g)


@compile_kernel
def turning_point(power: float, rate: float, width: Floats) -> Floats:
    """The gap from which on a coordinate counts as near the other face; widths of exponential branches may be < 0."""
    return 0.5 * width + 0.1 * np.abs(width) + (1.0 / rate if power == np.inf else 0.0)


@compile_kernel
def times_gram(gram: Gram, x: Floats) -> Floats:
    """``M x``."""
    if gram.factor.shape[0]:
        return np.dot(gram.factor.T, np.dot(gram.factor, x))
    return np.dot(gram.matrix, x)


@compile_kernel
def rounding(gram: Gram, r: Floats, x: Floats, moved: Floats) -> float:
    """How far ``r - M x`` may be off, where x is off for the rounding of gaps by ``moved = g dx/dg``, too."""
    return 2.2e-16 * (np.abs(r).max() + gram.norms.max() * np.dot(gram.norms, np.abs(x) + np.abs(moved)))


@compile_kernel
def stiffness(gram: Gram, slope: Floats) -> float:
    """The fastest rate of decay in ``g' = M x``: the largest eigenvalue of ``M diag(-dx/dg)``, roughly, by power
    iteration.
    """
    root = np.sqrt(slope)
    vector, value = root.copy(), 0.0
    for _ in range(5):
        size = np.sqrt(np.dot(vector, vector))
        if size == 0.0:
            return 0.0
        vector = root * times_gram(gram, root * (vector / size))
        value = np.sqrt(np.dot(vector, vector))
    return value
