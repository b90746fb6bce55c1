"""What may be asked for on the command line: the arguments and options of its commands, as dataclasses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, ClassVar, Literal

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.datasets import SHIPPED
from lassoflow.layered import LayeredNetwork
from lassoflow.network import Network, PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.tables import Table, read_table

try:
    import typer
except ImportError:  # main says so; annotations are strings until typer reads them
    typer = None  # type: ignore[assignment]


@contextmanager
def writing(folder: FilePath) -> Iterator[None]:
    """What fails to be written is the fault of ``--out``."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"--out: {str(folder)!r} cannot be written: {error.strerror}.") from None


_TABLE = "The table"
"""The panel of ``--help`` for options that say how a table is read."""


@dataclass(frozen=True)
class TableJob:
    """What was asked for, of a table; the fields of a job are the arguments and options of its command."""

    data: Annotated[
        str, typer.Argument(metavar="DATA", help=f"A csv, tsv, parquet or npz file, or one of {', '.join(SHIPPED)}.")
    ]
    target: Annotated[str | None, typer.Option("--target", "-t", metavar="COLUMN", help="Column to predict.")] = None
    penalty_factor: Annotated[
        Literal["std", "none"],
        typer.Option(help="The columns' deviations, as if they were standardised, or 1.", rich_help_panel=_TABLE),
    ] = "std"
    no_intercept: Annotated[bool, typer.Option("--no-intercept", help="Fit no intercept.", rich_help_panel=_TABLE)] = (
        False
    )
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of sample weights.", rich_help_panel=_TABLE)
    ] = None
    one_hot: Annotated[
        bool, typer.Option("--one-hot", help="Make 0/1 columns of columns of text.", rich_help_panel=_TABLE)
    ] = False
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Drop rows with missing values.", rich_help_panel=_TABLE)
    ] = False
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Leave out; may be repeated.", rich_help_panel=_TABLE)
    ] = None

    def read(self) -> Table:
        """The table that was asked for."""
        return read_table(self.data, self.target, self.one_hot, self.drop_missing, self.weights, self.ignore or ())


@dataclass(frozen=True)
class Job(TableJob):
    """What was asked for, of both paths."""

    out: Annotated[FilePath | None, typer.Option("--out", "-o", metavar="DIR", help="Write files there.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")] = False
    x: Annotated[Literal["s", "lambda", "l1"], typer.Option("--x", help="Horizontal axis of the picture.")] = "s"
    positive: Annotated[bool, typer.Option("--positive", help="Allow no negative coefficients.")] = False
    weight_decay: Annotated[float, typer.Option(min=0, help="Constant l1 penalty, added to λ times the factor.")] = 0.0
    lambda_min: Annotated[float, typer.Option(min=0, help="Stop at this penalty.")] = 0.0
    max_knots: Annotated[int | None, typer.Option(min=1, help="Stop after this many knots.")] = None

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
    loss: Annotated[
        Literal["squares", "logistic", "poisson", "huber"],
        typer.Option(help="logistic: a target of two values; poisson: of counts."),
    ] = "squares"

    files: ClassVar = ["path.png", "knots.csv", "summary.json"]

    @property
    def laws(self) -> list[Literal["lasso", "flow"]]:
        """The path that is asked for."""
        return [self.law]


