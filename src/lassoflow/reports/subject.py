"""What a page is about: a path, the other path of its problem, and the choice of a model on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.criteria import ICSelection, select_by_criterion
from lassoflow.path import Path
from lassoflow.problem import LeastSquares, Problem
from lassoflow.walk import beside, lasso_path, limit_flow


@dataclass(frozen=True, eq=False)
class Subject:
    """What a page is about.

    Attributes
    ----------
    path : Path
        What was given, with its problem where there is one.
    lasso, flow, limit : Path or None
        The lasso as it is, the flow (of a finite network, if that was given) and the limit flow, not averaged.
    selection : CVSelection, ICSelection or None
        How the model was chosen.
    s, blend : float or None
        Where on ``path`` the model lies.
    notes : list of str
        Sentences on what was left out, and why.
    """

    path: Path
    lasso: Path | None = None
    flow: Path | None = None
    limit: Path | None = None
    selection: Any = None
    s: float | None = None
    blend: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def problem(self) -> Any:
        """The problem of the path, or None."""
        return self.path.problem

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all features."""
        return self.path.frame.feature_names

    @property
    def scale(self) -> Floats:
        """What makes coefficients comparable: the columns' deviations, or ones without data; shape (d,)."""
        if self.problem is None:
            return np.ones(len(self.names))
        return np.where(self.problem.deviations > 0, self.problem.deviations, 1.0)

    def certificate(self) -> Certificate | None:
        """Both paths compared; a single path by its own law; None without data."""
        if self.problem is None:
            return None
        if self.lasso is not None and self.flow is not None:
            return compare(self.flow, self.lasso)
        return certify(self.path) if self.path.law != "descent" else None


def read_subject(shown: Any, problem: Any = None) -> Subject:
    """A path, or what a fitted estimator keeps, with the other paths of its problem.

    Raises
    ------
    TypeError, ValueError
        If it is neither, the estimator is not fitted, or the problem is another one's.
    """
    notes: list[str] = []
    if isinstance(shown, Path):
        path, selection, s = shown, None, None
    else:
        path, selection, s = _of_estimator(shown, notes)
    return subject_of(_with_problem(path, problem), selection, s, notes)


def subject_of(path: Path, selection: Any = None, s: float | None = None, notes: Sequence[str] = ()) -> Subject:
    """A path with a choice at time s and at the path's own blend; without one the extended BIC chooses."""
    lasso, flow, limit = _paths(path)
    kept, blend = list(notes), path.blend
    if path.problem is None:
        kept.append(
            "The data did not come with this path, so there is no loss, no certificate and no other path to compare "
            "with: lf.report(..., problem=problem) shows them."
        )
    elif s is None:
        selection = _chosen(path, kept)
        s = None if selection is None else selection.s
    return Subject(path, lasso, flow, limit, selection, s, None if s is None else blend, kept)


def _of_estimator(model: Any, notes: list[str]) -> tuple[Path, Any, float]:
    """The path, the selection and the time of a fitted estimator; of several responses those of the first."""
    if not hasattr(model, "path_"):
        kind = type(model).__name__
        if hasattr(model, "fit"):
            raise ValueError(f"This {kind} has no path; report takes fitted regressors and classifiers of lassoflow.")
        raise TypeError(f"report takes a Path or a fitted estimator; got {kind}.")
    path, selection = model.path_, getattr(model, "selection_", None)
    alpha = getattr(model, "alpha_", getattr(model, "alpha", 0.0))
    if isinstance(path, list):
        several = f"{len(path)} {'classes, each told from the others' if hasattr(model, 'classes_') else 'responses'}"
        notes.append(f"The model has {several}; the page shows the first.")
        path, selection, alpha = path[0], selection[0] if selection is not None else None, np.ravel(alpha)[0]
    lam = float(np.ravel(alpha)[0])
    s = selection.s if selection is not None else (1.0 / lam if lam else np.inf)
    return path, selection, float(s)


def _with_problem(path: Path, problem: Any) -> Path:
    """The path with the data it belongs to."""
    if problem is None:
        return path
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a LeastSquares or another problem; got {type(problem).__name__}.")
    if problem.n_features != len(path.frame.feature_names):
        raise ValueError(f"problem has {problem.n_features} features; the path has {len(path.frame.feature_names)}.")
    mean, own = path.frame.target_mean, getattr(problem, "target_mean", path.frame.target_mean)
    if not np.isclose(own, mean, atol=0.0):
        raise ValueError(f"problem is of another response: its mean is {own:.6g}, that of the path's {mean:.6g}.")
    frame = path.frame._replace(feature_names=problem.feature_names)
    return replace(path, problem=problem, frame=frame)  # type: ignore[arg-type]


def _paths(path: Path) -> tuple[Path | None, Path | None, Path | None]:
    """The lasso, the flow and the limit flow; those that can be had."""
    lasso, flow, limit = None, None, None
    if path.law == "lasso":
        lasso = path.averaged()
    else:
        flow = path.instantaneous()
    limit = flow if path.law == "flow" else None
    network = path.network
    has_box = network is None or network.reason_without_box(len(path.frame.feature_names)) is None
    if not isinstance(path.problem, LeastSquares) or not has_box:
        return lasso, flow, limit
    limit = limit or beside(limit_flow, path)
    return lasso or beside(lasso_path, path), flow or limit, limit


def _chosen(path: Path, notes: list[str]) -> ICSelection | None:
    """The choice of the extended BIC on an exact path of least squares, where it has one."""
    if not isinstance(path.problem, LeastSquares) or path.law not in ("lasso", "flow") or path.blend not in (0.0, 1.0):
        return None
    if path.law == "flow" and path.blend == 1.0:
        return None
    try:
        return select_by_criterion(path)
    except ValueError as error:
        notes.append(f"No model is chosen by the extended BIC: {error}")
        return None
