"""One thread for small work: threads of linear algebra wait for each other, on busy cores a hundred times too long."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

SMALL = 2**18
"""Entries of a matrix up to which work on it is small, if it is gone through again and again."""


def one_thread(small: bool = True) -> AbstractContextManager[object]:
    """Linear algebra by one thread meanwhile, if the work is small.

    Examples
    --------
    >>> from lassoflow.threads import one_thread
    >>> with one_thread():
    ...     pass
    """
    return _pools().limit(limits=1, user_api="blas") if small else nullcontext()


@cache
def _pools() -> ThreadpoolController:
    """Those of the libraries of numpy and scipy; looking for them takes milliseconds."""
    return ThreadpoolController()
