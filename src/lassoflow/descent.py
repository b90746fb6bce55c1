"""Gradient descent and stochastic gradient descent on the weights of a diagonal network.

The discretisation that people run, as opposed to the flow it approximates: steps of finite size, batches, momentum,
label noise. A run is a path like the others; its z is the sum of the coefficients over *all* steps, times the lasso
time of one. For all rows and no momentum or decay ``theta = s r - M z`` is then exactly the accumulated negative
gradient.

At depth 2 a step multiplies: with g the gradient in the coefficients and ``x = P^2 - Q^2``,

    P <- (1 - kappa eta g) P,    Q <- (1 + kappa eta g) Q,

where kappa = 1 and (P, Q) = (u + v, u - v) / 2 for products, kappa = 2 and (P, Q) = (u, v) for squares. The products
of these factors are what is iterated: u + v and u - v may differ by more digits than a float has.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import lsqr

from lassoflow.arrays import Floats, Ints, read_nonnegative
from lassoflow.batches import Chance, Rows
from lassoflow.iterates import Layers, Squares
from lassoflow.network import Network, PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.path import Frame, Path, Status
from lassoflow.problem import LeastSquares
from lassoflow.recorded import Recorded

_RECORDS = 200
_DIVERGED = 1e6
"""Growth of the loss from which no run comes back."""
_FITS, _MARGIN, _CURVATURE = 20, 2.0, 0.5
"""Of the automatic step: conjugate gradient steps, the margin on coefficients, step size times curvature."""


class DescentProgress(NamedTuple):
    """What a ``callback`` is told at recorded steps: the step, its lasso time and the loss (of several runs: the mean).

    Examples
    --------
    >>> import lassoflow.descent as ld
    >>> ld.DescentProgress(step=10, s=0.5, loss=2.0)
    DescentProgress(step=10, s=0.5, loss=2.0)
    """

    step: int
    """The number of the step."""
    s: float
    """Its lasso time."""
    loss: float
    """Of all rows."""


class _Diverged(Exception):
    """A run's loss has grown beyond all measure: the step and the number of the run."""


class _Record:
    """What is kept of the recorded steps, and which runs are still going."""

    def __init__(self, steps: Ints, runs: int) -> None:
        self.steps = steps
        self.going = np.ones(runs, dtype=bool)
        self.count = np.zeros(runs, dtype=np.intp)
        self.rows: list[tuple[Floats, ...]] = []

    def add(self, *rows: Floats) -> None:
        """Arrays of shape (runs, ...) at the next recorded step."""
        self.rows.append(rows)
        self.count[self.going] += 1

    def of(self, run: int) -> list[Floats]:
        """The arrays of one run, shape (k + 1, ...), up to where it ended."""
        kept = self.rows[: self.count[run]]
        return [np.stack([rows[part][run] for rows in kept]) for part in range(len(kept[0]))]


class _Rates(NamedTuple):
    """Of one step, in the user's units: its size, the momentum and the coefficient of w in the gradient."""

    size: float
    momentum: float
    decay: float


def _descend(
    parameters: Layers, rows: Rows, rates: _Rates, record: _Record, watch: Callable[[int, Floats, Floats], None]
) -> None:
    """Run until the last recorded step or until no run is going.

    Records (coefficients, averages, state, summed pushes, losses); ``watch`` is told step, coefficients and losses.
    """
    runs, n_steps = record.going.size, int(record.steps[-1])
    state = np.repeat(parameters.start[None], runs, axis=0)
    velocity = np.zeros_like(state)
    total, pushed = np.zeros((2, *parameters.coef(state).shape))
    eta = float(np.ldexp(rates.size, 2 * rows.units.target)) / rows.chance.rows
    limit, recorded = math.inf, iter(record.steps.tolist())
    due = next(recorded)
    with np.errstate(all="ignore"):
        for step in range(n_steps + 1):
            coef = parameters.coef(state)
            if step == due:
                squares = rows.squares(coef)
                if step == 0:
                    noise = float(rows.noise @ rows.noise)
                    limit = _DIVERGED * (max(float(squares.max()), float(rows.target @ rows.target)) + noise)
                _refuse_divergence(squares, limit, record.going, step)
                losses = rows.loss(squares)
                record.add(coef, total / step if step else coef, state.copy(), pushed.copy(), losses)
                watch(step, coef, losses)
                if step == n_steps or not record.going.any():
                    return
                due = next(recorded)
            residual, push = rows.gradient(coef, step)
            # the squares of a batch are part of those of all rows: beyond the limit, the loss is too
            if not float(np.vdot(residual, residual)) <= limit:
                _refuse_divergence(np.square(residual).sum(axis=1), limit, record.going, step)
            push *= eta
            total += coef
            pushed += push
            move = parameters.move(state, push)
            if rates.decay:
                move += (rates.size * rates.decay) * state
            if rates.momentum:
                velocity *= rates.momentum
                velocity += move
                move = velocity
            state -= move