@dataclass(frozen=True)
class CompareJob(Job):
    """What was asked for, of a flow and the lasso: of the limit flow, or of a finite network."""

    network: Annotated[
        Literal["power", "product", "square", "layered"] | None,
        typer.Option(help="Compare the flow of a network: u^D - v^D, u times v, u^2, or a product of layers."),
    ] = None
    depth: Annotated[int, typer.Option(min=2, help="Depth D of a power network.")] = 2
    scale: Annotated[float | None, typer.Option(help="Scale of its coefficients at the start; 1e-6 if not given.")] = (
        None
    )
    log_scale: Annotated[float | None, typer.Option(help="Its natural logarithm, for scales below 1e-308.")] = None
    directions: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Initial directions of a layered network: one number a layer."),
    ] = None
    layers: Annotated[
        int | None, typer.Option(min=2, help="Layers of a layered network with random (normal) directions, see --seed.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0
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

    def until(self, network: Network) -> float | None:
        """When to stop the flow of the network."""
        return 1.0 / self.lambda_min if self.lambda_min else None

    def make(self, n_features: int) -> Network:
        """The network, for d features.

        Raises
        ------
        ValueError
            If the options do not go together.
        """
        for given, option in ((self.positive, "--positive"), (self.max_knots, "--max-knots")):
            if given:
                raise ValueError(f"{option}: not for networks (--network square has nonnegative coefficients).")
        if self.network == "layered" and self.depth != 2:
            raise ValueError("--depth: a layered network has as many layers as --directions or --layers say.")
        if self.network != "power" and self.depth != 2:
            raise ValueError(f"--depth: a {self.network} network has depth 2; got {self.depth}.")
        for absent, option in ((self.directions is None, "--directions"), (self.layers is None, "--layers")):
            if self.network != "layered" and not absent:
                raise ValueError(f"{option}: only for --network layered.")
        scale = 1e-6 if self.scale is None and self.log_scale is None else self.scale
        if self.network == "layered":
            return LayeredNetwork(self._directions(n_features), scale, log_scale=self.log_scale)
        if self.network == "product":
            return ProductNetwork(scale, log_scale=self.log_scale)
        if self.network == "square":
            return SquareNetwork(scale, log_scale=self.log_scale)
        return PowerNetwork(self.depth, scale, log_scale=self.log_scale)

    def _directions(self, n_features: int) -> Floats:
        """Initial directions, shape (L,) if they are given, (L, d) if they are random."""
        if (self.directions is None) == (self.layers is None):
            raise ValueError("--network layered: give either --directions or --layers.")
        if self.layers is not None:
            return np.random.default_rng(self.seed).standard_normal((self.layers, n_features))
        try:
            return np.array([float(part) for part in str(self.directions).split(",")])
        except ValueError:
            raise ValueError(
                f"--directions: numbers with commas between them, such as 1.0,0.7,0.2; got {self.directions!r}."
            ) from None


@dataclass(frozen=True)
class TrainJob(CompareJob):
    """What was asked for, of a network that is trained."""

    network: Annotated[
        Literal["power", "product", "square", "layered"],
        typer.Option(help="u^D - v^D, u times v (depth 2), u^2 (depth 2, nonnegative), or a product of layers."),
    ] = "power"
    descent: Annotated[bool, typer.Option("--descent", help="Gradient descent on the weights, not the flow.")] = False
    sgd: Annotated[bool, typer.Option("--sgd", help="Stochastic descent, one row a step (see --batch-size).")] = False
    step_size: Annotated[float | None, typer.Option(help="Of descent; a safe one if not given.")] = None
    n_steps: Annotated[int, typer.Option(min=1, help="Steps of descent.")] = 10_000
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows a step; all if not given, 1 with --sgd.")] = None
    momentum: Annotated[float, typer.Option(min=0, max=1, help="Heavy ball momentum of descent.")] = 0.0
    label_noise: Annotated[float, typer.Option(min=0, help="Deviation of noise added to y at every step.")] = 0.0
    stop_when: Annotated[float | None, typer.Option(min=0, help="Stop where the loss comes down to this.")] = None
    training_time: Annotated[float | None, typer.Option(min=0, help="Stop a flow at this training time.")] = None

    files: ClassVar = ["train.png", "knots.csv", "summary.json"]

    @property
    def on_weights(self) -> bool:
        """Whether steps on the weights are asked for."""
        given = self.step_size is not None or self.batch_size is not None
        return bool(self.descent or self.sgd or given or self.momentum or self.label_noise)

    def until(self, network: Network) -> float | None:
        """When to stop the flow of the network; of penalty and training time, the earlier."""
        at = super().until(network)
        if self.training_time is None:
            return at
        if self.on_weights:
            raise ValueError("--training-time: for flows; descent takes --n-steps.")
        own = float(network.lasso_time(self.training_time))
        return own if at is None else min(at, own)
