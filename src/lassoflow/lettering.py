"""Names beside curves: short, in a font that has their letters, and spread so that none covers another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]


def line_height(ax: Axes) -> float:
    """Height of a line of small text, as a share of the height of the axes."""
    from matplotlib.font_manager import FontProperties

    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    return float(min(1.0, 1.35 * FontProperties(size="small").get_size_in_points() / points))


def spread(wanted: Floats, gap: float) -> Floats:
    """Heights in [0, 1], each a gap above the one before, nearest to increasing ``wanted`` ones: shape (k,).

    Less the multiples of the gap they are nondecreasing: isotonic regression, which clipping keeps optimal.
    """
    if not wanted.size:
        return wanted
    steps = gap * np.arange(wanted.size)
    heights = isotonic_regression(wanted - steps).x
    return np.asarray(np.clip(heights, 0.0, max(0.0, 1.0 - steps[-1])) + steps, dtype=np.float64)


def shorten(name: str, length: int) -> str:
    """A name on one line, of at most ``length`` letters; long ones keep their tail, where many of them differ."""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    tail = (length - 1) // 3
    return name if len(name) <= length else name[: length - 1 - tail] + "…" + name[len(name) - tail :]


def families_for(name: str) -> list[str] | None:
    """Font families that have all letters of a name: those in use and, if need be, an installed one; or None."""
    from matplotlib import font_manager as fonts
    from matplotlib import rcParams

    families, missing = list(rcParams["font.family"]), {ord(letter) for letter in name}
    for family in families:
        missing = _lacking(fonts.findfont(fonts.FontProperties(family=[family])), missing)
    if not missing:
        return families
    # The "last resort" draws the same box for any letter, which says nothing.
    installed = (font for font in fonts.fontManager.ttflist if font.style == "normal" and "Last" not in font.name)
    found = next((font.name for font in installed if not _lacking(font.fname, missing)), None)
    return None if found is None else [*families, found]


def _lacking(file: str, letters: set[int]) -> set[int]:
    """Those of the letters that a font does not have."""
    from matplotlib.font_manager import get_font

    font = get_font(file)
    return {letter for letter in letters if not font.get_char_index(letter)}
