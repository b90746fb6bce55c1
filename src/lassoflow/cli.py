"""The command line: a table in; an exact path, its certificate and a picture out.

Bad input ends in one sentence on stderr and exit code 2. Files are written after everything is computed, each beside
its place and then renamed, so that none is ever seen half-written.
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar, Literal, NoReturn, cast

import numpy as np

import lassoflow
from lassoflow.archive import check_folder, write_files
from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.datasets import SHIPPED
from lassoflow.descent import gradient_descent
from lassoflow.display import PathDisplay
from lassoflow.figures import FIGURES
from lassoflow.flow import gradient_flow
from lassoflow.network import Network, PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.tables import Table, read_table
from lassoflow.walk import Progress, beside, lasso_path, limit_flow

try:
    import rich.console
    import rich.progress
    import rich.table
    import typer
except ImportError:  # main says so; annotations are strings until typer reads them
    typer = None  # type: ignore[assignment]

_WALKS = {"lasso": lasso_path, "flow": limit_flow}
_FACTORS = {
    "std": "Penalty factors are the columns' standard deviations: this is the path of standardised columns, in the "
    "columns' own units, and λ is the alpha of scikit-learn's Lasso after StandardScaler (--penalty-factor none "
    "penalises the columns as they are).",
    "none": "Penalty factors are 1: columns are penalised as they are, so their units matter (with std they do not), "
    "and λ is the alpha of scikit-learn's Lasso.",
}
_TOP = 10


@dataclass(frozen=True)
class Job:
    """What was asked for, of both paths; its fields are the arguments and options of the commands."""

    data: Annotated[
        str, typer.Argument(metavar="DATA", help=f"A csv, tsv, parquet or npz file, or one of {', '.join(SHIPPED)}.")
    ]
    target: Annotated[str | None, typer.Option("--target", "-t", metavar="COLUMN", help="Column to predict.")] = None
    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="DIR", help="Write files there.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")] = False
    x: Annotated[Literal["s", "lambda", "l1"], typer.Option("--x", help="Horizontal axis of the picture.")] = "s"
    penalty_factor: Annotated[
        Literal["std", "none"], typer.Option(help="The columns' deviations, as if they were standardised, or 1.")
    ] = "std"
    positive: Annotated[bool, typer.Option("--positive", help="Allow no negative coefficients.")] = False
    weight_decay: Annotated[float, typer.Option(min=0, help="Constant l1 penalty, added to λ times the factor.")] = 0.0
    lambda_min: Annotated[float, typer.Option(min=0, help="Stop at this penalty.")] = 0.0
    max_knots: Annotated[int | None, typer.Option(min=1, help="Stop after this many knots.")] = None
    no_intercept: Annotated[bool, typer.Option("--no-intercept", help="Fit no intercept.")] = False
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of sample weights.")] = None
    one_hot: Annotated[bool, typer.Option("--one-hot", help="Make 0/1 columns of columns of text.")] = False
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Drop rows with missing values.")] = False
    ignore: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave out; may be repeated.")] = None

    files: ClassVar[list[str]]

    @property
    def laws(self) -> list[Literal["lasso", "flow"]]:
        """The exact paths that are asked for."""
        return ["lasso", "flow"]

    @property
    def trains(self) -> bool:
        """Whether a network is asked for."""
        return False


@dataclass(frozen=True)
class PathJob(Job):
    """What was asked for, of a single path."""

    law: Annotated[Literal["lasso", "flow"], typer.Option(help="The lasso, or the limit of gradient flow.")] = "lasso"

    files: ClassVar = ["path.png", "knots.csv", "summary.json"]

    @property
    def laws(self) -> list[Literal["lasso", "flow"]]:
        """The path that is asked for."""
        return [self.law]


@dataclass(frozen=True)
class CompareJob(Job):
    """What was asked for, of a flow and the lasso: of the limit flow, or of a finite network."""

    network: Annotated[
        Literal["power", "product", "square"] | None,
        typer.Option(help="Compare the flow of a network: u^D - v^D, u times v, or u^2 (both of depth 2)."),
    ] = None
    depth: Annotated[int, typer.Option(min=2, help="Depth D of a power network.")] = 2
    scale: Annotated[float | None, typer.Option(help="Scale of its coefficients at the start; 1e-6 if not given.")] = (
        None
    )
    log_scale: Annotated[float | None, typer.Option(help="Its natural logarithm, for scales below 1e-308.")] = None
    rtol: Annotated[float, typer.Option(help="Relative error of the integration, a step.")] = 1e-6

    files: ClassVar = ["compare.png", "knots-lasso.csv", "knots-flow.csv", "summary.json"]

    @property
    def trains(self) -> bool:
        """Whether a network is asked for."""
        return self.network is not None

    @property
    def on_weights(self) -> bool:
        """Whether steps on the weights are asked for."""
        return False

    def make(self) -> Network:
        """The network.

        Raises
        ------
        ValueError
            If the options do not go together.
        """
        for given, option in ((self.positive, "--positive"), (self.max_knots, "--max-knots")):
            if given:
                raise ValueError(f"{option}: not for networks (--network square has nonnegative coefficients).")
        if self.network != "power" and self.depth != 2:
            raise ValueError(f"--depth: a {self.network} network has depth 2; got {self.depth}.")
        scale = 1e-6 if self.scale is None and self.log_scale is None else self.scale
        if self.network == "product":
            return ProductNetwork(scale, log_scale=self.log_scale)
        if self.network == "square":
            return SquareNetwork(scale, log_scale=self.log_scale)
        return PowerNetwork(self.depth, scale, log_scale=self.log_scale)


@dataclass(frozen=True)
class TrainJob(CompareJob):
    """What was asked for, of a network that is trained."""

    network: Annotated[
        Literal["power", "product", "square"],
        typer.Option(help="u^D - v^D, u times v (depth 2), or u^2 (depth 2, nonnegative coefficients)."),
    ] = "power"
    descent: Annotated[bool, typer.Option("--descent", help="Gradient descent on the weights, not the flow.")] = False
    sgd: Annotated[bool, typer.Option("--sgd", help="Stochastic descent, one row a step (see --batch-size).")] = False
    step_size: Annotated[float | None, typer.Option(help="Of descent; a safe one if not given.")] = None
    n_steps: Annotated[int, typer.Option(min=1, help="Steps of descent.")] = 10_000
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows a step; all if not given, 1 with --sgd.")] = None
    momentum: Annotated[float, typer.Option(min=0, max=1, help="Heavy ball momentum of descent.")] = 0.0
    label_noise: Annotated[float, typer.Option(min=0, help="Deviation of noise added to y at every step.")] = 0.0
    seed: Annotated[int, typer.Option(min=0, help="Of batches and label noise.")] = 0

    files: ClassVar = ["train.png", "knots.csv", "summary.json"]

    @property
    def on_weights(self) -> bool:
        """Whether steps on the weights are asked for."""
        given = self.step_size is not None or self.batch_size is not None
        return bool(self.descent or self.sgd or given or self.momentum or self.label_noise)


@dataclass(frozen=True)
class Result:
    """What came of a job: the table, the paths by law, and their certificate."""

    job: Job
    table: Table
    problem: LeastSquares
    paths: dict[str, Path]
    certificate: Certificate
    seconds: float


def _run(job: Job) -> None:
    table = read_table(job.data, job.target, job.one_hot, job.drop_missing, job.weights, job.ignore or ())
    if job.out is not None:
        with _writing(job.out):
            check_folder(job.out, job.files)
    result = _compute(job, table)
    summary = _summary(result)
    text = json.dumps(summary, indent=2, allow_nan=False)
    if job.out is not None:
        knots = [_knots(path) for path in result.paths.values()]
        contents = dict(zip(job.files, [_picture(result), *knots, f"{text}\n".encode()], strict=True))
        with _writing(job.out):
            write_files(job.out, contents)
    if job.as_json:
        print(text)
    else:
        _print(result, summary)
    if not result.certificate.holds:
        print("lassoflow: the certificate does not hold, see the check that fails", file=sys.stderr)
        raise typer.Exit(1)


def _compute(job: Job, table: Table) -> Result:
    start = time.perf_counter()
    problem = LeastSquares(table.to_frame(), table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    if isinstance(job, CompareJob) and job.trains:
        return _train(job, table, problem, start)
    factor = "std" if job.penalty_factor == "std" else None
    paths: dict[str, Path] = {}
    for law in job.laws:
        with _progress(law, job.max_knots) as callback:
            walk = _WALKS[law]
            paths[law] = walk(problem, factor, job.positive, job.weight_decay, job.lambda_min, job.max_knots, callback)
    certificate = certify(paths[job.law]) if isinstance(job, PathJob) else compare(paths["flow"], paths["lasso"])
    return Result(job, table, problem, paths, certificate, time.perf_counter() - start)


def _train(job: CompareJob, table: Table, problem: LeastSquares, start: float) -> Result:
    """Train a network, on columns divided by their deviations where these are the penalty factors."""
    network = job.make()
    if job.penalty_factor == "std":
        frame = table.to_frame() / np.where(problem.deviations > 0, problem.deviations, 1.0)
        problem = LeastSquares(frame, table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    with _training(job) as callback:
        if isinstance(job, TrainJob) and job.on_weights:
            path = gradient_descent(
                problem,
                network,
                step_size=job.step_size,
                n_steps=job.n_steps,
                batch_size=1 if job.sgd and job.batch_size is None else job.batch_size,
                momentum=job.momentum,
                weight_decay=job.weight_decay,
                label_noise=job.label_noise,
                seed=job.seed,
                callback=callback,
            )
        else:
            until = 1.0 / job.lambda_min if job.lambda_min else None
            path = gradient_flow(problem, network, until, job.rtol, job.weight_decay, callback)
    assert isinstance(path, Path)  # one seed, one path
    paths: dict[str, Path] = {} if isinstance(job, TrainJob) else {"lasso": beside(lasso_path, path)}
    paths[path.law] = path
    return Result(job, table, problem, paths, compare(path), time.perf_counter() - start)


@contextmanager
def _training(job: CompareJob) -> Iterator[Callable[[Any], object] | None]:
    """A bar on stderr while a network is trained."""
    with _bar("training", getattr(job, "n_steps", None) if job.on_weights else None) as update:
        if update is None:
            yield None
            return

        def report(at: Any) -> None:
            more = f", loss {at.loss:.3g}" if hasattr(at, "loss") else f", {at.n_active} active"
            done = getattr(at, "step", None) if job.on_weights else at.steps
            update(completed=done, description=f"training: s {at.s:.3g}{more}")

        yield report


@contextmanager
def _progress(law: str, max_knots: int | None) -> Iterator[Callable[[Progress], object] | None]:
    """A bar on stderr while a path is walked."""
    with _bar(law, max_knots) as update:
        yield update and (
            lambda at: update(
                completed=at.knot, description=f"{law}: knot {at.knot}, λ {at.lam:.3g}, {at.n_active} active"
            )
        )


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[..., object] | None]:
    """What moves a progress bar on stderr; None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    console = rich.console.Console(stderr=True)
    columns = ("{task.description}", rich.progress.BarColumn(), rich.progress.TimeElapsedColumn())
    with rich.progress.Progress(*columns, console=console, transient=True) as bar:
        yield functools.partial(bar.update, bar.add_task(what, total=total))


