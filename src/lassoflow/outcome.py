"""What came of a job of the command line: as JSON, on the screen, as a picture and as a table."""

from __future__ import annotations

import io
import math
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

import lassoflow
from lassoflow.archive import strict
from lassoflow.checks import Certificate
from lassoflow.convex import ConvexProblem
from lassoflow.display import PathDisplay
from lassoflow.jobs import Job, PathJob
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.tables import Table
from lassoflow.walk import beside, lasso_path

try:
    import rich.console
    import rich.table
except ImportError:  # main says so
    rich = None  # type: ignore[assignment]

_FACTORS = {
    "std": "Penalty factors are the columns' standard deviations: this is the path of standardised columns, in the "
    "columns' own units{} (--penalty-factor none penalises the columns as they are).",
    "none": "Penalty factors are 1: columns are penalised as they are, so their units matter (with std they do not){}.",
}
_ALPHA = {
    "std": ", and λ is the alpha of scikit-learn's Lasso after StandardScaler",
    "none": ", and λ is the alpha of scikit-learn's Lasso",
}
_TOP = 10


@dataclass(frozen=True)
class Result:
    """What came of a job: the table, the paths by law, and their certificate."""

    job: Job
    table: Table
    problem: LeastSquares | ConvexProblem
    paths: dict[str, Path]
    certificate: Certificate | None
    """None for steps on the weights of a network without a lasso: they obey no law in the dual."""
    seconds: float


def summarise(result: Result) -> dict[str, Any]:
    """Everything worth keeping, as strict JSON has it."""
    job, table = result.job, result.table
    n, d = table.X.shape
    data = {"source": job.data, "n": n, "d": d, "target": table.target_name, "features": table.feature_names}
    settings = {key: value for key, value in asdict(job).items() if key not in ("data", "target", "out", "as_json")}
    summary = {
        "version": lassoflow.__version__,
        "data": data | {"notes": table.notes},
        "settings": settings,
        "paths": {law: _path_summary(path, result.problem) for law, path in result.paths.items()},
        "certificate": result.certificate.to_dict() if result.certificate else None,
        "passes": result.problem.passes,
        "seconds": round(result.seconds, 4),
    }
    return cast("dict[str, Any]", strict(summary))


def _path_summary(path: Path, problem: LeastSquares | ConvexProblem) -> dict[str, Any]:
    """A path in numbers; ``coef`` holds the nonzero coefficients at its end."""
    end, stop = path.end, path.domain[1]
    null = problem.loss(np.zeros_like(end))
    first = {"first_lambda": 1.0 / path.knots[0] if path.knots.size else 0.0}
    return {
        **({"knots": path.knots.size} | first if path.exact else {"steps": path.mesh.size}),
        "status": path.status,
        f"{path.letter}_end": stop,
        "intercept": float(path.intercept(stop, side="left")),
        "r_squared": 1.0 - problem.loss(end) / null if null else math.nan,
        "coef": {path.frame.feature_names[j]: end[j] for j in np.flatnonzero(end)},
    }


def show(result: Result, summary: dict[str, Any]) -> None:
    """Print what a person wants to know."""
    job, table = result.job, result.table
    width = None if sys.stdout.isatty() else 1000  # nobody folds the lines of a pipe
    console = rich.console.Console(markup=False, highlight=False, emoji=False, width=width)
    n, d = table.X.shape
    size = f"{n} row{'s' * (n != 1)}, {d} feature{'s' * (d != 1)}"
    console.print(f"{job.data}: {size}, target {table.target_name!r}", style="bold")
    for note in table.notes:
        console.print(f"Note: {note}.")
    squares = isinstance(result.problem, LeastSquares)
    console.print(_FACTORS[job.penalty_factor].format(_ALPHA[job.penalty_factor] if squares else ""))
    console.print()
    if job.trains:
        _print_training(console, result)
    elif isinstance(job, PathJob):
        _print_path(console, result.paths[job.law], result.problem, summary["paths"][job.law])
        console.print(result.certificate.summary if result.certificate else "")
    else:
        console.print(str(result.certificate), soft_wrap=True)
    passes = summary["passes"]
    console.print(f"{passes} pass{'es' * (passes != 1)} over X, {result.seconds:.2g} s", style="dim")
    if job.out is not None:
        console.print(f"Written to {job.out}: {', '.join(job.files)}")


