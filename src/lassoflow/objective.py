"""How far an averaged flow is from the lasso in the lasso's own objective, and the published bound on it.

Let x(s) be the lasso at penalty 1/s (plus any weight decay), ``z = s x``, and xbar the averaged gradient flow of a
network of depth 2. With a constant C that is not explicit and depends on neither s nor the scale of initialisation,

    limsup Lasso(xbar(s), s) - min Lasso(., s)  <=  C eta(s)                         as the scale vanishes,
    eta(s) = (1 + decay s) (zdown(s)^(1/2) / s + zdown(s) / s^2)
    zdown(s) = sum_j int_0^s (1 + u) |(d|z_j| / du)_-| du

for ``u v`` (Berthier 2025, Theorem 2.2) and, against the positive lasso, for ``u^2`` (Theorem 3.2). eta vanishes iff
the lasso is monotone, and then so does the limit of the gap (Theorems 2.1 and 3.1). z is linear between knots, so both
are finite sums.

The theorems are stated for every M and r; the numbers eta and zdown depend on the units of X and y. Here X and y are
scaled so that the lasso leaves zero at s = 1, from a loss of 1: neither number then has a unit (docs, section 5).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lassoflow.arrays import DUST, Floats
from lassoflow.box import Box
from lassoflow.checks import Check
from lassoflow.dense import Smooth
from lassoflow.monotonicity import backward_slopes
from lassoflow.optimality import EXACT, pressure
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.walk import beside, lasso_path

_BLOCK = 2**21
"""How many coefficients are compared at once."""


class Published(NamedTuple):
    """The two sides of a theorem at times s, each of shape (k,); the gap is a share of the loss at zero."""

    section: int
    """Of Berthier (2025): 2 for the lasso, 3 for the positive lasso."""
    s: Floats
    gap: Floats
    z_down: Floats
    eta: Floats


def published(flow: Path, lasso: Path, s: Floats) -> Published | None:
    """The gap of an averaged flow and its published bound at times s; None where no theorem is about the flow.

    Parameters
    ----------
    flow : Path
        Of the limit flow, or of a network of depth 2, with its problem.
    lasso : Path
        In the same box.
    s : array of times, shape (k,)

    Returns
    -------
    Published or None
        At the times that the lasso covers.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> flow = lf.gradient_flow(problem, lf.PowerNetwork(depth=2, scale=1e-100))
    >>> found = published(flow, lf.lasso_path(problem), np.array([2.0, 4.0]))
    >>> found.section, found.eta, found.gap < 1e-4
    (2, array([0., 0.]), array([ True,  True]))
    """
    theirs = _lasso_of_the_theorems(flow, lasso)
    if theirs is None or not theirs.knots.size or not s.size:
        return None
    s = s[s <= theirs.domain[1]]
    which = section(theirs.require_problem("a theorem"), theirs.box) or 2
    # z of a network is interpolated between steps: below zero by less than what the flow was integrated to
    least = 0.0 if which == 3 else -np.inf
    blocks = np.array_split(s, 1 + s.size * theirs.box.upper.size // _BLOCK)
    gaps = [objective_gap(theirs, np.maximum(flow.average(part, side="left"), least), part) for part in blocks]
    return Published(which, s, np.concatenate(gaps), z_down(theirs, s), eta(theirs, s))


OBJECTIVE_UNITS = """
Gap, z-down and eta are for penalty factors 1 (those of columns over their factors), in units in which the lasso leaves
zero at s = 1, from a loss of 1; the theorem bounds the limit of the gap by a constant times eta."""


def theorem_lines(flow: Path, lasso: Path, s: Floats) -> list[Check]:
    """Both sides of the theorem as lines of a certificate; none where no theorem is about the flow.

    Only the gap of a limit flow without weight decay has a verdict, by :func:`gap_bound`.

    At times s, and half-way in 1/s between them and to the end: between knots the gap of a limit flow is a quadratic
    function of 1/s while no sign changes. The ratio is taken where eta is largest: at a finite scale it has no bound
    just after the lasso first turns back, where eta is small and the gap is not.
    """
    end = min(flow.domain[1], lasso.domain[1])
    penalties = 1.0 / np.append(s, end)
    found = published(flow, lasso, np.union1d(s, np.minimum(2.0 / (penalties[1:] + penalties[:-1]), end)))
    if found is None or not found.s.size:
        return []
    source = f"Berthier 2025, Theorem {found.section}.2"

    def line(name: str, values: Floats, at: int) -> Check:
        return Check(name, float(values[at]), None, float(found.s[at]), None, source)

    peak = int(found.eta.argmax()) if found.eta.any() else -1
    gap = line("objective gap of averaged flow", found.gap, int(found.gap.argmax()))
    if flow.law == "flow" and not lasso.box.decay:
        bound = gap_bound(lasso, found.s)
        holds = bool((found.gap <= bound + EXACT).all())
        gap = gap._replace(bound=float(bound[found.gap.argmax()]), holds=holds, source="docs/theory, section 5")
    lines = [gap, line("z-down of the lasso", found.z_down, -1), line("eta of the lasso", found.eta, peak)]
    if found.eta[peak]:
        ratio = np.divide(found.gap, found.eta, out=np.zeros_like(found.gap), where=found.eta > 0)
        lines.append(line("objective gap over eta", ratio, peak))
    return lines


def section(problem: LeastSquares, box: Box) -> int | None:
    """The section of Berthier (2025) whose theorems cover the limit flow in a box: 2, 3 (positive), or None.

    They are stated for penalty factors 1. Finite positive factors k are those of the columns over k, if they are the
    same on both sides and, where there is weight decay, in all coordinates; factors of empty columns do not matter.
    """
    moving = problem.design.norms > 0
    upper, lower = box.upper[moving], box.lower[moving]
    if not ((upper > 0) & (upper < np.inf)).all() or (box.decay and (upper != upper[:1]).any()):
        return None
    if np.array_equal(upper, lower):
        return 2
    return 3 if np.isinf(lower).all() else None


def _lasso_of_the_theorems(flow: Path, lasso: Path) -> Path | None:
    """The lasso that the theorems put beside a flow.

    Those on networks are about factors 1 whatever the shapes, which move the faces of the network's own box by
    O(1 / log scale): at a finite scale that is another lasso, and it is walked here.
    """
    problem = flow.require_problem("a theorem")
    if flow.law == "flow":
        return lasso if section(problem, lasso.box) else None
    if not isinstance(flow.curve, Smooth) or flow.curve.branches.power < np.inf:
        return None
    box = Box.of(problem, positive=bool(np.isinf(flow.box.lower).all()), weight_decay=flow.box.decay)
    return lasso if lasso.box.equals(box) else beside(lasso_path, replace(flow, box=box))


def objective_gap(lasso: Path, coef: Floats, s: Floats) -> Floats:
    """How far the objective of coefficients is above the lasso's at times s, over the loss at zero: shape (k,).

    ``|x - x*|_M^2 / 2 + sum_j |x_j| (p_j - sign(x_j) v_j)`` with the penalties p of the side that x_j is on and the
    negative gradient v at the lasso x*: no difference of two nearly equal objectives, and no negative term.

    Parameters
    ----------
    lasso : Path
        With its problem.
    coef : array of shape (k, d)
    s : array of shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> lasso = lf.lasso_path(lf.LeastSquares([[1.0]], [2.0]))  # at s = 1: 1, of objective 1.5
    >>> objective_gap(lasso, np.array([[0.0], [1.0]]), np.ones(2))
    array([0.25, 0.  ])
    """
    problem = lasso.require_problem("an objective")
    units, n = problem.units, problem.n_samples
    best, energy = lasso.average(s, side="left"), float(problem.target @ problem.target) / (2 * n)
    upper, lower = (np.asarray(units.working_penalty(side)) for side in pressure(lasso.box, s))
    x, slope = units.working_coef(coef), np.asarray(units.working_penalty(-problem.gradient(best)))
    slack = np.maximum(np.where(x > 0, upper, lower) - np.sign(x) * slope, 0.0)
    linear = np.multiply(np.abs(x), slack, out=np.zeros_like(x), where=x != 0).sum(axis=1)
    return np.asarray(np.sum(problem.fitted(coef - best) ** 2, axis=1) / (2 * n) + linear) / (energy or 1.0)


def gap_bound(lasso: Path, s: Floats) -> Floats:
    """What the objective gap of the averaged limit flow is at most, over the loss at zero, without decay: shape (k,).

    ``(2 / s^2) int_0^s (s - u) |(z')_-(u)|_M du / (|y| / sqrt(n))`` with the slopes of the lasso's z against the sign
    of z (derived, see docs, section 5): no constant is left open. It is zero where the path is monotone.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 3.0], [1.0, 2.0]], [1.0, 3.0])
    >>> lasso, limit, s = lf.lasso_path(problem), lf.limit_flow(problem), np.array([2.0, 4.0])
    >>> objective_gap(lasso, limit.average(s), s).round(4), gap_bound(lasso, s).round(4)
    (array([0.    , 0.0242]), array([0.    , 0.2763]))
    """
    problem = lasso.require_problem("a bound of the objective")
    backward = np.linalg.norm(problem.fitted(backward_slopes(lasso)), axis=1)
    starts = np.concatenate(([0.0], lasso.knots, [np.inf]))
    left = np.maximum(1.0 - starts / s[:, None], 0.0) ** 2  # of the triangle under s - u, over that of all
    return np.asarray(-np.diff(left, axis=1) @ backward / (np.linalg.norm(problem.target) or 1.0))


def z_down(lasso: Path, s: Floats) -> Floats:
    """How much the ``|z_j|`` of a lasso path have come down by the times s, weighted by ``1 + u``: shape (k,).

    In units in which the path leaves zero at s = 1, from a loss of 1. Zero up to where the path is monotone, as
    :func:`lassoflow.monotone_until` has it.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> lasso = lf.lasso_path(lf.LeastSquares([[1.0, 0.5], [0.0, 0.5]], [2.0, 1.0]))
    >>> lasso.integral(lasso.knots), lasso.instantaneous()(lasso.knots)
    (array([[0., 0.],
           [2., 0.]]), array([[2., 0.],
           [1., 2.]]))
    >>> z_down(lasso, np.array([1.0, 3.0, 1e6]))
    array([0., 0., 0.])
    """
    problem = lasso.require_problem("z-down")
    if not lasso.knots.size:
        return np.zeros(s.size)
    backward = backward_slopes(lasso)
    backward[np.linalg.norm(problem.fitted(backward), axis=1) <= DUST * np.linalg.norm(problem.target)] = 0.0
    energy = float(problem.target @ problem.target) / (2 * problem.n_samples)
    leaving = float(problem.units.working_time(lasso.knots[0]))
    speed = np.abs(problem.units.working_coef(backward)) @ (_factors(lasso) / leaving) / energy
    starts = np.concatenate([[0.0], lasso.knots / lasso.knots[0]])
    before = np.concatenate([[0.0], np.cumsum(speed[:-1] * _weighted(starts[:-1], starts[1:]))])
    place = np.searchsorted(lasso.knots, s, side="left")
    return np.asarray(before[place] + speed[place] * _weighted(starts[place], s / lasso.knots[0]))


def eta(lasso: Path, s: Floats) -> Floats:
    """``(1 + decay s) (zdown^(1/2) / s + zdown / s^2)`` of a lasso path at times s: shape (k,), in those units."""
    if not lasso.knots.size:
        return np.zeros(s.size)
    down, time = z_down(lasso, s), s / lasso.knots[0]
    growth = lasso.box.decay / (_factors(lasso).max() or 1.0)
    return np.asarray((1.0 + growth * s) * (np.sqrt(down) / time + down / time**2))


def _factors(lasso: Path) -> Floats:
    """The penalty factors, 0 for empty columns: shape (d,)."""
    return np.where(lasso.require_problem("factors").design.norms > 0, lasso.box.upper, 0.0)


def _weighted(begin: Floats, end: Floats) -> Floats:
    """``int (1 + u) du`` from begin to end."""
    return (end - begin) * (1.0 + (begin + end) / 2)
