"""The box: its arguments, its faces, and what they do to both paths."""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.box import Box

SOLVERS = [lf.lasso_path, lf.limit_flow]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 4))
Y = X @ [2.0, -1.0, 0.5, 0.0] + RNG.standard_normal(20)
PROBLEM = lf.LeastSquares(X, Y)


def test_default_box_is_the_unit_cube():
    box = Box.of(PROBLEM)
    assert box.upper.tolist() == box.lower.tolist() == [1.0] * 4
    assert box.decay == 0
    assert not box.unpenalised.any()


def test_rows_are_the_positive_and_the_negative_side():
    box = Box.of(PROBLEM, [[1, 2, 3, 4], [5, 6, 7, np.inf]])
    assert box.upper.tolist() == [1, 2, 3, 4]
    assert box.lower.tolist() == [5, 6, 7, np.inf]


def test_positive_bars_the_negative_side():
    box = Box.of(PROBLEM, [1, 0, 2, 3], positive=True)
    assert box.upper.tolist() == [1, 0, 2, 3]
    assert np.isinf(box.lower).all()


def test_standard_deviations_as_factors():
    weights = RNG.random(20)
    for weight in (None, weights):
        for intercept in (False, True):
            box = Box.of(lf.LeastSquares(X, Y, weight, intercept), "std")
            means = np.average(X, axis=0, weights=weight)
            expected = np.sqrt(np.average((X - means) ** 2, axis=0, weights=weight))
            np.testing.assert_allclose(box.upper, expected, rtol=1e-14)
            np.testing.assert_array_equal(box.lower, box.upper)


def test_unpenalised_means_no_width_at_any_time():
    assert not Box.of(PROBLEM, np.zeros(4), weight_decay=0.5).unpenalised.any()
    assert Box.of(PROBLEM, [[0, 0, 1, 0], [0, 1, 0, 0]]).unpenalised.tolist() == [True, False, False, True]


def test_boxes_are_equal_side_by_side():
    box = Box.of(PROBLEM, [1, 2, 3, np.inf], weight_decay=0.5)
    assert box.equals(Box.of(PROBLEM, [[1, 2, 3, np.inf]] * 2, weight_decay=0.5))
    assert not box.equals(Box.of(PROBLEM, [1, 2, 3, np.inf]))
    assert not box.equals(Box.of(PROBLEM, [1, 2, 3, np.inf], positive=True, weight_decay=0.5))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"penalty_factor": [1.0, 2.0]}, r"penalty_factor must have shape \(4,\) or \(2, 4\); got \(2,\)"),
        ({"penalty_factor": np.ones((4, 2))}, "penalty_factor must have shape"),
        ({"penalty_factor": 1.0}, "penalty_factor must have shape"),
        ({"penalty_factor": [1, -1, 1, 1]}, "penalty_factor must hold numbers >= 0"),
        ({"penalty_factor": [1, np.nan, 1, 1]}, "penalty_factor must hold numbers >= 0"),
        ({"penalty_factor": "norm"}, "penalty_factor must be an array or"),
        ({"penalty_factor": ["a", "b", "c", "d"]}, "penalty_factor must hold numbers"),
        ({"weight_decay": -1.0}, "weight_decay must be a finite number >= 0"),
        ({"weight_decay": np.nan}, "weight_decay must be a finite number >= 0"),
        ({"weight_decay": np.inf}, "weight_decay must be a finite number >= 0"),
        ({"lambda_min": -1.0}, "lambda_min must be a finite number >= 0"),
        ({"lambda_min": np.nan}, "lambda_min must be a finite number >= 0"),
    ],
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_bad_arguments_are_named(solver, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        solver(PROBLEM, **arguments)


@pytest.mark.parametrize("solver", SOLVERS)
def test_penalty_factors_are_column_scales(solver):
    """Factors k are the plain path of the columns X_j / k_j, its coefficients divided by k_j."""
    factor = np.array([0.5, 1.0, 2.0, 4.0])
    path, plain = solver(PROBLEM, penalty_factor=factor), solver(lf.LeastSquares(X / factor, Y))
    np.testing.assert_allclose(path.knots, plain.knots, rtol=1e-12)
    s = np.append(path.knots * 1.01, 1e3 * path.knots[-1])
    np.testing.assert_allclose(path(s), plain(s) / factor, rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_unpenalised_columns_are_projected_out(solver):
    """With k = 0 on some columns the others follow the path of the residuals on them, from the start."""
    path = solver(PROBLEM, penalty_factor=[1, 0, 1, 0])
    free = X[:, [1, 3]]
    project = np.eye(20) - free @ np.linalg.pinv(free)
    rest = solver(lf.LeastSquares(project @ X[:, [0, 2]], project @ Y))
    np.testing.assert_allclose(path.knots, rest.knots, rtol=1e-11)
    start = np.linalg.lstsq(free, Y)[0]
    np.testing.assert_allclose(path(0.5 * path.knots[0])[[1, 3]], start, rtol=1e-12)
    s = np.append(path.knots * 1.01, 1e3 * path.knots[-1])
    np.testing.assert_allclose(path(s)[:, [0, 2]], rest(s), rtol=0, atol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
def test_barred_columns_are_left_out(solver):
    path = solver(PROBLEM, penalty_factor=[1, np.inf, 1, np.inf])
    rest = solver(lf.LeastSquares(X[:, [0, 2]], Y))
    s = np.append(path.knots * 1.01, 1e3 * path.knots[-1])
    np.testing.assert_allclose(path.knots, rest.knots, rtol=1e-13)
    np.testing.assert_allclose(path(s)[:, [0, 2]], rest(s), rtol=0, atol=1e-13)
    assert not path(s)[:, [1, 3]].any()


def test_weight_decay_of_the_lasso_is_a_larger_penalty():
    """With factors 1 the lasso at s is the plain lasso at penalty ``decay + 1 / s``."""
    decay = 0.1
    path, plain = lf.lasso_path(PROBLEM, weight_decay=decay), lf.lasso_path(PROBLEM)
    s = np.geomspace(0.1, 1e6, 50)
    np.testing.assert_allclose(path(s), plain.at(lam=decay + 1 / s), rtol=0, atol=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("share", [1.0, 1.5])
def test_weight_decay_from_lambda_max_on_leaves_nothing(solver, share):
    path = solver(PROBLEM, weight_decay=share * PROBLEM.lambda_max)
    assert path.status == "complete"
    assert path.knots.size == 0
    assert not path.end.any()
