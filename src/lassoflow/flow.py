"""Gradient flow of a diagonal network of any initialisation, integrated in the dual on the active coordinates.

In lasso time ``z' = phi(theta)``, ``theta = s r - M z``: convex, and smooth however small the scale. A coordinate takes
part while its branch is above a small share of rtol; all others follow by the identity. The stepping itself is in
:mod:`lassoflow.stepping`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import LinAlgWarning
from scipy.optimize import brentq

from lassoflow.arrays import read_nonnegative
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.convex_flow import convex_flow
from lassoflow.curve import Curve, Polygon
from lassoflow.decay import decayed_flow
from lassoflow.dense import Smooth
from lassoflow.integration import FlowProgress, Integration
from lassoflow.network import Network, PowerNetwork
from lassoflow.path import Frame, Path, Status
from lassoflow.problem import LeastSquares
from lassoflow.threads import SMALL, one_thread
from lassoflow.vanishing import Vanishing, distance_factor
from lassoflow.walk import limit_flow

_BLOCK = 256
"""How many times a loss is computed at once."""
_UNCERTAIN = (
    "The columns of the support depend on each other so nearly that rounding ends the flow short of where it tends "
    "to, by a share of {:.1g} of its largest coefficient; its fitted values are as exact as ever."
)


def gradient_flow(
    problem: LeastSquares | ConvexProblem,
    network: Network,
    until: float | None = None,
    rtol: float = 1e-6,
    weight_decay: float = 0.0,
    callback: Callable[[FlowProgress], object] | None = None,
    *,
    stop_when: float | None = None,
) -> Path:
    """Gradient flow of a diagonal linear network, from its own initialisation.

    Parameters
    ----------
    problem : LeastSquares, Logistic, Poisson or Huber
        n samples, d features.
    network : Network
        With its scale; for other losses than squares no :class:`~lassoflow.LayeredNetwork`, and none of depth 3 and
        more from a scale at which rounding of the dual would hide the coefficients.
    until : float, optional
        The lasso time s at which to stop (``network.lasso_time(t)`` for a training time t; from a scale of 1 on, at
        depth 2, t itself). By default the flow goes on until it has come to rest; the path then covers all s. A loss
        without a minimum, such as that of separable classes, asks for it.
    rtol : float
        Relative error of every coefficient above it, a step.
    weight_decay : float
        lambda of ``(lambda / 2) (|u|^2 + |v|^2)`` for products, ``lambda |w|^2`` for squares, ``(lambda / 2) |w|^2``
        at depth 3 and more. There it has no box of its own, and the path has the box without it (docs, section 10).
    callback : callable, optional
        Called with a :class:`FlowProgress` whenever the active set changes; with weight decay at depth 3 and more
        after every twentieth step.
    stop_when : float, optional
        Stop where the loss comes down to it. A flow whose loss stays above it is not stopped.

    Returns
    -------
    Path
        ``path(s)`` is the network's coefficients at lasso time s, ``path.averaged()`` their running average, to be
        compared with the lasso at 1/s; ``path.curve.effort``, an :class:`~lassoflow.dense.Effort`, counts steps,
        evaluations and factorisations. Of deep networks whose averages are certified to be nearer than rtol to those of
        the limit flow, the limit flow is the answer; the status of the path is "limit" then, and there was no effort.
        Where ``path.clock`` is "training", s is training time, and there is no lasso to compare with.

    Raises
    ------
    ValueError
        If the network does not fit the problem, its scale is so far above the coefficients that rounding hides them
        (at depth 3 and more; at depth 2 of unequal shapes), or an argument makes no sense.
    ArithmeticError
        If steps become too short to go on. With weight decay at depth 3 and more also if the flow is not at rest after
        10000 decay times, or passes a saddle so close by that rounding decides where it goes.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        If the columns that are active in the end are so nearly dependent that the end is not known to ``10 rtol``.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> flow = lf.gradient_flow(problem, lf.PowerNetwork(depth=2, scale=1e-100))
    >>> flow([0.5, 2.0, 50.0]).round(4) + 0.0
    array([[ 0.    ,  0.    ],
           [ 1.6   ,  0.    ],
           [ 2.6667, -1.3333]])
    >>> counts = lf.Poisson([[1.0], [0.0], [-1.0]], [4, 1, 0], fit_intercept=True)
    >>> flow = lf.gradient_flow(counts, lf.ProductNetwork(log_scale=-1000))
    >>> flow.end.round(4), lf.limit_flow(counts).end.round(4)
    (array([1.7238]), array([1.7238]))
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a network, such as PowerNetwork(depth=2, scale=1e-6); got {network!r}.")
    if not isinstance(problem, LeastSquares | ConvexProblem):
        raise TypeError(f"problem must be a LeastSquares or another problem; got {type(problem).__name__}.")
    decay = read_nonnegative(weight_decay, "weight_decay")
    rtol = read_nonnegative(rtol, "rtol")
    if not 1e-12 <= rtol <= 0.1:
        raise ValueError(f"rtol must lie between 1e-12 and 0.1; got {rtol!r}.")
    level = None if stop_when is None else read_nonnegative(stop_when, "stop_when")
    if isinstance(problem, ConvexProblem):
        stop = None if until is None else read_nonnegative(until, "until")
        told = None if callback is None else (lambda *at: callback(FlowProgress(*at)))
        path = convex_flow(problem, network, decay, stop, rtol, told)
        return path if level is None else _cut(path, problem, level)
    if decay and network.depth > 2:
        stop = None if until is None else read_nonnegative(until, "until")
        told = None if callback is None else (lambda *at: callback(FlowProgress(*at)))
        path = decayed_flow(problem, network, decay, stop, rtol, told)
        return path if level is None else _cut(path, problem, level)
    box = network.faces(problem.n_features, decay)
    stop = None if until is None else read_nonnegative(until, "until")
    near = _limit(problem, network, box, stop, rtol) if not decay else None
    path = near or _integrated(problem, network, box, stop, rtol, callback)
    return path if level is None else _cut(path, problem, level)


