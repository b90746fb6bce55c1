"""Gradient descent on the layers of a deep linear network with steps that backtrack.

Steps grow until the loss no longer falls by a fixed share of what its slope promises, and are halved where it does not.
Near critical points they are held at a share of 1 / the largest eigenvalue of the Hessian, so that the rate of
convergence is that of a constant step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lassoflow.arrays import EPS, Floats
from lassoflow.factored_loss import FactoredLoss, norm_of

_SHARE, _GROWTH, _CUT = 0.25, 1.25, 0.5
"""Share of the promised fall that a step must bring; how steps grow and shrink."""
_HELD = 0.8
"""Step times the largest eigenvalue near critical points: short of 1, at which modes would vanish at once."""
_AGAIN = 10.0
"""Change of the gradient after which the largest eigenvalue is looked for again."""
_ROUNDING = 16.0
_POWERS, _SETTLED = 200, 1e-3
"""Of the power iteration: how many at most, and the relative change at which it ends."""


@dataclass
class Steps:
    """A run, step by step.

    Attributes
    ----------
    losses, gradients : lists of n_steps + 1 floats
        The loss, and the norm of its gradient.
    step_sizes : list of n_steps floats
    converged : bool
        Whether the gradient became small enough.
    """

    losses: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    step_sizes: list[float] = field(default_factory=list)
    converged: bool = False


class _Place:
    """Weights, and what is computed there, in one vector each: written over from step to step."""

    def __init__(self, loss: FactoredLoss) -> None:
        sizes = [after * before for before, after in itertools.pairwise(loss.widths)]
        self.weights, self.gradient = np.zeros(sum(sizes)), np.zeros(sum(sizes))
        self.layers, self._slopes = _views(self.weights, loss.widths), _views(self.gradient, loss.widths)
        self._decay = np.repeat(loss.weight_decay, sizes)
        self._target, self._scale = loss.target, loss.input_scale
        self._size = norm_of([loss.target])
        self._inputs: list[Floats] = []
        self._misfit = self._target
        self.loss = self.rounding = np.inf

    def look(self) -> float:
        """The loss, without its constant part, and what of it may be rounding."""
        made = self.layers[0] if self._scale == 1.0 else self._scale * self.layers[0]
        self._inputs = [made]
        for W in self.layers[1:]:
            made = W @ made
            self._inputs.append(made)
        self._misfit = made - self._target
        square = float(np.vdot(self._misfit, self._misfit))
        self.loss = square + float((self._decay * self.weights) @ self.weights)
        self.rounding = _ROUNDING * EPS * (self.loss + self._size * self.loss**0.5)
        return self.loss

    def slope(self) -> float:
        """The norm of the gradient, after :meth:`look`."""
        error = self._misfit
        for layer in range(len(self.layers) - 1, 0, -1):
            np.matmul(error, self._inputs[layer - 1].T, out=self._slopes[layer])
            error = self.layers[layer].T @ error
        np.multiply(self._scale, error, out=self._slopes[0])
        self.gradient += self._decay * self.weights
        self.gradient *= 2.0
        return float(self.gradient @ self.gradient) ** 0.5


def backtrack(
    loss: FactoredLoss,
    start: list[Floats],
    *,
    longest: float,
    max_steps: int,
    enough: float,
    near: float,
    watch: Callable[[int, list[Floats], Steps], None],
) -> Steps:
    """Descend until the gradient is small enough.

    Parameters
    ----------
    loss : FactoredLoss
    start : list of L arrays, W_l of shape (d_l, d_{l-1})
    longest : float
        No step is longer; it may be infinite.
    max_steps : int
    enough, near : float
        Norms of the gradient at which to end, and below which steps are held at a share of 1 / the largest eigenvalue.
    watch : callable
        Told the step, the weights (which are written over) and the run so far, before every step and at the end.

    Returns
    -------
    Steps

    Raises
    ------
    ValueError
        If the loss at the start, or its gradient, is beyond floating point.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.backtracking import backtrack
    >>> from lassoflow.factored_loss import FactoredLoss
    >>> loss, start = FactoredLoss(np.array([[2.0]]), (1, 1, 1), np.array([1.0, 1.0])), 2 * [np.array([[0.5]])]
    >>> options = {"longest": np.inf, "max_steps": 1000, "enough": 1e-9, "near": 0.01}
    >>> run = backtrack(loss, start, watch=lambda *_: None, **options)
    >>> run.converged, round(run.losses[-1], 12)
    (True, 3.0)
    """
    here, there, run = _Place(loss), _Place(loss), Steps()
    with np.errstate(all="ignore"):
        for layer, W in zip(here.layers, start, strict=True):
            layer[:] = W
        here.look()
        slope = here.slope()
        if not np.isfinite(here.loss + slope):
            raise ValueError("The loss at the start, or its gradient, is beyond floating point; start nearer to zero.")
        size, held, seen = min(longest, _held_step(loss, here.layers)) / _GROWTH, longest, 0.0
        for step in itertools.count():
            run.losses.append(here.loss + loss.constant)
            run.gradients.append(slope)
            if slope <= enough:
                run.converged = True
            watch(step, here.layers, run)
            if run.converged or step == max_steps:
                return run
            if slope > near:
                held, seen = longest, 0.0
            elif not seen / _AGAIN < slope < seen * _AGAIN:
                held, seen = min(longest, _held_step(loss, here.layers)), slope
            size = min(size * _GROWTH, held)
            while not _is_accepted(here, there, size, slope):
                size *= _CUT  # in the end the weights stay as they are, and so does the loss
            slope = there.slope()
            run.step_sizes.append(size)
            here, there = there, here
    raise AssertionError  # the count has no end


def _is_accepted(here: _Place, there: _Place, size: float, slope: float) -> bool:
    """Move ``there`` by a step; whether the loss falls enough. What is no number does not."""
    np.multiply(here.gradient, -size, out=there.weights)
    there.weights += here.weights
    return there.look() <= here.loss - _SHARE * size * slope * slope + here.rounding


def _held_step(loss: FactoredLoss, layers: list[Floats]) -> float:
    """A share of 1 / the largest |eigenvalue| of the Hessian, by power iteration from fixed directions."""
    rng = np.random.default_rng(0)
    turn, largest = [rng.standard_normal(W.shape) for W in layers], 0.0
    for _ in range(_POWERS):
        length = norm_of(turn)
        turn = loss.hessian_vector_product(layers, [D / length for D in turn])
        before, largest = largest, norm_of(turn)
        if abs(largest - before) <= _SETTLED * largest:
            break
    return _HELD / largest


def _views(vector: Floats, widths: tuple[int, ...]) -> list[Floats]:
    """The layers that a vector holds one after the other."""
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]
