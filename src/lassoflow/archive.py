"""Files that appear whole or not at all, and that never execute code when they are read."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@contextmanager
def replacing(file: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A stream whose bytes become ``file`` when all went well; otherwise ``file`` stays as it was."""
    target = Path(file)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(name, 0o666 & ~_umask())  # mkstemp's own mode is for secrets
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def write_arrays(file: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write named arrays as a compressed .npz without pickle."""
    with replacing(file) as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_arrays(file: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote.

    Raises
    ------
    ValueError
        If the file is not an archive of plain arrays.
    """
    with open(file, "rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise ValueError("it is no archive of arrays")
        stream.seek(0)
        try:
            return dict(np.load(stream, allow_pickle=False))
        except Exception:  # zip, zlib, struct and ast have one of their own each for what is damaged
            raise ValueError("it holds more than plain arrays, or is damaged") from None


def check_folder(folder: Path, files: Iterable[str]) -> None:
    """Raise the OSError that writing these files would meet, and leave no trace of the trial."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        for name in files:
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{name} is a directory")
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files beside their places, then rename them all."""
    drafts = {folder / f".{name}.{os.getpid()}.tmp": name for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for draft, name in drafts.items():
            draft.write_bytes(contents[name])
        for draft, name in drafts.items():
            draft.replace(folder / name)
    finally:
        for draft in drafts:
            with suppress(OSError):
                draft.unlink()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def strict(value: Any) -> Any:
    """A value of strict JSON: NaN becomes null, infinities become strings."""
    if isinstance(value, dict):
        return {str(key): strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def as_csv(table: Mapping[str, ArrayLike]) -> bytes:
    """A table as CSV with a head; numbers are written so that they can be read back exactly."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(np.asarray(column).tolist() for column in table.values()), strict=True))
    return stream.getvalue().encode()
