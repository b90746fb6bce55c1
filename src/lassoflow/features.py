"""The columns of a table that a fitted model asks for, to predict from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.tables import TableError, listed, load_columns, missing, plain


def read_features(
    source: str | os.PathLike[str], names: Sequence[str], levels: Mapping[str, Sequence[str]] | None = None
) -> Floats:
    """Columns of a table by name, shape (n, d); ``column=level`` is 1 where a column of text has that level.

    Parameters
    ----------
    source : str or path
        As of :func:`~lassoflow.tables.read_table`; columns that no name asks for are left out.
    names : sequence of d str
    levels : mapping of sequences of str, optional
        All levels of columns of text, by name: a column may hold no other.

    Raises
    ------
    TableError
        One sentence that names the columns that are missing, hold text, numbers or levels that the model does not know,
        or miss values.

    Examples
    --------
    >>> from lassoflow.features import read_features
    >>> read_features("diabetes", ["bmi", "age"]).shape
    (442, 2)
    """
    columns = load_columns(source)
    found = {name: _column(columns, name, levels or {}) for name in names}
    absent = [name for name, values in found.items() if values is None]
    if absent:
        raise TableError(f"the model needs {listed(absent)}, and {os.fspath(source)!r} has no such column.")
    gaps = [name for name, values in found.items() if not np.isfinite(values).all()]
    if gaps:
        rows = np.logical_or.reduce([~np.isfinite(found[name]) for name in gaps])
        raise TableError(f"{rows.sum()} of {rows.size} rows miss a value, or have an infinite one, in {listed(gaps)}.")
    rows = len(next(iter(columns.values()), ()))
    return np.column_stack([np.zeros((rows, 0)), *found.values()])


def _column(columns: dict[str, Any], name: str, levels: Mapping[str, Sequence[str]]) -> Any:
    """A column of numbers, or the 0/1 column of a level; None if there is none."""
    if name in columns:
        values = plain(name, columns[name])
        if values.dtype == object:
            raise TableError(f"column {name!r} holds text; the model was fitted on numbers.")
        return values
    places = [k for k, letter in enumerate(name) if letter == "="]
    for place in places:
        column, level = name[:place], name[place + 1 :]
        if column in columns:
            values = plain(column, columns[column])
            gaps = missing(values)
            if values.dtype != object and not gaps.all():
                raise TableError(f"column {column!r} holds numbers; the model was fitted on text.")
            _refuse_unknown(column, values[~gaps], levels.get(column))
            return np.where(gaps, np.nan, (values == level).astype(np.float64))
    return None


def _refuse_unknown(column: str, values: Any, levels: Sequence[str] | None) -> None:
    """A level that was not there when the model was fitted has no coefficient: not that of the level left out."""
    unknown = sorted(set(values.tolist()).difference(levels)) if levels else []
    if unknown:
        raise TableError(f"column {column!r} holds {listed(unknown)}; the model knows {listed(levels or ())}.")
