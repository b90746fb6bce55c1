"""What every diagonal linear network has: weights, a scale, a clock and a map of the dual.

A network is made of *weights*, an array of shape (layers, d); scales are scales of the coefficients.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import Floats
from lassoflow.box import Box
from lassoflow.branches import Branches

Clock = Literal["lasso", "training"]

_LARGEST = 650.0

KINDS: dict[str, type[Network]] = {}
"""The networks that files may name: every subclass that has been defined."""


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
    arguments: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers and arrays that a network is made from besides its scale: of keywords and of attributes."""

    def __init_subclass__(cls) -> None:
        """Note the kind under its name, by which files tell it; the last one of a name counts."""
        super().__init_subclass__()
        known = KINDS.get(cls.__name__)
        if known and known.__module__.startswith("lassoflow.") and known.__module__ != cls.__module__:
            raise TypeError(
                f"{cls.__name__} is a network of lassoflow's own, and files tell them by name: choose another."
            )
        KINDS[cls.__name__] = cls

    def __init__(self, scale: float | None, log_scale: float | None) -> None:
        self.log_scale = read_scale(scale, log_scale)

    @property
    def scale(self) -> float:
        """The scale of the coefficients; 0 where it is below the smallest float."""
        return math.exp(self.log_scale)

    @property
    def clock(self) -> Clock:
        """What s is: lasso time, or training time itself, at depth 2 from a scale of 1 on."""
        return "training" if self.depth == 2 and self.log_scale >= 0 else "lasso"

    @property
    @abstractmethod
    def unit(self) -> float:
        """Training time per time s; 1 where s is training time, inf where it overflows."""

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
        """Training time at time s: lasso time, if the network has that clock."""
        return self.unit * np.asarray(s, dtype=np.float64)

    def lasso_time(self, t: ArrayLike) -> Any:
        """The time s at training time t: lasso time, if the network has that clock."""
        return np.asarray(t, dtype=np.float64) / self.unit

    def faces(self, n_features: int, weight_decay: float = 0.0) -> Box:
        """Where the branches have their faces, as a box. It is one for a lasso only if :meth:`box` says so."""
        branches = self.branches(n_features, weight_decay)
        upper, lower = branches.faces()
        return Box(lower, upper, branches.decay)

    def box(self, n_features: int, weight_decay: float = 0.0) -> Box:
        """The network's own box: the penalty factors of the lasso and the limit flow it is to be compared with.

        Raises
        ------
        ValueError
            If there is none: without a lasso clock, or where the network starts from coefficients of 1 or more.
        """
        reason = self.reason_without_box(n_features)
        if reason:
            raise ValueError(reason)
        return self.faces(n_features, weight_decay)

    def reason_without_box(self, n_features: int) -> str | None:
        """Why there is no box, no limit flow and no lasso to compare with; None where there is."""
        if self.clock == "training":
            return (
                f"{self!r} has no lasso clock: at depth 2 that takes a scale below 1. Beyond, in the kernel regime, "
                "there is training time only, and no lasso to compare with."
            )
        faces = self.faces(n_features)
        if not (np.minimum(faces.upper, faces.lower) > 0).all():
            return f"{self!r} starts from coefficients of 1 or more; it has no box, no lasso to compare with."
        return None

    def to_arrays(self) -> dict[str, Any]:
        """The network as named arrays: its kind, the logarithm of its scale, and its other arguments."""
        arguments = {f"network_{name}": np.asarray(getattr(self, name)) for name in self.arguments}
        return {"network": type(self).__name__, "network_log_scale": self.log_scale, **arguments}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The network of this kind that :meth:`to_arrays` wrote.

        Raises
        ------
        KeyError, ValueError
            If an array is missing or is none of such a network.
        """
        log_scale = arrays["network_log_scale"].item()
        found = {name: arrays[f"network_{name}"] for name in cls.arguments}
        arguments: dict[str, Any] = {name: value if value.ndim else value.item() for name, value in found.items()}
        return cls(log_scale=log_scale, **arguments)

    def __repr__(self) -> str:
        size = f"scale={self.scale:g}" if self.log_scale > -700 else f"log_scale={self.log_scale:g}"
        return f"{type(self).__name__}({', '.join([*self._arguments(), size])})"

    def _arguments(self) -> list[str]:
        return [f"{name}={brief(np.asarray(getattr(self, name)))}" for name in self.arguments]


def network_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Network:
    """The network of any kind that :meth:`Network.to_arrays` wrote.

    Raises
    ------
    KeyError, ValueError
        If its kind is not known, or an array is missing or is none of such a network.
    """
    kind = str(arrays["network"])
    if kind not in KINDS:
        raise ValueError(f"it holds a network of the unknown kind {kind!r}; import what defines it first")
    return KINDS[kind].from_arrays(arrays)


def read_scale(scale: float | None, log_scale: float | None) -> float:
    """The logarithm of a scale, from one of the two."""
    if (scale is None) == (log_scale is None):
        raise ValueError("Give one of scale and log_scale.")
    if scale is not None:
        if not isinstance(scale, Real) or not 0 < scale <= math.exp(_LARGEST):
            raise ValueError(
                f"scale must be a positive number (log_scale for scales below 1e-308; at most 1e282); got {scale!r}."
            )
        return math.log(scale)
    if not isinstance(log_scale, Real) or not math.isfinite(log_scale):
        raise ValueError(f"log_scale must be a finite number; got {log_scale!r}.")
    if log_scale > _LARGEST:
        raise ValueError(f"log_scale must be at most {_LARGEST:g}, lest coefficients overflow; got {log_scale!r}.")
    return float(log_scale)


def read_shape(value: ArrayLike, name: str) -> Floats:
    """A finite number, or an array of shape (d,) of them."""
    try:
        shape = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a finite number or an array of shape (d,) of them.") from None
    if shape.ndim > 1 or not np.isfinite(shape).all():
        raise ValueError(f"{name} must be a finite number or an array of shape (d,) of them.")
    return shape


def broadcast(shape: Floats, n_features: int) -> Floats:
    """A shape for each of d features."""
    if shape.ndim and shape.shape != (n_features,):
        raise ValueError(f"The network's shape has length {shape.size}; the problem has {n_features} features.")
    return np.broadcast_to(shape, (n_features,))


def root_of(log_scale: float, depth: int) -> float:
    """What a weight of 1 starts from: ``scale^(1/depth)``."""
    root = math.exp(log_scale / depth)
    if root == 0.0:
        raise ValueError(f"Weights at log_scale={log_scale:g} are below the smallest float; train in the dual instead.")
    return root


def brief(shape: Floats) -> str:
    """A shape as the name of a network shows it."""
    return f"{float(shape):g}" if shape.ndim == 0 else f"<{shape.size} numbers>"
