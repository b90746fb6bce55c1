"""Inputs on which today's solvers go wrong, and what they and we return there, judged by optimality alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LassoLars

import lassoflow as lf
from benchmarks import cases, solvers
from benchmarks.kkt import WRONG, Curve, Data, end_violation, violation
from benchmarks.table import table

HEADER = ["input", "problems", "wrong: ours", "wrong: scikit-learn", "worst ours", "worst theirs", "remarks"]

Judge = Callable[[Data], "Verdict"]


class Verdict(NamedTuple):
    """Violations on one problem as shares of lambda_max, inf for an exception, and whether theirs gave a warning."""

    ours: float
    theirs: float
    warned: bool = False


def run(count: int) -> str:
    """The table; ``count`` random problems in each integer family."""
    text = [
        f"Wrong: a violation of the optimality conditions above {WRONG:.0e} lambda_max at any knot or at the end, an",
        "end that is not the (min-l1, or nonnegative) least-squares solution, or an exception. The judge is plain",
        "numpy and uses neither solver. scikit-learn is `lars_path(X, y, method='lasso', max_iter=100000)` where not",
        "said otherwise; wrong answers that came without any warning are counted.",
        "",
        table(HEADER, list(_rows(count))),
    ]
    return "\n".join(text)


def _rows(count: int) -> Iterator[list[str]]:
    tied = cases.identity()
    end = _pretty(_their_end(tied))
    yield _row("eye(2), y = [1, 1]", [tied], judge_path, f"ends at {end}; least squares is [1, 1]")
    design = cases.factorial()
    exact = np.linalg.lstsq(design.X, design.y)[0]
    missed = int((np.abs(_their_end(design) - exact) > WRONG).sum())
    yield _row(
        "2^3 factorial with interactions", [design], judge_path, f"{missed} of {exact.size} end coefficients off"
    )

    for design_scale, target_scale in ((1e-8, 1.0), (1.0, 1e-8), (1e-8, 1e8)):
        data = cases.scaled(design_scale, target_scale)
        returned = _knots(solvers.their_path, data)
        name = "60x12 Gaussian" + _times("X", design_scale) + _times("y", target_scale)
        yield _row(name, [data], judge_path, f"{returned} knot(s) returned of {_knots(_our_curve, data)}")
    for scale in (1e-3, 1e-5):
        data = cases.scaled(scale, 1 / scale, np.float32)
        remark = f"first wrong knot: {_first_wrong(data)}"
        yield _row(f"60x12 Gaussian, float32 X*{scale:g}, y*{1 / scale:g}", [data], judge_path, remark)

    for low, high, step, n, d in ((-1, 1, 1, 12, 8), (-1, 1, 2, 16, 10), (0, 1, 1, 20, 12), (-1, 1, 1, 10, 30)):
        entries = ", ".join(f"{value:d}" for value in range(low, high + 1, step))
        family = cases.integers(low, high, n, d, count, step)
        yield _row(f"integers {{{entries}}} {n}x{d}", family, judge_path, "y uniform on -4, ..., 4")

    knots = "documented: only knots with alpha > 0 are meant"
    yield _row("positive=True, Gaussian 30x6: the end", cases.nonnegative(200), judge_end, knots)
    yield _row("positive=True, the same: knots with alpha > 0", cases.nonnegative(200), judge_knots, "")
    yield _penalty_row()


def _row(name: str, problems: Iterable[Data], judge: Judge, remark: str) -> list[str]:
    verdicts = [judge(data) for data in problems]
    ours, theirs = (np.array([verdict[side] for verdict in verdicts]) for side in (0, 1))
    warned = np.array([verdict.warned for verdict in verdicts])
    raised, silent = np.isinf(theirs), (theirs > WRONG) & ~warned
    remarks = [remark] if remark else []
    remarks += [f"raises on {raised.sum()}"] if raised.any() else []
    remarks += [f"{silent.sum()} of the wrong without a warning"] if (theirs > WRONG).any() else []
    return [
        name,
        str(len(verdicts)),
        str(int((~(ours <= WRONG)).sum())),
        str(int((~(theirs <= WRONG)).sum())),
        f"{ours.max():.0e}",
        f"{theirs[np.isfinite(theirs)].max(initial=0.0):.0e}",
        "; ".join(remarks),
    ]


# -- judges: a violation for each side -------------------------------------------------------------------------------


def judge_path(data: Data) -> Verdict:
    """All knots, and the end."""
    return _judge(data, lambda exact, curve: max(violation(exact, curve), end_violation(exact, curve.coefs[:, -1])))


def judge_end(data: Data) -> Verdict:
    """The end alone."""
    return _judge(data, lambda exact, curve: end_violation(exact, curve.coefs[:, -1]))


def judge_knots(data: Data) -> Verdict:
    """The knots with a positive penalty alone."""

    def positive_penalties(exact: Data, curve: Curve) -> float:
        keep = curve.lambdas > 0
        return violation(exact, Curve(curve.lambdas[keep], curve.coefs[:, keep]))

    return _judge(data, positive_penalties)


def _judge(data: Data, measure: Callable[[Data, Curve], float]) -> Verdict:
    exact = data.exact
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs = _measured(measure, exact, solvers.their_path, data)
    return Verdict(_measured(measure, exact, _our_curve, data), theirs, bool(caught))


def _measured(
    measure: Callable[[Data, Curve], float], exact: Data, solve: Callable[[Data], Curve], data: Data
) -> float:
    """A violation, or inf if the solver raises."""
    try:
        curve = solve(data)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError):
        return np.inf
    return measure(exact, Curve(*(np.asarray(part, dtype=np.float64) for part in curve)))


def _penalty_row() -> list[str]:
    """One solution at one penalty, asked for by its name, with the default max_iter=500."""
    data, penalty = cases.many_knots()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LassoLars(alpha=penalty, fit_intercept=False).fit(data.X, data.y)
    ours = lf.lasso_path(lf.LeastSquares(data.X, data.y), lambda_min=penalty).at(lam=penalty, side="left")
    at = np.array([penalty])
    verdict = Verdict(*(violation(data, Curve(at, coef[:, None])) for coef in (ours, model.coef_)), bool(caught))
    remark = f"the coefficients are those of alpha = {model.alphas_[-1] / penalty:.3g} times the one asked for"
    return _row("LassoLars(alpha), 400x800, default max_iter", [data], lambda _: verdict, remark)


# -- remarks ---------------------------------------------------------------------------------------------------------


def _our_curve(data: Data) -> Curve:
    return solvers.our_curve(solvers.our_path(data))


def _their_end(data: Data) -> np.ndarray:
    return solvers.their_path(data).coefs[:, -1]


def _knots(solve: Callable[[Data], Curve], data: Data) -> int:
    with solvers.quiet():
        return solve(data).lambdas.size


def _first_wrong(data: Data) -> str:
    """The number of the first knot at which scikit-learn is wrong; the first knot is the zero solution."""
    with solvers.quiet():
        curve = solvers.their_path(data)
    for k in range(curve.lambdas.size):
        part = Curve(curve.lambdas[k : k + 1].astype(float), curve.coefs[:, k : k + 1].astype(float))
        if violation(data.exact, part) > WRONG:
            return f"{k + 1} of {curve.lambdas.size}"
    return "none"


def _times(what: str, scale: float) -> str:
    return f", {what}*{scale:g}" if scale != 1 else ""


def _pretty(values: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"
