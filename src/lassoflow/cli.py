"""The command line: a table in; an exact path, its certificate and a picture out.

Bad input ends in one sentence on stderr and exit code 2. Files are written after everything is computed, each beside
its place and then renamed, so that none is ever seen half-written.
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path as FilePath
from typing import Annotated, Any, NoReturn, TextIO, get_type_hints

import numpy as np
from scipy.linalg import LinAlgWarning

import lassoflow
from lassoflow import closeness, fitting, landscape, reporting
from lassoflow.archive import check_folder, write_files
from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.convex import Huber, Logistic, Poisson
from lassoflow.descent import gradient_descent
from lassoflow.figures import FIGURES, Figure, Reproduction
from lassoflow.flow import gradient_flow
from lassoflow.jobs import CompareJob, Job, PathJob, TrainJob, writing
from lassoflow.network import Network
from lassoflow.outcome import Result, knots, picture, show, summarise
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.record import Progress
from lassoflow.tables import Table
from lassoflow.walk import beside, lasso_path, limit_flow

try:
    import rich.console
    import rich.progress
    import typer
except ImportError:  # main says so; annotations are strings until typer reads them
    typer = None  # type: ignore[assignment]

_WALKS: dict[str, Callable[..., Path]] = {"lasso": lasso_path, "flow": limit_flow}
_LOSSES: dict[str, Any] = {"squares": LeastSquares, "logistic": Logistic, "poisson": Poisson, "huber": Huber}


def _run(job: Job) -> None:
    table = job.read()
    if job.out is not None:
        with writing(job.out):
            check_folder(job.out, job.files)
    result = _compute(job, table)
    summary = summarise(result)
    text = json.dumps(summary, indent=2, allow_nan=False)
    if job.out is not None:
        tables = [knots(path) for path in result.paths.values()]
        contents = dict(zip(job.files, [picture(result), *tables, f"{text}\n".encode()], strict=True))
        with writing(job.out):
            write_files(job.out, contents)
    if job.as_json:
        print(text)
    else:
        show(result, summary)
    if result.certificate and not result.certificate.holds:
        print("lassoflow: the certificate does not hold, see the check that fails", file=sys.stderr)
        raise typer.Exit(1)


def _compute(job: Job, table: Table) -> Result:
    start = time.perf_counter()
    loss = _LOSSES[getattr(job, "loss", "squares")]
    problem = loss(table.to_frame(), table.y, table.sample_weight, fit_intercept=not job.no_intercept)
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
    network = job.make(problem.n_features)
    _check_clock(job, network, problem.n_features)
    if job.penalty_factor == "std":
        frame = table.to_frame() / np.where(problem.deviations > 0, problem.deviations, 1.0)
        problem = LeastSquares(frame, table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    until, level = job.until(network), getattr(job, "stop_when", None)
    with _training(job, "s" if network.clock == "lasso" else "t") as callback:
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
                stop_when=level,
                callback=callback,
            )
        else:
            path = gradient_flow(problem, network, until, job.rtol, job.weight_decay, callback, stop_when=level)
    assert isinstance(path, Path)  # one seed, one path
    paths: dict[str, Path] = {} if isinstance(job, TrainJob) else {"lasso": beside(lasso_path, path)}
    paths[path.law] = path
    return Result(job, table, problem, paths, _certified(path), time.perf_counter() - start)


def _check_clock(job: CompareJob, network: Network, n_features: int) -> None:
    """Refuse what a network without a lasso clock, or without a box, cannot do."""
    if not isinstance(job, TrainJob):
        network.box(n_features)
    for given, option in ((job.lambda_min, "--lambda-min"), (job.x == "lambda", "--x lambda")):
        if given and network.clock == "training":
            raise ValueError(f"{option}: {network!r} has training time only, and no penalty belongs to it.")


def _certified(path: Path) -> Certificate | None:
    """Beside the lasso where there is one, else by the flow's own laws."""
    if path.network is None or path.network.reason_without_box(len(path.frame.feature_names)) is None:
        return compare(path)
    return certify(path) if path.law == "network" else None


