"""The command ``lassoflow accuracy``: how far networks of several depths and scales end from the l1 solution."""

from __future__ import annotations

import itertools
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar

import numpy as np

from lassoflow.accuracy import accuracy_bounds, log_distance, scale_for_accuracy
from lassoflow.archive import as_csv, check_folder, strict, write_files
from lassoflow.endpoint import flow_endpoint, min_l1
from lassoflow.jobs import TableJob, writing
from lassoflow.network import PowerNetwork
from lassoflow.null_space import null_space_constants
from lassoflow.problem import LeastSquares
from lassoflow.walk import limit_flow

try:
    import rich.console
    import rich.table
    import typer
except ImportError:  # main says so
    typer = None  # type: ignore[assignment]

SPREAD = ("--depth", "--scale", "--hidden", "--weight-decay")
"""Options that take several numbers at once."""


@dataclass(frozen=True)
class AccuracyJob(TableJob):
    """What was asked for; see :class:`lassoflow.jobs.TableJob`."""

    depth: Annotated[list[int] | None, typer.Option(min=2, help="Depths, 2 3 4 if not given.")] = None
    scale: Annotated[list[float] | None, typer.Option(help="Scales, 1e-2 1e-4 1e-8 if not given.")] = None
    error: Annotated[float, typer.Option(help="Share of the l1 norm to find a scale for.")] = 0.01
    time_limit: Annotated[float, typer.Option(min=0, help="Seconds for the null-space constants.")] = 10.0
    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="DIR", help="Write files there.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON and nothing else.")] = False

    files: ClassVar = ["networks.csv", "accuracy.json"]


def spread(arguments: list[str]) -> list[str]:
    """``--depth 2 3 4`` as ``--depth 2 --depth 3 --depth 4``, as the parser reads it."""
    found: list[str] = []
    option = ""
    for word in arguments:
        follows = option and found[-1] != option and _is_number(word)
        found += [option, word] if follows else [word]
        if not _is_number(word):
            option = word if word in SPREAD else ""
    return found


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def run(job: AccuracyJob) -> None:
    """Compute, write and print."""
    table = job.read()
    problem = LeastSquares(table.to_frame(), table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    if job.penalty_factor == "std":
        frame = table.to_frame() / np.where(problem.deviations > 0, problem.deviations, 1.0)
        problem = LeastSquares(frame, table.y, table.sample_weight, fit_intercept=not job.no_intercept)
    scales = job.scale or [1e-2, 1e-4, 1e-8]
    for scale in scales:
        if not 0 < scale < 1:
            raise ValueError(f"--scale: numbers between 0 and 1; got {scale:g}.")
    if not job.error > 0:
        raise ValueError(f"--error: a positive number; got {job.error:g}.")
    if job.out is not None:
        with writing(job.out):
            check_folder(job.out, job.files)
    found = closeness(problem, job.depth or [2, 3, 4], scales, job.error, job.time_limit)
    text = json.dumps(strict(found), indent=2, allow_nan=False)
    if job.out is not None:
        networks = as_csv({key: [row[key] for row in found["networks"]] for key in found["networks"][0]})
        with writing(job.out):
            write_files(job.out, dict(zip(job.files, [networks, f"{text}\n".encode()], strict=True)))
    if job.as_json:
        print(text)
    else:
        _show(job, found, problem)
        if job.out is not None:
            print(f"\nWritten to {job.out}: {', '.join(job.files)}")


def closeness(
    problem: LeastSquares, depths: list[int], scales: list[float], error: float, time_limit: float
) -> dict[str, Any]:
    """Distances over the l1 norm of the solution, and their bounds, of every depth and scale; and scales that do."""
    solution = min_l1(problem)
    constants = null_space_constants(problem, solution.coef, time_limit=time_limit)
    size = float(np.abs(solution.coef).sum()) or 1.0
    knots = limit_flow(problem).knots
    last = math.log(knots[-1]) if knots.size else -math.inf
    rows, enough = [], []
    for depth, scale in itertools.product(depths, scales):
        network = PowerNetwork(depth, scale)
        bounds = accuracy_bounds(problem, network, solution=solution, constants=constants)
        known = constants.kernel_dimension == 0 or (solution.unique and constants.unique)
        distance = log_distance(flow_endpoint(problem, network), solution) if known else math.nan
        row = {"lower": bounds.log_lower, "distance": distance, "upper": bounds.log_upper}
        rows.append(
            {"depth": depth, "scale": scale}
            | {key: _exp(value - math.log(size)) for key, value in row.items()}
            | {"training_time": _exp(network.log_unit + last)}
        )
    for depth in depths:
        log_scale, log_time = scale_for_accuracy(problem, depth, error, solution=solution, constants=constants)
        enough.append({"depth": depth, "log10_scale": log_scale / math.log(10), "log10_time": log_time / math.log(10)})
    return {
        "nonzero": int(solution.support.sum()),
        "l1_norm": size,
        "unique": solution.unique and (constants.unique or constants.kernel_dimension == 0),
        "kernel_dimension": constants.kernel_dimension,
        "rho": constants.rho,
        "rho_minus": [constants.minus.lower, constants.minus.upper],
        "rho_tilde": [constants.tilde.lower, constants.tilde.upper],
        "networks": rows,
        "error": error,
        "enough": enough,
    }


def _exp(value: float) -> float:
    return math.exp(value) if -745.0 < value < 709.0 else (0.0 if value < 0 else value + math.inf)


def _show(job: AccuracyJob, found: dict[str, Any], problem: LeastSquares) -> None:
    width = None if sys.stdout.isatty() else 1000  # nobody folds the lines of a pipe
    console = rich.console.Console(markup=False, highlight=False, emoji=False, width=width)
    console.print(f"{job.data}: {repr(problem).strip('<>').split(': ')[1]}", style="bold")
    norm = f"The fit of the smallest l1 norm has {found['nonzero']} nonzero coefficients and the norm "
    norm += f"{found['l1_norm']:.4g}" + (" (of standardised columns)." if job.penalty_factor == "std" else ".")
    console.print(norm)
    if not found["kernel_dimension"]:
        console.print("There is one fit only: every network ends there, from every scale.")
        return
    if not found["unique"]:
        console.print("It is not the only one, so nothing is known of the distance; see lassoflow.min_l1(depth=).")
        return
    table = rich.table.Table("depth", box=None, pad_edge=False)
    for title in ("scale", "lower bound", "distance", "upper bound", "training time"):
        table.add_column(title, justify="right")
    for row in found["networks"]:
        shares = [_percent(row[key]) for key in ("lower", "distance", "upper")]
        table.add_row(str(row["depth"]), f"{row['scale']:g}", *shares, f"{row['training_time']:.2g}")
    console.print("", table, "", sep="\n")
    console.print(f"Distances to it where training ends, as shares of its norm; rho is {found['rho']:.4g}.")
    for one in found["enough"]:
        if one["log10_scale"] == -math.inf:
            console.print(f"Depth {one['depth']}: no scale is known to come within {100 * found['error']:g} %.")
        else:
            console.print(
                f"Depth {one['depth']}: within {100 * found['error']:g} % for sure from a scale of "
                f"{_power(one['log10_scale'])} on, after a training time of about {_power(one['log10_time'])}."
            )


def _power(log10: float) -> str:
    """A power of ten in two digits, as such where no float holds it."""
    return f"{10.0**log10:.2g}" if abs(log10) < 300 else f"10^{log10:.1f}"


def _percent(share: float) -> str:
    if math.isnan(share) or share == math.inf:
        return "?"
    return "> 1000 %" if share > 10.0 else f"{100 * share:.2g} %"
