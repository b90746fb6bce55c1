"""Theorems as checked inequalities, on the user's own data.

:func:`certify` judges one path against its own law, :func:`compare` an averaged flow against the lasso. Both return a
:class:`~lassoflow.Certificate`: a few lines, each an observed value with the bound it must keep and where on the path
it was worst. Numbers come from the path's coefficients and the data alone, never from what the walk believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats
from lassoflow.checks import Certificate, Check, short
from lassoflow.convex import ConvexProblem
from lassoflow.curved import Curved
from lassoflow.decayed import Decayed
from lassoflow.dense import Smooth
from lassoflow.distances import Distance, limit_to_lasso, network_to_limit, observed, times
from lassoflow.dual_curve import DualCurve
from lassoflow.mirror import (
    Rate,
    bias,
    conflict,
    defect,
    dual_defect,
    exponential_rate,
    general_rate,
    log_polyak_lojasiewicz,
    solution,
)
from lassoflow.monotonicity import monotone_until
from lassoflow.objective import OBJECTIVE_UNITS, objective_gap, section, theorem_lines
from lassoflow.optimality import EXACT, duality_gap, gap_rounding, kkt_rounding, kkt_violation
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.regularised import descent, end_gradient
from lassoflow.vanishing import Vanishing
from lassoflow.walk import beside, lasso_path, limit_flow

_LAWS = "docs/theory, section 1"
_LOSSES = "docs/theory, section 4"
_DISTANCE = "docs/theory, section 5"
_FINITE = "docs/theory, section 7"
_NETWORKS = "docs/theory, section 9"
_WEIGHT_DECAY = "docs/theory, section 10"


def certify(path: Path, s: ArrayLike | None = None) -> Certificate:
    """Check a path against the law it claims to obey.

    Parameters
    ----------
    path : Path
        With its problem.
    s : array of times, optional
        Where to check; by default at up to 20 knots and between them.

    Returns
    -------
    Certificate
        The worst KKT violation relative to lambda_max, for the lasso the worst duality gap relative to the loss at
        zero, and how far the path is monotone. Of a network's flow: how well z and the integrated gaps keep
        ``z' = x`` and ``theta = s r - M z``, the constants mu and c and the two rates of the loss, and that its end
        is nearer to the start in D_Q than another solution. Quantities that training conserves are no line of their
        own: in the dual they say that two gaps add up to the width of the box, which is so by construction.

    Raises
    ------
    ValueError
        If the path was loaded without its problem, or s lies outside its domain.

    Examples
    --------
    >>> import lassoflow as lf
    >>> path = lf.lasso_path(lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0]))
    >>> certificate = lf.certify(path)
    >>> certificate.holds
    True
    >>> print(certificate.summary)
    The lasso satisfies its optimality conditions; it is monotone at every s.
    """
    path = path.averaged() if path.law == "lasso" else path.instantaneous()
    problem = path.require_data("a certificate")
    if isinstance(path.curve, Decayed):
        return _certify_decayed(path, path.curve)
    if isinstance(path.curve, Vanishing):
        return _certify_vanishing(path, path.curve)
    if isinstance(path.curve, DualCurve):
        return _certify_dual(path, path.curve)
    if path.law == "network":
        return _certify_network(path)
    if path.law == "descent":
        raise ValueError("Steps on the weights obey no law in the dual; compare(path) says how far they are.")
    times = _sample(path) if s is None else np.asarray(s, dtype=np.float64).ravel()
    if s is not None and not times.size:
        raise ValueError("s must hold at least one time to check.")
    checks = tuple(_law_checks(path, times))
    obeys = "satisfies" if all(check.holds is not False for check in checks) else "VIOLATES"
    none = np.zeros(0)
    if not isinstance(problem, LeastSquares):
        summary = f"{path.name.capitalize()} {obeys} its optimality conditions."
        return Certificate(f"Certificate of {path!r}", summary, _UNITS, checks, none, none, none)
    checks = (*checks, _monotone_check(path))
    until = checks[-1].value
    monotone = "at every s" if until == np.inf else f"up to s = {min(until, path.domain[1]):.4g}"
    summary = f"{path.name.capitalize()} {obeys} its optimality conditions; it is monotone {monotone}."
    return Certificate(f"Certificate of {path!r}", summary, _UNITS, checks, none, none, none)


def _certify_dual(path: Path, curve: DualCurve) -> Certificate:
    """The flow of a loss that is no square: its equation."""
    check = _dual_check(path, curve)
    keeps = "keeps" if check.holds else "VIOLATES"
    summary = f"{path.name.capitalize()} of {path.network!r} {keeps} its equation in the dual."
    none = np.zeros(0)
    units = (
        "The defect is, over a step, that of the dual times the steepness of the network: of a coefficient, relative."
    )
    return Certificate(f"Certificate of {path!r}", summary, units, (check,), none, none, none, path.letter)


def _dual_check(path: Path, curve: DualCurve) -> Check:
    s, values = dual_defect(path)
    return _worst("defect of theta' = -grad l(x)", values, np.full(s.size, 30 * curve.rtol), s, _LOSSES)


def _certify_network(path: Path) -> Certificate:
    """The flow as a mirror flow: its two defects, its rates and what it converges to."""
    s, values = defect(path)
    rtol = path.curve.rtol if isinstance(path.curve, Smooth) else 0.0
    checks = [_worst("defect of z' = x", values, np.full(s.size, 10 * rtol), s, _NETWORKS)]
    s, values = conflict(path)
    checks.append(_worst("defect of theta = s r - M z", values, np.full(s.size, EXACT), s, _NETWORKS))
    note = ""
    if not path.box.decay:
        checks += _rate_checks(path, 10 * rtol)
        if checks[3].value == -math.inf:
            note = " The exponential rate does not apply: a weight may vanish, and c is 0."
    good = all(check.holds is not False for check in checks)
    summary = f"{path.name.capitalize()} of {path.network!r} {'keeps' if good else 'VIOLATES'} the laws of mirror flow."
    none = np.zeros(0)
    units = _MIRROR_UNITS.format(path.letter)
    return Certificate(f"Certificate of {path!r}", summary + note, units, tuple(checks), none, none, none, path.letter)


def _rate_checks(path: Path, rounding: float) -> list[Check]:
    """What the loss keeps below, and what the flow converges to."""
    problem, x_star = path.require_problem("a rate"), solution(path)
    log_mu = log_polyak_lojasiewicz(problem)
    log_gain = path.network.log_least_gain(problem.n_features) if path.network else -math.inf
    checks = [
        Check("mu of Polyak-Lojasiewicz", float(np.exp(min(log_mu, 709.0))), None, None, None, _NETWORKS),
        Check("log of c, the least gain", log_gain, None, None, None, _NETWORKS),
        _rate_check(f"loss against D_Q(x*, x0) / {path.letter}", general_rate(path, x_star), rounding),
    ]
    fast = exponential_rate(path, x_star, log_mu)
    if fast is not None:
        checks.append(_rate_check("loss against exp(-2 mu c t)", fast, rounding))
    if path.status == "complete":
        own, other = bias(path, x_star)
        holds = own <= other + rounding * abs(other)
        checks.append(Check("D_Q of the end, of another solution", own, other, None, holds, _NETWORKS))
    return checks


def _certify_vanishing(path: Path, curve: Vanishing) -> Certificate:
    """The limit flow as the answer: its own law, and how far the network's flow may be from it."""
    limit = replace(path, curve=curve.polygon, law="flow")
    first = path.knots[:1]
    bound = curve.bound(path.require_problem("a bound"), first)
    name = "distance of averaged flow and its limit's"
    checks = [
        *_law_checks(limit, _sample(limit)),
        _worst(name, bound, np.full(first.size, curve.rtol), first, _FINITE),
    ]
    good = all(check.holds is not False for check in checks)
    summary = f"The gradient flow of {path.network!r} {'is' if good else 'is NOT'} its limit flow, to rtol."
    none = np.zeros(0)
    return Certificate(f"Certificate of {path!r}", summary, _UNITS, tuple(checks), none, none, none)


