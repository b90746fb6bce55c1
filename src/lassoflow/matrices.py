"""Plain numeric matrices from text files, read strictly: what is no number is refused by its line, never guessed."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lassoflow.tables import TableError


def read_matrix(source: str) -> NDArray[np.float64]:
    r"""Read a matrix of numbers separated by commas, semicolons, tabs or spaces.

    Parameters
    ----------
    source : str
        A file; its first line may be a header, none of whose fields is a number.

    Returns
    -------
    array of shape (rows, columns)
        Finite.

    Raises
    ------
    TableError
        One sentence that names the file and the line at fault.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lassoflow.matrices import read_matrix
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "Y.csv"
    ...     _ = file.write_text("a,b\n1,2.5\n3,-4e-1\n")
    ...     read_matrix(str(file))
    array([[ 1. ,  2.5],
           [ 3. , -0.4]])
    """
    lines = _lines(source)
    first = next((line for _, line in lines), "")
    separator = max(",;\t", key=first.count)
    if not first.count(separator):
        lines, separator = [(number, ",".join(line.split())) for number, line in lines], ","
    rows = [(number, _fields(source, number, line, separator)) for number, line in lines]
    if rows and not any(map(_is_number, rows[0][1])):
        rows = rows[1:]
    if not rows:
        raise TableError(f"{source!r} holds no numbers.")
    width = len(rows[0][1])
    for number, fields in rows:
        if len(fields) != width:
            raise TableError(f"{source!r}: line {number} has {len(fields)} fields, but line {rows[0][0]} has {width}.")
        for field in fields:
            if not (_is_number(field) and math.isfinite(float(field))):
                raise TableError(f"{source!r}: line {number} has {field!r} where a finite number should be.")
    return np.array([list(map(float, fields)) for _, fields in rows])


def _lines(source: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = Path(source).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{source!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise TableError(f"{source!r} is not a text file in UTF-8.") from None
    return [(number, line.strip(" ")) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _fields(source: str, number: int, line: str, separator: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error as error:
        raise TableError(f"{source!r}: line {number} is not well-formed: {error}.") from None


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
