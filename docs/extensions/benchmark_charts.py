"""Charts and tables of ``benchmarks/RESULTS.md``, read when the pages are built: no number is copied by hand.

``{benchmark-chart} paths`` (or grids, cross-validation, flows) draws the times of peers over ours,
``{benchmark-slower}`` lists every comparison in which the peer is faster, ``{benchmark-machine}`` says where they were
made.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "benchmarks" / "RESULTS.md"
Table = list[dict[str, str]]

_INK = "#123456"
"""Of axes and letters while a chart is drawn: replaced by the page's own colour, light or dark."""
_COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7")
"""After Okabe & Ito, safe for colour-blind eyes; peers also differ in their marks."""
_MARKS = ("o", "s", "D", "^")
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)

_TASKS = {
    "paths": "lasso path",
    "grids": "grid, beside the whole path",
    "cross-validation": "`ExactLassoCV`",
    "blend": "`FlowRegressorCV`",
    "flows": "gradient flow",
    "ends": "fit of least l1 norm",
}
"""What is compared in a chart, in the words of the table of those who are faster; two of them have no chart."""


class Comparison(NamedTuple):
    """The time of a peer over ours: the median, and the smallest and the largest of paired runs."""

    chart: str
    case: str
    threads: str
    peer: str
    ratio: float
    low: float
    high: float


# -- reading ----------------------------------------------------------------------------------------------------------


def sections(text: str) -> dict[str, str]:
    """The sections of the results by their titles."""
    return dict(part.split("\n\n", 1) for part in text.split("\n## ")[1:])


def tables(section: str) -> list[Table]:
    """The tables of a section, each a list of rows by the names of their columns."""
    blocks = re.findall(r"(?:^\|.*\n?)+", section, flags=re.MULTILINE)
    return [_table(block.strip().splitlines()) for block in blocks]


def _table(lines: list[str]) -> Table:
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _span(cell: str) -> tuple[float, float, float]:
    """``2.0 (1.9-2.1)`` as three numbers."""
    middle, low, high = re.fullmatch(r"([\d.]+) \(([\d.]+)-([\d.]+)\)", cell).groups()
    return float(middle), float(low), float(high)


def _inverse(span: tuple[float, float, float]) -> tuple[float, float, float]:
    middle, low, high = span
    return 1 / middle, 1 / high, 1 / low


def comparisons(text: str) -> Iterator[Comparison]:
    """All of them, in the order of the page."""
    parts = sections(text)
    yield from _paths(tables(parts["Speed"])[0], tables(parts["Large problems"])[0])
    yield from _grids(parts["Large problems"], parts["A sparse design"])
    yield from _cross_validation(tables(parts["Cross-validation"])[0])
    yield from _flows(tables(parts["Gradient flow"])[0])
    yield from _ends(tables(parts["Where training ends"])[0])


def _paths(speed: Table, large: Table) -> Iterator[Comparison]:
    for row in speed:
        curve, peer = row["curve / peer"].split(" / ")
        if curve == "lasso":
            span = _inverse(_span(row["ours / peer, median (min-max)"]))
            yield Comparison("paths", row["case"], row["threads"], _plain(peer), *span)
    for row in large:
        span = _span(row["peer / ours, median (min-max)"])
        yield Comparison("paths", row["case"], row["threads"], _plain(row["peer"]), *span)


def _grids(large: str, sparse: str) -> Iterator[Comparison]:
    """Of solvers on grids; where there is no span, the row is ours."""
    shape = re.search(r"grids of 100 penalties \((.*?)\)", large)[1]
    sparse_shape = re.search(r"^(\d+x\d+), \d+ entries", sparse, flags=re.MULTILINE)[1]
    for case, table in ((shape, tables(large)[1]), (f"sparse {sparse_shape}", tables(sparse)[0])):
        for row in table:
            cell = row["grid / ours, median (min-max)"]
            if cell:
                yield Comparison("grids", case, row["threads"], row.get("grid") or row["solver"], *_span(cell))