def _certify_decayed(path: Path, curve: Decayed) -> Certificate:
    """The flow of the regularised loss: how it falls, and that it ends in a critical point."""
    found, allowed = descent(path), 10 * curve.rtol
    bound = np.full(found.s.size, allowed + found.rounding)
    checks = [
        _worst("rise of the regularised loss", found.rise, bound, found.s, _WEIGHT_DECAY),
        _worst("its fall against int |gradient|^2", found.defect, bound, found.s, _WEIGHT_DECAY),
    ]
    if path.status == "complete":
        value, rounding = end_gradient(path)
        allowed = max(allowed, rounding)
        checks.append(Check("its gradient at the end", value, allowed, None, value <= allowed, _WEIGHT_DECAY))
    good = all(check.holds is not False for check in checks)
    flows = f"{'is' if good else 'is NOT'} the gradient flow of its regularised loss"
    summary = f"{path.name.capitalize()} with weight_decay={curve.weight_decay:g} {flows}."
    units = "Rise and fall are shares of the whole fall of the loss, the gradient one of its two terms."
    none = np.zeros(0)
    return Certificate(f"Certificate of {path!r}", summary, units, tuple(checks), none, none, none, path.letter)


def _rate_check(name: str, rate: Rate, rounding: float) -> Check:
    """The excess loss over its bound, where it is closest to it; below rounding of the loss it says nothing.

    An error of x, relative to the distance it has come or to the largest coefficient there is, is twice that of the
    root of the loss.
    """
    start = max(rate.excess.max(initial=0.0), rate.reach)
    seen = rate.excess > 1e-10 * start
    if not seen.any():
        return Check(name, 0.0, 1.0, None, True, _NETWORKS)
    ratio = np.divide(rate.excess, rate.bound, out=np.zeros_like(rate.bound), where=seen)
    unsure = 2.0 * rounding * np.sqrt(np.abs(rate.excess)) * math.sqrt(start)
    holds = bool((rate.excess - unsure <= rate.bound * (1.0 + 1e-6))[seen].all())
    worst = int(ratio.argmax())
    return Check(name, float(ratio[worst]), 1.0, float(rate.s[worst]), holds, _NETWORKS)


