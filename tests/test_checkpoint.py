"""Walks that are stopped and go on: bit by bit the path of one that was not."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.checkpoint import Checkpoint

SOLVERS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
BOTH = pytest.mark.parametrize("law", SOLVERS)


def data(n=150, d=2000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, :10].sum(axis=1) + rng.standard_normal(n)


def same(first, second):
    """Bit by bit."""
    arrays, others = first.curve.to_arrays(), second.curve.to_arrays()
    return all(np.array_equal(value, others[name]) for name, value in arrays.items())


class Stopped(Exception):
    pass


def stopped(solve, problem, file):
    """Leave a checkpoint of some knots."""

    def stop(at):
        if at.knot == 30:  # of the second batch
            raise Stopped

    with pytest.raises(Stopped):
        solve(problem, checkpoint=file, callback=stop)


@BOTH
@pytest.mark.parametrize("options", [{}, {"fit_intercept": True}])
def test_a_walk_goes_on_from_any_checkpoint(tmp_path, law, options, monkeypatch):
    problem, file = lf.LeastSquares(*data(), **options), tmp_path / "walk"
    written, write = [], Checkpoint.write
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", lambda self, batch: (write(self, batch), written.append(file.read_bytes())))
        path = SOLVERS[law](problem, checkpoint=file)
    assert not file.exists()
    assert len(written) > 2
    for content in written:
        file.write_bytes(content)
        assert same(SOLVERS[law](problem, checkpoint=file), path)
        assert not file.exists()
    np.testing.assert_allclose(path.knots, SOLVERS[law](problem).knots, rtol=1e-10)


def test_a_limit_flow_of_another_loss_goes_on_too(tmp_path):
    X, y = data(400, 300)
    problem, file = lf.Logistic(X, y > 0), tmp_path / "walk"
    whole = lf.limit_flow(problem, checkpoint=file, max_knots=28)

    def stop(at):
        if at.knot == 25:
            raise Stopped

    with pytest.raises(Stopped):
        lf.limit_flow(problem, checkpoint=file, max_knots=28, callback=stop)
    assert file.exists()
    assert same(lf.limit_flow(problem, checkpoint=file, max_knots=28), whole)


@pytest.mark.parametrize("law", SOLVERS)
def test_kills_at_any_moment(tmp_path, law):
    """Killed by a signal that cannot be caught, again and again, it goes on from where the last one was."""
    script = f"""
import sys, time, numpy as np, lassoflow as lf, lassoflow.checkpoint as c
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_checkpoint import data
write = c.Checkpoint.write
def slowly(self, batch):  # or it would be over before it is killed
    print("batch", flush=True); write(self, batch); time.sleep(0.02)
c.Checkpoint.write = slowly
path = lf.{SOLVERS[law].__name__}(lf.LeastSquares(*data()), checkpoint={str(tmp_path / "walk")!r})
path.save({str(tmp_path / "path.npz")!r})
"""
    whole = SOLVERS[law](lf.LeastSquares(*data()), checkpoint=tmp_path / "other")
    rng, kills = np.random.default_rng(0), 0
    while kills < 6:
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        child.stdout.readline()  # it has come to its first batch
        time.sleep(rng.uniform(0.0, 0.06))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if child.returncode == -signal.SIGKILL:
            kills += 1
        if (tmp_path / "path.npz").exists():
            assert same(lf.load(tmp_path / "path.npz"), whole)
            (tmp_path / "path.npz").unlink()
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)
    assert same(lf.load(tmp_path / "path.npz"), whole)


def test_a_checkpoint_of_another_walk_is_refused(tmp_path):
    file, (X, y) = tmp_path / "walk", data()
    stopped(lf.lasso_path, lf.LeastSquares(X, y), file)
    before = file.read_bytes()
    for problem, solve, options in [
        (lf.LeastSquares(X, 2 * y), lf.lasso_path, {}),
        (lf.LeastSquares(X, y), lf.limit_flow, {}),
        (lf.LeastSquares(X, y), lf.lasso_path, {"positive": True}),
        (lf.LeastSquares(X, y, fit_intercept=True), lf.lasso_path, {}),
    ]:
        with pytest.raises(ValueError, match="is of other data or options"):
            solve(problem, checkpoint=file, **options)
        assert file.read_bytes() == before


def test_what_is_no_checkpoint_is_refused(tmp_path):
    file = tmp_path / "walk"
    file.write_text("knots,s\n")
    with pytest.raises(ValueError, match="is no checkpoint, or is damaged; remove it"):
        lf.lasso_path(lf.LeastSquares(*data(20, 30)), checkpoint=file)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        lf.lasso_path(lf.LeastSquares(*data(20, 300)), checkpoint=tmp_path / "nowhere" / "walk")
    with pytest.raises(ValueError, match="the lasso path of other losses than squares"):
        lf.lasso_path(lf.Logistic(np.eye(3), [0, 1, 1]), checkpoint=tmp_path / "x")


@BOTH
def test_a_checkpoint_of_the_same_norms_is_told_apart(tmp_path, law):
    """Flipping a column keeps its norm to the last bit."""
    X, y = data()
    stopped(SOLVERS[law], lf.LeastSquares(X, y), tmp_path / "walk")
    X[:, 5] *= -1
    with pytest.raises(ValueError, match="is of other data or options"):
        SOLVERS[law](lf.LeastSquares(X, y), checkpoint=tmp_path / "walk")


@BOTH
def test_budgets_may_grow_but_not_shrink(tmp_path, law):
    problem, file = lf.LeastSquares(*data()), tmp_path / "walk"
    whole = SOLVERS[law](problem)
    for shorter in ({"max_knots": 3}, {"lambda_min": 0.999 / whole.knots[4]}):
        stopped(SOLVERS[law], problem, file)
        with pytest.raises(ValueError, match="is beyond max_knots or lambda_min already"):
            SOLVERS[law](problem, checkpoint=file, **shorter)
    longer = SOLVERS[law](problem, checkpoint=file, max_knots=60)
    assert same(longer, SOLVERS[law](problem, checkpoint=tmp_path / "another", max_knots=60))