def _plain(peer: str) -> str:
    return "SPAMS" if peer.startswith("spams") else peer


def _cross_validation(table: Table) -> Iterator[Comparison]:
    """Of ExactLassoCV, which does what they do; and of FlowRegressorCV, which does more, for the list of the slower."""
    cells = {(row["design"], row["threads"], row["estimator"].split(" ")[0]): row for row in table}
    for (design, threads, estimator), own in cells.items():
        if estimator not in ("ExactLassoCV", "FlowRegressorCV"):
            continue
        kind = "cross-validation" if estimator == "ExactLassoCV" else "blend"
        for peer in ("LassoCV", "LassoLarsCV"):
            yield Comparison(kind, design, threads, peer, *_span(own[f"{peer} / this"]))
        ratio = float(cells[design, threads, "cv_glmnet"]["s"]) / float(own["s"])
        yield Comparison(kind, design, threads, "cv_glmnet", ratio, ratio, ratio)


def _flows(table: Table) -> Iterator[Comparison]:
    """Of solvers that are right."""
    time = {}
    for row in table:
        case = f"{row['case']}, {row['scale of the weights']}"
        if row["solver"] == "lassoflow":
            time[case] = float(row["ms"])
        elif row["right"] == "yes":
            solver = row["solver"].removeprefix("scipy ").removeprefix("diffrax ")
            ratio = float(row["ms"]) / time[case]
            yield Comparison("flows", case, "1", solver, ratio, ratio, ratio)


def _ends(table: Table) -> Iterator[Comparison]:
    """Of solvers that find the l1 solution."""
    peers = {"linprog (HiGHS)", "spams lasso", "cvxpy's default"}
    ours = {row["data"]: float(row["ms"]) for row in table if row["task"] == "min_l1"}
    for row in table:
        if row["task"] in peers:
            ratio = float(row["ms"]) / ours[row["data"]]
            yield Comparison("ends", f"100x1000, {row['data']}", "1", _plain(row["task"]), ratio, ratio, ratio)


# -- drawing ----------------------------------------------------------------------------------------------------------


