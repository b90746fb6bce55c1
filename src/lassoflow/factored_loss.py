"""The squared loss of a product of layers with weight decay: value, gradient, Hessian-vector product, balancedness."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lassoflow.arrays import Floats, as_floats

Layers = Sequence[Floats]


class FactoredLoss:
    """``F(W) = |a W_L ... W_1 - T|_F^2 + sum_l lambda_l |W_l|_F^2 + constant``, without factors of 1/2.

    Parameters
    ----------
    target : array of shape (d_L, d_0)
        T.
    widths : tuple of int
        ``(d_0, ..., d_L)``; W_l has shape ``(d_l, d_{l-1})``.
    weight_decay : array of shape (L,)
        lambda_1 to lambda_L.
    input_scale : float
        a, the scale of the inputs.
    constant : float
        The part of the loss that no weights can change.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.factored_loss import FactoredLoss
    >>> loss = FactoredLoss(np.array([[2.0]]), (1, 1, 1), np.array([0.5, 0.5]))
    >>> loss.loss([[[1.0]], [[1.0]]]), loss.gradient([[[1.0]], [[1.0]]])[0]
    (2.0, array([[-1.]]))
    """

    def __init__(
        self,
        target: Floats,
        widths: tuple[int, ...],
        weight_decay: Floats,
        input_scale: float = 1.0,
        constant: float = 0.0,
    ) -> None:
        self.target, self.widths, self.weight_decay = target, widths, weight_decay
        self.input_scale, self.constant = input_scale, constant

    @property
    def depth(self) -> int:
        """The number of layers, L."""
        return len(self.widths) - 1

    def loss(self, weights: Layers) -> float:
        """F at some weights.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        float
            With the constant part.

        Raises
        ------
        ValueError
            If the weights do not have these shapes.
        """
        layers = self.read_layers(weights)
        misfit = self._inputs_of(layers)[-1] - self.target
        decay = sum(rate * float(np.sum(W * W)) for rate, W in zip(self.weight_decay.tolist(), layers, strict=True))
        return float(np.sum(misfit * misfit)) + decay + self.constant

    def gradient(self, weights: Layers) -> list[Floats]:
        """The gradient of F, a list of arrays shaped as the weights.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        list of L arrays

        Raises
        ------
        ValueError
            If the weights do not have these shapes.
        """
        layers = self.read_layers(weights)
        inputs = self._inputs_of(layers)
        errors = _errors(layers, inputs[-1] - self.target)
        return [
            2.0 * (E @ A.T + rate * W)
            for E, A, rate, W in zip(errors, inputs[:-1], self.weight_decay, layers, strict=True)
        ]

    def hessian_vector_product(self, weights: Layers, directions: Layers) -> list[Floats]:
        """The Hessian of F at some weights times directions, at the cost of three gradients.

        Parameters
        ----------
        weights, directions : lists of L arrays of shape (d_l, d_{l-1})

        Returns
        -------
        list of L arrays

        Raises
        ------
        ValueError
            If the weights or the directions do not have these shapes.
        """
        layers, turns = self.read_layers(weights), self.read_layers(directions, "directions")
        inputs = self._inputs_of(layers)
        moved = [np.zeros_like(inputs[0])]
        for W, D, A in zip(layers, turns, inputs[:-1], strict=True):
            moved.append(D @ A + W @ moved[-1])
        errors = _errors(layers, inputs[-1] - self.target)
        changes = [moved[-1]]
        for W, D, E in zip(layers[:0:-1], turns[:0:-1], errors[:0:-1], strict=True):
            changes.append(D.T @ E + W.T @ changes[-1])
        return [
            2.0 * (dE @ A.T + E @ dA.T + rate * D)
            for dE, A, E, dA, rate, D in zip(
                changes[::-1], inputs[:-1], errors, moved[:-1], self.weight_decay, turns, strict=True
            )
        ]

    def balancedness(self, weights: Layers) -> Floats:
        """How far neighbouring layers are from balance: 0 at every critical point, and at the end of every descent.

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        array of shape (L - 1,)
            ``|lambda_l W_l W_l' - lambda_{l+1} W_{l+1}' W_{l+1}|_F``, as a share of the larger of the two norms; 0
            where both are.

        Raises
        ------
        ValueError
            If the weights do not have these shapes.
        """
        layers, found = self.read_layers(weights), []
        for layer in range(self.depth - 1):
            before = self.weight_decay[layer] * layers[layer] @ layers[layer].T
            after = self.weight_decay[layer + 1] * layers[layer + 1].T @ layers[layer + 1]
            size = max(norm_of([before]), norm_of([after]))
            found.append(norm_of([before - after]) / (size or 1.0))
        return np.array(found)

    def product(self, weights: Layers) -> Floats:
        """The map that the layers make, ``W_L ⋯ W_1``, shape (d_L, d_0).

        Parameters
        ----------
        weights : list of L arrays, W_l of shape (d_l, d_{l-1})

        Returns
        -------
        array of shape (d_L, d_0)

        Raises
        ------
        ValueError
            If the weights do not have these shapes.
        """
        layers = self.read_layers(weights)
        made = layers[0]
        for W in layers[1:]:
            made = W @ made
        return made

    def read_layers(self, weights: Layers, argument: str = "weights") -> list[Floats]:
        """L arrays of the right shapes; the first that is not is named in the error."""
        if len(weights) != self.depth:
            raise ValueError(f"{argument} must be a list of {self.depth} layers; got {len(weights)}.")
        layers = [as_floats(W, f"{argument}[{layer}]") for layer, W in enumerate(weights)]
        for layer, W in enumerate(layers):
            shape = (self.widths[layer + 1], self.widths[layer])
            if W.shape != shape:
                raise ValueError(f"{argument}[{layer}] must have shape {shape}; got {W.shape}.")
        return layers

    def read_finite(self, weights: Layers) -> list[Floats]:
        """L finite arrays of the right shapes."""
        layers = self.read_layers(weights)
        for layer, W in enumerate(layers):
            if not np.isfinite(W).all():
                raise ValueError(f"weights[{layer}] must be finite.")
        return layers

    def _inputs_of(self, layers: list[Floats]) -> list[Floats]:
        """What every layer receives from scaled unit inputs; the last entry is the output."""
        inputs = [self.input_scale * np.eye(self.widths[0])]
        for W in layers:
            inputs.append(W @ inputs[-1])
        return inputs


def _errors(layers: list[Floats], misfit: Floats) -> list[Floats]:
    """The misfit carried back to the output of every layer."""
    errors = [misfit]
    for W in layers[:0:-1]:
        errors.append(W.T @ errors[-1])
    return errors[::-1]


def norm_of(layers: Layers) -> float:
    """The Frobenius norm of all layers together; squares neither overflow nor vanish.

    Examples
    --------
    >>> from lassoflow.factored_loss import norm_of
    >>> norm_of([[[3e200]], [[4e200]]]) <= 5e200
    True
    """
    largest = max((float(np.abs(W).max(initial=0.0)) for W in layers), default=0.0)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(sum(float(np.sum((np.asarray(W) / largest) ** 2)) for W in layers))