_UNITS = (
    "KKT violations are shares of lambda_max, gaps of the loss at zero; 1e-10, or what rounding leaves, is allowed."
)


_MIRROR_UNITS = """\
Defects are shares of {0} times the largest coefficient, and of max(1, {0} lambda_max); losses are over their bound
where they are closest to it. mu is the smallest nonzero eigenvalue of X'X / n, c the least change of a coefficient per
accumulated gradient."""


def _law_checks(path: Path, s: Floats) -> list[Check]:
    exact = max(EXACT, 10 * path.curve.rtol) if isinstance(path.curve, Curved) else EXACT
    violation, allowed = kkt_violation(path, s), np.maximum(kkt_rounding(path, s), exact)
    checks = [_worst(f"KKT violation of {path.name}", violation, allowed, s, _LAWS)]
    if path.law == "lasso":
        gap, allowed = np.maximum(duality_gap(path, s), 0.0), np.maximum(gap_rounding(path, s), exact)
        checks.append(_worst("duality gap of the lasso", gap, allowed, s, "celer's convention"))
    return checks


def _worst(name: str, values: Floats, allowed: Floats, s: Floats, source: str) -> Check:
    """The line of the value that is largest beside what is allowed there."""
    if not values.size:
        return Check(name, 0.0, EXACT, None, True, source)
    worst = int((values / allowed).argmax())
    value, bound = float(values[worst]), float(allowed[worst])
    return Check(name, value, bound, float(s[worst]), value <= bound, source)


