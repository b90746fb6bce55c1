"""The command ``lassoflow report``: a table in, a page out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import numpy as np

from lassoflow.archive import check_folder, replacing
from lassoflow.exact_cv import SMALLEST_SHARE
from lassoflow.fitted_model import fingerprint
from lassoflow.fitting import FitJob, estimator_of, spread_of
from lassoflow.jobs import TableJob, writing
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.reports.content import Source
from lassoflow.reports.page import render, require_libraries
from lassoflow.reports.subject import Subject, subject_of
from lassoflow.tables import Table
from lassoflow.walk import lasso_path, limit_flow

try:
    import typer
except ImportError:  # main says so
    typer = None  # type: ignore[assignment]

_BEYOND = 1.0 - 1e-9
"""How far paths go on below the penalty of the choice, lest they end just before a jump there."""
_SETTINGS = {
    "std": "Penalties are in proportion to the columns' standard deviations: λ is the alpha of scikit-learn's Lasso "
    "after StandardScaler.",
    "none": "Columns are penalised as they are: λ is the alpha of scikit-learn's Lasso.",
}


@dataclass(frozen=True)
class ReportJob(TableJob):
    """What was asked for; see :class:`lassoflow.jobs.TableJob`."""

    out: Annotated[FilePath, typer.Option("--out", "-o", metavar="FILE", help="The page.")] = FilePath("report.html")
    model: Annotated[Literal["flow", "lasso"], typer.Option(help="What is chosen on: the limit flow or the lasso.")] = (
        "flow"
    )
    select: Annotated[str, typer.Option(metavar="HOW", help="cv, 1se, bic, ebic, aic, aicc, cp, gcv, or s=NUMBER.")] = (
        "cv"
    )
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation.")] = 5
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and the bootstrap.")] = 0


def run(job: ReportJob, tell: Callable[[str], object] | None = None) -> None:
    """Read, choose, compare and write; ``tell`` is told what is being done."""
    tell = tell or (lambda what: None)
    try:
        require_libraries()
    except ImportError as error:
        raise ValueError(str(error)) from None
    table = job.read()
    with writing(job.out):
        check_folder(job.out.parent, [job.out.name])
    tell("choosing the model")
    page = render(_subject(job, table), _source(job, table), tell)
    with writing(job.out), replacing(job.out) as stream:
        stream.write(page)


def _subject(job: ReportJob, table: Table) -> Subject:
    """The path of the table down to the choice, which is that of ``lassoflow fit``."""
    names = {field.name for field in fields(FitJob)} & {field.name for field in fields(ReportJob)}
    wanted = FitJob(**{name: getattr(job, name) for name in names})
    estimator = estimator_of(wanted, table.y)
    estimator.fit(table.X / spread_of(job.penalty_factor, table), table.y, sample_weight=table.sample_weight)
    lam = float(getattr(estimator, "alpha_", getattr(estimator, "alpha", 0.0)))
    blend = float(getattr(estimator, "blend_", getattr(estimator, "blend", estimator.path_.blend)))
    selection = getattr(estimator, "selection_", None)
    s = selection.s if selection is not None else 1.0 / lam
    return subject_of(_path(job, table, lam).relaxed(blend), selection, s)


def _path(job: ReportJob, table: Table, lam: float) -> Path:
    """The path down to a thousandth of its largest penalty, or to the choice."""
    problem = LeastSquares(table.to_frame(), table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    walk = lasso_path if job.model == "lasso" else limit_flow
    factor = "std" if job.penalty_factor == "std" else None
    first = walk(problem, factor, max_knots=0).domain[1]
    floor = SMALLEST_SHARE / first if np.isfinite(first) else 0.0
    return walk(problem, factor, lambda_min=min(floor, lam * _BEYOND))


def _source(job: ReportJob, table: Table) -> Source:
    sha256 = fingerprint(table, job.data)["sha256"]
    settings = _SETTINGS[job.penalty_factor]
    notes = tuple(f"{note}." for note in table.notes)
    return Source(
        FilePath(job.data).name, table.target_name, settings, f"lassoflow report {_arguments(job)}", sha256, notes
    )


def _arguments(job: ReportJob) -> str:
    """The command line that asks for this page."""
    words: list[str] = [job.data]
    for field in fields(job):
        value: Any = getattr(job, field.name)
        if field.default is MISSING or value == field.default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [option] if value is True else [word for one in values for word in (option, str(one))]
    return shlex.join(words)