def _summary(result: Result) -> dict[str, Any]:
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
        "certificate": result.certificate.to_dict(),
        "passes": result.problem.passes,
        "seconds": round(result.seconds, 4),
    }
    return cast("dict[str, Any]", _strict(summary))


def _path_summary(path: Path, problem: LeastSquares) -> dict[str, Any]:
    """A path in numbers; ``coef`` holds the nonzero coefficients at its end."""
    end, stop = path.end, path.domain[1]
    null = problem.loss(np.zeros_like(end))
    return {
        "knots": path.knots.size,
        "first_lambda": 1.0 / path.knots[0] if path.knots.size else 0.0,
        "status": path.status,
        "s_end": stop,
        "intercept": float(path.intercept(stop, side="left")),
        "r_squared": 1.0 - problem.loss(end) / null if null else math.nan,
        "coef": {path.frame.feature_names[j]: end[j] for j in np.flatnonzero(end)},
    }


def _strict(value: Any) -> Any:
    """A value of strict JSON: NaN becomes null, infinities become strings."""
    if isinstance(value, dict):
        return {str(key): _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _print(result: Result, summary: dict[str, Any]) -> None:
    job, table = result.job, result.table
    width = None if sys.stdout.isatty() else 1000  # nobody folds the lines of a pipe
    console = rich.console.Console(markup=False, highlight=False, emoji=False, width=width)
    n, d = table.X.shape
    size = f"{n} row{'s' * (n != 1)}, {d} feature{'s' * (d != 1)}"
    console.print(f"{job.data}: {size}, target {table.target_name!r}", style="bold")
    for note in table.notes:
        console.print(f"Note: {note}.")
    console.print(_FACTORS[job.penalty_factor])
    console.print()
    if job.trains:
        _print_training(console, result)
    elif isinstance(job, PathJob):
        _print_path(console, result.paths[job.law], result.problem, summary["paths"][job.law])
        console.print(result.certificate.summary)
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
    console.print(str(result.certificate), soft_wrap=True)


def _print_path(console: rich.console.Console, path: Path, problem: LeastSquares, summary: dict[str, Any]) -> None:
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
    score = "" if summary["r_squared"] is None else f"R²{kind} {summary['r_squared']:.4f}, "
    active = f"{np.count_nonzero(end)} of {end.size} coefficients nonzero"
    console.print(f"At the end: {active}, {score}intercept {summary['intercept']:.5g}.")


def _picture(result: Result) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.5), layout="constrained")
    paths = list(result.paths.values())
    standard = result.job.penalty_factor == "std"
    if result.job.trains:  # beside the lasso of its own box; columns are standardised already
        network = paths[-1]
        paths, scale = [beside(lasso_path, network), network.averaged()], None
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


