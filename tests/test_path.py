"""A path as a curve: shapes, sides, views, tables and files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import lassoflow as lf

RNG = np.random.default_rng(1)
X = RNG.standard_normal((20, 6)) + 3.0
Y = X @ [2.0, -1.0, 0.0, 0.0, 0.5, 0.0] + RNG.standard_normal(20)
PROBLEM = lf.LeastSquares(X, Y, fit_intercept=True)
LASSO, FLOW = lf.lasso_path(PROBLEM), lf.limit_flow(PROBLEM)
BOTH = pytest.mark.parametrize("path", [LASSO, FLOW], ids=["lasso", "flow"])


@BOTH
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,), (2, 0)])
def test_everything_is_vectorised_over_s(path, shape):
    s = np.full(shape, path.knots[1])
    assert path(s).shape == (*shape, 6)
    for method in (path.average, path.integral, path.dual, path.support):
        assert method(s).shape == (*shape, 6)
    for method in (path.intercept, path.dimension, path.degrees_of_freedom):
        assert method(s).shape == shape
    assert path.predict(X[:5], s).shape == (*shape, 5)
    assert path.at(lam=1 / s).shape == (*shape, 6)


@BOTH
def test_integral_is_the_integral_of_the_instantaneous_path(path):
    knots = np.concatenate([[0.0], path.knots, [2 * path.knots[-1]]])
    middle = path.instantaneous()((knots[:-1] + knots[1:]) / 2)
    cumulated = np.cumsum(np.diff(knots)[:, None] * middle, axis=0)
    np.testing.assert_allclose(path.integral(knots[1:]), cumulated, rtol=0, atol=1e-9)


@BOTH
def test_dual_is_its_definition(path):
    s = 1.7 * path.knots[2]
    centred, response = X - X.mean(axis=0), Y - Y.mean()
    expected = centred.T @ (s * response - centred @ path.integral(s)) / 20
    np.testing.assert_allclose(path.dual(s), expected, rtol=0, atol=1e-10 * s * PROBLEM.lambda_max)
    np.testing.assert_allclose(path.averaged().dual(s), path.instantaneous().dual(s), rtol=0, atol=0)


def test_values_at_a_jump_are_right_limits_unless_asked():
    jump = FLOW.knots[1]
    np.testing.assert_array_equal(FLOW(jump), FLOW(np.nextafter(jump, np.inf)))
    np.testing.assert_array_equal(FLOW(jump, side="left"), FLOW(np.nextafter(jump, 0)))
    assert (FLOW(jump) != FLOW(jump, side="left")).any()
    np.testing.assert_array_equal(FLOW(0.0), np.zeros(6))


def test_views():
    s = np.array([0.3, 1.0, 4.0]) * LASSO.knots[-1]
    np.testing.assert_array_equal(LASSO.averaged()(s), LASSO(s))
    np.testing.assert_array_equal(FLOW.instantaneous()(s), FLOW(s))
    blend = 0.25 * FLOW.averaged()(s) + 0.75 * FLOW(s)
    np.testing.assert_allclose(FLOW.relaxed(0.25)(s), blend, rtol=1e-14)
    np.testing.assert_array_equal(FLOW.relaxed(0.25).knots, FLOW.knots)
    np.testing.assert_array_equal(FLOW.relaxed(0.25).integral(s), FLOW.integral(s))
    for gamma in (-0.1, 1.1, np.nan, "a"):
        with pytest.raises(ValueError, match="gamma must"):
            FLOW.relaxed(gamma)


def test_the_refit_is_least_squares_on_the_support():
    s = np.sqrt(LASSO.knots[:-1] * LASSO.knots[1:])
    centred = X - X.mean(axis=0)
    for time, refit in zip(s, LASSO.instantaneous()(s), strict=True):
        support = LASSO.support(time)
        expected, *_ = np.linalg.lstsq(centred[:, support], Y - Y.mean(), rcond=None)
        np.testing.assert_allclose(refit[support], expected, rtol=1e-9)
        assert LASSO.degrees_of_freedom(time) == np.linalg.matrix_rank(centred[:, support])


def test_predict_and_intercept():
    s = LASSO.knots[-1]
    np.testing.assert_allclose(LASSO.predict(X, s), LASSO.intercept(s) + X @ LASSO(s), rtol=1e-12)
    assert LASSO.predict(X, s).mean() == pytest.approx(Y.mean(), rel=1e-12)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_predict_refuses_other_columns(frame):
    path = lf.lasso_path(lf.LeastSquares(frame({"a": X[:, 0], "b": X[:, 1]}), Y))
    assert path.predict(frame({"a": X[:, 0], "b": X[:, 1]}), 1.0).shape == (20,)
    with pytest.raises(ValueError, match=r"column 0 is 'b'; the path was fitted on 'a'"):
        path.predict(frame({"b": X[:, 1], "a": X[:, 0]}), 1.0)
    with pytest.raises(ValueError, match="X has 3 features; the path was fitted on 2"):
        path.predict(X[:, :3], 1.0)


@BOTH
def test_infinity_is_the_end(path):
    assert path.domain == (0.0, np.inf)
    np.testing.assert_array_equal(path(np.inf), path.end)
    np.testing.assert_array_equal(path.at(lam=0.0), path.end)
    expected, *_ = np.linalg.lstsq(X - X.mean(axis=0), Y - Y.mean(), rcond=None)
    np.testing.assert_allclose(path.end, expected, rtol=1e-10)
    with pytest.raises(ValueError, match="no value at s = inf"):
        path.dual(np.inf)


@BOTH
@pytest.mark.parametrize("s", [-1.0, np.nan, [1.0, -0.5]])
def test_times_that_are_none_are_refused(path, s):
    with pytest.raises(ValueError, match="s must be a time >= 0"):
        path(s)
    with pytest.raises(ValueError, match="lam must be a penalty >= 0"):
        path.at(lam=s)


@pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])
def test_a_stopped_path_says_so_and_is_right_as_far_as_it_goes(walk):
    whole = walk(PROBLEM)
    budget = walk(PROBLEM, max_knots=3)
    assert (budget.status, budget.knots.size) == ("max_knots", 3)
    assert budget.domain[1] == pytest.approx(whole.knots[3], rel=1e-12)
    early = walk(PROBLEM, lambda_min=1 / whole.knots[3] * 1.01)
    assert early.status == "lambda_min"
    assert early.domain[1] == pytest.approx(whole.knots[3] / 1.01, rel=1e-12)
    for path in (budget, early):
        s = np.linspace(0, path.domain[1] * (1 - 1e-12), 20)
        np.testing.assert_allclose(path(s), whole(s), rtol=0, atol=1e-12)
        np.testing.assert_allclose(path.end, whole(path.domain[1] * (1 - 1e-9)), rtol=0, atol=1e-8)
        assert path.status in repr(path)
        with pytest.raises(ValueError, match=f"beyond the end of the path: {path.status} stopped it"):
            path(whole.knots[4])


def test_a_path_without_knots():
    path = lf.lasso_path(lf.LeastSquares(X, np.zeros(20)))
    assert path.knots.size == 0
    np.testing.assert_array_equal(path([0.0, 1.0, np.inf]), np.zeros((3, 6)))
    assert path.to_frame().shape == (1, 5)
    assert "0 knots" in repr(path)


def test_to_frame():
    table = LASSO.to_frame()
    assert list(table.columns[:5]) == ["s", "lambda", "dimension", "l1_norm", "intercept"]
    s = np.append(LASSO.knots, np.inf)
    np.testing.assert_array_equal(table["s"], s)
    np.testing.assert_array_equal(table["lambda"], 1 / s)
    np.testing.assert_allclose(table["intercept"], LASSO.intercept(s), rtol=1e-12)
    np.testing.assert_array_equal(table["x1"], LASSO(s)[:, 1])
    short = lf.lasso_path(PROBLEM, max_knots=2)
    assert list(short.to_frame(all_features=True).columns[5:]) == [f"x{j}" for j in range(6)]
    assert short.to_frame().shape[1] < 11


@pytest.mark.parametrize(
    "path", [LASSO, FLOW, FLOW.averaged(), LASSO.relaxed(0.3), lf.lasso_path(PROBLEM, max_knots=2, weight_decay=0.1)]
)
def test_save_and_load(path, tmp_path):
    path.save(tmp_path / "path.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["path.npz"]
    twin = lf.load(tmp_path / "path.npz")
    s = np.linspace(0, min(path.domain[1], 2 * path.knots[-1]), 40)
    np.testing.assert_array_equal(twin(s), path(s))
    np.testing.assert_array_equal(twin.predict(X, s), path.predict(X, s))
    assert repr(twin) == repr(path)
    with pytest.raises(ValueError, match="loaded without its data, which a certificate needs"):
        lf.certify(twin)
    assert lf.certify(lf.load(tmp_path / "path.npz", PROBLEM)).holds


def test_what_is_not_a_path_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("nothing")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "pickle.npz", format=np.array({}, dtype=object), allow_pickle=True)
    LASSO.save(tmp_path / "half.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "half.npz").read_bytes()[:500])
    for name in ("text.npz", "other.npz", "array.npy", "pickle.npz", "half.npz"):
        with pytest.raises(ValueError, match="is not a path saved by lassoflow"):
            lf.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        lf.load(tmp_path / "missing.npz")


def test_loading_refuses_a_problem_with_other_features(tmp_path):
    LASSO.save(tmp_path / "path.npz")
    with pytest.raises(ValueError, match="other features"):
        lf.load(tmp_path / "path.npz", lf.LeastSquares(X[:, :2], Y))


def test_the_table_ends_where_a_stopped_path_ends():
    path = lf.limit_flow(PROBLEM, lambda_min=1 / (1.5 * FLOW.knots[2]))
    last = path.to_frame(all_features=True).iloc[-1]
    assert last["s"] == path.domain[1]
    np.testing.assert_array_equal(last[[f"x{j}" for j in range(6)]], path.end)


def test_features_named_like_the_table():
    names = ["s", "lambda", "intercept"]
    path = lf.lasso_path(lf.LeastSquares(pd.DataFrame(X[:, :3], columns=names), Y))
    assert list(path.to_frame().columns[5:]) == [f"{name} (feature)" for name in names]


def test_sides_are_left_or_right():
    with pytest.raises(ValueError, match="side must be 'left' or 'right'; got 'middle'"):
        FLOW(1.0, side="middle")


def test_saving_into_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*nowhere"):
        LASSO.save(tmp_path / "nowhere" / "path.npz")


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "path.npz").write_text("older")

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        LASSO.save(tmp_path / "path.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["path.npz"]
    assert (tmp_path / "path.npz").read_text() == "older"


def test_repr_says_what_it_is():
    assert repr(FLOW).startswith("<Path of the limit flow: ")
    assert "the limit flow's average" in repr(FLOW.averaged())
    assert "the lasso's refit" in repr(LASSO.instantaneous())
    assert "the lasso, blend 0.3" in repr(LASSO.relaxed(0.3))
