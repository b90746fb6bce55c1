"""One variable a coordinate for the weights of a deep network under weight decay.

A network that is homogeneous of degree D in its weights sees weight decay as a change of scale: with
``w = e^(-lambda t) omega``, omega moves as without decay, driven by a discounted gradient (docs, section 10):

    x = e^(-D lambda t) phi(theta),        d theta / ds = e^(-(D-2) lambda t) (r - M x)

with the phi of :mod:`lassoflow.network`. Near a face theta has no digits left, so a chart replaces it by a variable y
in which all weights are exponentials: an error of y is a relative error of every weight, however small or large.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats
from lassoflow.layered import LayeredNetwork
from lassoflow.network import Network, PowerNetwork

_LOG2 = math.log(2.0)


class Chart(ABC):
    """The map from y, of shape (..., d), to the undecayed weights ``omega`` and coefficients ``phi``.

    Attributes
    ----------
    depth : int
        D >= 3.
    log_scale : float
        Logarithm of the scale of the coefficients.
    growth : float
        ``dy / d log omega`` where a coordinate has grown: y rises by that much per ``1 / lambda`` where w is at rest.
    start : array of shape (d,)
        y at time 0.
    """

    depth: int
    log_scale: float
    growth: float
    start: Floats
    network: Network
    """A network of these layers and this scale."""

    @abstractmethod
    def log_speed(self, y: Floats) -> Floats:
        """``log dy / d theta``."""

    @abstractmethod
    def speed_slope(self, y: Floats) -> Floats:
        """``d log_speed / dy``."""

    @abstractmethod
    def log_phi(self, y: Floats) -> Floats:
        """``log |phi|`` over the scale; phi has the sign of y."""

    @abstractmethod
    def log_phi_slope(self, y: Floats) -> Floats:
        """``log d phi / dy`` over the scale."""

    @abstractmethod
    def log_omega(self, y: Floats) -> tuple[Floats, Floats]:
        """Signs and logarithms of the undecayed weights over ``scale^(1/D)``: each of shape (..., layers, d)."""

    @abstractmethod
    def advance(self, y: Floats, later: Floats) -> Floats:
        """The y of coordinates that have grown and rest, after ``later`` decay times."""

    @abstractmethod
    def held(self, limit: Floats) -> NDArray[np.bool_]:
        """Which weights are not 0 at a critical point with coefficients of shape (d,): shape (layers, d)."""

    @abstractmethod
    def unrest(self, y: Floats) -> Floats:
        """How far the weights of coordinates that have grown are from :meth:`held` ones, relative, at most."""

    @abstractmethod
    def shape(self) -> Floats:
        """What distinguishes coordinates but for their start, a row each: shape (..., d)."""

    @abstractmethod
    def to_arrays(self) -> dict[str, Any]:
        """The chart as named arrays."""

    def log_abs(self, y: Floats, decayed: Floats) -> Floats:
        """``log |x|``, where weights have decayed by ``exp(-decayed)``."""
        return self.log_scale - self.depth * decayed + self.log_phi(y)

    def coef(self, y: Floats, decayed: Floats) -> Floats:
        """The coefficients x: shape of y."""
        return np.sign(y) * np.exp(self.log_abs(y, decayed))

    def coef_slope(self, y: Floats, decayed: Floats) -> Floats:
        """``dx / dy``."""
        return np.exp(self.log_scale - self.depth * decayed + self.log_phi_slope(y))

    def weights(self, y: Floats, decayed: Floats) -> Floats:
        """The network's weights, shape (..., layers, d); ``decayed`` of shape (..., 1)."""
        sign, log = self.log_omega(y)
        return sign * np.exp(self.log_scale / self.depth - decayed[..., None] + log)

    @property
    def discount(self) -> int:
        """D - 2, the power of the decayed weights that the gradient comes with."""
        return self.depth - 2


