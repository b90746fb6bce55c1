"""Descent on regularised deep linear networks, from random, balanced, near-critical or given weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats, Ints, read_nonnegative
from lassoflow.backtracking import Steps, backtrack
from lassoflow.critical import CriticalClass
from lassoflow.deep_linear import DeepLinear
from lassoflow.deep_run import DeepDescent
from lassoflow.factored_loss import Layers

_RECORDS = 200
_NEAR = 0.01
"""Share of the natural size of gradients below which steps are held."""
_OFF = 1e-3
"""Size of the perturbation of a critical point, over that of weights."""
_SMALLEST = 1e-140
"""Natural size of gradients from which on no square that matters leaves floating point."""
_FEW = 1000
"""Weights up to which eigenvectors are found to perturb a critical point."""


class DeepProgress(NamedTuple):
    """What a ``callback`` is told at recorded steps; the step size is that of the step before, 0 at the start.

    Examples
    --------
    >>> from lassoflow.deep_descent import DeepProgress
    >>> DeepProgress(step=10, loss=2.0, gradient=0.1, step_size=0.05)
    DeepProgress(step=10, loss=2.0, gradient=0.1, step_size=0.05)
    """

    step: int
    """The number of the step."""
    loss: float
    """F there."""
    gradient: float
    """The norm of its gradient."""
    step_size: float
    """Of the step before."""


def descend(
    problem: DeepLinear,
    start: Literal["random", "balanced"] | CriticalClass | Layers = "random",
    *,
    scale: float | None = None,
    seed: int | np.random.Generator = 0,
    step_size: float | None = None,
    max_steps: int = 100_000,
    tolerance: float = 1e-10,
    record: int | ArrayLike | None = None,
    callback: Callable[[DeepProgress], object] | None = None,
) -> DeepDescent:
    """Gradient descent on the weights, with steps that backtrack.

    A step is halved until the loss falls by a quarter of what its slope promises, and the next one tries to be longer
    by a quarter. Where the gradient is below a hundredth of its natural size, steps are at most 0.8 / M, M the largest
    eigenvalue of the Hessian, looked for again whenever the gradient has changed tenfold: in the end the step is
    constant.

    Parameters
    ----------
    problem : DeepLinear
    start : {"random", "balanced"}, CriticalClass or list of L arrays
        Independent normal entries; random frames with equal singular values of all ``sqrt(lambda_l) W_l``, which are
        uniform on (0, 2); a random member of a class and as much of every eigenvector of the Hessian, with random
        signs, so that all modes are excited (from 1000 weights on, independent normal entries); or weights.
    scale : float, optional
        Of what is random, over the size that the layers have at the fit of the largest singular value without decay; 1
        by default, 1e-3 beside a member of a class.
    seed : int or numpy.random.Generator
    step_size : float, optional
        No step is longer. With a step below ``1 / M`` throughout, all steps have this size.
    max_steps : int
    tolerance : float
        Descend until ``|grad F|`` is at most this share of its natural size, ``2 |Y|_F`` times the largest product of
        all layers but one at the size described above.
    record : int or increasing array of int, optional
        At how many steps weights are kept, evenly in the logarithm, or at which; about 200 of max_steps by default.
        The first and the last are always kept.
    callback : callable, optional
        Called with a :class:`DeepProgress` at recorded steps.

    Returns
    -------
    DeepDescent
        ``print`` gives it in sentences.

    Raises
    ------
    ValueError
        If an argument makes no sense, or the loss at the start is beyond floating point.

    Notes
    -----
    Rates are derived, see docs/theory, section 16.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[2, 2], weight_decay=0.5)
    >>> run = lf.descend(problem, "balanced", seed=3)
    >>> run.converged, run.ended_in.kind, run.distance.upper < 1e-8
    (True, 'global minimum', True)
    >>> from_saddle = lf.descend(problem, next(each for each in problem.critical_points() if each.index == 1))
    >>> from_saddle.ended_in.index
    0
    """
    if not isinstance(problem, DeepLinear):
        raise ValueError(f"problem must be a DeepLinear; got {problem!r}.")
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be callable; got {callback!r}.")
    sizes, natural = _sizes(problem)
    if not _SMALLEST < natural < 1 / _SMALLEST:
        raise ValueError(f"Gradients of this problem are of the order of {natural:.1g}; scale Y and the decay.")
    layers = _start(problem, start, sizes, scale, np.random.default_rng(seed))
    longest = math.inf if step_size is None else _read_positive(step_size, "step_size")
    most, tolerance = _read_count(max_steps, "max_steps", 1), read_nonnegative(tolerance, "tolerance")
    due = set(_read_record(record, most).tolist())
    recorded: dict[int, list[Floats]] = {}

    def watch(step: int, weights: list[Floats], run: Steps) -> None:
        if step in due or run.converged:
            recorded[step] = [W.copy() for W in weights]
            if callback is not None:
                last = run.step_sizes[-1] if step else 0.0
                callback(DeepProgress(step, run.losses[-1], run.gradients[-1], last))

    enough, near = tolerance * natural, _NEAR * natural
    run = backtrack(problem, layers, longest=longest, max_steps=most, enough=enough, near=near, watch=watch)
    return DeepDescent(
        problem=problem,
        losses=np.array(run.losses),
        gradients=np.array(run.gradients),
        step_sizes=np.array(run.step_sizes),
        steps=np.array(list(recorded)),
        recorded=list(recorded.values()),
        converged=run.converged,
        gradient_scale=natural,
    )


def _sizes(problem: DeepLinear) -> tuple[Floats, float]:
    """The size of each layer at the fit of the largest singular value without decay, and that of the gradient.

    Without singular values, of the one at which the weight decay is critical.
    """
    d = problem.directions
    y = max((group.y for group in d.groups), default=d.critical)
    logs = -np.log(problem.weight_decay) / 2
    logs += (math.log(y) - math.log(problem.input_scale) - logs.sum()) / problem.depth
    whole = max(float(np.linalg.norm(problem.target)), y)
    return np.exp(logs), 2.0 * whole * problem.input_scale * math.exp(logs.sum() - logs.min())


def _start(problem: DeepLinear, start: Any, sizes: Floats, scale: float | None, rng: np.random.Generator) -> Any:
    """The first weights."""
    if isinstance(start, CriticalClass):
        factor = _OFF if scale is None else _read_positive(scale, "scale")
        member = problem.read_layers(start.point(rng))
        return _excited(problem, member, factor * float(sizes.min()) / math.sqrt(max(problem.widths)), rng)
    factor = 1.0 if scale is None else _read_positive(scale, "scale")
    if isinstance(start, str) and start == "balanced":
        return _balanced(problem, factor * sizes, rng)
    if isinstance(start, str) and start == "random":
        shapes = zip(problem.widths[1:], problem.widths[:-1], strict=True)
        return [
            factor * size / math.sqrt(max(shape)) * rng.standard_normal(shape)
            for size, shape in zip(sizes.tolist(), shapes, strict=True)
        ]
    if isinstance(start, str) or not isinstance(start, list | tuple):
        raise ValueError(
            f"start must be 'random', 'balanced', a class of critical points or a list of weights; got {start!r}."
        )
    if scale is not None:
        raise ValueError("scale is for random starts; these weights are given.")
    return problem.read_finite(start)


def _balanced(problem: DeepLinear, sizes: Floats, rng: np.random.Generator) -> list[Floats]:
    """Layers that chain, of equal singular values but for their sizes."""
    rank = min(problem.widths)
    frames = [np.linalg.qr(rng.standard_normal((width, rank)))[0] for width in problem.widths]
    values = rng.uniform(0.0, 2.0, rank)
    links = zip(frames[:-1], frames[1:], sizes.tolist(), strict=True)
    return [(after * (size * values)) @ before.T for before, after, size in links]


def _excited(problem: DeepLinear, member: list[Floats], size: float, rng: np.random.Generator) -> list[Floats]:
    """A critical point and, of every eigenvector of the Hessian, a given length with a random sign."""
    cuts = np.cumsum([W.size for W in member])
    if cuts[-1] > _FEW:
        return [W + size * rng.standard_normal(W.shape) for W in member]

    def layered(vector: Floats) -> list[Floats]:
        parts = np.split(vector, cuts[:-1])
        return [part.reshape(W.shape) for part, W in zip(parts, member, strict=True)]

    columns = [problem.hessian_vector_product(member, layered(unit)) for unit in np.eye(cuts[-1])]
    modes = np.linalg.eigh(np.array([np.concatenate([D.ravel() for D in each]) for each in columns]))[1]
    turns = layered(modes @ rng.choice([-size, size], cuts[-1]))
    return [W + D for W, D in zip(member, turns, strict=True)]


def _read_positive(value: Any, argument: str) -> float:
    number = read_nonnegative(value, argument)
    if number == 0.0:
        raise ValueError(f"{argument} must be positive; got {value!r}.")
    return number


def _read_count(value: Any, argument: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{argument} must be a whole number >= {least}; got {value!r}.")
    return int(value)


def _read_record(record: Any, max_steps: int) -> Ints:
    """The steps to record, with 0 and the last."""
    if record is None or np.ndim(record) == 0:
        count = _RECORDS if record is None else _read_count(record, "record", 2)
        steps = np.rint(np.geomspace(1, max_steps, count - 1)).astype(np.intp)
    else:
        steps = np.asarray(record)
        if steps.ndim != 1 or steps.dtype.kind not in "iu" or (np.diff(steps.astype(np.int64)) <= 0).any():
            raise ValueError("record must be a number of steps, or an increasing array of step numbers.")
        if steps.size and not 0 <= steps[0] <= steps[-1] <= max_steps:
            raise ValueError(f"record must hold steps between 0 and max_steps={max_steps}.")
    return np.unique(np.concatenate([[0], steps, [max_steps]]).astype(np.intp))
