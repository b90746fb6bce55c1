"""One thread for small work: it holds while anyone needs it, and what was before comes back."""

import threading

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


def test_walks_side_by_side_share_the_limit():
    before, inside, leave = threads(), threading.Event(), threading.Event()

    def hold():
        with one_thread():
            inside.set()
            leave.wait()

    other = threading.Thread(target=hold)
    with one_thread():
        other.start()
        inside.wait()
    assert set(threads()) == {1}
    leave.set()
    other.join()
    assert threads() == before
