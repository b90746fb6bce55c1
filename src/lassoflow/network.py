"""Diagonal linear networks as scalar maps of the dual.

Trained by gradient flow, every network here is a function of the *dual* ``theta``, the accumulated negative gradient
in lasso time s: ``x_j = phi_j(theta_j)`` with ``theta' = r - M x`` (docs, section 6). Each phi is a difference of two
branches of one decreasing function f, one for either face of the box::

    x = f(k+ + decay s - theta) - f(k- + decay s + theta)

with ``f(g) = exp(-L g)`` at depth 2, L = -log(scale), and ``f(g) = scale g^(-D/(D-2))`` at depth D >= 3. The faces
``k+`` and ``k-`` are the network's own box: what the flow tends to as the scale vanishes is the limit flow in it.

A network is made of *weights*, an array of shape (layers, d); scales are scales of the coefficients.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints
from lassoflow.box import Box


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

    def on(self, index: Ints, least: float = 0.0) -> Maps:
        """The branches of some coordinates for the integrator, without far ones below ``least`` at half the width."""
        none, half = np.zeros((0, index.size)), (self.upper + self.lower)[index] / 2
        far = np.exp(self.log_branch(half.min(initial=np.inf))) > least
        return Maps(self.power, self.rate, self.log_scale, bool(far), 0.0, none, none, np.ones(index.size))

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


class Network(ABC):
    """A diagonal linear network and its initialisation. See the subclasses.

    Parameters
    ----------
    scale : float, optional
        The scale of the coefficients at the start, positive.
    log_scale : float, optional
        Its natural logarithm, for scales below 1e-308. One of the two is needed.
    """

    log_scale: float
    depth: int

    def __init__(self, scale: float | None, log_scale: float | None) -> None:
        self.log_scale = _read_scale(scale, log_scale)

    @property
    def scale(self) -> float:
        """The scale of the coefficients; 0 where it is below the smallest float."""
        return math.exp(self.log_scale)

    @property
    @abstractmethod
    def unit(self) -> float:
        """Training time per lasso time s; inf where that overflows."""

    @abstractmethod
    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """The map phi for d features.

        Raises
        ------
        ValueError
            If a shape has another length, or the network has no closed form under weight decay.
        """

    @abstractmethod
    def initial_weights(self, n_features: int) -> Floats:
        """The weights at the start, shape (layers, d)."""

    @abstractmethod
    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """The weights at gaps to the upper and the lower face, each (..., d): shape (..., layers, d).

        The inverse of :meth:`coefficients` along gradient flow, with or without weight decay; below the smallest float
        they are 0. Gaps that add up to the width of the box give weights whose :meth:`conserved` quantities are those
        of the start, by construction (:func:`lassoflow.mirror.weights` has them along a computed flow).

        Examples
        --------
        >>> import lassoflow as lf
        >>> network = lf.ProductNetwork(scale=1e-2)
        >>> branches = network.branches(1)
        >>> u, v = network.weights(branches.gaps(branches.dual([3.0])))
        >>> (u * v).round(12), (u**2 - v**2).round(12)
        (array([3.]), array([0.01]))
        """

    @abstractmethod
    def coefficients(self, weights: Floats) -> Floats:
        """The coefficients of weights of shape (..., layers, d): shape (..., d)."""

    @abstractmethod
    def pullback(self, weights: Floats, gradient: Floats) -> Floats:
        """The gradient in the weights, (..., layers, d), where the gradient in the coefficients is (..., d)."""

    @abstractmethod
    def conserved(self, weights: Floats) -> Floats:
        """What gradient flow without weight decay keeps constant: shape (..., quantities, d)."""

    @abstractmethod
    def log_least_gain(self, n_features: int) -> float:
        """Logarithm of the least ``dx/dg`` anywhere, g the accumulated negative gradient in training time."""

    @property
    def log_unit(self) -> float:
        """Logarithm of :attr:`unit`, which may overflow."""
        return math.log(self.unit)

    decay_factor: float = 1.0
    """Weight decay adds ``decay_factor * weight_decay * w`` to the gradient in every weight w."""

    def training_time(self, s: ArrayLike) -> Any:
        """Training time at lasso time s."""
        return self.unit * np.asarray(s, dtype=np.float64)

    def lasso_time(self, t: ArrayLike) -> Any:
        """Lasso time s at training time t."""
        return np.asarray(t, dtype=np.float64) / self.unit

    def box(self, n_features: int, weight_decay: float = 0.0) -> Box:
        """The network's own box: the penalty factors of the lasso and the limit flow it is to be compared with."""
        branches = self.branches(n_features, weight_decay)
        if not (np.minimum(branches.upper, branches.lower) > 0).all():
            raise ValueError(
                f"{self!r} starts from coefficients of 1 or more; it has no box, no lasso to compare with."
            )
        return Box(branches.lower, branches.upper, branches.decay)

    def __repr__(self) -> str:
        size = f"scale={self.scale:g}" if self.log_scale > -700 else f"log_scale={self.log_scale:g}"
        return f"{type(self).__name__}({', '.join([*self._arguments(), size])})"

    def _arguments(self) -> list[str]:
        return []


