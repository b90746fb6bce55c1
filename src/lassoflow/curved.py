"""Curves of lasso solutions that are not polygons: cubic between nodes in lambda, within a stated tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Side, check_side


@dataclass(frozen=True, slots=True)
class Curved:
    """x over the penalty lambda = 1/s by Hermite interpolation; ``z = s x``, so that x is the average.

    Attributes
    ----------
    lambdas : array of shape (k,)
        Penalties of the nodes, descending; at larger ones x is that of the first node. The last may be 0.
    events : array of bool, shape (k,)
        Which nodes are events, where the derivative jumps.
    values, after, before : sparse arrays of shape (k, d)
        x at the nodes, ``dx / d lambda`` on the side of smaller penalties, and on that of larger ones.
    stop : float
        The s at which the curve ends.
    rtol : float
        The largest error of x over its largest entry that was allowed.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from lassoflow.curved import Curved
    >>> nodes = [sp.csr_array(np.array(rows)) for rows in ([[0.0], [1.0]], [[-2.0], [0.0]], [[0.0], [0.0]])]
    >>> curve = Curved(np.array([1.0, 0.0]), np.array([True, False]), *nodes, np.inf, 1e-6)
    >>> curve.average(np.array([0.5, 1.0, 2.0, np.inf]), "right").ravel()
    array([0.  , 0.  , 0.75, 1.  ])
    """

    lambdas: Floats
    events: NDArray[np.bool_]
    values: sp.csr_array
    after: sp.csr_array
    before: sp.csr_array
    stop: float
    rtol: float

    exact = False

    @property
    def knots(self) -> Floats:
        """See :attr:`Curve.knots`."""
        return 1.0 / self.lambdas[self.events]

    @property
    def mesh(self) -> Floats:
        """See :attr:`Curve.mesh`."""
        return 1.0 / self.lambdas[self.lambdas > 0]

    def average(self, s: Floats, side: Side) -> Floats:
        """See :meth:`Curve.average`."""
        return self._at(s, side)[0]

    def slope(self, s: Floats, side: Side) -> Floats:
        """See :meth:`Curve.slope`: ``z' = x - lambda dx / d lambda``."""
        x, rate, lam = self._at(s, side)
        return x - lam[:, None] * rate

    def _at(self, s: Floats, side: Side) -> tuple[Floats, Floats, Floats]:
        """x, its derivative by lambda, and lambda."""
        check_side(side)
        with np.errstate(divide="ignore"):
            lam = 1.0 / s
        segment = self._segment(lam, side)
        first, last = segment < 0, self.lambdas.size - 2
        i = np.clip(segment, 0, max(last, 0))
        j = np.minimum(i + 1, self.lambdas.size - 1)
        width = np.where(j > i, self.lambdas[i] - self.lambdas[j], 1.0)
        t = np.clip((self.lambdas[i] - np.where(first, self.lambdas[0], lam)) / width, 0.0, 1.0)[:, None]
        start, end = self.values[i].toarray(), self.values[j].toarray()
        rise, fall = (-width[:, None] * part.toarray() for part in (self.after[i], self.before[j]))
        bump, change = end - start, t * (1.0 - t)
        x = start + t * bump + change * ((1.0 - t) * (rise - bump) - t * (fall - bump))
        rate = (
            bump + (1.0 - 2.0 * t) * ((1.0 - t) * (rise - bump) - t * (fall - bump)) - change * (rise + fall - 2 * bump)
        )
        rate = np.where(first[:, None], 0.0, rate / -width[:, None])
        return x, rate, np.where(first, 0.0, np.where(np.isinf(lam), 0.0, lam))

    def _segment(self, lam: Floats, side: Side) -> Ints:
        """The node before each penalty, -1 before the first; at a node the one that starts there, if that is right."""
        return np.searchsorted(-self.lambdas, -lam, side=side) - 1

    def active(self) -> NDArray[np.bool_]:
        """See :meth:`Curve.active`."""
        return np.asarray((self.values != 0).sum(axis=0) > 0)

    def to_arrays(self) -> dict[str, Any]:
        """See :meth:`Curve.to_arrays`."""
        arrays: dict[str, Any] = {"lambdas": self.lambdas, "events": self.events, "stop": self.stop, "rtol": self.rtol}
        for name in ("values", "after", "before"):
            matrix = getattr(self, name)
            arrays |= {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> Curved:
        """The curve that :meth:`to_arrays` wrote."""
        shape, parts = (arrays["lambdas"].size, n_features), ("data", "indices", "indptr")
        values, after, before = (
            sp.csr_array(tuple(arrays[f"{name}_{part}"] for part in parts), shape=shape)
            for name in ("values", "after", "before")
        )
        stop, rtol = float(arrays["stop"]), float(arrays["rtol"])
        return cls(arrays["lambdas"], arrays["events"].astype(np.bool_), values, after, before, stop, rtol)
