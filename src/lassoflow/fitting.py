"""The commands ``lassoflow fit`` and ``lassoflow predict``: a table to a model file, a model file to predictions."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import numpy as np

import lassoflow
from lassoflow.archive import as_csv, check_folder, replacing
from lassoflow.arrays import Floats
from lassoflow.features import read_features
from lassoflow.fitted_model import FORMAT, FittedModel, fingerprint, read_model
from lassoflow.jobs import TableJob, writing
from lassoflow.problem import LeastSquares
from lassoflow.tables import Table

try:
    import rich.console
    import rich.table
    import typer
except ImportError:  # main says so
    typer = None  # type: ignore[assignment]

_CRITERIA = ("bic", "ebic", "aic", "aicc", "cp", "gcv")


@dataclass(frozen=True)
class FitJob(TableJob):
    """What was asked for; see :class:`lassoflow.jobs.TableJob`."""

    model: Annotated[
        Literal["flow", "lasso", "network"], typer.Option(help="The limit flow, the lasso, or a finite network.")
    ] = "flow"
    select: Annotated[str, typer.Option(metavar="HOW", help="cv, 1se, bic, ebic, aic, aicc, cp, gcv, or s=NUMBER.")] = (
        "cv"
    )
    loss: Annotated[Literal["squares", "logistic"], typer.Option(help="logistic: a target of two values.")] = "squares"
    depth: Annotated[int, typer.Option(min=2, help="Of a network.")] = 2
    scale: Annotated[float, typer.Option(help="Of a network's coefficients at the start.")] = 1e-8
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation.")] = 5
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and the bootstrap.")] = 0
    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="FILE", help="Write the model there.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the model as JSON and nothing else.")] = False


@dataclass(frozen=True)
class PredictJob:
    """What was asked for; its fields are the arguments and options of the command."""

    model: Annotated[FilePath, typer.Argument(metavar="MODEL", help="A file that lassoflow fit wrote.")]
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table with the columns of the model.")]
    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="FILE", help="Write a csv file there.")] = None


def fit(job: FitJob) -> None:
    """Fit, write and print."""
    table = job.read()
    if job.out is not None:
        with writing(job.out):
            check_folder(job.out.parent, [job.out.name])
    model = fitted(job, table)
    if job.out is not None:
        with writing(job.out):
            model.save(job.out)
    if job.as_json:
        print(json.dumps(asdict(model), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _show(job, model, table)


def predict(job: PredictJob) -> None:
    """Predict, and write or print one number a row."""
    try:
        model = read_model(job.model)
    except OSError as error:
        raise ValueError(f"MODEL: {str(job.model)!r} cannot be read: {error.strerror}.") from None
    values = model.predict(read_features(job.data, model.needed, model.levels))
    name = f"probability of {model.target} = {model.classes[1]:g}" if model.link == "logit" else model.target
    text = as_csv({name: values})
    if job.out is None:
        sys.stdout.write(text.decode())
        return
    with writing(job.out), replacing(job.out) as stream:
        stream.write(text)


def fitted(job: FitJob, table: Table) -> FittedModel:
    """The model that a job asks for."""
    spread = spread_of(job.penalty_factor, table)
    estimator = estimator_of(job, table.y)
    estimator.fit(table.X / spread, table.y, sample_weight=table.sample_weight)
    coef = np.ravel(estimator.coef_) / spread
    lam = float(np.ravel(getattr(estimator, "alpha_", getattr(estimator, "alpha", math.nan)))[0])
    blend = getattr(estimator, "blend_", getattr(estimator, "blend", None))
    chosen = getattr(estimator, "selection_", None)
    return FittedModel(
        format=FORMAT,
        version=lassoflow.__version__,
        model=job.model if job.model != "network" else f"network of depth {job.depth}, scale {job.scale:g}",
        select=job.select,
        link="logit" if job.loss == "logistic" else "identity",
        target=table.target_name,
        classes=np.unique(table.y).tolist() if job.loss == "logistic" else [],
        features=list(table.feature_names),
        coef={name: float(value) for name, value in zip(table.feature_names, coef, strict=True) if value},
        intercept=float(np.ravel(estimator.intercept_)[0]),
        scaling=spread.tolist(),
        penalty=lam,
        s=1.0 / lam if lam else None,
        blend=None if blend is None else float(np.ravel(blend)[0]),
        sentence=str(chosen) if chosen is not None else f"Fitted at s = {1.0 / lam:g}, as asked.",
        data=fingerprint(table, job.data),
        levels={name: list(levels) for name, levels in table.levels.items()},
    )


def spread_of(penalty_factor: str, table: Table) -> Floats:
    """What columns are divided by before a fit, shape (d,)."""
    if penalty_factor == "none":
        return np.ones(table.X.shape[1])
    deviations = LeastSquares(table.X, table.y, table.sample_weight).deviations
    return np.where(deviations > 0, deviations, 1.0)


def estimator_of(job: FitJob, y: Any) -> Any:
    """The estimator that a job asks for; scikit-learn is imported for these commands only."""
    if job.select in ("cv", "1se") and job.folds > y.size:
        raise ValueError(f"--folds must be at most the number of rows, {y.size}; got {job.folds}.")
    from sklearn.model_selection import KFold, StratifiedKFold

    from lassoflow.classifier_cv import FlowClassifierCV
    from lassoflow.classifiers import FlowClassifier
    from lassoflow.estimators import ExactLasso, FlowRegressor
    from lassoflow.estimators_cv import ExactLassoCV, FlowRegressorCV
    from lassoflow.estimators_ic import ExactLassoIC, FlowRegressorIC

    intercept: dict[str, Any] = {"fit_intercept": not job.no_intercept}
    time = _time(job.select)
    if job.loss == "logistic":
        if job.model != "flow" or job.select in _CRITERIA:
            raise ValueError("--loss logistic goes with --model flow and --select cv, 1se or s=NUMBER.")
        if np.unique(y).size != 2:
            raise ValueError(f"--loss logistic needs a target of two values; it has {np.unique(y).size}.")
        if time:
            return FlowClassifier(1.0 / time, **intercept)
        folds = StratifiedKFold(job.folds, shuffle=True, random_state=job.seed)
        return FlowClassifierCV("min" if job.select == "cv" else "1se", folds, **intercept)
    if job.model == "network":
        if not time:
            raise ValueError("--model network is fitted at a time of your choice: give --select s=NUMBER.")
        return FlowRegressor(1.0 / time, depth=job.depth, scale=job.scale, **intercept)
    exact: dict[str, tuple[Any, Any, Any]] = {
        "flow": (FlowRegressor, FlowRegressorCV, FlowRegressorIC),
        "lasso": (ExactLasso, ExactLassoCV, ExactLassoIC),
    }
    at, by_cv, by_criterion = exact[job.model]
    if time:
        return at(1.0 / time, **intercept)
    if job.select in _CRITERIA:
        return by_criterion(job.select, random_state=job.seed, **intercept)
    folds = KFold(job.folds, shuffle=True, random_state=job.seed)
    rule: dict[str, Any] = {"rule": "1se"} if job.select == "1se" else {}  # else the estimator's own
    return by_cv(cv=folds, **rule, **intercept)


def _time(select: str) -> float:
    """The s of ``s=NUMBER``; 0 for a rule or a criterion."""
    if select in ("cv", "1se", *_CRITERIA):
        return 0.0
    word, _, number = select.partition("=")
    try:
        time = float(number) if word.strip() == "s" else math.nan
    except ValueError:
        time = math.nan
    if not 0.0 < time < math.inf:
        rules = ", ".join(["cv", "1se", *_CRITERIA])
        raise ValueError(f"--select must be {rules}, or s=NUMBER with a number > 0; got {select!r}.")
    return time


def _show(job: FitJob, model: FittedModel, table: Table) -> None:
    console = rich.console.Console(
        markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 1000
    )
    n, d = table.X.shape
    console.print(f"{job.data}: {n} samples, {d} features, {model.target!r}", style="bold")
    for note in table.notes:
        console.print(note)
    console.print(model.sentence)
    grid = rich.table.Table("feature", box=None, pad_edge=False)
    for title in ("coefficient", "times its deviation"):
        grid.add_column(title, justify="right")
    scale = dict(zip(model.features, model.scaling, strict=True))
    for name, value in sorted(model.coef.items(), key=lambda item: -abs(item[1] * scale[item[0]])):
        grid.add_row(name, f"{value:.6g}", f"{value * scale[name]:.4g}")
    grid.add_row("(intercept)", f"{model.intercept:.6g}", "")
    console.print("", grid, sep="\n")
    if job.out is not None:
        console.print(f"\nWritten to {job.out}; predict with: lassoflow predict {job.out} DATA")
