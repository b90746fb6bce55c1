"""Matplotlib displays of coefficient paths: arrays in, axes out.

A :class:`PathDisplay` holds sampled curves and draws them. Of a path it uses ``law``, ``blend``, ``exact``, ``clock``,
``knots``, ``domain``, ``frame.feature_names`` and its values, whatever its class; matplotlib is imported only when
something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.lettering import families_for, line_height, shorten, spread
from lassoflow.sampling import Curve, events, sample, span, titles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.legend import Legend
    from matplotlib.text import Annotation

Floats = NDArray[np.float64]
Axis = Literal["s", "lambda", "l1"]

_AXIS_LABELS = {
    "s": "time  s = 1/λ  (log scale)",
    "lambda": "penalty  λ = 1/s  (log scale)",
    "l1": "norm  |x|₁  of the coefficients",
}
_TRAINING_TIME = "training time  t  (log scale)"

_COLOURS = (
    "#332288", "#CC6677", "#117733", "#56B4E9", "#882255", "#44AA99", "#000000", "#999933", "#AA4499", "#C9A227",
)  # fmt: skip
"""After Paul Tol and Okabe & Ito, safe for colour-blind eyes. Colours are dealt from the top label down, and dark and
light ones alternate: neighbours also differ in grey."""


class Style(NamedTuple):
    """How the curves of one path look: line style, width of named features, grey level and width of the others."""

    dashes: Any
    width: float
    grey: str
    thin: float


_STYLES = (Style("-", 1.6, "0.76", 0.7), Style("--", 1.0, "0.85", 0.6), Style(":", 1.2, "0.88", 0.6))


class PathDisplay:
    """Coefficients along one path, or along two overlaid.

    Make it with :meth:`from_path`, then :meth:`plot` it. The largest coefficients are coloured and named, in the same
    colour on either path, the others thin and grey. Marks above the axis are the knots, the first path's uppermost.

    Parameters
    ----------
    curves : sequence of Curve
        The sampled paths, all over the same k features.
    features : array of shape (k,)
        Column numbers of these features in X.
    feature_names : sequence of k str
    x : "s", "lambda" or "l1"
        What runs along the axis: time, penalty (decreasing, so that time runs to the right) or the l1 norm.
    unit : str
        What the other axis says.
    clock : "lasso" or "training"
        Whether s is lasso time, one over a penalty, or training time.

    Attributes
    ----------
    ax_, figure_ : the axes and the figure drawn on
    lines_ : list of Line2D, the named features, curve by curve, from the top
    background_ : list of LineCollection, the other features, one a curve
    rugs_ : list of LineCollection, the marks of the knots, one a curve
    labels_ : list of Annotation, the names, from the top
    legend_ : the legend if there are two curves, else None

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.display import PathDisplay
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0])
    >>> display = PathDisplay.from_path(lf.lasso_path(problem), lf.limit_flow(problem)).plot()
    >>> [label.get_text() for label in display.labels_]
    ['x0', 'x1']
    >>> display.figure_.savefig("paths.pdf")  # doctest: +SKIP
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        *,
        features: ArrayLike,
        feature_names: Sequence[str],
        x: Axis = "s",
        unit: str = "coefficient",
        clock: Literal["lasso", "training"] = "lasso",
    ) -> None:
        if x not in _AXIS_LABELS:
            raise ValueError(f"x must be 's', 'lambda' or 'l1'; got {x!r}.")
        if x == "lambda" and clock == "training":
            raise ValueError("x must be 's' or 'l1' for paths in training time: no penalty λ belongs to it.")
        self.curves, self.features, self.feature_names = list(curves), np.asarray(features), list(feature_names)
        self.x, self.unit, self.clock = x, unit, clock

    @classmethod
    def from_path(
        cls,
        path: Any,
        other: Any = None,
        *,
        x: Axis = "s",
        labels: Sequence[str] | None = None,
        scale: ArrayLike | None = None,
    ) -> PathDisplay:
        """Sample one path or two; :meth:`plot` draws them. Features that are never active are left out.

        Parameters
        ----------
        path, other : Path
            Paths over the same features, such as a lasso path and a limit flow.
        x : "s", "lambda" or "l1"
            What runs along the axis.
        labels : sequence of str, optional
            What the paths are called; by default after their law and view, such as "lasso" and "limit flow".
        scale : array of shape (d,), optional
            Factors of the coefficients; the columns' standard deviations, ``problem.deviations``, make them
            comparable.

        Raises
        ------
        ValueError
            If the paths have different features or clocks, or x, labels or scale do not fit.
        """
        paths = [path] if other is None else [path, other]
        names = path.frame.feature_names
        if other is not None and tuple(other.frame.feature_names) != tuple(names):
            raise ValueError("path and other must have the same features; their feature_names differ.")
        if other is not None and other.clock != path.clock:
            raise ValueError("path and other must have the same clock; one of them has training time only.")
        titles = titles_of(paths) if labels is None else list(labels)
        if len(titles) != len(paths):
            raise ValueError(f"labels must name each path; got {len(titles)} for {len(paths)}.")
        factors = np.ones(len(names)) if scale is None else np.asarray(scale, dtype=np.float64)
        if factors.shape != (len(names),):
            raise ValueError(f"scale must have shape ({len(names)},), one factor a feature; got {factors.shape}.")

        start, stop = span(paths)
        samples = [sample(one, start, stop, to_end=x == "l1") for one in paths]
        features = np.unique(np.concatenate([coef.indices for _, coef in samples]))
        curves = [
            Curve(title, s, coef[:, features].toarray() * factors[features], events(one) if one.exact else s[:0])
            for title, one, (s, coef) in zip(titles, paths, samples, strict=True)
        ]
        unit = "coefficient" if scale is None else "coefficient × scale"
        chosen = [names[j] for j in features]
        return cls(curves, features=features, feature_names=chosen, x=x, unit=unit, clock=path.clock)

    def plot(self, ax: Axes | None = None, *, n_labels: int = 10, name_length: int = 24) -> PathDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw, with room for the names on the right; by default on a new figure.
        n_labels : int
            How many of the coefficients that are largest at the right end are named (fewer if that is too low).
        name_length : int
            Longer names are shortened with an ellipsis.

        Returns
        -------
        PathDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if n_labels < 0 or name_length < 1:
            raise ValueError(f"n_labels must be >= 0 and name_length >= 1; got {n_labels} and {name_length}.")
        self.ax_ = _new_axes() if ax is None else ax
        self.figure_: Any = self.ax_.figure
        self._set_up()
        self.legend_ = self._legend() if len(self.curves) > 1 else None
        _lay_out(self.figure_)
        named = self._largest(n_labels)
        self.lines_: list[Any] = []
        self.background_ = [self._draw(curve, named, number) for number, curve in enumerate(self.curves)]
        self.rugs_ = [self._mark_knots(curve, number) for number, curve in enumerate(self.curves)]
        self.labels_ = self._label(named, name_length)
        return self

    def _positions(self, curve: Curve) -> Floats:
        """Where the samples of a curve lie along the axis, shape (m,)."""
        if self.x == "l1":
            return np.asarray(np.abs(curve.coef).sum(axis=1), dtype=np.float64)
        return curve.s if self.x == "s" else 1.0 / curve.s

    def _set_up(self) -> None:
        """Scales, limits and titles of the axes, and the line of zero."""
        ax, positions = self.ax_, np.concatenate([self._positions(curve) for curve in self.curves])
        if self.x == "l1":
            ax.set_xlim(0.0, positions.max() or 1.0)
        else:
            ax.set_xscale("log")
            ax.set_xlim(*sorted((positions.min(), positions.max()), reverse=self.x == "lambda"))
        low = min(curve.coef.min(initial=0.0) for curve in self.curves)
        high = max(curve.coef.max(initial=0.0) for curve in self.curves)
        low, high = (low, high) if low < high else (-1.0, 1.0)
        margin = 0.06 * (high - low)
        ax.set_ylim(low - (1.0 + 0.5 * len(self.curves)) * margin, high + margin)
        ax.axhline(0.0, color="0.5", linewidth=0.6, zorder=1)
        ax.spines[["top", "right"]].set_visible(False)
        shown = " as shown" if self.x == "l1" and self.unit != "coefficient" else ""
        label = _TRAINING_TIME if self.x == "s" and self.clock == "training" else _AXIS_LABELS[self.x]
        ax.set_xlabel(label + shown)
        whose = f" ({self.curves[0].label})" if len(self.curves) == 1 else ""
        ax.set_ylabel(self.unit + whose, parse_math=False)

    @property
    def _anchor(self) -> Curve:
        """The curve that reaches furthest to the right, the first if several do: names are tied to its end."""
        reach = [self._positions(curve)[-1] * (-1.0 if self.x == "lambda" else 1.0) for curve in self.curves]
        furthest = max(reach)
        return next(curve for curve, end in zip(self.curves, reach, strict=True) if np.isclose(end, furthest, atol=0.0))

    def _largest(self, n_labels: int) -> list[int]:
        """The features to name, from the top: those with the largest coefficients at the right end that fit."""
        end = self._anchor.coef[-1]
        rank = np.argsort(-np.abs(end), kind="stable")[: min(n_labels, int(1.0 / line_height(self.ax_)))]
        return [int(j) for j in rank[np.argsort(-end[rank], kind="stable")] if end[j] != 0]

    def _draw(self, curve: Curve, named: Sequence[int], number: int) -> LineCollection:
        """Draw one curve: the named features in colour, the others as one collection."""
        from matplotlib.collections import LineCollection

        x, style = self._positions(curve), _STYLES[number % len(_STYLES)]
        for rank, j in enumerate(named):
            look = {"color": _COLOURS[rank % len(_COLOURS)], "linestyle": style.dashes, "linewidth": style.width}
            self.lines_ += self.ax_.plot(*_active_part(x, curve.coef[:, j]).T, **look, zorder=2.5 - 0.1 * number)
        rest = np.setdiff1d(np.arange(curve.coef.shape[1]), named)
        lines = LineCollection([_active_part(x, curve.coef[:, j]) for j in rest], zorder=1.5 - 0.1 * number)
        lines.set(color=style.grey, linestyle=style.dashes, linewidth=style.thin)
        self.ax_.add_collection(lines, autolim=False)
        return lines

    def _mark_knots(self, curve: Curve, number: int) -> LineCollection:
        """A tick above the axis for every knot, the fainter the more there are; one row a curve."""
        from matplotlib.collections import LineCollection

        x = self._positions(curve)[np.searchsorted(curve.s, curve.knots, side="right") - 1]
        bottom = 0.022 * (len(self.curves) - 1 - number)
        ticks = [((knot, bottom), (knot, bottom + 0.018)) for knot in x]
        rug = LineCollection(ticks, transform=self.ax_.get_xaxis_transform(), colors="0.25", linewidths=0.6)
        rug.set_alpha(min(1.0, max(0.3, 40 / (1 + x.size))))
        self.ax_.add_collection(rug, autolim=False)
        return rug

    def _label(self, named: Sequence[int], name_length: int) -> list[Annotation]:
        """Names at the right margin, spread so that they do not overlap, each tied to the end of its curve."""
        ax, curve = self.ax_, self._anchor
        ends = np.column_stack([np.full(len(named), self._positions(curve)[-1]), curve.coef[-1][list(named)]])
        wanted = ax.transAxes.inverted().transform(ax.transData.transform(ends))[:, 1]
        heights = spread(wanted[::-1], line_height(ax))[::-1]
        tie = {"arrowstyle": "-", "linewidth": 0.8, "relpos": (0.0, 0.5), "shrinkA": 1.0, "shrinkB": 0.0}
        # Names are not mathematics: a $ or _ in them is a letter.
        literal: dict[str, Any] = {"parse_math": False, "usetex": False, "fontsize": "small", "va": "center"}
        labels = []
        for rank, j in enumerate(named):
            name = shorten(self.feature_names[j], name_length)
            families = families_for(name)
            label = ax.annotate(
                name if name and families else f"column {self.features[j]}",
                xy=(ends[rank, 0], ends[rank, 1]),
                xytext=(1.05, heights[rank]),
                textcoords="axes fraction",
                annotation_clip=False,
                arrowprops=tie | {"color": _COLOURS[rank % len(_COLOURS)]},
                fontfamily=families,
                **literal,
            )
            labels.append(label)
        return labels

    def _legend(self) -> Legend:
        """Which line style is which path, above the axes, where no curve can be."""
        from matplotlib.lines import Line2D

        styles = [_STYLES[number % len(_STYLES)] for number in range(len(self.curves))]
        lines = [Line2D([], [], linestyle=style.dashes, linewidth=style.width, color="0.2") for style in styles]
        names = [curve.label for curve in self.curves]
        place = (1.0, 1.0)
        legend = self.ax_.legend(lines, names, loc="lower right", bbox_to_anchor=place, ncols=len(lines), frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
        return legend


def _active_part(x: Floats, coef: Floats) -> Floats:
    """The polyline of a coefficient from where it leaves zero to where it is back for good, shape (p, 2)."""
    active = np.flatnonzero(coef)
    part = slice(max(active[0] - 1, 0), active[-1] + 2) if active.size else slice(0)
    return np.column_stack([x[part], coef[part]])


def _new_axes() -> Axes:
    """The axes of a new figure that makes room for the names."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("PathDisplay needs matplotlib: pip install 'lassoflow[plot]'") from None
    return plt.subplots(figsize=(8, 5), layout="constrained")[1]


def _lay_out(figure: Any) -> None:
    """Let the layout engine, if there is one, find the height of the axes: the names are spread over it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure.figure)
