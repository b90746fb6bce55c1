"""What descent iterates: the weights of a network, or at depth 2 the factors by which they have grown."""

from __future__ import annotations

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.network import Network, ProductNetwork
from lassoflow.recorded import Effective


class Layers:
    """The weights as the network has them: what is iterated at depth 3 and more, shape (runs, layers, d)."""

    def __init__(self, network: Network, n_features: int) -> None:
        self.network, self.start = network, network.initial_weights(n_features)

    def coef(self, state: Floats) -> Floats:
        """The coefficients, shape (..., d)."""
        return self.network.coefficients(state)

    def move(self, state: Floats, push: Floats) -> Floats:
        """The change of the state, up to the sign, for a step times the gradient in the coefficients."""
        return self.network.pullback(state, push)

    def weights(self, state: Floats) -> Floats:
        """The network's own weights."""
        return state

    def effective(self, state: Floats, pushed: Floats) -> Effective | None:
        """Of records of the state and of the sum of pushes, shape (k + 1, d)."""
        return None


class Squares(Layers):
    """A network of depth 2 as ``x = P^2 - Q^2``: iterated are P and Q as multiples of what they are at the start."""

    def __init__(self, network: Network, n_features: int) -> None:
        weights = network.initial_weights(n_features)
        self.rotated = isinstance(network, ProductNetwork)
        self.kappa = 1.0 if self.rotated else 2.0
        self.base = np.stack([weights[0] + weights[1], weights[0] - weights[1]]) / 2 if self.rotated else weights
        self.signs = np.array([[1.0], [-1.0]])[: len(weights)]
        self.start = np.ones_like(self.base)

    def coef(self, state: Floats) -> Floats:
        """See :meth:`Layers.coef`."""
        squares = np.square(self.base * state)
        return squares[..., 0, :] - squares[..., 1, :] if len(self.base) == 2 else squares[..., 0, :]

    def move(self, state: Floats, push: Floats) -> Floats:
        """See :meth:`Layers.move`."""
        return state * (self.kappa * self.signs * push[..., None, :])

    def weights(self, state: Floats) -> Floats:
        """See :meth:`Layers.weights`."""
        p = self.base * state
        return np.stack([p[..., 0, :] + p[..., 1, :], p[..., 0, :] - p[..., 1, :]], axis=-2) if self.rotated else p

    def effective(self, state: Floats, pushed: Floats) -> Effective:
        """See :meth:`Layers.effective`."""
        accumulated = -2.0 * self.kappa * pushed
        with np.errstate(divide="ignore"):
            logs = 2.0 * (np.log(np.abs(self.base)) + np.log(np.abs(state)))
        upper = logs[..., 0, :] - accumulated
        lower = logs[..., 1, :] + accumulated if len(self.base) == 2 else np.full_like(upper, -np.inf)
        return Effective(upper, lower, accumulated)