class ProductNetwork(Network):
    """``x = u v`` from ``u = scale^(1/2) shape_u``, ``v = scale^(1/2) shape_v``.

    ``x = scale [(b + c)^2/4 e^(2 g) - (b - c)^2/4 e^(-2 g)]`` in the accumulated gradient g (Berthier 2025, section 2,
    for the flow; this form is derived, see docs). Lasso time is ``s = 2 t / log(1 / scale)``.

    Parameters
    ----------
    scale, log_scale : float
        One of them; below 1 for the lasso clock.
    shape_u, shape_v : float or array of shape (d,)
        b and c, with ``b != ±c`` everywhere: 1 and 0 by default.

    Raises
    ------
    ValueError
        If the scale is not positive, not below 1, or the shapes are equal in size somewhere.

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

    def __init__(
        self,
        scale: float | None = None,
        *,
        log_scale: float | None = None,
        shape_u: ArrayLike = 1.0,
        shape_v: ArrayLike = 0.0,
    ) -> None:
        super().__init__(scale, log_scale)
        _require_clock(self.log_scale)
        self.shape_u, self.shape_v = (_read_shape(v, name) for v, name in ((shape_u, "shape_u"), (shape_v, "shape_v")))
        sizes = {shape.size for shape in (self.shape_u, self.shape_v) if shape.ndim}
        if len(sizes) > 1:
            raise ValueError(f"shape_u and shape_v must have one length; got {sorted(sizes)}.")
        if (np.abs(self.shape_u) == np.abs(self.shape_v)).any():
            raise ValueError("shape_u and shape_v must differ in size everywhere, else a coefficient keeps its sign.")

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        return -self.log_scale / 2

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        u, v = (_broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v))
        rate = -self.log_scale
        upper, lower = (1.0 - 2.0 * np.log(np.abs(sides) / 2) / rate for sides in (u + v, u - v))
        return Branches(np.inf, rate, 0.0, upper, lower, weight_decay)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        root = _root(self.log_scale, 2)
        return root * np.stack([_broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v)])

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`: ``(u + v) / 2`` and ``(u - v) / 2`` are the roots of the two branches."""
        b, c = (_broadcast(shape, gaps[0].shape[-1]) for shape in (self.shape_u, self.shape_v))
        p = np.sign(b + c) * np.exp(self.log_scale / 2 * gaps[0])
        q = np.sign(b - c) * np.exp(self.log_scale / 2 * gaps[1])
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
        """``u^2 + v^2 >= |u^2 - v^2|``, which is conserved."""
        u, v = (_broadcast(shape, n_features) for shape in (self.shape_u, self.shape_v))
        return self.log_scale + float(np.log(np.abs(u**2 - v**2)).min())

    def _arguments(self) -> list[str]:
        shapes = {"shape_u": (self.shape_u, 1.0), "shape_v": (self.shape_v, 0.0)}
        return [f"{name}={_brief(shape)}" for name, (shape, usual) in shapes.items() if not np.all(shape == usual)]


