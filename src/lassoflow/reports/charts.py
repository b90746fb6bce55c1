"""The charts: Bokeh figures, as JSON for its script in the page, which is read from the installed package.

The figures of coefficients and of the loss are empty frames: the script of the page fills them, as their curves change
with axes and sliders. That of the cross-validation is drawn here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lassoflow.checks import Certificate
from lassoflow.selection_display import SelectionDisplay

HEIGHT = 340
_BLUE, _RED = "#5b7fd6", "#d1495b"


def script() -> str:
    """Bokeh's script, whole; nothing is fetched.

    Raises
    ------
    ImportError
        If Bokeh is not installed.
    """
    from bokeh.resources import Resources

    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def frames(lasso: bool, flow: bool, loss: bool) -> dict[str, Any]:
    """The empty figures that are asked for, by name, as JSON."""
    wanted = {"lasso": lasso, "flow": flow}
    figures = {name: _coefficients(name) for name, is_wanted in wanted.items() if is_wanted}
    if loss:
        figures["loss"] = _loss()
    return {name: _as_json(figure) for name, figure in figures.items()}


def cross_validation(selection: Any) -> tuple[dict[str, Any], list[str]]:
    """The cross-validated error over the penalty, its standard error and the choices, as JSON; and what is what."""
    display = SelectionDisplay.from_selection(selection)
    low, high = display.error - display.standard_error, display.error + display.standard_error
    # Fits that nobody would choose must not set the scale.
    top = np.nanmax(np.append(high[: display.error.argmin() + 1], display.error[0]))
    bottom = np.nanmin(np.append(low, display.error))
    margin = 0.05 * (top - bottom) or 1.0
    across = _range(display.lam.max(), display.lam.min())  # time runs to the right
    figure = _figure("cv", x_axis_type="log", x_range=across, y_range=_range(bottom - margin, top + margin))
    figure.xaxis.axis_label, figure.yaxis.axis_label = "penalty λ = 1/s", "error"
    if np.isfinite(low).all():
        figure.varea(display.lam, low, high, fill_alpha=0.2, name="band", color=_BLUE)
    keys = []
    for (name, values), (dash, sign) in zip(display.views.items(), (("dashed", "╌"), ("dotted", "┈")), strict=False):
        figure.line(display.lam, values, line_dash=dash, line_width=1.3, color="#8a8a8a")
        keys.append(f"{sign} {name}")
    curve = figure.line(display.lam, display.error, line_width=2.2, color=_BLUE, name="error")
    keys.append("▬ best blend" if display.views else "▬ error")
    _add_hover(figure, [curve], [("λ", "$x{%.4g}"), ("error", "$y{%.4g}")])
    keys += _mark_choices(figure, selection, display.choices)
    return _as_json(figure), keys


def _mark_choices(figure: Any, selection: Any, choices: dict[str, tuple[float, float, float]]) -> list[str]:
    """A mark for every rule, the largest for the one that was followed; and what is what."""
    chosen, keys = selection.choice, []
    shapes = {"min": ("circle", "●", "least error"), "1se": ("square", "■", "one standard error")}
    shapes["paired"] = ("diamond", "◆", "the paired rule")
    for name, (lam, error, _) in {**choices, selection.rule: (chosen.lam, chosen.error, chosen.blend)}.items():
        marker, sign, words = shapes[name]
        followed = name == selection.rule
        figure.scatter([lam], [error], marker=marker, size=14 if followed else 9, color=_RED, name=name)
        keys.append(f"{sign} {words}{', chosen' if followed else ''}")
    return keys


def distances(certificate: Certificate) -> dict[str, Any]:
    """How far apart the averaged flow and the lasso are at every knot, and how far at most, as JSON."""
    shown = (certificate.s > 1e-300) & (certificate.s < 1e300)
    s, distance, bound = certificate.s[shown], 100 * certificate.distance[shown], 100 * certificate.bound[shown]
    top = float(np.nanmax(np.concatenate([distance, bound])))
    figure = _figure("distance", 220, x_axis_type="log", x_range=_range(s[0], s[-1]), y_range=_range(0.0, 1.05 * top))
    figure.xaxis.axis_label, figure.yaxis.axis_label = f"time {certificate.time}", "% apart"
    figure.line(s, bound, line_dash="dashed", line_width=1.3, color="#8a8a8a", name="bound")
    curve = figure.line(s, distance, line_width=2.2, color=_BLUE, name="distance")
    _add_hover(figure, [curve], [("s", "$x{%.4g}"), ("% apart", "$y{%.4g}")])
    return _as_json(figure)


def _coefficients(name: str) -> Any:
    figure = _figure(name, x_range=_range(0.0, 1.0), y_range=_range(-1.0, 1.0))
    figure.segment("x0", "y0", "x1", "y1", source=_source("x0", "y0", "x1", "y1"), line_width=1, name="rug")
    figure.multi_line("xs", "ys", source=_source("xs", "ys", "color", "alpha"), name="ghosts", line_dash=[2, 3],
                      line_color="color", line_alpha="alpha", line_width=1.2)  # fmt: skip
    lines = figure.multi_line(
        "xs", "ys", source=_source("xs", "ys", "color", "alpha", "width", "name"), name="curves", line_color="color",
        line_alpha="alpha", line_width="width",
    )  # fmt: skip
    _add_cursor(figure)
    _add_hover(figure, [lines], [("", "@name"), ("value", "$snap_y{%.4g}")], line_policy="interp")
    figure.scatter("x", "y", source=_source("x", "y", "color"), name="points", marker="circle", size=9,
                   fill_color="color", line_color="color", line_width=2, fill_alpha=0.35)  # fmt: skip
    figure.yaxis.axis_label = "coefficient"
    return figure


def _loss() -> Any:
    figure = _figure("loss", x_range=_range(0.0, 1.0), y_range=_range(0.0, 1.0), height=220)
    lines = figure.multi_line(
        "xs", "ys", source=_source("xs", "ys", "color", "name"), name="curves", line_color="color", line_width=2
    )
    _add_cursor(figure)
    _add_hover(figure, [lines], [("", "@name"), ("loss", "$snap_y{%.4g}")], line_policy="interp")
    figure.yaxis.axis_label = "loss"
    return figure


def _figure(name: str, height: int = HEIGHT, **options: Any) -> Any:
    """A figure without tools that would catch a finger that scrolls the page."""
    from bokeh.models import FixedTicker, InlineStyleSheet
    from bokeh.plotting import figure

    scrolls = InlineStyleSheet(css=".bk-events { touch-action: pan-y !important; }")
    made = figure(
        name=name, height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", stylesheets=[scrolls],
        min_border_left=52, **options,
    )  # fmt: skip
    made.outline_line_color = made.border_line_color = None
    if not options.get("x_axis_type"):  # the script of the page sets ticks
        made.xaxis.ticker = ticks = FixedTicker(ticks=[])
        made.xgrid.ticker = ticks
    return made


def _add_cursor(figure: Any) -> None:
    figure.multi_line(
        "xs", "ys", source=_source("xs", "ys"), name="cursor", line_width=1.5, line_dash=[6, 3], line_alpha=0.9
    )


def _add_hover(figure: Any, renderers: list[Any], tooltips: list[tuple[str, str]], **options: Any) -> None:
    from bokeh.models import HoverTool

    formatters: Any = dict.fromkeys(("$x", "$y", "$snap_y"), "printf")  # four digits, whatever the units
    figure.add_tools(HoverTool(renderers=renderers, tooltips=tooltips, formatters=formatters, **options))


def _source(*columns: str) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({column: [] for column in columns})


def _range(low: float, high: float) -> Any:
    from bokeh.models import Range1d

    return Range1d(start=float(low), end=float(high))


def _as_json(figure: Any) -> Any:
    from bokeh.embed import json_item

    return json_item(figure)
