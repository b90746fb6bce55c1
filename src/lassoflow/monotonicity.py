"""Where every ``|z_j|`` of the lasso rises, the averaged flow is the lasso: on a path, or by design for every y."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import DUST, Floats, Ints
from lassoflow.box import Box
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

_MOST_COLUMNS = 256


def backward_slopes(path: Path) -> Floats:
    """The slopes of z that run against the sign of z, one row a segment: shape (k + 1, d)."""
    start = np.concatenate(([0.0], path.knots))
    slope = path.curve.slope(start, "right")
    against = slope * np.sign(path.curve.average(start, "right")) < 0
    return np.where(against & ~path.box.unpenalised, slope, 0.0)


def monotone_until(path: Path) -> float:
    """The s up to which every ``|z_j|`` of a path is non-decreasing; inf if it is throughout.

    For the lasso this is the condition under which the averaged flow *is* the lasso (derived, see docs, section 5;
    its limit statement for penalty factors 1 is Berthier 2025, Theorem 2.1). Of a path that was stopped, inf means as
    far as it goes.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.monotone_until(lf.lasso_path(lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0])))
    inf
    """
    problem = path.require_problem("monotonicity")
    return first_backward(path, problem, problem.fitted(backward_slopes(path)))


def first_backward(path: Path, problem: LeastSquares, fitted: Floats) -> float:
    """The start of the first segment whose backward part is above rounding."""
    size = np.linalg.norm(fitted, axis=1)
    backward = np.flatnonzero(size > DUST * np.linalg.norm(problem.target))
    return float(path.knots[backward[0] - 1]) if backward.size else np.inf


class MonotoneByDesign(NamedTuple):
    """Whether the design alone makes every path monotone: True, False (the condition fails) or None (not decided)."""

    two_sided: bool | None
    """For the lasso: ``S (M_II)^-1 S k >= 0`` for every set I and all signs S."""
    positive: bool | None
    """For ``positive=True``: the same, or M positive definite with nonpositive off-diagonal entries."""
    reason: str
    """What was found, in a sentence."""


def monotone_by_design(
    problem: LeastSquares, penalty_factor: ArrayLike | None = None, budget: int = 2**15
) -> MonotoneByDesign:
    """Sufficient conditions on X alone under which the path is monotone, whatever y is.

    The two-sided condition (Efron et al. 2004; Hastie et al. 2007, section 6; stated in Berthier 2025) asks for
    ``S (M_II)^-1 S k >= 0`` for all sets I of columns and all sign matrices S, that is, for every ``(M_II)^-1`` to
    be diagonally dominant in the weights k. Sets are enumerated until one fails or the budget is spent.

    Parameters
    ----------
    problem : LeastSquares
        n samples, d features. X'X is formed where d <= n.
    penalty_factor : array of shape (d,), optional
        Positive finite factors k, 1 by default.
    budget : int
        The largest number of sets looked at.

    Raises
    ------
    ValueError
        If the factors have another shape or are not positive and finite.

    Examples
    --------
    >>> import lassoflow as lf
    >>> lf.monotone_by_design(lf.LeastSquares([[1.0, -0.2], [0.0, 1.0]], [1.0, 1.0]))
    MonotoneByDesign(two_sided=True, positive=True, reason='all 3 sets of columns satisfy the condition')
    """
    box = Box.of(problem, penalty_factor)
    if not box.symmetric or not (np.isfinite(box.upper) & (box.upper > 0)).all():
        raise ValueError("penalty_factor must hold one positive, finite factor a coordinate here.")
    n, d = problem.design.shape
    index = np.flatnonzero(problem.design.norms)[: d if d <= n else _MOST_COLUMNS]
    norms = problem.design.norms[index]
    columns = problem.design.columns(index) / norms
    names = [problem.feature_names[j] for j in index]
    gram = columns.T @ columns  # unit columns: z_j scales with |X_j|, so k_j becomes k_j / |X_j|
    two_sided, reason = _inverses_dominant(gram, box.upper[index] / norms, names, min(n, d), budget)
    if two_sided and index.size < np.count_nonzero(problem.design.norms):
        two_sided, reason = None, f"the first {index.size} columns satisfy the condition"
    if two_sided:
        return MonotoneByDesign(True, True, reason)
    positive = True if d <= n and _is_m_matrix(gram) else None
    return MonotoneByDesign(two_sided, positive, f"{reason}; X'X is {'' if positive else 'not '}an M-matrix")


def _is_m_matrix(gram: Floats) -> bool:
    off = gram - np.diag(np.diag(gram))
    return bool(off.max(initial=0.0) <= DUST and np.linalg.eigvalsh(gram)[0] > DUST)


def _inverses_dominant(
    gram: Floats, factor: Floats, names: list[str], rank: int, budget: int
) -> tuple[bool | None, str]:
    """Whether ``(M_II)^-1`` is diagonally dominant in the weights for all independent I, and a reason.

    Sets are ordered by their last column, so that a budget looks at all sets of the first few columns.
    """
    if not (np.abs(gram - np.eye(len(gram))) > DUST).any():
        return True, "the columns are orthogonal"
    seen = 0
    for last in range(len(gram)):
        for others in range(min(last + 1, rank)):
            seen += math.comb(last, others)
            if seen > budget:
                return None, f"all sets of the first {last} columns satisfy the condition"
            sets = np.array([(*rest, last) for rest in itertools.combinations(range(last), others)])
            failing = _first_failing(gram, factor, sets)
            if failing is not None:
                return False, f"columns {', '.join(names[j] for j in failing)} violate the condition"
    return True, f"all {seen} sets of columns satisfy the condition"


def _first_failing(gram: Floats, factor: Floats, sets: Ints) -> list[int] | None:
    """The first of some sets of columns, shape (m, size), whose inverse is not dominant; dependent ones are skipped."""
    blocks = gram[sets[:, :, None], sets[:, None, :]]
    independent = np.linalg.eigvalsh(blocks)[:, 0] > DUST
    sets, inverse = sets[independent], np.linalg.inv(blocks[independent])
    diagonal = np.einsum("bii->bi", inverse) * factor[sets]
    slack = 2 * diagonal - np.einsum("bij,bj->bi", np.abs(inverse), factor[sets])
    failing = (slack < -DUST * diagonal).any(axis=1)
    return [int(j) for j in sets[failing.argmax()]] if failing.any() else None