def _integrated(
    problem: LeastSquares,
    network: Network,
    box: Box,
    until: float | None,
    rtol: float,
    callback: Callable[[FlowProgress], object] | None,
) -> Path:
    units = problem.units
    branches = network.branches(problem.n_features, float(units.working_penalty(box.decay)))
    branches = branches.rescaled(math.log(2.0) * (units.design - units.target))
    run = Integration(problem, branches, rtol)
    run.refuse_rounding(network)
    stop = np.inf if until is None else until
    with one_thread(problem.n_samples * problem.n_features <= SMALL):
        stretches, at_rest = run.run(float(units.working_time(stop)), callback)
    if at_rest and (left := run.left_to_go()) > 10 * rtol:
        warnings.warn(_UNCERTAIN.format(left), LinAlgWarning, stacklevel=3)
    curve = Smooth(problem, units, branches, stretches, stop, rtol, at_rest, run.effort)
    return _path(curve, "complete" if until is None else "until", problem, network, box)


def _path(curve: Curve, status: Status, problem: LeastSquares, network: Network, box: Box) -> Path:
    frame = Frame(problem.feature_names, problem.feature_means, problem.target_mean)
    return Path(curve, "network", problem, box, frame, status, 0.0, network)


def _limit(problem: LeastSquares, network: Network, box: Box, until: float | None, rtol: float) -> Path | None:
    """The limit flow as the answer, where it is certified to be nearer than rtol; otherwise None."""
    if not isinstance(network, PowerNetwork) or network.depth == 2:
        return None
    if network.log_scale * (network.depth - 2) / network.depth > 2.0 * math.log(rtol):
        return None  # not near enough to look into it
    limit = limit_flow(problem)
    factor = distance_factor(problem, network)
    first = limit.knots[0] if limit.knots.size else np.inf
    if factor > rtol * math.sqrt(float(problem.units.working_time(first))):
        return None
    assert isinstance(limit.curve, Polygon)
    curve = Vanishing(limit.curve, network.branches(problem.n_features), problem, rtol, factor)
    if until is None:
        return _path(curve, "limit", problem, network, box)
    return _path(curve.until(until), "until", problem, network, box)


def _cut(path: Path, problem: LeastSquares | ConvexProblem, level: float) -> Path:
    """The path up to where its loss comes down to a level; all of it if it never does."""
    mesh = np.append(path.mesh, path.domain[1]) if path.domain[1] < np.inf else path.mesh
    losses = np.concatenate([problem.loss(path(part)) for part in np.array_split(mesh, 1 + mesh.size // _BLOCK)])
    below = np.flatnonzero(losses <= level)
    if not below.size:
        return path
    last = int(below[0])
    curve: Any = path.curve
    if path.exact:  # there it jumps: what lies just behind belongs to the path
        return replace(path, curve=curve.until(float(np.nextafter(mesh[last], np.inf))), status="stopped")
    s = float(mesh[last])
    if last and losses[last - 1] > level:
        s = brentq(lambda time: float(problem.loss(path(time))) - level, mesh[last - 1], s, xtol=1e-300, rtol=1e-14)
    return replace(path, curve=curve.until(s), status="stopped")
