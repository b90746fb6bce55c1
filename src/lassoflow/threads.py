"""One thread for small work: threads of linear algebra wait for each other, on busy cores a hundred times too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


class _Held:
    """The limit that is in force, and how many hold it: walks may run side by side."""

    lock, holders = threading.Lock(), 0
    limit: Any = None


@cache
def _pools() -> ThreadpoolController:
    """Those of the libraries of numpy and scipy; looking for them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def one_thread(small: bool = True) -> Iterator[None]:
    """Linear algebra by one thread meanwhile, if the work is small.

    Examples
    --------
    >>> from lassoflow.threads import one_thread
    >>> with one_thread():
    ...     pass
    """
    if not small:
        yield
        return
    with _Held.lock:
        _Held.holders += 1
        if _Held.holders == 1:
            _Held.limit = _pools().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _Held.lock:
            _Held.holders -= 1
            if not _Held.holders:
                _Held.limit.restore_original_limits()