def _sample(path: Path, most: int = 20) -> Floats:
    """Up to ``most`` knots, spread evenly, a time between each two, and one beyond the last."""
    knots = path.knots
    if not knots.size:
        return np.zeros(0)
    chosen = knots[np.unique(np.linspace(0, knots.size - 1, most).astype(np.intp))]
    between = np.sqrt(chosen[:-1]) * np.sqrt(chosen[1:])
    beyond = min(2 * knots[-1], (knots[-1] + path.domain[1]) / 2)  # the end of a stopped path is an event itself
    return np.sort(np.concatenate([chosen, between, [beyond]]))


def _monotone_check(path: Path) -> Check:
    name = path.name.removeprefix("the ")
    until = monotone_until(path)
    source = _monotone_source(path, until) if path.law == "lasso" else _LAWS
    return Check(f"{name} monotone up to s", until, None, None, None, source)


def _monotone_source(lasso: Path, until: float) -> str:
    """Where the lasso is monotone, at every s or up to one, the averaged limit flow has its objective."""
    which = section(lasso.require_problem("monotonicity"), lasso.box)
    if which is None:
        return _DISTANCE
    throughout = until == lasso.domain[1] == np.inf
    return f"{_DISTANCE}; Berthier 2025, Theorem {which}.{1 if throughout else 2}"


def compare(flow: Path, lasso: Path | None = None) -> Certificate:
    """Compare an averaged flow with the lasso: the observed distance, and the bound it must keep.

    Distances are ``|average(s) - lasso(1/s)|_M`` with ``|v|_M = |X v| / sqrt(n)``. That of the limit flow is at most
    ``(1/s) int_0^s |(z')_-|_M`` where ``(z')_-`` are the slopes of the lasso's z against the sign of z (derived, see
    docs, section 5). Times s, the distance is convex and the bound linear between knots, so that the inequality at
    all knots of both paths proves it at every s. The bound vanishes iff the lasso is monotone.

    The flow of a finite network is one link further away: from its limit flow, in the network's own box, by at most
    ``(1/s) (2 int_0^s q)^(1/2)`` with the q of docs, section 7, computed along the flow. The chain is both links, each
    with its bound, and their sum. For steps on the weights, and for weight decay at depth 3 and more, only distances
    are reported: from the lasso of the network's box without decay.

    Of other losses than squares the distance is reported as it is observed, of the limit flow or a network's: no
    theorem bounds it.

    For the limit flow and networks of depth 2 there are also the two sides of Berthier's (2025) Theorem 2.2, or 3.2
    where coefficients are positive: the gap in the lasso's objective, as a share of the loss at zero, z-down and eta.
    They have no verdict, as the theorem's constant is not explicit; the gap of the limit flow without weight decay has
    one, by a bound without open constants (derived, see docs, section 5). They are those of the lasso with penalty
    factors 1: what the theorem puts beside a network whatever its shapes, which move the faces of the network's own box
    by O(1 / log scale). The limit flow is the limit for its own factors, which are those of columns over them.

    Parameters
    ----------
    flow : Path
        Of the limit flow, of a finite network or of descent on its weights, with its problem.
    lasso : Path, optional
        Of the lasso on the same box; computed here if it is not given.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If the laws are not those of a flow and a lasso, or boxes or problems differ; or if a network has no lasso to
        be compared with, see :meth:`Network.box`.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])
    >>> certificate = lf.compare(lf.limit_flow(problem))
    >>> print(certificate.summary)
    The lasso path is monotone: the averaged flow is the lasso at every s.
    >>> network = lf.PowerNetwork(depth=3, scale=1e-9)
    >>> print(lf.compare(lf.gradient_flow(problem, network)).summary)
    The averaged flow of PowerNetwork(depth=3, scale=1e-09) and the lasso are at most 0.079 % of rms(y) apart,
    at s = 1 (the bound there: 0.14 %).
    """
    if flow.network is not None:
        flow.network.box(len(flow.frame.feature_names))  # or it says why there is none
    if isinstance(flow.problem, ConvexProblem):
        return _compare_losses(flow, beside(lasso_path, flow) if lasso is None else lasso, flow.problem)
    lasso = beside(lasso_path, flow) if lasso is None else lasso
    problem = _common_problem(flow, lasso)
    flow, lasso = (replace(path, problem=problem) for path in (flow.instantaneous(), lasso.averaged()))
    limit = flow if flow.law == "flow" else beside(limit_flow, flow)
    s = times(flow, limit, lasso) if problem.target.any() else np.zeros(0)
    rounding = np.maximum(kkt_rounding(limit, s) + kkt_rounding(lasso, s), EXACT)
    until, end = monotone_until(lasso), min(path.domain[1] for path in (flow, limit, lasso))
    link = limit_to_lasso(limit, lasso, problem, s)
    which = "flow" if limit is flow else "limit flow"
    objective = theorem_lines(flow, lasso, s)
    checks = [
        *_law_checks(lasso, _sample(lasso)),
        *_law_checks(limit, _sample(limit)),
        Check("lasso monotone up to s", until, None, None, None, _monotone_source(lasso, until)),
        *objective,
        _apart(f"distance of averaged {which} and lasso", link, s, rounding, _DISTANCE),
    ]
    first = _from_limit(flow, limit, problem, s)
    if first is not None:
        if isinstance(flow.curve, Smooth):
            rounding = np.maximum(rounding, _flow_error(flow, flow.curve.rtol, problem, s))
        link = Distance(observed(flow, lasso, problem, s), first.bound + link.bound)
        checks += [
            _apart("distance of averaged flow and its limit's", first, s, rounding, _FINITE),
            _apart("distance of averaged flow and lasso", link, s, rounding, f"{_DISTANCE} and 7"),
        ]
    elif flow is not limit:
        link = Distance(observed(flow, lasso, problem, s), np.full(s.size, np.nan))
        checks.append(_apart(f"distance of averaged {_kind(flow)} and lasso", link, s, rounding, "observed"))
    spread = "std(y)" if problem.fit_intercept else "rms(y)"
    units = f"{_UNITS}\nDistances are root mean squares of fitted values, as shares of {spread}." + (
        OBJECTIVE_UNITS if objective else ""
    )
    title = f"{flow!r}\nagainst\n{lasso!r}"
    if flow is limit:
        alike = _are_coefficients(limit, lasso, s, min(until, end))
        words = _words("is the lasso" if alike else "has the lasso's fitted values", until, end, checks, spread)
    else:
        words = _network_words(flow, checks, spread)
    return Certificate(title, words, units, tuple(checks), s, *link)


