"""A path in a notebook: a few lines of HTML without a script."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

_TOP = 8


def snippet(path: Any) -> str:
    """What a path is, and its largest coefficients at the end of its domain, as escaped HTML."""
    end = path.end
    order = np.argsort(-np.abs(end), kind="stable")[:_TOP]
    rows = [
        f"<tr><td style='text-align:left'>{escape(path.frame.feature_names[j])}</td><td>{end[j]:.6g}</td></tr>"
        for j in order
        if end[j]
    ]
    count = int((end != 0).sum())
    more = f"; the {len(rows)} largest" if count > len(rows) else ""
    line = f"<p>{count} nonzero at {path.letter} = {path.domain[1]:.4g}{more}</p>"
    return f"<div><p>{escape(repr(path).strip('<>'))}</p>{line}<table>{''.join(rows)}</table></div>"