def _refuse_divergence(squares: Floats, limit: float, going: Any, step: int) -> None:
    bad = going & ~(squares <= limit)
    if bad.any():
        raise _Diverged(step, int(bad.argmax()))


def gradient_descent(
    problem: LeastSquares,
    network: Network,
    *,
    step_size: float | None = None,
    n_steps: int = 10_000,
    batch_size: int | None = None,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    label_noise: float = 0.0,
    seed: int | Sequence[int] | None = None,
    record: int | ArrayLike | None = None,
    stop_when: float | Callable[[int, Floats], bool] | None = None,
    callback: Callable[[DescentProgress], object] | None = None,
) -> Path | list[Path]:
    """Gradient descent on the weights of a diagonal network, with batches, momentum and label noise where asked for.

    A step takes ``w <- w - step_size * v`` with ``v <- momentum * v + gradient`` (heavy ball), and counts
    ``step_size / (1 - momentum)`` of training time, the time of the flow that momentum approximates.

    With an intercept, the centring is that of all the data, also in batches; weighted rows are drawn as often as
    others and count by their weight. Scales whose weights are no floats are for :func:`lassoflow.gradient_flow`.

    Parameters
    ----------
    problem : LeastSquares
        n samples, d features. X is held in memory, dense.
    network : Network
        With its scale.
    step_size : float, optional
        By default such that a bound on the curvature of the loss in the weights, times the step, is at most 1/2
        where the coefficients are twice those of a fit on a single column or of 20 conjugate gradient steps; for
        batches of the expected curvature; with momentum such that a step takes the same training time. A guess, not a
        guarantee: the loss has no curvature bound that holds for all weights.
    n_steps : int
        At most so many steps.
    batch_size : int, optional
        Rows of each step, drawn without replacement; all by default.
    momentum : float
        In [0, 1).
    weight_decay : float
        lambda of ``(lambda / 2) (|u|^2 + |v|^2)`` for products, ``lambda |w|^2`` for squares, ``(lambda / 2) |w|^2``
        at depth 3 and more. There it has no box of its own, and the path has the box without it.
    label_noise : float
        Standard deviation of the Gaussian noise that is added to the labels anew at each step.
    seed : int or sequence of int, optional
        Of batches and noise. A sequence makes as many runs at once, each the same as with its seed alone: bit by bit
        with a ``batch_size`` below n, up to rounding otherwise.
    record : int or increasing array of int, optional
        How many steps to record, evenly in the logarithm, or which ones; about 200 by default. Step 0 and the last
        are always recorded. The averages count every step, however few are recorded.
    stop_when : float or callable, optional
        Stop as soon as the loss of all rows is at or below it, or ``stop_when(step, coef)`` is true. Looked at at
        recorded steps only.
    callback : callable, optional
        Called with a :class:`DescentProgress` at recorded steps.

    Returns
    -------
    Path or list of Path
        A list if ``seed`` is a sequence. ``path(s)`` is the coefficients at lasso time s, exact at recorded steps;
        ``path.curve`` is a :class:`Recorded`, with the losses, the weights and the effective initialisation.

    Raises
    ------
    ValueError
        If the network does not fit the problem, or an argument makes no sense.
    ArithmeticError
        If the loss grows beyond a million times what it was.

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.descent import gradient_descent
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> network = lf.ProductNetwork(scale=1e-8)
    >>> run = gradient_descent(problem, network, n_steps=4000)
    >>> run.end.round(4)
    array([ 2.6667, -1.3333])
    >>> lf.gradient_flow(problem, network)(2.0).round(3), run(2.0).round(3)
    (array([1.6, 0. ]), array([1.6, 0. ]))
    >>> many = gradient_descent(problem, network, batch_size=1, n_steps=5000, seed=[0, 1, 2])
    >>> [bool((abs(path.end - run.end) < 1e-3).all()) for path in many]
    [True, True, True]
    """
    n, d = problem.design.shape
    n_steps = _read_count(n_steps, "n_steps", 1)
    batch = None if batch_size is None else _read_count(batch_size, "batch_size", 1, n)
    batch = None if batch == n else batch
    momentum = read_nonnegative(momentum, "momentum")
    if momentum >= 1.0:
        raise ValueError(f"momentum must lie in [0, 1); got {momentum!r}.")
    decay, noise = read_nonnegative(weight_decay, "weight_decay"), read_nonnegative(label_noise, "label_noise")
    seeds = _read_seeds(seed)
    stops = _read_stop(stop_when)
    steps = _read_record(record, n_steps)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be callable; got {callback!r}.")
    if math.isinf(network.unit):
        raise ValueError(f"{network!r} has a lasso clock beyond floating point; train it with gradient_flow.")
    box = network.faces(d, decay if network.depth == 2 else 0.0)

    total_decay = network.decay_factor * decay

    def safe_step() -> float:
        return _automatic_step(problem, network, batch or n, total_decay) * (1.0 - momentum)

    size = safe_step() if step_size is None else read_nonnegative(step_size, "step_size")
    if size == 0.0:
        raise ValueError(f"step_size must be positive; got {step_size!r}.")
    tick = size / (1.0 - momentum)
    kept = _Record(steps, len(seeds))

    def watch(step: int, coef: Floats, losses: Floats) -> None:
        if callback is not None:
            mean = float(losses[kept.going].mean())
            callback(DescentProgress(step, float(network.lasso_time(step * tick)), mean))
        if stops is not None:
            for run in np.flatnonzero(kept.going).tolist():
                kept.going[run] = not stops(step, coef[run], float(losses[run]))

    parameters = _parameters(network, d)
    rows = Rows(problem, Chance(seeds, n, batch, noise > 0), noise, n_steps)
    try:
        _descend(parameters, rows, _Rates(size, momentum, total_decay), kept, watch)
    except _Diverged as error:
        step, run = error.args
        which = "" if seeds[run] is None else f" (seed {seeds[run]})"
        raise ArithmeticError(
            f"Gradient descent{which} diverged at step {step} with step_size={size:.4g}; "
            f"try step_size={min(safe_step(), size / 4):.2g}."
        ) from None
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    identity, times, paths = not momentum and not decay, network.lasso_time(steps * tick), []
    for run in range(len(seeds)):
        curve = _curve(kept, run, parameters, times, size, identity)
        status: Status = "complete" if kept.going[run] else "stopped"
        paths.append(Path(curve, "descent", problem, box, frame, status, 0.0, network))
    return paths if _is_many(seed) else paths[0]