class PowerChart(Chart):
    """``x = u^D - v^D``: ``y = 2 artanh(theta)``, the logarithm of the ratio of ``v^(2-D)`` to ``u^(2-D)``.

    Their sum is ``2 u_0^(2-D) e^((D-2) lambda t)``, so that ``u^(D-2) ~ cosh(y/2) e^(y/2)`` and v the same with -y.
    """

    def __init__(self, depth: int, n_features: int, log_scale: float) -> None:
        self.depth, self.log_scale, self.growth = depth, log_scale, depth - 2.0
        self.start, self.network = np.zeros(n_features), PowerNetwork(depth, log_scale=log_scale)
        self._power = depth / (depth - 2)

    def log_speed(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_speed`."""
        return _LOG2 + 2.0 * _log_cosh(y / 2)

    def speed_slope(self, y: Floats) -> Floats:
        """See :meth:`Chart.speed_slope`."""
        return np.tanh(y / 2)

    def log_phi(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_phi`."""
        return _LOG2 + self._power * _log_cosh(y / 2) + _log_sinh(self._power * y / 2)

    def log_phi_slope(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_phi_slope`."""
        half = self._power * np.abs(y) / 2
        rest = np.log(0.5 * (1.0 + np.exp(-2 * half)) - 0.5 * np.tanh(np.abs(y) / 2) * np.expm1(-2 * half))
        return math.log(self._power) + self._power * _log_cosh(y / 2) + half + rest

    def log_omega(self, y: Floats) -> tuple[Floats, Floats]:
        """See :meth:`Chart.log_omega`."""
        sides = np.stack([y, -y], axis=-2) / 2
        return np.ones_like(sides), (_log_cosh(sides) + sides) / (self.depth - 2)

    def advance(self, y: Floats, later: Floats) -> Floats:
        """See :meth:`Chart.advance`: the larger weight stays, and the sum of powers grows."""
        size, more = np.abs(y), self.growth * later
        return np.sign(y) * (size + more + np.log1p(-np.exp(-size) * np.expm1(-more)))

    def held(self, limit: Floats) -> NDArray[np.bool_]:
        """See :meth:`Chart.held`."""
        return np.stack([limit > 0, limit < 0])

    def unrest(self, y: Floats) -> Floats:
        """See :meth:`Chart.unrest`: the other weight decays exactly as :meth:`advance` says."""
        return np.zeros_like(y)

    def shape(self) -> Floats:
        """See :meth:`Chart.shape`."""
        return np.zeros((0, self.start.size))

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Chart.to_arrays`."""
        return {"chart": np.array([self.depth, self.log_scale]), "chart_size": self.start.size}


class LayerChart(Chart):
    """``x = u_1 ... u_L``: the smallest layer is ``nu sinh(y)``, the others follow from ``u_j^2 - u_k^2``.

    These differences decay as ``e^(-2 lambda t)``, exactly; nu is the root of the least of them at the start.
    """

    def __init__(self, directions: Floats, log_scale: float) -> None:
        self.directions, self.log_scale, self.growth = directions, log_scale, 1.0
        self.depth, self.network = len(directions), LayeredNetwork(directions, log_scale=log_scale)
        self._order = np.argsort(np.abs(directions), axis=0)
        layers = np.take_along_axis(directions, self._order, axis=0)
        sizes = np.abs(layers)
        mu = np.sqrt((sizes[1:] - sizes[0]) * (sizes[1:] + sizes[0]))
        self._nu = mu[0]
        self._ratios = mu / mu[0]
        self._signs = np.sign(layers[1:])
        self.start = np.arcsinh(layers[0] * self._signs.prod(axis=0) / self._nu)

    def _log_others(self, y: Floats) -> Floats:
        """``log (sinh^2 y + (mu_j / nu)^2)^(1/2)``, the other layers over nu: shape (..., L - 1, d)."""
        size = np.abs(y)[..., None, :]
        tail = np.exp(-2.0 * size)
        return size + 0.5 * np.log(((1.0 - tail) / 2) ** 2 + self._ratios**2 * tail)

    def _shares(self, y: Floats) -> Floats:
        """``sinh^2 y / (sinh^2 y + (mu_j / nu)^2)``."""
        return np.exp(2.0 * (_log_sinh(y)[..., None, :] - self._log_others(y)))

    def log_speed(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_speed`."""
        return (self.depth - 2) * np.log(self._nu) + self._log_others(y)[..., 1:, :].sum(axis=-2)

    def speed_slope(self, y: Floats) -> Floats:
        """See :meth:`Chart.speed_slope`."""
        product = (_log_sinh(y) + _log_cosh(y))[..., None, :]
        return np.sign(y) * np.exp(product - 2.0 * self._log_others(y)[..., 1:, :]).sum(axis=-2)

    def log_phi(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_phi`."""
        return self.depth * np.log(self._nu) + _log_sinh(y) + self._log_others(y).sum(axis=-2)

    def log_phi_slope(self, y: Floats) -> Floats:
        """See :meth:`Chart.log_phi_slope`."""
        others = self._log_others(y).sum(axis=-2) + np.log1p(self._shares(y).sum(axis=-2))
        return self.depth * np.log(self._nu) + _log_cosh(y) + others

    def log_omega(self, y: Floats) -> tuple[Floats, Floats]:
        """See :meth:`Chart.log_omega`."""
        others = self._log_others(y)
        smallest = (np.sign(y) * self._signs.prod(axis=0))[..., None, :]
        sign = np.concatenate([smallest, np.broadcast_to(self._signs, others.shape)], axis=-2)
        log = np.log(self._nu) + np.concatenate([_log_sinh(y)[..., None, :], others], axis=-2)
        back = np.broadcast_to(np.argsort(self._order, axis=0), log.shape)
        return np.take_along_axis(sign, back, axis=-2), np.take_along_axis(log, back, axis=-2)

    def advance(self, y: Floats, later: Floats) -> Floats:
        """See :meth:`Chart.advance`: the layers are as good as equal."""
        return y + np.sign(y) * later

    def held(self, limit: Floats) -> NDArray[np.bool_]:
        """See :meth:`Chart.held`."""
        return np.broadcast_to(limit != 0, self.directions.shape)

    def unrest(self, y: Floats) -> Floats:
        """See :meth:`Chart.unrest`: layers come to be equal at half their relative difference of squares."""
        return np.asarray((self._log_others(y) - _log_sinh(y)).max(axis=0))

    def shape(self) -> Floats:
        """See :meth:`Chart.shape`."""
        return np.concatenate([self._nu[None], self._ratios])

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Chart.to_arrays`."""
        return {"chart": np.array([self.depth, self.log_scale]), "chart_directions": self.directions}


def chart_of(network: Network, n_features: int, log_factor: float) -> Chart:
    """The chart of a network of depth 3 or more, its coefficients multiplied by ``exp(log_factor)``."""
    if isinstance(network, PowerNetwork):
        return PowerChart(network.depth, n_features, network.log_scale + log_factor)
    if isinstance(network, LayeredNetwork):
        directions = network.directions.reshape(network.depth, -1)
        shape = (network.depth, n_features)
        return LayerChart(np.array(np.broadcast_to(directions, shape)), network.log_scale + log_factor)
    raise TypeError(f"{network!r} cannot be trained with weight_decay at depth {network.depth}.")


def chart_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Chart:
    """The chart that :meth:`Chart.to_arrays` wrote."""
    depth, log_scale = arrays["chart"].tolist()
    if "chart_directions" in arrays:
        return LayerChart(arrays["chart_directions"], log_scale)
    return PowerChart(int(depth), int(arrays["chart_size"]), log_scale)


def _log_cosh(y: Floats) -> Floats:
    return np.abs(y) + np.log1p(np.exp(-2.0 * np.abs(y))) - _LOG2


def _log_sinh(y: Floats) -> Floats:
    """``log sinh |y|``; -inf at 0."""
    with np.errstate(divide="ignore"):
        return np.abs(y) + np.log(-np.expm1(-2.0 * np.abs(y))) - _LOG2