def _compare_losses(flow: Path, lasso: Path, problem: ConvexProblem) -> Certificate:
    """Of other losses than squares: the distance as it is observed; no theorem says what it must be."""
    _require_pair(flow, lasso)
    flow, lasso = flow.instantaneous(), lasso.averaged()
    s = times(flow, lasso)
    fitted = problem.fitted(lasso.average(s, side="left"))
    gap = np.linalg.norm(problem.fitted(flow.average(s, side="left")) - fitted, axis=1)
    distance = gap / (np.linalg.norm(fitted, axis=1).max(initial=0.0) or 1.0)
    worst = int(distance.argmax()) if s.size else None
    value, where = (0.0, None) if worst is None else (float(distance[worst]), float(s[worst]))
    checks = (
        *_law_checks(lasso, _sample(lasso)),
        *([_dual_check(flow, flow.curve)] if isinstance(flow.curve, DualCurve) else _law_checks(flow, _sample(flow))),
        Check("distance of averaged flow and lasso", value, None, where, None, "observed"),
    )
    words = f"The averaged flow and the lasso of this {type(problem).__name__} problem are at most {100 * value:.2g} % "
    words += "apart; no theorem bounds that distance for this loss."
    units = f"{_UNITS}\nThe distance is that of linear predictors, as a share of the lasso's largest."
    bound = np.full(s.size, np.nan)
    return Certificate(f"{flow!r}\nagainst\n{lasso!r}", words, units, checks, s, distance, bound)


def _flow_error(flow: Path, rtol: float, problem: LeastSquares, s: Floats) -> Floats:
    """How well averages of a flow are known: to a few rtol of their size, or to one of the largest."""
    size = np.linalg.norm(problem.fitted(flow.average(s, side="left")), axis=1) / np.linalg.norm(problem.target)
    return np.asarray(rtol * np.maximum(10 * size, size.max(initial=0.0)))


