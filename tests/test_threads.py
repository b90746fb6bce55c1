"""One thread for small work: and what was before comes back."""

import pytest
from threadpoolctl import threadpool_info

from lassoflow.threads import one_thread


def threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_threads_come_back():
    before = threads()
    with one_thread():
        assert set(threads()) == {1}
        with one_thread():
            pass
        assert set(threads()) == {1}
    assert threads() == before


def test_large_work_keeps_its_threads():
    before = threads()
    with one_thread(small=False):
        assert threads() == before


def test_threads_come_back_after_an_error():
    before = threads()
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert threads() == before