@contextmanager
def _writing(folder: FilePath) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"--out: {str(folder)!r} cannot be written: {error.strerror}.") from None


def _knots(path: Path) -> bytes:
    return path.to_frame().to_csv(index=False, lineterminator="\n").encode()


def _reproduce(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A figure; without one they are listed.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller or fewer runs.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the random instances.")] = 0,
    out: Annotated[FilePath, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")] = FilePath("out"),
) -> None:
    if name is None:
        width = max(map(len, FIGURES))
        for key, figure in FIGURES.items():
            print(f"{key:{width}}  {figure.title} ({figure.paper})")
        return
    if name not in FIGURES:
        raise ValueError(f"NAME must be one of {', '.join(FIGURES)}; got {name!r}.")
    with _writing(out):
        check_folder(out, [f"{name}.png", f"{name}.txt"])
    with _waiting(f"computing {name}"):
        made = FIGURES[name].run(quick, seed)
        files = made.files(name)
    with _writing(out):
        write_files(out, files)
    print(made.sentence[0].upper() + made.sentence[1:])
    print(f"Written to {out}: {', '.join(files)}")


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """A spinner on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    with rich.console.Console(stderr=True).status(what):
        yield


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Sparse regression by gradient flow: exact lasso paths, exact limit flows, and certificates that tie them."""
    if version:
        print(f"lassoflow {lassoflow.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def app() -> typer.Typer:
    """The program with its commands."""
    program = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    program.callback(invoke_without_command=True)(_root)
    help_path = "Compute one path exactly, and certify it."
    help_both = "Compute the lasso path and the limit flow, and certify how far apart they are."
    program.command("path", help=help_path)(_command(PathJob))
    program.command("compare", help=help_both)(_command(CompareJob))
    help_train = "Train a network from a finite initialisation, and certify how far it is from the lasso."
    program.command("train", help=help_train)(_command(TrainJob))
    help_figure = "Reproduce a published figure: a picture, its data, and what was published beside what came out here."
    program.command("reproduce", help=help_figure)(_reproduce)
    return program


def _command(kind: type[Job]) -> Callable[..., None]:
    """A function whose parameters are the fields of a job, for typer to read."""

    def run(**options: Any) -> None:
        _run(kind(**options))

    run.__signature__ = inspect.signature(kind, eval_str=True)  # type: ignore[attr-defined]
    return run


def _fail(sentence: str) -> NoReturn:
    print("lassoflow:", " ".join(sentence.split()), file=sys.stderr)
    sys.exit(2)


def main() -> None:
    """Run the command line; every expected failure is one sentence and exit code 2."""
    if typer is None:
        _fail("the command line needs typer and rich: pip install 'lassoflow[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a column name may not fit the terminal's encoding
    try:
        code = app()(prog_name="lassoflow", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (ValueError, ArithmeticError, OSError, MemoryError) as error:
        _fail(str(error) or "not enough memory")
    except Exception as error:
        if not hasattr(error, "format_message"):  # a usage error of the command line
            raise
        _fail(error.format_message())
    sys.exit(code if isinstance(code, int) else 0)