class SquareNetwork(Network):
    """``x = u^2 >= 0`` from ``u = scale^(1/2) shape``: the positive lasso.

    ``x = scale shape^2 e^(4 g)``; lasso time is ``s = 4 t / log(1 / scale)`` (Berthier 2025, section 3).

    Parameters
    ----------
    scale, log_scale : float
        One of them; below 1.
    shape : float or array of shape (d,)
        Not zero anywhere.

    Raises
    ------
    ValueError
        If the scale is not positive, not below 1, or a shape is zero.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.SquareNetwork(scale=1e-4).box(2)
    Box(lower=array([inf, inf]), upper=array([1., 1.]), decay=0.0)
    """

    depth = 2
    decay_factor = 2.0

    def __init__(self, scale: float | None = None, *, log_scale: float | None = None, shape: ArrayLike = 1.0) -> None:
        super().__init__(scale, log_scale)
        _require_clock(self.log_scale)
        self.shape = _read_shape(shape, "shape")
        if (self.shape == 0).any():
            raise ValueError("shape must not be zero: such a coefficient would never move.")

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        return -self.log_scale / 4

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        rate = -self.log_scale
        upper = 1.0 - 2.0 * np.log(np.abs(_broadcast(self.shape, n_features))) / rate
        return Branches(np.inf, rate, 0.0, upper, np.full(n_features, np.inf), weight_decay)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        return _root(self.log_scale, 2) * _broadcast(self.shape, n_features)[None]

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`."""
        sign = np.sign(_broadcast(self.shape, gaps[0].shape[-1]))
        return (sign * np.exp(self.log_scale / 2 * gaps[0]))[..., None, :]

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
        """``4 u^2`` may vanish: there is no rate."""
        return -math.inf

    def _arguments(self) -> list[str]:
        return [] if np.all(self.shape == 1.0) else [f"shape={_brief(self.shape)}"]


class PowerNetwork(Network):
    """``x = u^D - v^D`` from ``u = v = scale^(1/D)``, at any depth D >= 2.

    At depth 2, ``x = 2 scale sinh(4 g)`` and ``s = 4 t / log(1 / scale)``; at depth D >= 3,
    ``x = scale [(1 - theta)^-p - (1 + theta)^-p]`` with ``p = D / (D - 2)`` and
    ``s = D (D - 2) scale^((D-2)/D) t`` (the functions h_D of Woodworth et al. 2020; clock and limit derived, see docs).

    Parameters
    ----------
    depth : int
        D >= 2.
    scale, log_scale : float
        One of them; below 1 at depth 2.

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

    def __init__(self, depth: int, scale: float | None = None, *, log_scale: float | None = None) -> None:
        super().__init__(scale, log_scale)
        if not isinstance(depth, Real) or not (depth >= 2 and depth % 1 == 0):
            raise ValueError(f"depth must be a whole number >= 2; got {depth!r}.")
        self.depth = int(depth)
        if self.depth == 2:
            _require_clock(self.log_scale)
            self.decay_factor = 2.0

    @property
    def unit(self) -> float:
        """See :meth:`Network.unit`."""
        if self.depth == 2:
            return -self.log_scale / 4
        return math.exp(self.log_unit) if self.log_unit < 700 else math.inf

    def branches(self, n_features: int, weight_decay: float = 0.0) -> Branches:
        """See :meth:`Network.branches`."""
        ones = np.ones(n_features)
        if self.depth == 2:
            return Branches(np.inf, -self.log_scale, 0.0, ones, ones, weight_decay)
        if weight_decay:
            raise ValueError(f"weight_decay has a closed form at depth 2 only; got depth {self.depth}.")
        return Branches(self.depth / (self.depth - 2), 0.0, self.log_scale, ones, ones)

    def initial_weights(self, n_features: int) -> Floats:
        """See :meth:`Network.initial_weights`."""
        return np.full((2, n_features), _root(self.log_scale, self.depth))

    def weights(self, gaps: tuple[Floats, Floats]) -> Floats:
        """See :meth:`Network.weights`: the D-th roots of the two branches."""
        both = np.stack(gaps, axis=-2)
        if self.depth == 2:
            return np.exp(self.log_scale / 2 * both)
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
        """``D^2 (u^(2D-2) + v^(2D-2))``, least where u = v, as at the start."""
        return math.log(2.0 * self.depth**2) + self.log_scale * (2 * self.depth - 2) / self.depth

    @property
    def log_unit(self) -> float:
        """See :attr:`Network.log_unit`."""
        if self.depth == 2:
            return math.log(self.unit)
        return -self.log_scale * (self.depth - 2) / self.depth - math.log(self.depth * (self.depth - 2))

    def _arguments(self) -> list[str]:
        return [f"depth={self.depth}"]


def _read_scale(scale: float | None, log_scale: float | None) -> float:
    if (scale is None) == (log_scale is None):
        raise ValueError("Give one of scale and log_scale.")
    if scale is not None:
        if not isinstance(scale, Real) or not 0 < scale < math.inf:
            raise ValueError(f"scale must be a positive number (log_scale for scales below 1e-308); got {scale!r}.")
        return math.log(scale)
    if not isinstance(log_scale, Real) or not math.isfinite(log_scale):
        raise ValueError(f"log_scale must be a finite number; got {log_scale!r}.")
    return float(log_scale)


def _require_clock(log_scale: float) -> None:
    if log_scale >= 0:
        raise ValueError("scale must be below 1 at depth 2: the lasso clock s = const t / log(1 / scale) needs it.")


def _read_shape(value: ArrayLike, name: str) -> Floats:
    try:
        shape = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a finite number or an array of shape (d,) of them.") from None
    if shape.ndim > 1 or not np.isfinite(shape).all():
        raise ValueError(f"{name} must be a finite number or an array of shape (d,) of them.")
    return shape


def _broadcast(shape: Floats, n_features: int) -> Floats:
    if shape.ndim and shape.shape != (n_features,):
        raise ValueError(f"The network's shape has length {shape.size}; the problem has {n_features} features.")
    return np.broadcast_to(shape, (n_features,))


def _root(log_scale: float, depth: int) -> float:
    root = math.exp(log_scale / depth)
    if root == 0.0:
        raise ValueError(f"Weights at log_scale={log_scale:g} are below the smallest float; train in the dual instead.")
    return root


def _brief(shape: Floats) -> str:
    return f"{float(shape):g}" if shape.ndim == 0 else f"<{shape.size} numbers>"