def _curve(record: _Record, run: int, parameters: Layers, times: Floats, step_size: float, identity: bool) -> Recorded:
    slopes, averages, state, pushed, losses = record.of(run)
    return Recorded(
        knots=times[1 : len(slopes)],
        averages=averages,
        slopes=slopes,
        stop=float(times[len(slopes) - 1]),
        steps=record.steps[: len(slopes)],
        losses=losses,
        weights=parameters.weights(state),
        step_size=step_size,
        effective=parameters.effective(state, pushed) if identity else None,
    )


def _parameters(network: Network, n_features: int) -> Layers:
    squares = isinstance(network, ProductNetwork | SquareNetwork | PowerNetwork) and network.depth == 2
    return (Squares if squares else Layers)(network, n_features)


def _automatic_step(problem: LeastSquares, network: Network, batch_size: int, decay: float) -> float:
    """A step size at which gradient descent is stable where the coefficients are of the size of the data's.

    The Hessian in the weights is ``J' M J`` plus terms in the gradient, which vanish at an interpolating solution and
    are smaller on the way from zero. J is diagonal in the coordinates, and ``x' = -|J|^2 grad l`` along the flow:
    ``|J_j|^2`` is the derivative of phi over the time unit, for every network. Two bounds hold for the largest
    eigenvalue, and the smaller is taken: that of M times the largest ``|J_j|^2``; and the trace ``sum M_jj |J_j|^2``,
    which is at most ``max M_jj`` times ``|J|^2`` at the sum of all ``|x_j|``, as that is linear or convex in x, plus
    what coordinates at rest contribute. The flow from a small scale tends to the least such sum; any fit's is above.

    For random batches of B rows, ``E M_B^2 <= L M`` with L the mean of M's eigenvalue and the longest row's square,
    weighted n (B - 1) / (B (n - 1)) and (n - B) / (B (n - 1)): L takes the place of the eigenvalue, and the row's is
    bounded in the same two ways. Decay adds its own curvature.
    """
    n, d = problem.design.shape
    matrix, units = problem.design.columns(np.arange(d)), problem.units
    start = network.initial_weights(d)
    with np.errstate(all="ignore"):
        at_start = float(np.square(network.pullback(start, np.ones(d))).sum(axis=0).max())
        largest, cumulated = (units.coef(size) for size in _expected_sizes(problem, matrix))
        peak, crowd = (math.sqrt(max(at_start, _metric(network, d, float(size)))) for size in (largest, cumulated))
        rest, root = math.sqrt(at_start) * float(np.linalg.norm(matrix)), math.sqrt(n)
        norm = float(problem.design.norms.max())
        whole = min(_largest_singular(matrix) * peak, math.hypot(norm * crowd, rest)) / root
        row = float(np.sqrt(np.square(matrix).sum(axis=1).max()))
        row = min(row * peak, math.hypot(float(np.abs(matrix).max()) * crowd, rest))
        share = n * (batch_size - 1) / (batch_size * (n - 1)) if n > 1 else 1.0
        other = (n - batch_size) / (batch_size * (n - 1)) if n > 1 else 0.0
        # roots up to here: a square may be beyond floating point where the product with the metric is not
        root_curvature = float(np.ldexp(math.hypot(math.sqrt(share) * whole, math.sqrt(other) * row), units.design))
        curvature = root_curvature * root_curvature + decay
    if not 0.0 < curvature < math.inf:
        return 1.0  # X is zero and nothing moves, or the data are such that a step has to be given
    return _CURVATURE / curvature