def _print_training(console: rich.console.Console, result: Result) -> None:
    """The run in a line, the largest coefficients at its end, and the certificate."""
    path, problem = list(result.paths.values())[-1], result.problem
    end = path.end
    order = np.argsort(-np.abs(end), kind="stable")[:_TOP]
    table = rich.table.Table("feature", box=None, pad_edge=False)
    per = "coefficient at the end" + (" per deviation" if result.job.penalty_factor == "std" else "")
    table.add_column(per, justify="right")
    for j in order:
        table.add_row(path.frame.feature_names[j], f"{end[j]:.5g}")
    console.print(f"{path.network!r}: {repr(path).strip('<>')}", soft_wrap=True)
    console.print("", table, "", sep="\n")
    loss, null = problem.loss(end), problem.loss(np.zeros_like(end))
    intercept = float(path.intercept(path.domain[1], side="left"))
    if null:
        console.print(f"At the end: R² {1.0 - loss / null:.4f}, intercept {intercept:.5g}.")
    lacking = path.network.reason_without_box(end.size) if path.network else None
    if lacking:
        console.print(lacking)
    if result.certificate:
        console.print(str(result.certificate), soft_wrap=True)


def _print_path(
    console: rich.console.Console, path: Path, problem: LeastSquares | ConvexProblem, summary: dict[str, Any]
) -> None:
    """The path in a line, and the first features in the order in which they enter."""
    console.print(repr(path).strip("<>"), soft_wrap=True)
    lambdas = ["free", *(f"{1 / s:.4g}" for s in path.knots)]
    start = np.concatenate(([0.0], path.knots))
    rows, entering = path.curve.slope(start, "right").nonzero()
    features, first = np.unique(entering, return_index=True)
    order = np.argsort(rows[first], kind="stable")[:_TOP]
    end, deviations = path.end, problem.deviations
    table = rich.table.Table("feature", box=None, pad_edge=False)
    for title in ("enters at λ", "coefficient at the end", "per deviation"):
        table.add_column(title, justify="right")
    for j, row in zip(features[order], rows[first[order]], strict=True):
        name = path.frame.feature_names[j]
        table.add_row(name, lambdas[row], f"{end[j]:.5g}", f"{end[j] * deviations[j]:.4g}")
    if features.size:
        console.print("", table, "", sep="\n")
    if features.size > _TOP:
        console.print(f"... and {features.size - _TOP} features more.")
    kind = "" if problem.fit_intercept else " (uncentred)"
    label = f"R²{kind}" if isinstance(problem, LeastSquares) else "share of the loss explained"
    score = "" if summary["r_squared"] is None else f"{label} {summary['r_squared']:.4f}, "
    active = f"{np.count_nonzero(end)} of {end.size} coefficients nonzero"
    console.print(f"At the end: {active}, {score}intercept {summary['intercept']:.5g}.")


def picture(result: Result) -> bytes:
    """The paths drawn, as the bytes of a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.5), layout="constrained")
    paths = list(result.paths.values())
    standard = result.job.penalty_factor == "std"
    if result.job.trains:  # beside the lasso of its own box; columns are standardised already
        network = paths[-1]
        alone = network.network is None or network.network.reason_without_box(len(network.frame.feature_names))
        paths, scale = [network] if alone else [beside(lasso_path, network), network.averaged()], None
    else:
        scale = result.problem.deviations if standard else None
    display = PathDisplay.from_path(*paths, x=result.job.x, scale=scale)
    if standard:
        display.unit = "coefficient per standard deviation of its column"
    display.plot(figure.subplots())
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names in a script the font lacks
        figure.savefig(content, format="png", dpi=150)
    return content.getvalue()


def knots(path: Path) -> bytes:
    """The table of a path, as the bytes of a csv file."""
    return path.to_frame().to_csv(index=False, lineterminator="\n").encode()