def _from_limit(flow: Path, limit: Path, problem: LeastSquares, s: Floats) -> Distance | None:
    """The first link of the chain; None where no bound is known, or nothing to be bounded."""
    if isinstance(flow.curve, Vanishing):
        return Distance(observed(flow, limit, problem, s), flow.curve.bound(problem, s))
    return network_to_limit(flow, limit, problem, s) if isinstance(flow.curve, Smooth) and s.size else None


def _apart(name: str, link: Distance, s: Floats, rounding: Floats, source: str) -> Check:
    """The line of a link of the chain, where the distance is largest; no verdict without a bound."""
    if not s.size:
        return Check(name, 0.0, 0.0, None, True, source)
    worst = int(link.observed.argmax())
    value, bound = float(link.observed[worst]), float(link.bound[worst])
    if np.isnan(bound):
        return Check(name, value, None, float(s[worst]), None, source)
    return Check(name, value, bound, float(s[worst]), bool((link.observed <= link.bound + rounding).all()), source)


def _are_coefficients(limit: Path, lasso: Path, knots: Floats, until: float) -> bool:
    """Whether averages with the lasso's fitted values have its penalty, too: where columns are exchanged they do not.

    Only with weight decay and unequal factors the lasso exchanges one column for another that has become cheaper; it
    is seen at the next knot, or beyond the last.
    """
    s = np.append(knots, 2.0 * knots[-1:])
    s = s[s <= until]
    return not lasso.box.decay or bool((objective_gap(lasso, limit.average(s, side="left"), s) <= EXACT).all())


def _words(is_lasso: str, until: float, end: float, checks: Sequence[Check], spread: str) -> str:
    failing = [check.name for check in checks if check.holds is False]
    if failing:
        return f"NOT certified: {', '.join(failing)}."
    if until >= end:
        where = "at every s" if end == np.inf else f"up to the end of the paths, s = {end:.4g}"
        return f"The lasso path is monotone: the averaged flow {is_lasso} {where}."
    apart = checks[-1]
    return (
        f"The averaged flow {is_lasso} up to s = {until:.4g}; beyond, they are at most "
        f"{100 * apart.value:.2g} % of {spread} apart, at s = {short(apart.s)} "
        f"(the bound there: {100 * (apart.bound or 0.0):.2g} %)."
    )


def _network_words(flow: Path, checks: Sequence[Check], spread: str) -> str:
    failing = [check.name for check in checks if check.holds is False]
    if failing:
        return f"NOT certified: {', '.join(failing)}."
    apart = checks[-1]
    bound = "" if apart.bound is None else f" (the bound there: {100 * apart.bound:.2g} %)"
    limits = " With weight decay at depth 3 and more no bound holds." if isinstance(flow.curve, Decayed) else ""
    return (
        f"The averaged {_kind(flow)} of {flow.network!r} and the lasso are at most {100 * apart.value:.2g} % of "
        f"{spread} apart, at s = {short(apart.s)}{bound}.{limits}"
    )


def _kind(flow: Path) -> str:
    return "flow" if flow.law == "network" else "descent"


def _require_pair(flow: Path, lasso: Path) -> None:
    if flow.law == "lasso" or lasso.law != "lasso":
        raise ValueError(f"compare takes a flow and then a lasso path; got {flow.name} and {lasso.name}.")
    if not flow.box.equals(lasso.box):
        raise ValueError("The two paths have different penalty factors or weight decay; they cannot be compared.")


def _common_problem(flow: Path, lasso: Path) -> LeastSquares:
    _require_pair(flow, lasso)
    problem = (flow if flow.problem else lasso).require_problem("a comparison")
    other = lasso.problem or problem
    if other is not problem and not (
        other.units == problem.units
        and np.array_equal(other.target, problem.target)
        and np.array_equal(other.design.norms, problem.design.norms)
    ):
        raise ValueError("The two paths belong to different data; they cannot be compared.")
    return problem