def chart(found: list[Comparison], cases: list[str], nothing: str = "") -> str:
    """Dots on a logarithmic axis, one row a case, as SVG in the colour of the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    look = {"svg.fonttype": "none", "svg.hashsalt": "lassoflow", "font.family": "sans-serif", "font.size": 10.5}
    with mpl.rc_context(look):
        figure = Figure(figsize=(7.0, 1.2 + 0.38 * len(cases)), layout="constrained")
        _draw(figure.add_subplot(), found, cases, nothing)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = file.getvalue().decode()
    drawn = drawn[drawn.index("<svg") :].replace(_INK, "currentColor")
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"|(<svg [^>]*?)height="[^"]*"', r"\1\2", drawn, count=1)


def _draw(ax: Any, found: list[Comparison], cases: list[str], nothing: str) -> None:
    peers = list(dict.fromkeys(one.peer for one in found))
    for one in found:
        rank, two = peers.index(one.peer), one.threads == "2"
        shift = (0.48 * (rank / (len(peers) - 1) - 0.5) if len(peers) > 1 else 0.0) + 0.08 * two
        row, look = cases.index(one.case) + shift, {"color": _COLOURS[rank], "zorder": 3}
        ax.plot([one.low, one.high], [row, row], linewidth=1.6, alpha=0.6, **look)
        ax.plot(one.ratio, row, _MARKS[rank], markersize=6, **_filling(_COLOURS[rank], two), **look)
    for row, case in enumerate(cases):
        if not any(one.case == case for one in found):
            ax.annotate(nothing, (1.0, row), xytext=(6, 0), textcoords="offset points", va="center", color=_INK)
    _legend(ax, peers, any(one.threads == "2" for one in found))
    _axes(ax, cases, min(one.low for one in found), max(one.high for one in found))


def _filling(colour: str, two_threads: bool) -> dict[str, Any]:
    return {"markerfacecolor": "none" if two_threads else colour, "markeredgewidth": 1.4}


def _legend(ax: Any, peers: list[str], by_threads: bool) -> None:
    for peer, mark, colour in zip(peers, _MARKS, _COLOURS, strict=False):
        ax.plot([], [], mark, color=colour, label=peer)
    if by_threads:
        ax.plot([], [], "o", color=_INK, label="1 thread")
        ax.plot([], [], "o", color=_INK, label="2 threads", **_filling(_INK, True))
    ax.figure.legend(
        loc="outside upper center", ncols=6, labelcolor=_INK, frameon=False, handletextpad=0.2, columnspacing=1.2
    )


def _axes(ax: Any, cases: list[str], low: float, high: float) -> None:
    """Rows from above, in turn shaded, and ratios from low to high, 1 among them."""
    for row in range(1, len(cases), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=_INK, alpha=0.05, linewidth=0)
    ax.set_yticks(range(len(cases)), cases)
    ax.set(xscale="log", ylim=(len(cases) - 0.5, -0.5), xlim=(min(0.5, low / 1.3), max(2.0, high * 1.3)))
    ticks = [tick for tick in _TICKS if low / 1.3 <= tick <= high * 1.3]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.axvline(1.0, color=_INK, linewidth=1.2)
    ax.grid(axis="x", color=_INK, alpha=0.15)
    words = "time of the peer over ours  (log scale; left of 1 the peer is faster)"
    ax.figure.supxlabel(words, color=_INK, fontsize="medium")
    ax.tick_params(colors=_INK, length=0)
    ax.spines[:].set_visible(False)


# -- directives -------------------------------------------------------------------------------------------------------


class Results(SphinxDirective):
    """What all directives share."""

    @property
    def text(self) -> str:
        """The results; the page is made anew when they change."""
        self.env.note_dependency(str(RESULTS))
        self.env.note_dependency(__file__)
        return RESULTS.read_text()


class Chart(Results):
    """``{benchmark-chart} paths``, with a sentence for those who cannot see it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The figure."""
        (name,) = self.arguments
        found = [one for one in comparisons(self.text) if one.chart == name]
        cases = list(dict.fromkeys(one.case for one in found))
        if name == "flows":  # also those that nobody else gets right
            rows = tables(sections(self.text)["Gradient flow"])[0]
            cases = list(dict.fromkeys(f"{row['case']}, {row['scale of the weights']}" for row in rows))
        drawn = chart(found, cases, "no other solver is right")
        words = escape(" ".join(self.content))
        page = f'<div class="benchmark-chart" role="img" aria-label="{words}"><div>{drawn}</div></div>'
        return [nodes.raw("", page, format="html")]


class Slower(Results):
    """``{benchmark-slower}``: a table of all comparisons in which the peer takes less time."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        found = [one for one in comparisons(self.text) if one.ratio < 1.0]
        times: dict[tuple[str, str, str], dict[str, float]] = {}
        for one in sorted(found, key=lambda one: one.ratio):
            times.setdefault((_TASKS[one.chart], one.case, one.peer), {})[one.threads] = 1 / one.ratio
        head = ["| what | on | is faster | times, 1 thread | 2 threads |", "|---|---|---|---|---|"]
        rows = [
            f"| {task} | {case} | {peer} | " + " | ".join(f"{by[k]:.3g}" if k in by else "" for k in "12") + " |"
            for (task, case, peer), by in times.items()
        ]
        return self.parse_text_to_nodes("\n".join(head + rows))


class Machine(Results):
    """``{benchmark-machine}``: where the section on speed was measured, as the results say it."""

    def run(self) -> list[nodes.Node]:
        """The lines as a list."""
        lines = sections(self.text)["Speed"].split("\n\n")[0]
        return self.parse_text_to_nodes("\n".join(f"- {line}" for line in lines.splitlines()))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("benchmark-chart", Chart)
    app.add_directive("benchmark-slower", Slower)
    app.add_directive("benchmark-machine", Machine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
