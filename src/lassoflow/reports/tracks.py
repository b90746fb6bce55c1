"""Paths as the page carries them: values at knots, in single precision, and what holds between them.

Between its knots a lasso path, and every average, is linear in lambda = 1/s, and the limit flow constant: values at the
knots are the whole path. What is known at steps of an integrator only is sampled.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.arrays import Floats
from lassoflow.curve import Polygon
from lassoflow.path import Path

Kind = Literal["linear", "constant", "sampled"]

MOST_NODES = 800
"""Of a track; of a longer path some events are left out, which the page says."""
_SAMPLES = 240
_BLOCK = 2**22
"""How many coefficients are evaluated at once."""
COUNTED = 1e-3
"""The share of the largest coefficient from which on one of a finite network counts as part of the support."""


@dataclass(frozen=True, eq=False)
class Track:
    """One path over some features.

    Attributes
    ----------
    kind : "linear" in 1/s, "constant" or "sampled" (linear in log s)
        What holds from each node to the next.
    s : array of shape (m,)
        The nodes: 0, the knots and, if linear, the end.
    coef : array of shape (m, k)
    l1, dimension : arrays of shape (m,)
        Of all features: the norm at the nodes, and the number of nonzero coefficients from each on.
    loss, loss_between : arrays of shape (m,), or None without data
        The loss at the nodes and, half-way in 1/s, between them: it is quadratic in 1/s.
    whole : bool
        Whether all knots are nodes.
    """

    kind: Kind
    s: Floats
    coef: Floats
    l1: Floats
    dimension: NDArray[np.intp]
    loss: Floats | None
    loss_between: Floats | None
    whole: bool

    def of_response(self, size: float) -> Track:
        """The track for a response so many times larger, whose coefficients already are: earlier, with more loss."""
        loss, between = (None if one is None else one * size**2 for one in (self.loss, self.loss_between))
        return replace(self, s=self.s / size, loss=loss, loss_between=between)

    def to_dict(self) -> dict[str, Any]:
        """As the page has it: numbers in base64, times and losses in double, coefficients in single precision."""
        return {
            "kind": self.kind,
            "s": packed(self.s),
            "coef": packed(self.coef, "<f4"),
            "l1": packed(self.l1, "<f4"),
            "dimension": packed(self.dimension, "<i4"),
            "loss": None if self.loss is None else packed(self.loss),
            "loss_between": None if self.loss_between is None else packed(self.loss_between),
        }


def packed(values: ArrayLike, dtype: str = "<f8") -> str:
    """An array as base64."""
    with np.errstate(over="ignore"):
        return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def track(path: Path, features: Any, scale: Floats, span: tuple[float, float]) -> Track:
    """The track of a path over some features, coefficients times ``scale`` of shape (d,)."""
    exact = isinstance(path.curve, Polygon)
    kind: Kind = "sampled" if not exact else "constant" if path.blend == 0.0 else "linear"
    nodes, whole = _nodes(path, kind, span)
    between = _between(nodes) if kind == "linear" else nodes
    at = _read(path, nodes, features, scale)
    middle = _read(path, between, features, scale) if kind == "linear" else at
    return Track(kind, nodes, at.coef, at.l1, middle.dimension, at.loss, middle.loss, whole)


def _nodes(path: Path, kind: Kind, span: tuple[float, float]) -> tuple[Floats, bool]:
    if kind == "sampled":
        return np.geomspace(span[0], min(span[1], path.domain[1]), _SAMPLES), True
    knots = path.knots[path.knots < path.domain[1]]
    whole = knots.size <= MOST_NODES
    if not whole:
        knots = knots[np.unique(np.linspace(0, knots.size - 1, MOST_NODES).round().astype(int))]
    end = [path.domain[1]] if kind == "linear" else []
    return np.concatenate([[0.0], knots, end]), whole


def _between(nodes: Floats) -> Floats:
    """Times half-way to the next node in 1/s; half-way in s before the first knot, and the last node itself."""
    with np.errstate(divide="ignore"):
        rate = 1.0 / nodes
        middle = 2.0 / (rate[:-1] + rate[1:])
    if nodes.size > 1:
        middle[0] = 0.5 * nodes[1] if np.isfinite(nodes[1]) else 1.0
    return np.append(middle, nodes[-1])


@dataclass(frozen=True, eq=False)
class _Values:
    coef: Floats
    l1: Floats
    dimension: NDArray[np.intp]
    loss: Floats | None


def _read(path: Path, s: Floats, features: Any, scale: Floats) -> _Values:
    """What a path shows at times s, a block of them at a time: d may be large."""
    rows = max(1, _BLOCK // scale.size)
    parts = [_block(path, s[row : row + rows], features, scale) for row in range(0, s.size, rows)]
    loss = None if path.problem is None else np.concatenate([part.loss for part in parts])
    return _Values(
        np.vstack([part.coef for part in parts]),
        np.concatenate([part.l1 for part in parts]),
        np.concatenate([part.dimension for part in parts]),
        loss,
    )


def _block(path: Path, s: Floats, features: Any, scale: Floats) -> _Values:
    values = path(s) if s[-1] < path.domain[1] else np.vstack([path(s[:-1]), path.end])
    loss = None if path.problem is None else np.asarray(path.problem.loss(values), dtype=np.float64)
    values = values * scale
    size = np.abs(values)
    least = COUNTED * size.max(axis=1, keepdims=True) if path.law in ("network", "descent") else 0.0
    return _Values(values[:, features], size.sum(axis=1), (size > least).sum(axis=1), loss)
