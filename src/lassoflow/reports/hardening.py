"""Five flows of finite networks beside the limit flow: how the flow hardens as the initialisation vanishes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.flow import gradient_flow
from lassoflow.network import ProductNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.reports.subject import Subject

LOG_SCALES = (-5.0, -20.0, -70.0, -250.0, -1000.0)
"""Natural logarithms of the scales of the coefficients at the start."""
MOST_ENTRIES = 1_000_000
"""Of X; beyond, five flows take minutes."""
DEEPEST = 1000.0
"""How far flows are followed: to this many times the first knot."""


def reason_without(subject: Subject) -> str | None:
    """Why there are no such flows, in a sentence; None if there are."""
    path, problem = subject.limit, subject.problem
    if subject.path.law not in ("lasso", "flow"):
        return "The flow is that of a finite network already; it is shown beside its limit."
    if path is None or not isinstance(problem, LeastSquares):
        return "Flows from a finite initialisation are shown for least squares, where the data came with the path."
    box = path.box
    free = (box.upper == 0) & (problem.deviations > 0)
    if not box.symmetric or not np.isfinite(box.upper).all() or free.any() or box.decay:
        return "Flows from a finite initialisation are left out: the penalties differ by sign, bar or free features."
    entries = problem.n_samples * problem.n_features
    if entries > MOST_ENTRIES:
        return (
            f"Flows from a finite initialisation are left out: X has {entries:,} entries, and beyond "
            f"{MOST_ENTRIES:,} they take minutes."
        )
    if not path.knots.size:
        return "Flows from a finite initialisation are left out: nothing is ever learnt here."
    return None


def flows(subject: Subject, until: float, tell: Callable[[str], object]) -> list[Path]:
    """The flows of u v at :data:`LOG_SCALES`, of columns over their penalty factors, up to a time."""
    problem = _divided(subject.problem, penalty_scale(subject))
    found = []
    for number, log_scale in enumerate(LOG_SCALES, 1):
        tell(f"flow {number} of {len(LOG_SCALES)}, log scale {log_scale:,.0f}")
        found.append(gradient_flow(problem, ProductNetwork(log_scale=log_scale), until))
    return found


def penalty_scale(subject: Subject) -> Floats:
    """What columns are divided by for networks, whose box is [-1, 1]: the penalty factors, shape (d,)."""
    assert subject.limit is not None
    factor = subject.limit.box.upper
    return np.where(factor > 0, factor, 1.0)  # 0 is the deviation of a constant column, which stays at 0


def _divided(problem: LeastSquares, factor: Floats) -> LeastSquares:
    """The centred, weighted problem with columns over their penalty factors."""
    columns = problem.design.columns(np.arange(problem.n_features))
    matrix, target = np.ldexp(columns, problem.units.design), np.ldexp(problem.target, problem.units.target)
    return LeastSquares(matrix / factor, target)
