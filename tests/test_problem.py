"""The problem: what is accepted, what is refused and how, and that weights, centring and units mean what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import lassoflow as lf

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 4))
Y = RNG.standard_normal(12)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda a: a.tolist(),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        sp.csr_array,
        sp.csc_matrix,
        sp.coo_array,
        lambda a: pd.DataFrame(a),
        lambda a: pl.DataFrame(a),
    ],
)
def test_every_container_gives_the_same_path(convert):
    expected = lf.lasso_path(lf.LeastSquares(X, Y))
    path = lf.lasso_path(lf.LeastSquares(convert(X), Y))
    np.testing.assert_allclose(path.knots, expected.knots, rtol=1e-12)
    np.testing.assert_allclose(path(path.knots), expected(path.knots), rtol=0, atol=1e-12)


def test_a_sparse_matrix_is_left_as_it_was():
    for indices in ([1, 0, 0, 1], [1, 1, 0, 1]):  # unsorted; a duplicated entry
        matrix = sp.csc_array((np.array([1.0, 2.0, 3.0, 4.0]), np.array(indices), np.array([0, 2, 4])), shape=(2, 2))
        dense, data, order = matrix.toarray(), matrix.data.copy(), matrix.indices.copy()
        problem = lf.LeastSquares(matrix, [1.0, 2.0])
        np.testing.assert_array_equal(matrix.data, data)
        np.testing.assert_array_equal(matrix.indices, order)
        np.testing.assert_array_equal(problem.design.columns([0, 1]), dense)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_a_frame_are_kept(frame):
    names = ["age", "größe", "<script>", "$x_1$"]
    problem = lf.LeastSquares(frame(dict(zip(names, X.T, strict=True))), Y)
    assert problem.feature_names == tuple(names)


def test_names_are_made_up_for_arrays():
    assert lf.LeastSquares(X, Y).feature_names == ("x0", "x1", "x2", "x3")


def test_integer_boolean_and_nullable_columns_are_numbers():
    frame = pd.DataFrame({"i": [1, 2, 3], "b": [True, False, True], "n": pd.array([1, 2, 4], dtype="Int64")})
    assert lf.LeastSquares(frame, [1, 2, 3]).n_features == 3


def test_inputs_are_not_written_to():
    frozen, target = np.asfortranarray(X), Y.copy()
    frozen.setflags(write=False)
    target.setflags(write=False)
    weights = np.ones(12)
    weights.setflags(write=False)
    lf.limit_flow(lf.LeastSquares(frozen, target, weights, fit_intercept=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: lf.LeastSquares(X[:, 0], Y), "X must have two dimensions"),
        (lambda: lf.LeastSquares(X[:, :0], Y), "at least one row and one column"),
        (lambda: lf.LeastSquares(X, Y[:-1]), r"y must have shape \(12,\).*\(11,\)"),
        (lambda: lf.LeastSquares(X, np.column_stack([Y, Y])), "y must have shape"),
        (lambda: lf.LeastSquares(X, np.where(np.arange(12) == 3, np.nan, Y)), "y must be finite; entry 3"),
        (lambda: lf.LeastSquares(np.where(X[2, 1] == X, np.inf, X), Y), "X must be finite; column 'x1'"),
        (lambda: lf.LeastSquares(sp.csr_array(np.where(X[2, 3] == X, np.nan, X)), Y), "X must be finite; column 'x3'"),
        (lambda: lf.LeastSquares(X, Y, -np.ones(12)), "sample_weight must not be negative; entry 0"),
        (lambda: lf.LeastSquares(X, Y, np.zeros(12)), "sample_weight must not be zero"),
        (lambda: lf.LeastSquares(X, Y, np.ones(3)), "sample_weight must have shape"),
        (lambda: lf.LeastSquares(X.astype(complex), Y), "X must hold real numbers"),
        (lambda: lf.LeastSquares(pd.DataFrame(X[:, :2], columns=["a", "a"]), Y), "more than one column is named 'a'"),
        (lambda: lf.LeastSquares(pd.DataFrame({"a": pd.Categorical([1, 2])}), [1, 2]), "column 'a' is not numeric"),
        (lambda: lf.LeastSquares(np.ma.masked_greater(X, 1.0), Y), "X has masked entries"),
        (lambda: lf.LeastSquares(X, np.ma.masked_greater(Y, 1.0)), "y has masked entries"),
        (lambda: lf.LeastSquares(X, Y, fit_intercept="no"), "fit_intercept must be True or False"),
        (lambda: lf.LeastSquares(X, Y).loss(np.zeros(3)), r"coef must have shape \(..., 4\)"),
        (lambda: lf.LeastSquares(1e-200 * X, 1e-200 * Y), "beyond floating point; rescale"),
        (lambda: lf.LeastSquares(X, np.full(12, 5e-324)), "beyond floating point; rescale"),
        (lambda: lf.LeastSquares(X * [1.0, 1e-200, 1.0, 1.0], Y), "column 'x1' is less than 1e-140 times"),
        (lambda: lf.LeastSquares(sp.csr_array(X * [1.0, 1.0, 1.0, 1e-200]), Y), "column 'x3' is less than 1e-140"),
        (lambda: lf.LeastSquares([["a", "b"]], [1.0]), "X must hold real numbers"),
        (lambda: lf.LeastSquares(X, ["a"] * 12), "y must hold real numbers"),
        (lambda: lf.LeastSquares([[1, 2], [3]], [1, 2]), "X must"),
        (lambda: lf.LeastSquares(pd.DataFrame({"a": [1.0], "city": ["Rome"]}), [1.0]), "column 'city' is not numeric"),
        (lambda: lf.LeastSquares(pl.DataFrame({"a": [1.0], "city": ["Rome"]}), [1.0]), "column 'city' is not numeric"),
        (lambda: lf.LeastSquares(pd.DataFrame({"a": [1.0, None]}), [1.0, 2.0]), "column 'a' has a NaN"),
        (lambda: lf.LeastSquares(pl.DataFrame({"a": [1.0, None]}), [1.0, 2.0]), "column 'a' has a NaN"),
        (lambda: lf.LeastSquares(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), [1.0, 2.0]), "column 'a'"),
        (lambda: lf.LeastSquares(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])}), [1.0]), "column 'day'"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(change, words):
    with pytest.raises(ValueError, match=words) as caught:
        change()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"penalty_factor": [1.0, 2.0]}, r"penalty_factor must have shape \(4,\) or \(2, 4\)"),
        ({"penalty_factor": [1.0, -1.0, 1.0, 1.0]}, "penalty_factor must hold numbers >= 0"),
        ({"penalty_factor": [1.0, np.nan, 1.0, 1.0]}, "penalty_factor must hold numbers >= 0"),
        ({"penalty_factor": [1.0, 1e-200, 1.0, 1.0]}, "from 1e-150 to 1e150"),
        ({"penalty_factor": "sd"}, "penalty_factor must be an array or"),
        ({"penalty_factor": [["a"] * 4]}, "penalty_factor must hold numbers"),
        ({"weight_decay": -1.0}, "weight_decay must be"),
        ({"weight_decay": np.inf}, "weight_decay must be"),
        ({"positive": "yes"}, "positive must be True or False"),
        ({"weight_decay": "a"}, "weight_decay must be a number; got 'a'"),
        ({"lambda_min": -1.0}, "lambda_min must be"),
        ({"lambda_min": None}, "lambda_min must be a number; got None"),
        ({"lambda_min": np.nan}, "lambda_min must be"),
        ({"max_knots": -1}, "max_knots must"),
        ({"max_knots": 2.5}, "max_knots must"),
    ],
)
@pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])
def test_bad_arguments_are_refused_in_one_sentence(walk, arguments, words):
    with pytest.raises(ValueError, match=words):
        walk(lf.LeastSquares(X, Y), **arguments)


@pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])
def test_an_array_in_place_of_a_problem(walk):
    with pytest.raises(TypeError, match=rf"must be a LeastSquares; got ndarray. Try {walk.__name__}\(LeastSquares"):
        walk(X)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_loss_gradient_and_intercept_against_their_definition(sparse, fit_intercept):
    weights, coef = RNG.uniform(0.1, 2.0, 12), RNG.standard_normal(4)
    problem = lf.LeastSquares(sp.csr_array(X + 5) if sparse else X + 5, Y, weights, fit_intercept)
    w = weights / weights.mean()
    residual = Y - (X + 5) @ coef
    intercept = np.average(residual, weights=w) if fit_intercept else 0.0
    residual -= intercept
    assert problem.intercept(coef) == pytest.approx(intercept, rel=1e-12)
    assert problem.loss(coef) == pytest.approx(np.sum(w * residual**2) / 24, rel=1e-12)
    np.testing.assert_allclose(problem.gradient(coef), -(X + 5).T @ (w * residual) / 12, rtol=0, atol=1e-12)


def test_vectorised_over_leading_axes():
    coef = RNG.standard_normal((2, 3, 4))
    problem = lf.LeastSquares(X, Y, fit_intercept=True)
    assert problem.loss(coef).shape == (2, 3)
    assert problem.gradient(coef).shape == (2, 3, 4)
    assert problem.intercept(coef).shape == (2, 3)
    np.testing.assert_allclose(problem.gradient(coef)[1, 2], problem.gradient(coef[1, 2]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_std_is_the_path_of_standardised_data(sparse, fit_intercept):
    shifted = X * [1.0, 10.0, 0.1, 3.0] + 2.0
    if not fit_intercept:
        shifted = shifted - shifted.mean(axis=0)
    deviation = shifted.std(axis=0)
    problem = lf.LeastSquares(sp.csc_array(shifted) if sparse else shifted, Y, fit_intercept=fit_intercept)
    np.testing.assert_allclose(problem.deviations, deviation, rtol=1e-12)
    path = lf.lasso_path(problem, penalty_factor="std")
    standardised = lf.lasso_path(lf.LeastSquares(shifted / deviation, Y, fit_intercept=fit_intercept))
    np.testing.assert_allclose(path.knots, standardised.knots, rtol=1e-11)
    np.testing.assert_allclose(path(path.knots) * deviation, standardised(path.knots), rtol=0, atol=1e-11)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8, -7.3e-5])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_constant_column_is_empty_once_centred(constant, sparse):
    design = np.column_stack([X, np.full(12, constant)])
    problem = lf.LeastSquares(sp.csr_array(design) if sparse else design, Y, RNG.uniform(1, 2, 12), fit_intercept=True)
    assert problem.design.norms[-1] == 0
    assert problem.deviations[-1] == 0
    assert not lf.lasso_path(problem).end[-1]
    assert not lf.limit_flow(problem, penalty_factor="std").end[-1]


@pytest.mark.parametrize("sparse", [False, True])
def test_long_constant_columns_are_empty_too(sparse):
    design = np.column_stack([np.full(100_000, 0.1), np.arange(100_000.0)])
    problem = lf.LeastSquares(sp.csr_array(design) if sparse else design, np.arange(100_000.0), fit_intercept=True)
    assert problem.deviations[0] == 0


@pytest.mark.parametrize("sparse", [False, True])
def test_means_far_from_zero_cost_no_digits(sparse):
    shifted = X + 2.0**40
    exact = lf.LeastSquares(shifted - 2.0**40, Y, fit_intercept=True)  # exact: the shift is a power of two
    problem = lf.LeastSquares(sp.csr_array(shifted) if sparse else shifted, Y, fit_intercept=True)
    np.testing.assert_allclose(problem.gradient(np.ones(4)), exact.gradient(np.ones(4)), rtol=1e-12)


def test_a_constant_response_gives_an_empty_path():
    problem = lf.LeastSquares(X, np.full(12, 0.1), fit_intercept=True)
    path = lf.lasso_path(problem)
    assert path.knots.size == 0
    assert path.predict(X, 1.0) == pytest.approx(np.full(12, 0.1), rel=1e-15)


def test_passes_count_the_products_with_all_of_x():
    problem = lf.LeastSquares(X, Y)
    assert problem.passes == 0
    problem.gradient(np.ones(4))
    problem.gradient(np.ones((7, 4)))
    assert problem.passes == 2
    path = lf.lasso_path(problem)
    assert problem.passes == 2 + path.knots.size + 1


def test_centred_data_are_copied_only_once():
    large = RNG.standard_normal((400, 300))
    problem = lf.LeastSquares(np.asfortranarray(large), RNG.standard_normal(400))
    assert np.shares_memory(problem.design.column(0), np.asfortranarray(large)) is False
    kept = np.asfortranarray(large)
    problem = lf.LeastSquares(kept, RNG.standard_normal(400))
    assert np.shares_memory(problem.design.column(0), kept)


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 3.0]])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_another_response_shares_the_design(weights, fit_intercept):
    X, y = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0], [-1.0, 1.0]]), np.array([1.0, 2.0, 4.0, -3.0])
    first = lf.LeastSquares(X, np.ones(4), weights, fit_intercept)
    assert first.lambda_max == (0.0 if fit_intercept else first.lambda_max)
    for response in (y, 1e250 * y):
        other, fresh = first.with_response(response), lf.LeastSquares(X, response, weights, fit_intercept)
        assert other.design is first.design
        assert (other.lambda_max, other.target_mean, other.units) == (fresh.lambda_max, fresh.target_mean, fresh.units)
        np.testing.assert_array_equal(lf.lasso_path(other).end, lf.lasso_path(fresh).end)
    assert first.target_mean == float(fit_intercept)
    with pytest.raises(ValueError, match="y must have shape"):
        first.with_response([1.0])
