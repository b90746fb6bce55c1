"""Tables from files, as numbers ready for a regression.

A table is read strictly: what cannot be used as a number is refused with one sentence that names the column or the
line, never dropped or guessed. On the way in a column is a float array, NaN where a value is missing, or an object
array of texts, None where one is missing.
"""

from __future__ import annotations

import csv
import difflib
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lassoflow.datasets import SHIPPED, load_shipped

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Columns = dict[str, Any]

_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
"""Numbers that are written, or may be, with commas between thousands."""


class TableError(ValueError):
    """A table that cannot be used; the message is one sentence that says why."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers ready for a regression.

    Attributes
    ----------
    X : array of shape (n, d)
    y : array of shape (n,)
    sample_weight : array of shape (n,) or None
    feature_names : tuple of d str
    target_name : str
    notes : tuple of str
        What was dropped or encoded, and what looks odd.
    levels : dict of tuples of str
        Of every column of text that was encoded, by its name.
    """

    X: Floats
    y: Floats
    sample_weight: Floats | None
    feature_names: tuple[str, ...]
    target_name: str
    notes: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """X as a pandas frame with its column names, shape (n, d)."""
        import pandas as pd

        return pd.DataFrame(self.X, columns=list(self.feature_names))


def read_table(
    source: str | os.PathLike[str],
    target: str | None = None,
    one_hot: bool = False,
    drop_missing: bool = False,
    sample_weight: str | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    """Read a table and split it into features, target and weights.

    Parameters
    ----------
    source : str or path
        A CSV, TSV, Parquet or npz file, or a name in ``SHIPPED``. An npz file holds an array X of shape (n, d),
        arrays of shape (n,) for the target (``y`` unless named) and the weights, and optionally ``feature_names``.
    target : str, optional
        The column to predict; shipped data sets and npz files have a default.
    one_hot : bool
        Whether columns of text become 0/1 columns, one a level (one in all for two levels).
    drop_missing : bool
        Whether rows with missing values are dropped.
    sample_weight : str, optional
        A column of weights.
    ignore : sequence of str
        Columns to leave out.

    Raises
    ------
    TableError
        One sentence that names the file, the line, or the columns at fault.

    Examples
    --------
    >>> table = read_table("diabetes")
    >>> table.X.shape, table.feature_names[:3], table.target_name
    ((442, 10), ('age', 'sex', 'bmi'), 'progression')
    """
    columns, default = _load(os.fspath(source), target, sample_weight)
    target = default if target is None else target
    if target is None:
        raise TableError(f"target is missing: name the column to predict (--target); there are {listed(columns, 20)}.")
    y = {target: _take(columns, target, "target")}
    weight = {} if sample_weight is None else {sample_weight: _take(columns, sample_weight, "weights")}
    for name in ignore:
        _take(columns, name, "ignore")
    if not columns:
        raise TableError(f"no column is left to predict {target!r} from.")

    features, y, weight = ({name: plain(name, raw) for name, raw in part.items()} for part in (columns, y, weight))
    _refuse_near_numbers(features | y | weight)
    _refuse_text(y | weight, "the target and the weights must be numbers")
    if not one_hot:
        _refuse_text(features, "--one-hot makes 0/1 columns of text, --ignore leaves a column out")
    dropped = _drop_missing((features, y, weight), drop_missing)
    levels, encoded = _encode(features)
    _refuse_infinite(features | y | weight)
    return Table(
        X=np.column_stack(list(features.values())),
        y=y[target],
        sample_weight=weight[sample_weight] if sample_weight is not None else None,
        feature_names=tuple(features),
        target_name=target,
        notes=(*dropped, *encoded, *_oddities(features, y)),
        levels=levels,
    )


# -- loading ------------------------------------------------------------------------------------------------------


def load_columns(source: str | os.PathLike[str]) -> Columns:
    """All raw columns of a source by name."""
    return _load(os.fspath(source), None, None)[0]


def _load(source: str, target: str | None, sample_weight: str | None) -> tuple[Columns, str | None]:
    """The raw columns of a source by name, and the name of its own target if it has one."""
    if source in SHIPPED:
        return load_shipped(source), SHIPPED[source]
    path = Path(source)
    with _reading(source):
        path.stat()
        match path.suffix.lower():
            case _ if path.is_dir():
                raise TableError(f"{source!r} is a directory, not a file.")
            case ".csv" | ".tsv":
                return _load_text(path), None
            case ".parquet" | ".pq":
                return _load_parquet(path), None
            case ".npz":
                return _load_npz(path, [target or "y", sample_weight]), "y"
            case suffix:
                raise TableError(f"{source!r}: a table ends in .csv, .tsv, .parquet or .npz, not in {suffix!r}.")


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Turn what readers raise into one sentence."""
    try:
        yield
    except FileNotFoundError:
        close = difflib.get_close_matches(source, SHIPPED, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"data sets are {', '.join(SHIPPED)}."
        raise TableError(f"{source!r} is neither a file nor a data set; {hint}") from None
    except OSError as error:
        raise TableError(f"{source!r} cannot be read: {error.strerror or first_line(error)}.") from None
    except ImportError:
        raise TableError(f"{source!r}: reading it needs pandas and pyarrow: pip install 'lassoflow[frame]'.") from None
    except TableError:
        raise
    except (ValueError, EOFError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        # numpy's own words recommend to unpickle what may be anything
        why = "it holds more than plain arrays" if "pickle" in str(error) else first_line(error)
        raise TableError(f"{source!r} is not a readable {Path(source).suffix} file: {why}.") from None


def _load_text(path: Path) -> Columns:
    import pandas as pd

    separator = _check_lines(path)
    # before 3.1 pandas rounds numbers in the last bit unless it is told not to; since then the option is deprecated
    before = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    exact = {"float_precision": "round_trip"} if before else {}
    frame = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig", low_memory=False, **exact)
    return {str(name): frame[name] for name in frame.columns}


def _check_lines(path: Path) -> str:
    """The separator, after a pass over the lines: pandas fills short rows, renames columns and counts no lines."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if b"\0" in head:
        raise TableError(f"{str(path)!r} is not a text file in UTF-8.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            first = stream.readline()
            separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
            stream.seek(0)
            rows = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
            _check_rows(str(path), rows)
        except UnicodeDecodeError:
            raise TableError(f"{str(path)!r}: line {_undecodable_line(path)} is not UTF-8; save it as UTF-8.") from None
        except csv.Error as error:
            raise TableError(f"{str(path)!r}: line {rows.line_num} is not well-formed: {error}.") from None
    return separator


def _check_rows(source: str, rows: Any) -> None:
    """Refuse a missing or ambiguous header and rows of another length."""
    header = next((row for row in rows if any(row)), None)
    if header is None:
        raise TableError(f"{source!r} is empty.")
    _refuse_duplicates(source, [name for name in header if name])
    filled = 0
    for row in rows:
        if len(row) == len(header):
            filled += 1
        elif any(row):
            raise TableError(
                f"{source!r}: line {rows.line_num} has {len(row)} fields, but the header has {len(header)}."
            )
    if not filled:
        raise TableError(f"{source!r} has a header but no rows.")


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _load_parquet(path: Path) -> Columns:
    import pandas as pd

    frame = pd.read_parquet(path)
    _refuse_duplicates(str(path), [str(name) for name in frame.columns])
    if frame.empty:
        raise TableError(f"{str(path)!r} is empty.")
    return {str(name): frame[name] for name in frame.columns}


def _load_npz(path: Path, keys: Sequence[str | None]) -> Columns:
    with path.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise TableError(f"{str(path)!r} holds a single array; save X and y together with np.savez.")
        arrays = {name: archive[name] for name in archive.files if name in ("X", "feature_names", *keys)}
    if "X" not in arrays:
        raise TableError(
            f"{str(path)!r} must hold an array X of shape (n, d); it has {listed(archive.files) or 'none'}."
        )
    X = arrays["X"]
    if X.ndim != 2 or not X.size:
        raise TableError(f"{str(path)!r}: X must have shape (n, d) with n, d >= 1; it has {X.shape}.")
    names = [str(name) for name in np.ravel(arrays.get("feature_names", [f"x{j}" for j in range(X.shape[1])]))]
    if len(names) != X.shape[1]:
        raise TableError(f"{str(path)!r}: feature_names has {len(names)} names for {X.shape[1]} columns of X.")
    others = [name for name in keys if name in arrays]
    _refuse_duplicates(str(path), [*names, *map(str, others)])
    for name in others:
        if name is not None and arrays[name].shape != X.shape[:1]:
            raise TableError(f"{str(path)!r}: {name} must have shape ({len(X)},), one entry a row of X.")
    return dict(zip(names, X.T, strict=True)) | {str(name): arrays[str(name)] for name in others}


# -- checks and encodings -------------------------------------------------------------------------------------------


def listed(names: Mapping[str, object] | Sequence[str], limit: int = 5) -> str:
    """Names for a sentence, the first few of many.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without its full stop."""
    return str(error).partition("\n")[0].rstrip(".")


def _refuse_duplicates(source: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise TableError(f"{source!r} has more than one column named {listed(twice)}.")


def _take(columns: Columns, name: str, role: str) -> Any:
    """Remove a column and return it."""
    if name not in columns:
        folded = {column.casefold(): column for column in columns}
        close = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3)]
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {listed(columns, 20)}."
        if all(map(_is_number, columns)):
            hint += " The first line should name the columns."
        raise TableError(f"{role}: there is no column {name!r}; {hint}")
    return columns.pop(name)


def plain(name: str, raw: Any) -> NDArray[Any]:
    """A column as floats with NaN for missing values, or as objects, str or None."""
    if isinstance(raw, np.ndarray):
        if raw.dtype.kind not in "biuf":
            raise TableError(f"column {name!r} must hold real numbers; it has dtype {raw.dtype}.")
        return raw.astype(np.float64)
    from pandas.api.types import infer_dtype

    kind = infer_dtype(raw, skipna=True) if raw.notna().any() else "empty"
    if kind in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"):
        return np.asarray(raw.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind in ("string", "categorical"):
        present = raw.notna().to_numpy()
        return np.array([str(v) if p else None for v, p in zip(raw, present, strict=True)], dtype=object)
    raise TableError(f"column {name!r} is not numeric but of kind {kind}; --ignore leaves a column out.")


def _refuse_text(columns: Columns, why: str) -> None:
    texts = {name: values for name, values in columns.items() if values.dtype == object}
    if texts:
        first = [value for value in next(iter(texts.values())) if value is not None]
        example = next((value for value in first if not _is_number(value)), first[0])
        plural = "columns {} hold" if len(texts) > 1 else "column {} holds"
        raise TableError(f"{plural.format(listed(texts))} text such as {example!r}: {why}.")


def _refuse_near_numbers(columns: Columns) -> None:
    """Columns that were meant to be numbers: dummies of their entries would make a fit of noise."""
    for name, values in columns.items():
        if values.dtype != object:
            continue
        texts = [(row, value) for row, value in enumerate(values, start=1) if isinstance(value, str)]
        odd = [(row, value) for row, value in texts if not _is_number(value)]
        if odd and all(_THOUSANDS.fullmatch(value.strip()) for _, value in odd):
            raise TableError(
                f"column {name!r} has commas, such as {odd[0][1]!r}: leave them out if they separate thousands, write "
                "decimal points if they are decimal commas."
            )
        if odd and all(_is_number(value.replace(".", "").replace(",", ".", 1)) for _, value in texts):
            raise TableError(f"column {name!r} has decimal commas, such as {odd[0][1]!r}: write decimal points.")
        if 0 < 2 * len(odd) < len(texts):
            raise TableError(
                f"column {name!r} holds numbers and text such as {odd[0][1]!r} in row {odd[0][0]}: correct it, leave "
                "it empty if it is missing, or --ignore the column."
            )


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values of a plain column are missing: its shape."""
    return np.equal(values, None) if values.dtype == object else np.isnan(values)  # type: ignore[call-overload]


def _drop_missing(parts: Sequence[Columns], drop: bool) -> list[str]:
    """Drop the rows with missing values in place, or refuse them; what was dropped, in a sentence."""
    masks = {name: missing(values) for part in parts for name, values in part.items()}
    holes = {name: mask for name, mask in masks.items() if mask.any()}
    if not holes:
        return []
    rows = np.logical_or.reduce(list(holes.values()))
    if rows.all():
        raise TableError(f"every row misses a value, in {listed(holes)}: --ignore leaves a column out.")
    where = f"{rows.sum()} of {rows.size} rows miss a value, in {listed(holes)}"
    if not drop:
        raise TableError(f"{where}: --drop-missing drops them, --ignore leaves a column out.")
    for part in parts:
        part.update({name: values[~rows] for name, values in part.items()})
    return [f"{where}: dropped"]


def _encode(features: Columns) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Replace columns of text in place by 0/1 columns; their levels, and what was encoded, in sentences."""
    known, notes = {}, []
    for name, values in list(features.items()):
        if values.dtype != object:
            features[name] = features.pop(name)  # to the end: the order of the columns stays the table's
            continue
        levels = np.unique(features.pop(name).astype(np.str_))
        if levels.size == values.size > 2:
            raise TableError(f"column {name!r} has another text in every row; --ignore leaves a column out.")
        shown = levels[1:] if levels.size == 2 else levels
        encoded = {f"{name}={level}": (values == level).astype(np.float64) for level in shown}
        _refuse_duplicates("one-hot encoding", [*features, *encoded])
        features.update(encoded)
        known[name] = tuple(levels.tolist())
        notes.append(f"{name!r} is encoded as {listed(encoded)}")
    return known, notes


def _refuse_infinite(columns: Columns) -> None:
    bad = [name for name, values in columns.items() if not np.isfinite(values).all()]
    if bad:
        raise TableError(f"infinite values in {listed(bad)}; --ignore leaves a column out.")


def _oddities(features: Columns, target: Columns) -> list[str]:
    """What is used as it is, but worth a word."""
    notes = [
        f"{name!r} has no name in the file: a row number? --ignore {name!r} leaves it out"
        for name in features
        if name.startswith("Unnamed: ")
    ]
    constant = [name for name, values in (features | target).items() if (values == values[0]).all()]
    return [*notes, f"constant: {listed(constant)}"] if constant else notes
