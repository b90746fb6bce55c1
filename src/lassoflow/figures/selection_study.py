"""The selection study: sparse estimators, tuned on validation sets, over signal-to-noise ratios.

The design of Hastie, Tibshirani & Tibshirani (2020), with the limit flow and its blend with its average beside the
lasso, the relaxed lasso, best subset and forward stepwise. The blend is chosen with the penalty, by the least
validation error or by the rule "paired". Every method sees the same data, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.figures.reproduction import COLOURS, DASHES, Figure, Reproduction, Table, stacked, tidy
from lassoflow.figures.simulation import BETA_TYPES, RHOS, SETTINGS, SNRS, Cell, Metrics, draw, judge
from lassoflow.figures.validated import PACKAGES, PATHS, methods, tune

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

PAIRS = tuple(product(("blend", "paired blend"), ("relaxed lasso", "lasso")))
"""What is compared draw by draw, the first minus the second."""
HIGH_SNR = 0.7
SHOWN_TYPE, SHOWN_RHO = 2, 0.35
"""Of the cells in the picture; the tables have all."""
REPETITIONS = 20
_NAMES = (*PATHS, *PACKAGES)
_COLOURS = dict(zip(_NAMES, (COLOURS[k] for k in (0, 1, 1, 2, 3, 4, 5)), strict=True))
_MARKERS = dict(zip(_NAMES, "osP^Dvx", strict=True))
_LABELS = {
    "relative_risk": "relative risk",
    "relative_test_error": "relative test error",
    "variance_explained": "variance explained",
    "nonzeros": "nonzeros",
    "f_score": "F score",
}


class Results(NamedTuple):
    """All metrics of all draws: ``values`` has shape (cells, repetitions, methods, metrics)."""

    cells: list[Cell]
    methods: tuple[str, ...]
    values: Floats

    def risk(self, method: str) -> Floats:
        """The relative risk of a method, shape (cells, repetitions)."""
        return self.values[:, :, self.methods.index(method), 0]

    def differences(self, method: str, against: str) -> tuple[Floats, Floats]:
        """Of the relative risk, one method minus another: means and paired standard errors, shape (cells,)."""
        return mean_and_error(self.risk(method) - self.risk(against), axis=1)


def run(quick: bool, seed: int, report: Callable[[float], object] | None = None) -> Reproduction:
    """All cells, by processes on all cores; or with ``quick`` some, one after the other.

    ``report`` is called with the share that is done.
    """
    cells, repetitions = (_few(), 3) if quick else (list(all_cells()), REPETITIONS)
    results = study(cells, repetitions, seed, 1 if quick else -1, report)
    tables = {"metrics": metrics_table(results), "differences": stacked([_differences(results, *one) for one in PAIRS])}
    numbers = {key: value for one in PAIRS for key, value in compared(results, *one).items()}
    return Reproduction(tables, numbers, _sentence(results, numbers), partial(_draw, results=results), (13.0, 14.5))


def all_cells() -> Iterable[Cell]:
    """The design, in order."""
    return (Cell(*one) for one in product(SETTINGS, BETA_TYPES, RHOS, SNRS))


def _few() -> list[Cell]:
    return [Cell(one, SHOWN_TYPE, SHOWN_RHO, snr) for one in SETTINGS[:3] for snr in SNRS[1::4]]


def study(
    cells: list[Cell], repetitions: int, seed: int, n_jobs: int = 1, report: Callable[[float], object] | None = None
) -> Results:
    """Metrics of all methods on new draws of cells, the same for the same seed whatever the number of processes."""
    from sklearn.utils.parallel import Parallel, delayed

    used, done = methods(), []
    jobs = (delayed(repeat)(cell, used, repetitions, seed) for cell in cells)
    for values in Parallel(n_jobs=n_jobs, return_as="generator")(jobs):
        done.append(values)
        if report:
            report(len(done) / len(cells))
    return Results(cells, used, np.stack(done))


def repeat(cell: Cell, names: tuple[str, ...], repetitions: int, seed: int) -> Floats:
    """Metrics of some draws of a cell: shape (repetitions, methods, metrics). Every cell has seeds of its own."""
    (_, *sizes), beta_type, rho, snr = cell
    place = [*sizes, beta_type, round(1e6 * rho), round(1e6 * snr)]
    data = (draw(cell, np.random.default_rng([seed, *place, k])) for k in range(repetitions))
    return np.array([[judge(cell, coef) for coef in tune(one, names)] for one in data])


def mean_and_error(values: Floats, axis: int) -> tuple[Floats, Floats]:
    """The mean over an axis, and its standard error."""
    return values.mean(axis=axis), values.std(axis=axis, ddof=1) / np.sqrt(values.shape[axis])


def metrics_table(results: Results) -> Table:
    """A row for every cell and method: means and standard errors of the metrics."""
    mean, error = (part.reshape(-1, len(Metrics._fields)) for part in mean_and_error(results.values, axis=1))
    rows = [(*_named(cell), method) for cell in results.cells for method in results.methods]
    table = _columns(("setting", "beta_type", "rho", "snr", "method"), rows)
    for k, name in enumerate(Metrics._fields):
        table |= {name: mean[:, k], f"{name}_error": error[:, k]}
    return table


def _differences(results: Results, method: str, against: str) -> Table:
    """A row for every cell: the paired difference of the relative risks of two methods."""
    mean, error = results.differences(method, against)
    rows = [(*_named(cell), method, against) for cell in results.cells]
    table = _columns(("setting", "beta_type", "rho", "snr", "method", "against"), rows)
    return table | {"difference": mean, "standard_error": error}


def _named(cell: Cell) -> tuple[str, int, float, float]:
    return cell.setting.name, cell.beta_type, cell.rho, cell.snr


def _columns(names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Table:
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def compared(results: Results, method: str, against: str) -> dict[str, float]:
    """The mean difference over all cells, its standard error, and in how many cells it is above two paired ones."""
    mean, error = results.differences(method, against)
    above = mean > 2.0 * error + 1e-9  # equal estimates differ by rounding
    high = np.array([cell.snr >= HIGH_SNR for cell in results.cells])
    key = f"{method} minus {against}".replace(" ", "_")
    return {
        key: float(mean.mean()),
        f"{key}_error": float(np.sqrt(np.mean(error**2) / error.size)),
        f"{key}_above": float(above.sum()),
        f"{key}_above_high_snr": float((above & high).sum()),
    }


def _sentence(results: Results, numbers: dict[str, float]) -> str:
    shown = []
    for method, against in PAIRS:
        key = f"{method} minus {against}".replace(" ", "_")
        shown.append(
            f"{method} minus {against} is {numbers[key]:.4f} ± {numbers[f'{key}_error']:.4f} (above two standard "
            f"errors in {numbers[f'{key}_above']:.0f} cells, {numbers[f'{key}_above_high_snr']:.0f} of them at SNR >= "
            f"{HIGH_SNR:g})"
        )
    absent = [name for name in PACKAGES if name not in results.methods]
    missing = f" Left out: {' and '.join(absent)}, which need pip install 'lassoflow[study]'." * bool(absent)
    return (
        "published: the lasso wins at low and best subset at high signal-to-noise ratios, the relaxed lasso over all; "
        f"here: over {len(results.cells)} cells of {results.values.shape[1]} draws the relative risk of "
        f"{', of '.join(shown)}.{missing}"
    )


def _draw(figure: Canvas, results: Results) -> None:
    """Metrics over the signal-to-noise ratio, a column a setting; below them differences over all its cells."""
    settings = list(dict.fromkeys(cell.setting for cell in results.cells))
    axes = figure.subplots(len(Metrics._fields) + 1, len(settings), sharex=True, squeeze=False)
    for column, setting in enumerate(settings):
        for row, name in enumerate(Metrics._fields):
            _draw_metric(axes[row, column], results, setting.name, row)
            tidy(axes[row, column], "", _LABELS[name] * (column == 0))
        axes[0, column].set_title(f"{setting.name}: n = {setting.n}, d = {setting.d}", loc="left", fontsize="medium")
        _draw_differences(axes[-1, column], results, setting.name)
        tidy(axes[-1, column], "signal-to-noise ratio", "difference of relative risk" * (column == 0))
    axes[0, 0].set_xscale("log")
    ticks = (0.05, 0.2, 0.7, 2, 6)
    axes[0, 0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0, 0].minorticks_off()
    axes[-1, -1].legend(frameon=False, fontsize="small", title="over all cells", title_fontsize="small")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)


def _draw_metric(ax: Axes, results: Results, setting: str, metric: int) -> None:
    """One metric over the signal-to-noise ratio, for the beta-type and the correlation that are shown."""
    chosen = [k for k, one in enumerate(results.cells) if _named(one)[:3] == (setting, SHOWN_TYPE, SHOWN_RHO)]
    snr = np.array([results.cells[k].snr for k in chosen])
    mean, error = mean_and_error(results.values[chosen], axis=1)
    for j, method in enumerate(results.methods):
        shift = 1.03 ** (j - 3)  # so that error bars do not cover each other
        ax.errorbar(snr * shift, mean[:, j, metric], error[:, j, metric], label=method, **_look(method))


def _draw_differences(ax: Axes, results: Results, setting: str) -> None:
    """Differences of the relative risk from the lasso's, averaged over beta-types and correlations."""
    ax.axhline(0.0, color="0.4", linewidth=0.9)
    snrs = sorted({cell.snr for cell in results.cells})
    of = [[k for k, c in enumerate(results.cells) if (c.setting.name, c.snr) == (setting, snr)] for snr in snrs]
    for method in ("blend", "paired blend", "relaxed lasso"):
        mean, error = results.differences(method, "lasso")
        means = [mean[one].mean() for one in of]
        errors = [np.sqrt(np.mean(error[one] ** 2) / len(one)) for one in of]
        ax.errorbar(snrs, means, errors, label=f"{method} minus lasso", **_look(method))


def _look(method: str) -> dict[str, Any]:
    """Of a curve with error bars."""
    dashes = DASHES[method == "paired blend"]
    look = {"color": _COLOURS[method], "marker": _MARKERS[method], "linestyle": dashes}
    return look | {"markersize": 4.0, "linewidth": 1.2, "elinewidth": 0.9}


FIGURE = Figure(
    "selection_study",
    "Selection study: flow, blend, lasso, relaxed lasso, best subset and forward stepwise over signal-to-noise ratios",
    "Hastie, Tibshirani & Tibshirani 2020, Statistical Science 35(4)",
    run,
    reports=True,
)
