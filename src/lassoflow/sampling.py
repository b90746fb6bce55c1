"""Paths as arrays to draw: sampled densely enough for the eye, exact at the knots and on either side of a jump."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Side = Literal["left", "right"]

_GRID = 400
"""Samples along the axis, besides the knots, between which a curve is drawn straight: under 3 pixels each."""
_BLOCK = 2**22
"""How many coefficients are evaluated at once: d may be large, and most of them are zero."""


class Curve(NamedTuple):
    """One path, sampled."""

    label: str
    """What the legend calls it."""
    s: Floats
    """Times, nondecreasing, shape (m,); twice, for the left and the right limit, where the path may jump."""
    coef: Floats
    """Coefficients at these times, shape (m, k)."""
    knots: Floats
    """Times of the events, all of them among ``s``, shape (p,)."""


def titles_of(paths: Sequence[Any]) -> list[str]:
    """What the paths are called: law and view, and which is which if these are the same."""
    titles = [path.name.removeprefix("the ").replace("'s ", " ") for path in paths]
    same = len(set(titles)) < len(titles)
    return [f"{title} ({place})" for title, place in zip(titles, ("first", "second"), strict=True)] if same else titles


def events(path: Any) -> Floats:
    """The knots that a logarithmic axis can show, shape (p,); at the edges of double precision 1/s overflows."""
    knots: Floats = path.knots
    return knots[(knots > 1e-300) & (knots < 1e300)]


def span(paths: Sequence[Any]) -> tuple[float, float]:
    """From which time to which the axis runs: all knots and a little beyond, but not beyond the ends."""
    judged = [path for path in paths if path.exact] or paths  # the first steps of an integrator are tiny
    knots = [events(path) for path in judged]
    times = np.concatenate([k if k.size else path.domain[1:] for k, path in zip(knots, judged, strict=True)])
    times = times[np.isfinite(times)]
    first, last = np.log([times.min(), times.max()]) if times.size else (0.0, 0.0)
    # At least a decade, lest its ticks be crowded.
    margin = max(0.06 * (last - first), 0.5 * (np.log(20.0) - (last - first)), np.log(1.5))
    return float(np.exp(first - margin)), float(min(np.exp(last + margin), max(path.domain[1] for path in paths)))


def sample(path: Any, start: float, stop: float, to_end: bool) -> tuple[Floats, sp.csr_array]:
    """Times, shape (m,), and coefficients there, shape (m, d): on a grid and, from both sides, at the knots."""
    knots, end = events(path) if path.exact else np.zeros(0), path.domain[1]
    grid = np.geomspace(start, min(stop, end), _GRID)
    inner = path.mesh[(path.mesh > start) & (path.mesh < stop)] if not path.exact else knots[:0]
    left = np.concatenate([grid, knots, inner, [end] if to_end else []])
    # An average is continuous: only where slopes are seen do the two sides differ.
    right = knots if path.blend < 1 else knots[:0]
    coef = sp.vstack([_evaluate(path, left, "left"), _evaluate(path, right, "right")], format="csr")
    s = np.concatenate([left, right])
    # Stable: at a knot the right limit stays behind the left one.
    order = np.argsort(s, kind="stable")
    return s[order], coef[order]


def _evaluate(path: Any, s: Floats, side: Side) -> sp.csr_array:
    """Coefficients at times s, shape (m, d), a block of rows at a time."""
    d = len(path.frame.feature_names)
    rows = max(1, _BLOCK // d)
    blocks = [sp.csr_array(path(s[row : row + rows], side)) for row in range(0, s.size, rows)]
    return sp.csr_array(sp.vstack([sp.csr_array((0, d)), *blocks], format="csr"))
