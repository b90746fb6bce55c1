"""The charts: Bokeh figures, as JSON for its script in the page, which is read from the installed package.

The figures of coefficients and of the loss are empty frames: the script of the page fills them, as their curves change
with axes and sliders. That of the cross-validation is drawn here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lassoflow.selection_display import SelectionDisplay

HEIGHT = 340


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


def cross_validation(selection: Any) -> dict[str, Any]:
    """The cross-validated error over the penalty with the band of its standard error and the choices, as JSON."""
    display = SelectionDisplay.from_selection(selection)
    low, high = display.error - display.standard_error, display.error + display.standard_error
    # Fits that nobody would choose must not set the scale.
    top = np.nanmax(np.append(high[: display.error.argmin() + 1], display.error[0]))
    bottom = np.nanmin(np.append(low, display.error))
    margin = 0.05 * (top - bottom) or 1.0
    figure = _figure("cv", x_axis_type="log", x_range=_reversed(display.lam), y_range=_range(bottom, top, margin))
    figure.xaxis.axis_label, figure.yaxis.axis_label = "penalty λ = 1/s", "error"
    if np.isfinite(low).all():
        figure.varea(display.lam, low, high, fill_alpha=0.2, name="band", color="#5b7fd6")
    for (name, values), dash in zip(display.views.items(), ("dashed", "dotted"), strict=False):
        figure.line(display.lam, values, line_dash=dash, line_width=1.3, color="#8a8a8a", legend_label=name)
    label = "best blend" if display.views else "error"
    curve = figure.line(display.lam, display.error, line_width=2.2, color="#5b7fd6", legend_label=label, name="error")
    chosen = selection.choice
    marks = {**display.choices, selection.rule: (chosen.lam, chosen.error, chosen.blend)}
    for (name, (lam, error, _)), shape in zip(marks.items(), ("circle", "square", "diamond"), strict=False):
        is_choice = name == selection.rule
        text = f"{_RULES[name]}{' (chosen)' if is_choice else ''}"
        figure.scatter(
            [lam], [error], marker=shape, size=13 if is_choice else 9, color="#d1495b", legend_label=text, name=name
        )
    _add_hover(figure, [curve], [("λ", "$x{0.0000}"), ("error", "$y{0.0000}")])
    figure.legend.location, figure.legend.background_fill_alpha = "top_right", 0.0
    return _as_json(figure)


_RULES = {"min": "least error", "1se": "one standard error", "paired": "paired rule"}


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
    _add_hover(figure, [lines], [("", "@name"), ("value", "$snap_y{0.0000}")], line_policy="interp")
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
    _add_hover(figure, [lines], [("", "@name"), ("loss", "$snap_y{0.0000}")], line_policy="interp")
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
    made.outline_line_color = None
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

    figure.add_tools(HoverTool(renderers=renderers, tooltips=tooltips, **options))


def _source(*columns: str) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({column: [] for column in columns})


def _range(low: float, high: float, margin: float = 0.0) -> Any:
    from bokeh.models import Range1d

    return Range1d(start=float(low - margin), end=float(high + margin))


def _reversed(lam: Any) -> Any:
    return _range(lam.max(), lam.min())  # time runs to the right


def _as_json(figure: Any) -> Any:
    from bokeh.embed import json_item

    return json_item(figure)
