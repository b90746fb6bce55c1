"""The command ``lassoflow landscape``: all critical points of a regularised deep linear network, as a table."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar

from lassoflow.archive import as_csv, check_folder, strict, write_files
from lassoflow.critical import CriticalClass
from lassoflow.deep_linear import DeepLinear
from lassoflow.jobs import writing
from lassoflow.matrices import read_matrix
from lassoflow.scalar_landscape import lambda_critical, lambda_global

try:
    import rich.console
    import rich.table
    import typer
except ImportError:  # main says so
    typer = None  # type: ignore[assignment]

_ROOTS = ("large", "double", "small")


@dataclass(frozen=True)
class LandscapeJob:
    """What was asked for; its fields are the arguments and options of the command."""

    data: Annotated[str, typer.Argument(metavar="Y", help="A text file with a matrix of numbers.")]
    hidden: Annotated[list[int], typer.Option(min=1, help="Widths of the hidden layers, one or more.")]
    weight_decay: Annotated[list[float], typer.Option(help="Weight decay, one for all layers or one for each.")]
    max_classes: Annotated[int, typer.Option(min=1, help="List so many classes, of the least loss.")] = 30
    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="DIR", help="Write files there.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON and nothing else.")] = False

    files: ClassVar = ["classes.csv", "landscape.json"]


def run(job: LandscapeJob) -> None:
    """Compute, write and print."""
    decay = job.weight_decay[0] if len(job.weight_decay) == 1 else job.weight_decay
    problem = DeepLinear(read_matrix(job.data), job.hidden, decay)
    if job.out is not None:
        with writing(job.out):
            check_folder(job.out, job.files)
    classes = problem.critical_points(job.max_classes)
    listed = list(classes)
    found = landscape(problem, listed, classes.n_classes)
    text = json.dumps(strict(found), indent=2, allow_nan=False)
    if job.out is not None:
        rows = [_row(each, problem) | {"at": each.description} for each in listed]
        flat = {key: [row[key] for row in rows] for key in rows[0] if key not in _ROOTS}
        with writing(job.out):
            write_files(job.out, dict(zip(job.files, [as_csv(flat), f"{text}\n".encode()], strict=True)))
    if job.as_json:
        print(text)
    else:
        _show(job, problem, listed, found)
        if job.out is not None:
            print(f"\nWritten to {job.out}: {', '.join(job.files)}")


def landscape(problem: DeepLinear, listed: list[CriticalClass], n_classes: int) -> dict[str, Any]:
    """Everything that is printed, as numbers and words."""
    d, bound = problem.directions, problem.error_bound()
    values = [
        {
            "value": group.y,
            "multiplicity": group.size,
            "products_at_roots": {root.name: root.product for root in group.roots},
            "lambda_critical": float(lambda_critical(group.y, problem.depth)),
            "lambda_global": float(lambda_global(group.y, problem.depth)),
        }
        for group in d.groups
    ]
    return {
        "widths": list(problem.widths),
        "weight_decay": problem.weight_decay.tolist(),
        "lambda": float(problem.weight_decay.prod()),
        "critical_singular_value": d.critical,
        "global_singular_value": d.jump,
        "singular_values": values,
        "error_bound": bound._asdict(),
        "n_classes": n_classes,
        "classes": [_row(each, problem) for each in listed],
    }


def _row(each: CriticalClass, problem: DeepLinear) -> dict[str, Any]:
    """A class as numbers; its active singular values, each as often as it is active, by the root they are at."""
    row: dict[str, Any] = {"kind": each.kind, "loss": each.value, "rank": each.rank}
    row |= {name: [] for name in _ROOTS}
    for group, numbers in zip(problem.directions.groups, each.counts, strict=True):
        for root, count in zip(group.roots, numbers, strict=True):
            row[root.name] += [group.y] * count
    inertia = {"index": each.index, "nullity": each.nullity, "dimension": each.dimension}
    return row | inertia | {"kappa": each.error_bound().kappa}


def _show(job: LandscapeJob, problem: DeepLinear, listed: list[CriticalClass], found: dict[str, Any]) -> None:
    width = None if sys.stdout.isatty() else 1000  # nobody folds the lines of a pipe
    console = rich.console.Console(markup=False, highlight=False, emoji=False, width=width)
    console.print(f"{job.data}: {repr(problem).strip('<>')}", style="bold")
    console.print(_thresholds(found))
    if found["singular_values"]:
        console.print("", _values_table(found), sep="\n")
    table = rich.table.Table("kind", box=None, pad_edge=False)
    for title in ("F", "index", "nullity", "dimension", "kappa"):
        table.add_column(title, justify="right")
    table.add_column("singular values at which root")
    for each, row in zip(listed, found["classes"], strict=True):
        numbers = [str(row[key]) for key in ("index", "nullity", "dimension")]
        table.add_row(each.kind, f"{each.value:.6g}", *numbers, _number(row["kappa"]), each.description)
    console.print("", table, "", sep="\n")
    if len(listed) < found["n_classes"]:
        console.print(f"The first {len(listed)} of {found['n_classes']} classes, by their loss F.")
    console.print(_bound(found["error_bound"]))


def _values_table(found: dict[str, Any]) -> Any:
    table = rich.table.Table(box=None, pad_edge=False)
    for title in ("singular value", "times", "large root", "lambda critical", "lambda global"):
        table.add_column(title, justify="right")
    for one in found["singular_values"]:
        roots = one["products_at_roots"]
        large = roots.get("large", roots.get("double"))
        numbers = [one["lambda_critical"], one["lambda_global"]]
        root = "none" if large is None else _number(large)
        table.add_row(_number(one["value"]), str(one["multiplicity"]), root, *map(_number, numbers))
    return table


def _thresholds(found: dict[str, Any]) -> str:
    """Which singular values have positive roots, and which the global minimum keeps."""
    start = f"The weight decays have the product {_number(found['lambda'])}: "
    critical, jump = _number(found["critical_singular_value"]), _number(found["global_singular_value"])
    if len(found["weight_decay"]) == 2:
        start += f"the global minimum keeps singular values above {critical}, less {critical} each, "
        return start + "as many as the widths allow."
    return (
        start
        + f"singular values from {critical} on have positive roots, and the global minimum keeps those from {jump} on."
    )


def _bound(bound: dict[str, Any]) -> str:
    if not bound["holds"]:
        return f"The error bound does not hold near all critical points. {bound['reason']}"
    margin = "" if bound["margin"] == math.inf else f", with a margin of {_number(bound['margin'])}"
    return (
        f"The error bound holds near all critical points{margin}: distances to them are at most "
        f"{_number(bound['kappa'])} times the norm of the gradient."
    )


def _number(value: float) -> str:
    return f"{value:.4g}"