def _expected_sizes(problem: LeastSquares, matrix: Floats) -> tuple[Floats, Floats]:
    """The largest coefficient and the sum of all, with a margin, in working units."""
    single = problem.largest_single_fit
    fit = np.abs(lsqr(matrix, problem.target, iter_lim=_FITS)[0])
    return _MARGIN * np.maximum(single, fit.max()), _MARGIN * np.maximum(single, fit.sum())


def _metric(network: Network, n_features: int, size: float) -> float:
    """The largest ``|J_j|^2`` at coefficients of a size."""
    branches = network.branches(n_features)
    gaps = branches.gaps(branches.dual(np.full(n_features, size)))
    return float(np.max(branches.derivative(gaps))) / network.unit


def _largest_singular(matrix: Floats) -> float:
    """The largest singular value, by power iteration from a random start: below it by a few per cent at most."""
    vector = np.random.default_rng(0).standard_normal((matrix.shape[1],))
    value = 0.0
    for _ in range(30):
        vector = matrix.T @ (matrix @ vector)
        value = math.sqrt(float(vector @ vector))
        if value == 0.0:
            return 0.0
        vector /= value
    return math.sqrt(value)


def _read_count(value: Any, argument: str, least: int, most: int | None = None) -> int:
    """A whole number in a range."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{argument} must be a whole number; got {value!r}.") from None
    if number < least or (most is not None and number > most):
        span = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{argument} must be {span}; got {value!r}.")
    return number


def _is_many(seed: Any) -> bool:
    return seed is not None and np.ndim(seed) > 0


def _read_seeds(seed: Any) -> list[int | None]:
    if seed is None:
        return [None]
    if not _is_many(seed):
        return [_read_count(seed, "seed", 0)]
    if len(seed) == 0:
        raise ValueError("seed must be a whole number or a sequence of at least one; it is empty.")
    return [_read_count(one, "seed", 0) for one in seed]


def _read_stop(stop_when: Any) -> Callable[[int, Floats, float], bool] | None:
    """The rule as a function of step, coefficients and loss."""
    if stop_when is None:
        return None
    if callable(stop_when):
        return lambda step, coef, loss: bool(stop_when(step, coef.copy()))
    least = read_nonnegative(stop_when, "stop_when")
    return lambda step, coef, loss: loss <= least


def _read_record(record: Any, n_steps: int) -> Ints:
    """The steps to record, with 0 and the last."""
    if record is None or np.ndim(record) == 0:
        count = _RECORDS if record is None else _read_count(record, "record", 2)
        between = np.rint(np.geomspace(1, n_steps, count - 1)).astype(np.intp)[: count - 2]
        return np.unique(np.concatenate([[0], between, [n_steps]]).astype(np.intp))
    steps = np.asarray(record)
    if steps.ndim != 1 or steps.dtype.kind not in "iu" or (np.diff(steps.astype(np.int64)) <= 0).any():
        raise ValueError("record must be a number of steps, or an increasing array of step numbers.")
    if steps.size and not 0 <= steps[0] <= steps[-1] <= n_steps:
        raise ValueError(f"record must hold steps between 0 and n_steps={n_steps}; got {steps[0]} to {steps[-1]}.")
    return np.unique(np.concatenate([[0], steps, [n_steps]]).astype(np.intp))