@contextmanager
def _training(job: CompareJob, letter: str) -> Iterator[Callable[[Any], object] | None]:
    """A bar on stderr while a network is trained."""
    with _bar("training", getattr(job, "n_steps", None) if job.on_weights else None) as update:
        if update is None:
            yield None
            return

        def report(at: Any) -> None:
            more = f", loss {at.loss:.3g}" if hasattr(at, "loss") else f", {at.n_active} active"
            done = getattr(at, "step", None) if job.on_weights else at.steps
            update(completed=done, description=f"training: {letter} {at.s:.3g}{more}")

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


def _report(job: reporting.ReportJob) -> None:
    with _bar("computing", None) as update:
        reporting.run(job, update and (lambda what: update(description=what)))
    print(f"Written to {job.out}.")


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
    key = name.replace("-", "_")
    if key not in FIGURES:
        raise ValueError(f"NAME must be one of {', '.join(FIGURES)}; got {name!r}.")
    with writing(out):
        check_folder(out, [f"{key}.png", f"{key}.txt"])
    made = _made(FIGURES[key], quick, seed)
    with _waiting("drawing"):
        files = made.files(key)
    with writing(out):
        write_files(out, files)
    print(made.sentence[0].upper() + made.sentence[1:])
    print(f"Written to {out}: {', '.join(files)}")


def _made(figure: Figure, quick: bool, seed: int) -> Reproduction:
    """A figure's numbers; those that take long have a bar, the others a spinner."""
    what = f"computing {figure.name}"
    if not figure.reports:
        with _waiting(what):
            return figure.run(quick, seed)
    with _bar(what, 1) as update:
        return figure.run(quick, seed, update and (lambda share: update(completed=share)))


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
    help_accuracy = "Where training ends: how far from the fit of the smallest l1 norm, by depth and scale."
    program.command("accuracy", help=help_accuracy)(_command(closeness.AccuracyJob, closeness.run))
    help_landscape = "All critical points of a deep linear network with weight decay, fitted to a matrix."
    program.command("landscape", help=help_landscape)(_command(landscape.LandscapeJob, landscape.run))
    help_fit = "Fit a sparse model, chosen by exact cross-validation or a criterion, and write it as plain JSON."
    program.command("fit", help=help_fit)(_command(fitting.FitJob, fitting.fit))
    help_predict = "Predict from a table with a model that fit wrote."
    program.command("predict", help=help_predict)(_command(fitting.PredictJob, fitting.predict))
    help_report = "Write a page about a table: paths to play with, the chosen model, the certificate; one HTML file."
    program.command("report", help=help_report)(_command(reporting.ReportJob, _report))
    help_figure = "Reproduce a published figure: a picture, its data, and what was published beside what came out here."
    program.command("reproduce", help=help_figure)(_reproduce)
    return program


def _command(kind: type[Any], work: Callable[[Any], None] = _run) -> Callable[..., None]:
    """A function whose parameters are the fields of a job, for typer to read."""

    def run(**options: Any) -> None:
        with nullcontext() if work in (_run, _report) else _waiting("computing"):
            work(kind(**options))

    hints = get_type_hints(kind, include_extras=True)
    fields = inspect.signature(kind).parameters.values()
    signature = inspect.Signature([field.replace(annotation=hints[field.name]) for field in fields])
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def _fail(sentence: str) -> NoReturn:
    print("lassoflow:", " ".join(sentence.split()), file=sys.stderr)
    sys.exit(2)


def _tell(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as a sentence on stderr."""
    print(f"lassoflow: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line; every expected failure is one sentence and exit code 2."""
    if typer is None:
        _fail("the command line needs typer and rich: pip install 'lassoflow[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a column name may not fit the terminal's encoding
    warnings.simplefilter("always", LinAlgWarning)
    warnings.showwarning = _tell
    try:
        code = app()(closeness.spread(sys.argv[1:]), prog_name="lassoflow", standalone_mode=False)
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
