"""Files that appear whole or not at all, and that never execute code when they are read."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def replacing(file: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A stream whose bytes become ``file`` when all went well; otherwise ``file`` stays as it was."""
    target = Path(file)
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
        try:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return dict(archive)
        except (EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(str(error)) from None


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
