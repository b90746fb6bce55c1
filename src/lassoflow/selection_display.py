"""The picture of a cross-validation: arrays in, axes out; matplotlib is imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_COLOURS = {"error": "#332288", "min": "#CC6677", "paired": "#B8860B", "1se": "#117733"}
_GRID = 1000
"""Samples along the axis, besides the knots."""


class SelectionDisplay:
    """Cross-validated error over the penalty, with its standard error, the choices and, if it was chosen, the blend.

    Make it with :meth:`from_selection`, then :meth:`plot` it.

    Parameters
    ----------
    lam : array of shape (m,)
        Penalties.
    error, standard_error : arrays of shape (m,)
        The error at each penalty, at its best blend, and its standard error; NaN where there is none.
    blend : array of shape (m,), optional
        The best blend at each penalty; None if there was one only.
    views : mapping of str to array of shape (m,), optional
        Errors at fixed blends, by name, to compare with.
    choices : mapping of str to (penalty, error, blend), optional
        The points to mark, by the name of their rule.

    Attributes
    ----------
    ax_, figure_ : the axes of the error and the figure
    blend_ax_ : the axes of the blend, or None
    line_, band_ : the error and the band of its standard error
    points_ : list, the marks of the choices

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> X = np.random.default_rng(0).standard_normal((40, 10))
    >>> display = lf.SelectionDisplay.from_selection(lf.select_by_cv(X, X[:, 0])).plot()
    >>> display.ax_.get_ylabel(), display.blend_ax_.get_ylabel()
    ('cross-validated error', 'blend')
    """

    def __init__(
        self,
        lam: ArrayLike,
        error: ArrayLike,
        standard_error: ArrayLike,
        blend: ArrayLike | None = None,
        *,
        views: Mapping[str, ArrayLike] | None = None,
        choices: Mapping[str, tuple[float, float, float]] | None = None,
    ) -> None:
        self.lam, self.error = np.asarray(lam, dtype=np.float64), np.asarray(error, dtype=np.float64)
        self.standard_error = np.asarray(standard_error, dtype=np.float64)
        self.blend = None if blend is None else np.asarray(blend, dtype=np.float64)
        self.views = {name: np.asarray(values, dtype=np.float64) for name, values in (views or {}).items()}
        self.choices = dict(choices or {})
        given = [self.error, self.standard_error, *self.views.values(), *([] if self.blend is None else [self.blend])]
        if any(values.shape != self.lam.shape for values in given) or self.lam.ndim != 1:
            raise ValueError("lam, error, standard_error, blend and views must be arrays of one shape (m,).")

    @classmethod
    def from_selection(cls, selection: Any) -> SelectionDisplay:
        """Sample the exact error of a selection; :meth:`plot` draws it.

        Parameters
        ----------
        selection : CVSelection
            By :func:`~lassoflow.select_by_cv`, or ``selection_`` of a fitted regressor.

        Raises
        ------
        TypeError
            If it is no CVSelection.
        """
        if not hasattr(selection, "folds"):
            raise TypeError(f"selection must be a CVSelection, of select_by_cv; got {selection!r}.")
        lam = _penalties(selection)
        low, high = selection.blends
        views, blend = {}, None
        if low < high:
            names = {"lasso": ("lasso", "its refit"), "flow": ("average", "flow")}[selection.law]
            views = {
                f"{name}, blend {at:g}": selection.curve(lam, at) for name, at in zip(names, (high, low), strict=True)
            }
            blend = selection.best_blend(lam)
        paired = selection.paired if selection.rule == "paired" else None
        marks = {"min": selection.best, "paired": paired, "1se": selection.one_se}
        choices = {name: (mark.lam, mark.error, mark.blend) for name, mark in marks.items() if mark is not None}
        return cls(lam, selection.curve(lam), selection.standard_errors(lam), blend, views=views, choices=choices)

    def plot(self, ax: Axes | None = None, blend_ax: Axes | None = None) -> SelectionDisplay:
        """Draw the error and, where it was chosen, the blend beneath it.

        Parameters
        ----------
        ax, blend_ax : matplotlib Axes, optional
            Where to draw; by default on a new figure. With ``ax`` alone the blend is not drawn.

        Returns
        -------
        SelectionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            ax, blend_ax = _new_axes(with_blend=self.blend is not None)
        self.ax_, self.blend_ax_, self.figure_ = ax, blend_ax, ax.figure
        self._draw_error(ax)
        last = ax
        if blend_ax is not None and self.blend is not None:
            blend_ax.plot(self.lam, self.blend, color=_COLOURS["error"], linewidth=1.2)
            blend_ax.set(ylabel="blend", ylim=(-0.05, 1.05), xscale="log")
            blend_ax.spines[["top", "right"]].set_visible(False)
            last = blend_ax
        self.points_ = [self._mark(name, *place) for name, place in self.choices.items()]
        last.set_xlabel("penalty  λ = 1/s  (log scale)")
        ax.legend(frameon=False, fontsize="small")
        return self

    def _draw_error(self, ax: Axes) -> None:
        ax.set(xscale="log", ylabel="cross-validated error")
        ax.set_xlim(self.lam.max(), self.lam.min())  # time runs to the right
        ax.spines[["top", "right"]].set_visible(False)
        for (name, values), dashes in zip(self.views.items(), ("--", ":"), strict=False):
            ax.plot(self.lam, values, color="0.55", linestyle=dashes, linewidth=1.0, label=name)
        (self.line_,) = ax.plot(
            self.lam, self.error, color=_COLOURS["error"], linewidth=1.6, label="best blend" if self.views else "error"
        )
        low, high = self.error - self.standard_error, self.error + self.standard_error
        self.band_ = ax.fill_between(self.lam, low, high, color=_COLOURS["error"], alpha=0.15, linewidth=0)
        # Fits that nobody would choose must not set the scale.
        top = max(float(self.error[0]), float(np.nanmax(np.append(high[: self.error.argmin() + 1], self.error[0]))))
        bottom = float(np.nanmin(np.append(low, self.error)))
        margin = 0.05 * (top - bottom) or 1.0
        ax.set_ylim(bottom - margin, top + margin)

    def _mark(self, name: str, lam: float, error: float, blend: float) -> Any:
        """A point for a choice, on both axes, with its blend in the legend."""
        share = f", blend {blend:.2g}" if self.blend is not None else ""
        colour = _COLOURS.get(name, "black")
        (point,) = self.ax_.plot([lam], [error], "o", color=colour, label=f"{name}: λ = {lam:.3g}{share}")
        if self.blend_ax_ is not None and self.blend is not None:
            self.blend_ax_.plot([lam], [blend], "o", color=colour)
        return point


def _penalties(selection: Any) -> Floats:
    """Where the error is sampled: on a grid and at the knots, on either side of them, decreasing."""
    top, bottom = selection.lambda_max, selection.lambda_min
    if not top:
        return np.array([1.0, 0.5])
    knots: Floats = selection.knots
    bottom = bottom or 0.5 * float(knots[knots > 0].min())
    inner = knots[(knots > bottom) & (knots < top)]
    both = [np.geomspace(1.5 * top, bottom, _GRID), inner, np.nextafter(inner, np.inf)]
    return np.unique(np.clip(np.concatenate(both), bottom, None))[::-1]


def _new_axes(with_blend: bool) -> tuple[Axes, Axes | None]:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("SelectionDisplay needs matplotlib: pip install 'lassoflow[plot]'") from None
    if not with_blend:
        return plt.subplots(figsize=(7, 4), layout="constrained")[1], None
    _, axes = plt.subplots(2, 1, figsize=(7, 5), layout="constrained", sharex=True, height_ratios=[3, 1])
    return axes[0], axes[1]
