"""Diagonal linear networks of two layers, and powers of any depth.

Trained by gradient flow, every network here is a function of the *dual* ``theta``, the accumulated negative gradient
in lasso time s: ``x_j = phi_j(theta_j)`` with ``theta' = r - M x`` (docs, section 9; :mod:`lassoflow.branches`).
"""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.architecture import Network, brief, broadcast, read_shape, root_of
from lassoflow.arrays import Floats
from lassoflow.branches import Branches

__all__ = ["Branches", "Network", "PowerNetwork", "ProductNetwork", "SquareNetwork"]


class ProductNetwork(Network):
    """``x = u v`` from ``u = scale^(1/2) shape_u``, ``v = scale^(1/2) shape_v``.

    ``x = scale [(b + c)^2/4 e^(2 g) - (b - c)^2/4 e^(-2 g)]`` in the accumulated gradient g (Berthier 2025, section 2,
    for the flow; this form is derived, see docs, section 9). Lasso time is ``s = 2 t / log(1 / scale)``.

    Parameters
    ----------
    scale, log_scale : float
        One of them. From a scale of 1 on there is training time only, see :attr:`Network.clock`.
    shape_u, shape_v : float or array of shape (d,)
        b and c, with ``b != ±c`` everywhere: 1 and 0 by default.

    Raises
    ------
    ValueError
        If the scale is not positive, or the shapes are equal in size somewhere.

    Examples
    --------
    >>> import lassoflow as lf
    >>> network = lf.ProductNetwork(scale=1e-8)
    >>> network, float(network.training_time(1.0)).__round__(3)
    (ProductNetwork(scale=1e-08), 9.21)
    >>> network.branches(1).coef(network.branches(1).gaps([[0.0], [1.0]]))
    array([[0.  ],
           [0.25]])
    """

    depth = 2
    arguments = ("shape_u", "shape_v")

    def __init__(
        self,
        scale: float | None = None,
        *,
        log_scale: float | None = None,
        shape_u: ArrayLike = 1.0,
        shape_v: ArrayLike = 0.0,
    ) -> None:
        super().__init__(scale, log_scale)
        self.shape_u, self.shape_v = (read_shape(v, name) for v, name in ((shape_u, "shape_u"), (shape_v, "shape_v")))
        sizes = {shape.size for shape in (self.shape_u, self.shape_v) if shape.ndim}
        if len(sizes) > 1:
            raise ValueError(f"shape_u and shape_v must have one length; got {sorted(sizes)}.")
        if (np.abs(self.shape_u) == np.abs(self.shape_v)).any():
            raise ValueError("shape_u and shape_v must differ in size everywhere, else a coefficient keeps its sign.")

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        return 1.0 if self.clock == "training" else -self.log_scale / 2

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        u, v = (broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v))
        log_upper, log_lower = (2.0 * np.log(np.abs(sides) / 2) for sides in (u + v, u - v))
        return _exponential(self, 2.0, log_upper, log_lower, weight_decay)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        root = root_of(self.log_scale, 2)
        return root * np.stack([broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v)])

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`: ``(u + v) / 2`` and ``(u - v) / 2`` are the roots of the two branches."""
        b, c = (broadcast(shape, gaps[0].shape[-1]) for shape in (self.shape_u, self.shape_v))
        p, q = (np.exp(self.branches(b.size).log_branch(gap) / 2) for gap in gaps)
        p, q = np.sign(b + c) * p, np.sign(b - c) * q
        return np.stack([p + q, p - q], axis=-2)

    def coefficients(self, weights: Floats) -> Floats:
        """See :meth:`Network.coefficients`."""
        return weights[..., 0, :] * weights[..., 1, :]

    def pullback(self, weights: Floats, gradient: Floats) -> Floats:
        """See :meth:`Network.pullback`."""
        return weights[..., ::-1, :] * gradient[..., None, :]

    def conserved(self, weights: Floats) -> Floats:
        """See :meth:`Network.conserved`."""
        return weights[..., :1, :] ** 2 - weights[..., 1:, :] ** 2

    def log_least_gain(self, n_features: int) -> float:
        """See :meth:`Network.log_least_gain`: ``u^2 + v^2 >= |u^2 - v^2|``, which is conserved."""
        u, v = (broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v))
        return self.log_scale + float(np.log(np.abs(u**2 - v**2)).min())

    def _arguments(self) -> list[str]:
        shapes = {"shape_u": (self.shape_u, 1.0), "shape_v": (self.shape_v, 0.0)}
        return [f"{name}={brief(shape)}" for name, (shape, usual) in shapes.items() if not np.all(shape == usual)]


class SquareNetwork(Network):
    """``x = u^2 >= 0`` from ``u = scale^(1/2) shape``: the positive lasso.

    ``x = scale shape^2 e^(4 g)``; lasso time is ``s = 4 t / log(1 / scale)`` (Berthier 2025, section 3).

    Parameters
    ----------
    scale, log_scale : float
        One of them. From a scale of 1 on there is training time only.
    shape : float or array of shape (d,)
        Not zero anywhere.

    Raises
    ------
    ValueError
        If the scale is not positive, or a shape is zero.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.SquareNetwork(scale=1e-4).box(2)
    Box(lower=array([inf, inf]), upper=array([1., 1.]), decay=0.0)
    """

    depth = 2
    decay_factor = 2.0
    arguments = ("shape",)

    def __init__(self, scale: float | None = None, *, log_scale: float | None = None, shape: ArrayLike = 1.0) -> None:
        super().__init__(scale, log_scale)
        self.shape = read_shape(shape, "shape")
        if (self.shape == 0).any():
            raise ValueError("shape must not be zero: such a coefficient would never move.")

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        return 1.0 if self.clock == "training" else -self.log_scale / 4

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        log_factor = 2.0 * np.log(np.abs(broadcast(self.shape, n_features)))
        return _exponential(self, 4.0, log_factor, np.full(n_features, -np.inf), weight_decay)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        return root_of(self.log_scale, 2) * broadcast(self.shape, n_features)[None]

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`."""
        d = gaps[0].shape[-1]
        root = np.exp(self.branches(d).log_branch(gaps[0]) / 2)
        return (np.sign(broadcast(self.shape, d)) * root)[..., None, :]

    def coefficients(self, weights: Floats) -> Floats:
        """See :meth:`Network.coefficients`."""
        return weights[..., 0, :] ** 2

    def pullback(self, weights: Floats, gradient: Floats) -> Floats:
        """See :meth:`Network.pullback`."""
        return 2.0 * weights * gradient[..., None, :]

    def conserved(self, weights: Floats) -> Floats:
        """See :meth:`Network.conserved`."""
        return np.sign(weights)

    def log_least_gain(self, n_features: int) -> float:
        """See :meth:`Network.log_least_gain`: ``4 u^2`` may vanish, there is no rate."""
        return -math.inf

    def _arguments(self) -> list[str]:
        return [] if np.all(self.shape == 1.0) else [f"shape={brief(self.shape)}"]


class PowerNetwork(Network):
    """``x = u^D - v^D`` from ``u = v = scale^(1/D)``, at any depth D >= 2.

    At depth 2, ``x = 2 scale sinh(4 g)`` and ``s = 4 t / log(1 / scale)``; at depth D >= 3,
    ``x = scale [(1 - theta)^-p - (1 + theta)^-p]`` with ``p = D / (D - 2)`` and
    ``s = D (D - 2) scale^((D-2)/D) t`` (the functions h_D of Woodworth et al. 2020; clock and limit derived, see
    docs, section 9).

    Parameters
    ----------
    depth : int
        D >= 2.
    scale, log_scale : float
        One of them. At depth 2, from a scale of 1 on there is training time only.

    Raises
    ------
    ValueError
        If the depth is not a whole number >= 2, or the scale does not fit.

    Examples
    --------
    >>> import lassoflow as lf
    >>> network = lf.PowerNetwork(depth=3, scale=1e-6)
    >>> branches = network.branches(1)
    >>> x = branches.coef(branches.gaps([0.99]))
    >>> bool(abs(branches.dual(x) - 0.99) < 1e-15)
    True
    """

    decay_factor = 1.0
    arguments = ("depth",)

    def __init__(self, depth: int, scale: float | None = None, *, log_scale: float | None = None) -> None:
        super().__init__(scale, log_scale)
        if not isinstance(depth, Real) or not (depth >= 2 and depth % 1 == 0):
            raise ValueError(f"depth must be a whole number >= 2; got {depth!r}.")
        self.depth = int(depth)
        if self.depth == 2:
            self.decay_factor = 2.0

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        if self.depth == 2:
            return 1.0 if self.clock == "training" else -self.log_scale / 4
        return math.exp(self.log_unit) if self.log_unit < 700 else math.inf

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        ones = np.ones(n_features)
        if self.depth == 2:
            return _exponential(self, 4.0, 0.0 * ones, 0.0 * ones, weight_decay)
        if weight_decay:
            raise ValueError(f"weight_decay has a closed form at depth 2 only; got depth {self.depth}.")
        return Branches(self.depth / (self.depth - 2), 0.0, self.log_scale, ones, ones)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        return np.full((2, n_features), root_of(self.log_scale, self.depth))

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`: the D-th roots of the two branches."""
        both = np.stack(gaps, axis=-2)
        if self.depth == 2:
            return np.exp(self.branches(both.shape[-1]).log_branch(both) / 2)
        with np.errstate(divide="ignore"):
            return np.exp(self.log_scale / self.depth - np.log(both) / (self.depth - 2))

    def coefficients(self, weights: Floats) -> Floats:
        """See :meth:`Network.coefficients`."""
        return weights[..., 0, :] ** self.depth - weights[..., 1, :] ** self.depth

    def pullback(self, weights: Floats, gradient: Floats) -> Floats:
        """See :meth:`Network.pullback`."""
        signs = np.array([1.0, -1.0])[:, None]
        return self.depth * signs * weights ** (self.depth - 1) * gradient[..., None, :]

    def conserved(self, weights: Floats) -> Floats:
        """See :meth:`Network.conserved`."""
        if self.depth == 2:
            return weights[..., :1, :] * weights[..., 1:, :]
        with np.errstate(divide="ignore"):  # a weight of zero stays there
            return (weights ** (2.0 - self.depth)).sum(axis=-2, keepdims=True)

    def log_least_gain(self, n_features: int) -> float:
        """See :meth:`Network.log_least_gain`: ``D^2 (u^(2D-2) + v^(2D-2))``, least where u = v, as at the start."""
        return math.log(2.0 * self.depth**2) + self.log_scale * (2 * self.depth - 2) / self.depth

    @property
    def log_unit(self) -> float:
        """See :attr:`Network.log_unit`."""
        if self.depth == 2:
            return math.log(self.unit)
        return -self.log_scale * (self.depth - 2) / self.depth - math.log(self.depth * (self.depth - 2))

    def _arguments(self) -> list[str]:
        return [f"depth={self.depth}"]


def _exponential(network: Network, speed: float, log_upper: Floats, log_lower: Floats, decay: float) -> Branches:
    """The branches ``scale exp(log_upper + speed g)`` and ``scale exp(log_lower - speed g)``, g the gradient cumulated.

    Where all start below 1, the scale is in the faces; else it stays outside, with the largest factor.
    """
    rate = speed * network.unit
    largest = float(max(log_upper.max(), log_lower.max()))
    if network.clock == "lasso" and largest < rate:
        return Branches(np.inf, rate, 0.0, 1.0 - log_upper / rate, 1.0 - log_lower / rate, decay)
    log_scale = network.log_scale + largest
    return Branches(np.inf, rate, log_scale, (largest - log_upper) / rate, (largest - log_lower) / rate, decay)
