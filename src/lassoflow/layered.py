"""Products of L layers with arbitrary initial directions.

From weights ``scale^(1/L) a_j`` the differences ``a_j^2 - a_m^2`` are conserved. With m the layer of the smallest size
and ``mu_j^2 = a_j^2 - a_m^2``, everything is in direction units a function of that layer alone:

    x = scale z prod_j (z^2 + mu_j^2)^(1/2),        d theta = dz / prod_j (z^2 + mu_j^2)^(1/2)        (j != m)

(Labarriere et al. 2024; derived, see docs, section 9). For L >= 3 the integral converges: theta stays in a box whose
faces are the growth times of Zhao et al. (2026), Theorem 4.2, and near a face ``x`` is a power of the gap. At every gap
z is interpolated by a Chebyshev series in ``gap^(1/(L-2))``, in which it is smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints
from lassoflow.branches import Branches, Maps
from lassoflow.network import Network, ProductNetwork

_REACH = 1.6
"""How far the series goes, over the gap at which x is zero."""
_DEGREES = (32, 64, 128, 256)


@dataclass(frozen=True, eq=False)
class LayeredBranches(Branches):
    """The map phi of a product of L >= 3 layers: one function of the gap to the nearer face, which passes zero.

    Attributes
    ----------
    mu : array of shape (L - 1, d)
    series : array of shape (degree + 1, d)
        Chebyshev coefficients of ``z gap^(1/(L-2))``.
    span : array of shape (d,)
        The largest ``gap^(1/(L-2))`` of the series.
    log_factor : float
        ``x = exp(log_factor) z prod_j (z^2 + mu_j^2)^(1/2)``.
    """

    mu: Floats = None  # type: ignore[assignment]
    series: Floats = None  # type: ignore[assignment]
    span: Floats = None  # type: ignore[assignment]
    log_factor: float = 0.0

    @property
    def excess(self) -> int:
        """L - 2."""
        return int(self.mu.shape[0]) - 1

    def on(self, index: Ints, reach: float = np.inf, least: float = 0.0) -> Maps:
        """See :meth:`Branches.on`."""
        series, mu = (np.ascontiguousarray(rows[:, index]) for rows in (self.series, self.mu))
        return Maps(self.power, self.rate, self.log_scale, False, self.log_factor, series, mu, self.span[index])

    def rescaled(self, log_factor: float) -> LayeredBranches:
        """See :meth:`Branches.rescaled`."""
        moved = {"log_scale": self.log_scale + log_factor, "log_factor": self.log_factor + log_factor}
        return replace(self, **moved)  # type: ignore[arg-type]

    def smallest_layer(self, gap: Floats) -> Floats:
        """The smallest layer z at a gap to the nearer face, of shape (..., d)."""
        with np.errstate(divide="ignore"):
            w = np.minimum(np.maximum(gap, 0.0) ** (1.0 / self.excess), self.span)
            at = 2.0 * w / self.span - 1.0
            later, last = np.zeros_like(at), np.zeros_like(at)
            for row in self.series[:0:-1]:
                later, last = 2.0 * at * later - last + row, later
            return (at * later - last + self.series[0]) / w

    def nearer(self, gaps: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """The sign of the nearer face and z there."""
        return np.where(gaps[0] <= gaps[1], 1.0, -1.0), self.smallest_layer(np.minimum(*gaps))

    def _log_size(self, z: Floats) -> Floats:
        return self.log_factor + np.log(np.abs(z)) + 0.5 * np.log(z[..., None, :] ** 2 + self.mu**2).sum(axis=-2)

    def coef(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Branches.coef`."""
        sign, z = self.nearer(gaps)
        with np.errstate(divide="ignore"):
            return sign * np.sign(z) * np.exp(self._log_size(z))

    def log_abs(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Branches.log_abs`."""
        with np.errstate(divide="ignore"):
            return self._log_size(self.nearer(gaps)[1])

    def sign(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Branches.sign`."""
        sign, z = self.nearer(gaps)
        return sign * np.sign(z)

    def log_derivative(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Branches.log_derivative`."""
        squares = (self.nearer(gaps)[1] ** 2)[..., None, :]
        both = squares + self.mu**2
        return self.log_factor + np.log(both).sum(axis=-2) + np.log1p((squares / both).sum(axis=-2))

    def nearer_gap(self, size: Floats) -> Floats:
        """See :meth:`Branches.dual`: of products of layers."""
        size, layers = size * np.exp(-self.log_factor), self.mu.shape[0] + 1
        # z prod (z^2 + mu^2)^(1/2) = size is convex in z: Newton from above, where z^L = size or the tangent at 0.
        product = np.prod(self.mu, axis=0)
        z = np.minimum(size ** (1.0 / layers), np.divide(size, product))
        for _ in range(100):
            both = z[..., None, :] ** 2 + self.mu**2
            root = np.sqrt(both).prod(axis=-2)
            slope = root * (1.0 + (z[..., None, :] ** 2 / both).sum(axis=-2))
            change = (z * root - size) / slope
            z = np.maximum(z - change, 0.0)
            if (np.abs(change) <= 4e-16 * z).all():
                break
        return _tail(z, self.mu)

    def conjugate(self, gaps: tuple[Floats, Floats]) -> Floats:
        """``int x dtheta = scale z^2 / 2``."""
        return np.exp(self.log_factor) * self.nearer(gaps)[1] ** 2 / 2


class LayeredNetwork(Network):
    """``x = u_1 ⋯ u_L`` from ``u_j = scale^(1/L) directions[j]``: any depth, any initial directions.

    Lasso time is ``s = scale^((L-2)/L) t`` for L >= 3, and as for :class:`ProductNetwork` for two layers. What the
    flow tends to is the limit flow whose penalty factors are the growth times of its directions.

    Parameters
    ----------
    directions : array of shape (L, d), or L numbers
    scale, log_scale : float
        One of them. With two layers, from a scale of 1 on there is training time only.

    Raises
    ------
    ValueError
        If there are fewer than two layers, or in some coordinate two layers are the smallest: then neither ever
        vanishes and the coefficient keeps its sign.

    Examples
    --------
    >>> import lassoflow as lf
    >>> network = lf.LayeredNetwork([2.0, 1.0, 0.0], scale=1e-6)
    >>> network.box(1).upper.round(6)  # int_0^inf dz / ((z^2 + 4) (z^2 + 1))^(1/2)
    array([1.078258])
    """

    arguments = ("directions",)

    def __init__(
        self, directions: Sequence[ArrayLike] | Floats, scale: float | None = None, *, log_scale: float | None = None
    ) -> None:
        super().__init__(scale, log_scale)
        layers = np.stack(np.broadcast_arrays(*[np.asarray(a, dtype=np.float64) for a in directions]))
        if layers.ndim > 2 or len(layers) < 2 or not np.isfinite(layers).all():
            raise ValueError("directions must be L >= 2 finite numbers, or arrays of shape (d,), one a layer.")
        sizes = np.sort(np.abs(layers), axis=0)
        if (sizes[0] == sizes[1]).any():
            raise ValueError("directions: the layer of the smallest size must be one alone in every coordinate.")
        self.directions = layers
        self.depth = len(layers)
        if self.depth == 2:
            self._pair = ProductNetwork(log_scale=self.log_scale, shape_u=layers[0], shape_v=layers[1])
        self._known: tuple[int, LayeredBranches] | None = None

    @property
    def unit(self) -> float:
        """See :attr:`Network.unit`."""
        if self.depth == 2:
            return self._pair.unit
        return math.exp(self.log_unit) if self.log_unit < 700 else math.inf

    @property
    def log_unit(self) -> float:
        """See :attr:`Network.log_unit`."""
        return self._pair.log_unit if self.depth == 2 else -self.log_scale * (self.depth - 2) / self.depth

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        if self.depth == 2:
            return self._pair.branches(n_features, weight_decay)
        if weight_decay:
            raise ValueError(f"weight_decay has a closed form at depth 2 only; got depth {self.depth}.")
        if self.log_scale < -650:
            raise ValueError(
                f"scale must be above 1e-282 with three layers and more; got log_scale={self.log_scale:g}."
            )
        if self._known is None or self._known[0] != n_features:  # the series take a moment
            self._known = n_features, self._deep_branches(n_features)
        return self._known[1]

    def _deep_branches(self, n_features: int) -> LayeredBranches:
        layers = self._layers(n_features)
        order = np.argsort(np.abs(layers), axis=0)
        sorted_layers = np.take_along_axis(layers, order, axis=0)
        mu = np.sqrt(sorted_layers[1:] ** 2 - sorted_layers[0] ** 2)
        start = sorted_layers[0] * np.sign(sorted_layers[1:]).prod(axis=0)
        half, own = _tail(np.zeros_like(start), mu), _tail(np.abs(start), mu)
        upper = np.where(start >= 0, own, 2 * half - own)
        series, span = _series(mu, half)
        power = self.depth / (self.depth - 2)
        asymptotic = self.log_scale - power * math.log(self.depth - 2)
        return LayeredBranches(power, 0.0, asymptotic, upper, 2 * half - upper, 0.0, mu, series, span, self.log_scale)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        root = math.exp(self.log_scale / self.depth)
        if root == 0.0:
            raise ValueError(f"Weights at log_scale={self.log_scale:g} are below the smallest float.")
        return root * self._layers(n_features)

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`: all layers follow from the smallest one and the differences of squares."""
        if self.depth == 2:
            return self._pair.weights(gaps)
        branches = self.branches(gaps[0].shape[-1])
        assert isinstance(branches, LayeredBranches)
        face, z = branches.nearer(gaps)
        layers = self._layers(gaps[0].shape[-1])
        order = np.argsort(np.abs(layers), axis=0)
        signs = np.sign(np.take_along_axis(layers, order, axis=0))
        smallest = face * z * signs[1:].prod(axis=0)
        others = signs[1:] * np.sqrt(z[..., None, :] ** 2 + branches.mu**2)
        ordered = np.concatenate([smallest[..., None, :], others], axis=-2)
        back = np.broadcast_to(np.argsort(order, axis=0), ordered.shape)
        return math.exp(self.log_scale / self.depth) * np.take_along_axis(ordered, back, axis=-2)

    def coefficients(self, weights: Floats) -> Floats:
        """See :meth:`Network.coefficients`."""
        return np.asarray(weights.prod(axis=-2))

    def pullback(self, weights: Floats, gradient: Floats) -> Floats:
        """See :meth:`Network.pullback`."""
        others = [np.delete(weights, j, axis=-2).prod(axis=-2) for j in range(self.depth)]
        return np.stack(others, axis=-2) * gradient[..., None, :]

    def conserved(self, weights: Floats) -> Floats:
        """See :meth:`Network.conserved`."""
        return weights[..., :1, :] ** 2 - weights[..., 1:, :] ** 2

    def log_least_gain(self, n_features: int) -> float:
        """See :meth:`Network.log_least_gain`: at least ``prod_{k != m} (u_k^2 - u_m^2)``, which is conserved."""
        squares = np.sort(self._layers(n_features) ** 2, axis=0)
        least = np.log(squares[1:] - squares[0]).sum(axis=0).min()
        return 2.0 * (self.depth - 1) / self.depth * self.log_scale + float(least)

    def _layers(self, n_features: int) -> Floats:
        layers = self.directions if self.directions.ndim == 2 else self.directions[:, None]
        if layers.shape[1] not in (1, n_features):
            raise ValueError(f"The network has directions for {layers.shape[1]} features, the problem {n_features}.")
        return np.broadcast_to(layers, (self.depth, n_features))

    def _arguments(self) -> list[str]:
        return [f"<{self.depth} layers>"]


def _tail(z: Floats, mu: Floats) -> Floats:
    """``int_z^inf dx / prod_j (x^2 + mu_j^2)^(1/2)`` for z >= 0, by double exponential quadrature: shape of z."""
    size = np.maximum(z, np.exp(np.log(mu).mean(axis=0)))
    step = 1.0 / 16
    nodes = step * np.arange(-64, 65)
    total = np.zeros(np.broadcast_shapes(z.shape, size.shape))
    for node in nodes:
        x = size * np.exp(np.pi / 2 * math.sinh(node))
        weight = step * np.pi / 2 * math.cosh(node) * x
        with np.errstate(over="ignore"):
            total += weight * np.exp(-0.5 * np.log((z + x)[..., None, :] ** 2 + mu**2).sum(axis=-2))
    return total


def _inverse_tail(gap: Floats, mu: Floats, half: Floats) -> Floats:
    """The z whose tail is the gap, also negative ones: Newton in the logarithm, which is nearly linear."""
    mirrored = np.where(gap <= half, gap, 2 * half - gap)
    excess = mu.shape[0] - 1
    z = (excess * mirrored) ** (-1.0 / excess)
    for _ in range(40):
        tail = _tail(z, mu)
        slope = np.exp(-0.5 * np.log(z[..., None, :] ** 2 + mu**2).sum(axis=-2))
        change = (tail - mirrored) / slope
        z = np.where(change > -z / 2, z + change, z / 2)
        if (np.abs(change) <= 1e-13 * np.maximum(z, mu.min(axis=0))).all():
            break
    return np.where(gap <= half, z, -z)


def _series(mu: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Chebyshev coefficients of ``z w`` in ``w = gap^(1/(L-2))``, shape (degree + 1, d), and the largest w."""
    excess = mu.shape[0] - 1
    span = (_REACH * half) ** (1.0 / excess)
    for degree in _DEGREES:
        at = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))[:, None]
        w = span * (at + 1.0) / 2
        values = w * _inverse_tail(w**excess, mu, half)
        series = chebyshev.chebfit(at[:, 0], values, degree)
        if (np.abs(series[-4:]).max(axis=0) <= 1e-13 * np.abs(series).max(axis=0)).all():
            return series, span
    raise ValueError("directions: the two smallest layers are too close to each other in some coordinate.")
