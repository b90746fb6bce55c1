"""What a reproduced figure is: tables of numbers, a sentence that compares them with the published ones, a picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.archive import as_csv
from lassoflow.arrays import Floats
from lassoflow.objective import objective_gap
from lassoflow.path import Path
from lassoflow.problem import LeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Table = dict[str, NDArray[Any]]
"""Columns of equal length by name."""

COLOURS = ("#332288", "#D9636F", "#117733", "#56B4E9", "#882255", "#B8A020")
"""After Paul Tol and Okabe & Ito, safe for colour-blind eyes; dark and light alternate, so they differ in grey."""
DASHES = ("-", "--", "-.", ":")


class Reproduction(NamedTuple):
    """A figure made anew.

    Attributes
    ----------
    data : dict of dict of arrays
        Tables by name; the columns of a table have equal length.
    numbers : dict of float
        The numbers behind the sentence.
    sentence : str
        ``"published: ...; here: ..."``.
    draw : callable
        Draws on an empty matplotlib figure, which should have ``size`` inches and the constrained layout.
    size : (width, height)
    """

    data: dict[str, Table]
    numbers: dict[str, float]
    sentence: str
    draw: Callable[[Canvas], None]
    size: tuple[float, float] = (8.0, 5.0)

    def picture(self, kind: str = "png") -> bytes:
        """The picture as the bytes of a file of this kind ("png", "pdf", "svg").

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure as Canvas
        except ImportError:
            raise ImportError("Pictures need matplotlib: pip install 'lassoflow[plot]'") from None
        canvas, stream = Canvas(figsize=self.size, layout="constrained"), io.BytesIO()
        self.draw(canvas)
        # no dates inside: the same numbers give the same file
        dates: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
        canvas.savefig(stream, format=kind, dpi=150, metadata=dates)
        return stream.getvalue()

    def files(self, name: str, kind: str = "png") -> dict[str, bytes]:
        """The picture, the tables as CSV and the sentence, by file names that begin with ``name``."""
        tables = {f"{name}-{table}.csv": as_csv(columns) for table, columns in self.data.items()}
        return {f"{name}.{kind}": self.picture(kind), **tables, f"{name}.txt": f"{self.sentence}\n".encode()}


class Figure(NamedTuple):
    """An entry of the registry: what is published where, and how to make it anew.

    Attributes
    ----------
    name : str
        By which the figure is called up.
    title : str
        What it shows, on one line.
    paper : str
        Where it, or the experiment behind it, is published.
    run : callable
        ``run(quick, seed)``: quick takes seconds and shows the same with fewer or smaller cases.
    reports : bool
        Whether ``run`` takes a third argument, a function that it calls with the share that is done, from 0 to 1: of
        figures that take many minutes.
    """

    name: str
    title: str
    paper: str
    run: Callable[..., Reproduction]
    reports: bool = False


def numbered(name: str, values: Floats) -> Table:
    """Columns name1, name2, ... of an array of shape (m, k)."""
    return {f"{name}{j + 1}": column for j, column in enumerate(values.T)}


def stacked(tables: list[Table]) -> Table:
    """Tables of the same columns, one below the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def without_mean(X: Floats, y: Floats) -> LeastSquares:
    """The problem with the loss ``|y - Xx|^2 / 2``, which most papers use: the library's has ``1 / (2n)``."""
    root = np.sqrt(len(y))
    return LeastSquares(root * X, root * y)


def lasso_value(lasso: Path, s: Floats) -> Floats:
    """The least lasso objective ``min l(x) + |x|_1 / s`` at times s of shape (k,)."""
    coef = lasso(s)
    return np.asarray(lasso.require_problem("an objective").loss(coef) + np.abs(coef).sum(axis=1) / s)


def lasso_gap(lasso: Path, coef: Floats, s: Floats) -> Floats:
    """How far the lasso objective of coefficients of shape (k, d) is above its minimum: shape (k,)."""
    at_zero = lasso.require_problem("a gap").loss(np.zeros(coef.shape[1]))
    return objective_gap(lasso, coef, s) * at_zero


def crossings(flow: Path, limit: Path) -> Floats:
    """When the flow of a network is half-way from each saddle of its limit to the next, from 0 on: shape (k,).

    Looked for between the middles of two plateaus, on the flow's mesh, which is fine there.
    """
    knots = limit.knots
    saddles = np.vstack([np.zeros(limit.end.size), limit(knots)])
    middles = np.append((np.concatenate([[0.0], knots[:-1]]) + knots) / 2, np.inf)
    found = np.empty(knots.size)
    for k, (start, end) in enumerate(pairwise(saddles)):
        mesh = flow.mesh[(flow.mesh > middles[k]) & (flow.mesh < middles[k + 1])]
        step = end - start
        found[k] = mesh[((flow(mesh) - start) @ step >= 0.5 * (step @ step)).argmax()]
    return found


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """The slope of the least-squares line through points of coordinates x and y, shape (k,)."""
    return float(np.polyfit(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), 1)[0])


def listed(values: ArrayLike, form: str = ".3g") -> str:
    """Numbers as words: "1, 2 and 3"."""
    words = [format(value, form) for value in np.asarray(values).ravel().tolist()]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def tidy(ax: Axes, xlabel: str, ylabel: str, title: str = "") -> Axes:
    """Labels, a title above the left end, and no frame on the right and at the top."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def name_ends(ax: Axes, values: Floats, names: list[str], colours: list[str], gap: float = 0.07) -> None:
    """Names at the right margin beside the ends of curves, values of shape (k,), spread so that none covers another."""
    from lassoflow.lettering import spread

    ax.get_ylim()  # limits are found late, and positions depend on them
    order = np.argsort(values, kind="stable")
    ends = np.column_stack([np.ones(values.size), values])
    wanted = ax.transAxes.inverted().transform(ax.transData.transform(ends))[:, 1]
    for height, j in zip(spread(wanted[order], gap), order.tolist(), strict=True):
        ax.text(1.02, height, names[j], color=colours[j], transform=ax.transAxes, va="center", fontsize="small")
