"""Berthier 2025, section 2.2: how often the condition of the theorem holds on small random instances.

"z = s x(s) is coordinate-wise monotone" on a fraction 0.76 of 1000 instances with d = 4, n = 3 and standard normal X
and y (arXiv 2509.18766).
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats
from lassoflow.figures.berthier_paths import instances
from lassoflow.figures.reproduction import COLOURS, Figure, Reproduction, tidy
from lassoflow.monotonicity import monotone_until
from lassoflow.path import Path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

PUBLISHED, PUBLISHED_COUNT = 0.76, 1000


def run(quick: bool, seed: int) -> Reproduction:
    """The fraction of monotone instances, with its standard error."""
    found = [case.lasso for case in islice(instances(seed), 200 if quick else 1000)]
    until = np.array([monotone_until(lasso) for lasso in found])
    first = np.array([lasso.knots[0] for lasso in found])
    rising = np.array([_coefficients_rise(lasso) for lasso in found])
    share, error = _share(np.isinf(until))
    published_error = np.sqrt(PUBLISHED * (1 - PUBLISHED) / PUBLISHED_COUNT)
    numbers = {
        "share": share,
        "standard_error": error,
        "errors_apart": float((share - PUBLISHED) / np.hypot(error, published_error)),
        "share_coefficients_monotone": _share(rising)[0],
    }
    sentence = (
        f"published: the lasso's z is monotone on a fraction {PUBLISHED} of {PUBLISHED_COUNT} random instances "
        f"(standard error {published_error:.3f}); here: {share:.3f} of {len(found)} (standard error {error:.3f}), "
        f"{abs(numbers['errors_apart']):.1f} standard errors of the difference apart."
    )
    table = {
        "instance": np.arange(1, len(found) + 1),
        "first_knot": first,
        "monotone_until": until,
        "coefficients_monotone": rising.astype(np.int64),
    }
    return Reproduction({"instances": table}, numbers, sentence, partial(_draw, until=until, first=first), (9.5, 4.0))


def _coefficients_rise(lasso: Path) -> bool:
    """Whether the size of no coefficient ever falls; they are linear in 1/s between knots."""
    sizes = np.abs(np.vstack([lasso(lasso.knots), lasso.end]))
    return bool((np.diff(sizes, axis=0) >= -1e-12 * sizes.max()).all())


def _share(true: NDArray[np.bool_]) -> tuple[float, float]:
    """A fraction and its standard error."""
    share = float(true.mean())
    return share, float(np.sqrt(share * (1 - share) / true.size))


def _draw(figure: Canvas, until: Floats, first: Floats) -> None:
    left, right = figure.subplots(1, 2)
    _draw_running(left, np.isinf(until))
    _draw_first_fall(right, until / first)


def _draw_running(ax: Axes, monotone: NDArray[np.bool_]) -> None:
    count = np.arange(1, monotone.size + 1)
    share = np.cumsum(monotone) / count
    error = 2 * np.sqrt(PUBLISHED * (1 - PUBLISHED) / count)
    ax.fill_between(count, PUBLISHED - error, PUBLISHED + error, color="0.88", label="published ± 2 standard errors")
    ax.axhline(PUBLISHED, color="0.35", linewidth=1.2, linestyle="--", label=f"published, {PUBLISHED}")
    ax.plot(count, share, color=COLOURS[0], linewidth=1.4, label="here")
    ax.set(xlim=(10, monotone.size), ylim=(0.5, 1.0))
    ax.set_xscale("log")
    ax.legend(frameon=False, loc="upper right")
    tidy(ax, "number of instances", "fraction with a monotone z", "running fraction")


def _draw_first_fall(ax: Axes, ratio: Floats) -> None:
    falls = np.sort(ratio[np.isfinite(ratio)])
    share = 1.0 - np.arange(falls.size + 1) / ratio.size
    last = 1.3 * falls[-1] if falls.size else 10.0
    look: dict[str, Any] = {"color": COLOURS[0], "linewidth": 1.4, "label": "here"}
    ax.step(np.concatenate([[1.0], falls, [last]]), np.append(share, share[-1]), where="post", **look)
    ax.axhline(PUBLISHED, color="0.35", linewidth=1.2, linestyle="--", label=f"published, {PUBLISHED} (for all s)")
    ax.set(xlim=(1.0, last), ylim=(0.5, 1.02))
    ax.set_xscale("log")
    ax.legend(frameon=False, loc="lower left")
    tidy(ax, "time s over that of the first knot", "fraction monotone up to s", "where z first falls")


FIGURE = Figure(
    "berthier_monotone",
    "How often the lasso path is monotone, so that the averaged flow is the lasso",
    "Berthier 2025 (arXiv 2509.18766), section 2.2",
    run,
)
