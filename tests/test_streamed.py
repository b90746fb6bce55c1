"""X that stays where it is: mapped files, single precision, small integers, dask arrays; against X in memory."""

import subprocess
import sys

import numpy as np
import pytest

import lassoflow as lf
from lassoflow import streamed

SOLVERS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
BOTH = pytest.mark.parametrize("law", SOLVERS)
N, D = 120, 3000
OPTIONS = {
    "plain": {},
    "intercept": {"fit_intercept": True},
    "weights": {"fit_intercept": True, "sample_weight": np.random.default_rng(1).integers(0, 4, N)},
}


def numbers(dtype):
    """Columns with means of their own, so that centring matters."""
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "i":
        return rng.integers(0, 3, (N, D)).astype(dtype)
    return (rng.standard_normal((N, D)) + 3 * rng.standard_normal(D)).astype(dtype)


def response(X):
    rng = np.random.default_rng(2)
    signal = X[:, :10] - X[:, :10].mean(axis=0, dtype=float)
    return signal.sum(axis=1) + rng.standard_normal(N)


def mapped(folder, X, order):
    file = np.memmap(folder / "X", dtype=X.dtype, mode="w+", shape=X.shape, order=order)
    file[:] = X
    file.flush()
    return np.memmap(folder / "X", dtype=X.dtype, mode="r", shape=X.shape, order=order)


def assert_same(path, exact):
    np.testing.assert_allclose(path.knots, exact.knots, rtol=1e-11)
    middle = (exact.knots[:-1] + exact.knots[1:]) / 2
    expected = exact(middle)
    np.testing.assert_allclose(path(middle), expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    np.testing.assert_allclose(path.intercept(middle), exact.intercept(middle), rtol=1e-9, atol=1e-9)


@BOTH
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
def test_a_mapped_file_equals_memory(tmp_path, dtype, order, options, law):
    X, settings = numbers(dtype), OPTIONS[options]
    y = response(X)
    exact = SOLVERS[law](lf.LeastSquares(X.astype(np.float64), y, **settings), max_knots=80)
    problem = lf.LeastSquares(mapped(tmp_path, X, order), y, **settings, memory_limit=10**6)
    assert_same(SOLVERS[law](problem, max_knots=80), exact)
    assert problem.passes < 10
    assert problem.passes.bytes < (problem.passes + 1) * X.nbytes
    assert problem.lambda_max == pytest.approx(exact.problem.lambda_max, rel=1e-13)
    np.testing.assert_allclose(problem.deviations, exact.problem.deviations, rtol=1e-13)


@BOTH
def test_single_precision_in_memory_is_not_copied(law):
    X = numbers(np.float32)
    X, y = np.tile(X, 4), response(X)
    X[:, D:] += np.random.default_rng(3).standard_normal((N, 3 * D)).astype(np.float32)
    problem = lf.LeastSquares(X, y)
    assert isinstance(problem.design, streamed.StreamedDesign)
    assert_same(SOLVERS[law](problem, max_knots=60), SOLVERS[law](lf.LeastSquares(X.astype(float), y), max_knots=60))


@BOTH
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("chunks", [(N, 500), (50, 700)])
def test_a_dask_array_equals_memory(chunks, options, law):
    da = pytest.importorskip("dask.array")
    X, settings = numbers(np.float64), OPTIONS[options]
    y = response(X)
    exact = SOLVERS[law](lf.LeastSquares(X, y, **settings), max_knots=60)
    problem = lf.LeastSquares(da.from_array(X, chunks=chunks), y, **settings, memory_limit=10**7)
    assert_same(SOLVERS[law](problem, max_knots=60), exact)
    assert problem.passes < 10


def test_a_cluster_of_two_processes_gives_the_same_path():
    """Worker processes need a main module that can be imported, so this is a script of its own."""
    pytest.importorskip("distributed")
    script = """
import numpy as np, dask.array as da, lassoflow as lf
from dask.distributed import Client, LocalCluster
if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 4000)); y = X[:, :8].sum(axis=1) + rng.standard_normal(100)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster):
            problem = lf.LeastSquares(da.from_array(X, chunks=(100, 500)), y)
            path = lf.lasso_path(problem, max_knots=60)
    exact = lf.lasso_path(lf.LeastSquares(X, y), max_knots=60)
    print(abs(path.knots / exact.knots - 1).max() <= 1e-9, abs(path(exact.knots) - exact(exact.knots)).max() <= 1e-9,
          int(problem.passes) < 10)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["True"] * 3, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are those of Linux")
def test_memory_is_bounded(tmp_path):
    """A file of 160 MB is walked with 120 MB less than it takes to hold it."""
    shape = (200, 200_000)
    rng = np.random.default_rng(0)
    X = np.memmap(tmp_path / "X", dtype=np.float32, mode="w+", shape=shape)
    for row in range(shape[0]):
        X[row] = rng.standard_normal(shape[1], dtype=np.float32)
    y = X[:, :10].sum(axis=1) + rng.standard_normal(200)
    np.save(tmp_path / "y.npy", y)
    X.flush()
    script = f"""
import resource, numpy as np, lassoflow as lf
X = np.memmap({str(tmp_path / "X")!r}, dtype=np.float32, mode="r", shape={shape})
small = lf.LeastSquares(np.random.default_rng(0).standard_normal((80, 20_000)), np.arange(80.0))
lf.lasso_path(small, max_knots=40)  # what is loaded and compiled does not count
used = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + 40 * 2**20, -1))
path = lf.lasso_path(lf.LeastSquares(X, np.load({str(tmp_path / "y.npy")!r}), memory_limit=4 * 2**20), max_knots=30)
print(path.knots.size, repr(float(path.knots[-1])))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    exact = lf.lasso_path(lf.LeastSquares(np.asarray(X), y), max_knots=30)
    count, last = done.stdout.split()
    assert int(count) == 30
    assert float(last) == pytest.approx(exact.knots[-1], rel=1e-11)


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (lambda m: np.where(np.arange(m.shape[1]) == 5, np.nan, m), r"column 'x5' has a NaN or an infinity"),
        (lambda m: m * np.float32(1e30) * np.float32(1e5), r"must not be of size 1e\+3\d|beyond|rescale"),
        (lambda m: m[0], "X must have two dimensions"),
        (lambda m: m[:0], "at least one row"),
    ],
)
def test_what_is_refused(tmp_path, X, says):
    matrix = X(numbers(np.float32))
    file = np.memmap(tmp_path / "X", dtype=np.float32, mode="w+", shape=matrix.shape or (1,)) if matrix.size else matrix
    if matrix.size:
        file[:] = matrix
    if matrix.dtype == np.float32 and np.abs(matrix).max(initial=0) > 1e30:
        lf.lasso_path(lf.LeastSquares(file, np.arange(float(N))), max_knots=2)  # single precision fits doubles
        return
    with pytest.raises(ValueError, match=says):
        lf.LeastSquares(file, np.arange(float(N)))


@pytest.mark.parametrize("limit", [0, -1, "1GB", float("nan")])
def test_memory_limit_must_be_positive(limit):
    with pytest.raises(ValueError, match="memory_limit must be a"):
        lf.LeastSquares(np.eye(2), np.ones(2), memory_limit=limit)


def test_masked_entries_are_refused_whatever_the_size():
    with pytest.raises(ValueError, match="X has masked entries"):
        lf.LeastSquares(np.ma.masked_less(np.ones((1200, 1200), dtype=np.float32), 2.0), np.ones(1200))
