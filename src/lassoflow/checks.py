"""A certificate: a few lines, each an observed value with the bound it must keep and where it was worst."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from lassoflow.arrays import Floats


class Check(NamedTuple):
    """One line of a certificate."""

    name: str
    """What was looked at."""
    value: float
    """The observed number."""
    bound: float | None
    """What the value must not exceed; None for a line that only reports."""
    s: float | None
    """Where on the path the value was taken."""
    holds: bool | None
    """The verdict; None for a line that only reports."""
    source: str
    """The theorem, or the section of the documentation, that it rests on."""


@dataclass(frozen=True)
class Certificate:
    """What was checked, with numbers; prints as a small table.

    Attributes
    ----------
    title, summary, units : str
        What was checked, the result in a sentence, and what the values are shares of.
    checks : tuple of Check
    s, distance, bound : arrays of shape (k,)
        Of a comparison, at every knot of either path: the distance ``|average - lasso|_M`` of the two curves and its
        bound, both over the standard deviation of y (its root mean square if there is no intercept). Empty for a
        single path.

    Examples
    --------
    >>> import lassoflow as lf
    >>> certificate = lf.compare(lf.limit_flow(lf.LeastSquares([[1.0, 0.5], [0.5, 1.0]], [2.0, 0.0])))
    >>> certificate
    <Certificate: 8 checks, all hold>
    >>> certificate["lasso monotone up to s"].value, certificate.bound
    (inf, array([0., 0.]))
    >>> sorted(certificate.to_dict())
    ['checks', 'curve', 'holds', 'summary', 'title', 'units']
    """

    title: str
    summary: str
    units: str
    checks: tuple[Check, ...]
    s: Floats
    distance: Floats
    bound: Floats
    time: str = "s"
    """What times are: s, or t for training time."""

    @property
    def holds(self) -> bool:
        """Whether every check with a verdict holds."""
        return all(check.holds is not False for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        """The check of that name."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"{name!r}; there are {[check.name for check in self.checks]}")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings, lists and dicts; infinite times become the string "inf"."""
        return {
            "title": self.title,
            "summary": self.summary,
            "units": self.units,
            "holds": self.holds,
            "checks": [{key: _plain(value) for key, value in check._asdict().items()} for check in self.checks],
            "curve": {key: [_plain(v) for v in getattr(self, key).tolist()] for key in ("s", "distance", "bound")},
        }

    def __str__(self) -> str:
        head = ("", "value", "bound", f"at {self.time}", "")
        rows = [
            head,
            *((c.name, short(c.value), short(c.bound), short(c.s), _VERDICT[c.holds]) for c in self.checks),
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:4], widths[1:4]), row[4]]) for row in rows]
        return "\n".join([self.title, "", *(line.rstrip() for line in lines), self.units, "", self.summary])

    def __repr__(self) -> str:
        return f"<Certificate: {len(self.checks)} checks, {'all hold' if self.holds else 'not all hold'}>"


_VERDICT = {True: "holds", False: "FAILS", None: ""}


def short(value: float | None) -> str:
    """A number of a line in four digits, nothing for None."""
    return "" if value is None else f"{value:.4g}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
