"""Ends of flows and l1 solutions: against multiprecision, integration, linear programs, invariances, odd data."""

import math
import sys

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.optimize import linprog, nnls

import lassoflow as lf
from lassoflow.dual_newton import DualNewton
from lassoflow.refinement import refined_fit
from oracles import endpoints

NETWORKS = {
    "depth 2": lf.PowerNetwork(2, 1e-6),
    "depth 2, tiny": lf.PowerNetwork(2, log_scale=-2000.0),
    "depth 2, large": lf.PowerNetwork(2, 10.0),
    "depth 3": lf.PowerNetwork(3, 1e-8),
    "depth 4": lf.PowerNetwork(4, 1e-3),
    "square": lf.SquareNetwork(1e-9),
    "product": lf.ProductNetwork(1e-4, shape_u=1.5, shape_v=0.3),
    "layers": lf.LayeredNetwork([1.0, 0.7, 0.2], 1e-6),
}


def data(kind, seed, n=4, d=8):
    """A small wide problem: noisy, exactly representable without noise, or without noise up to rounding."""
    rng = np.random.default_rng(seed)
    w = np.zeros(d)
    w[:2] = 1.0, -2.0
    if kind == "exact":
        X = np.vstack([np.eye(n, d), rng.integers(-3, 4, (n, d))])[rng.permutation(2 * n)[:n]].astype(float)
        X[:, -n:] += np.eye(n)
        return X, X @ w
    X = rng.standard_normal((n, d))
    return X, X @ w + (kind == "noisy") * 0.3 * rng.standard_normal(n)


# -- the end of a flow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["noisy", "exact", "rounded"])
@pytest.mark.parametrize(
    ("depth", "log_scale"), [(2, -10.0), (2, -100.0), (2, -1000.0), (3, -10.0), (3, -27.6), (3, -60.0), (4, -27.6)]
)
def test_every_coefficient_against_multiprecision(depth, log_scale, kind):
    for seed in range(3):
        X, y = data(kind, seed)
        end = lf.flow_endpoint(lf.LeastSquares(X, y), lf.PowerNetwork(depth, log_scale=log_scale))
        digits = 80 + int(abs(log_scale))
        with mp.workdps(digits):
            maps = endpoints.exponential(log_scale) if depth == 2 else endpoints.power(depth, log_scale)
            exact = endpoints.solve(X, y, *maps, np.linalg.lstsq(X.T, end.dual)[0], digits)
            errors = [abs(mpf(float(v)) - mp.log(abs(x))) for v, x in zip(end.log_abs, exact, strict=True)]
        assert max(errors) <= 1e-10
        assert [float(mp.sign(x)) for x in exact] == np.where(
            end.coef != 0, np.sign(end.coef), np.sign(end.dual)
        ).tolist()


@pytest.mark.parametrize("doubles", [True, False])
@pytest.mark.parametrize(("depth", "log_scale"), [(2, -10.0), (2, -300.0), (3, -27.6), (3, -90.0), (4, -60.0)])
def test_multiprecision_is_right_to_the_last_digit(depth, log_scale, doubles, monkeypatch):
    if not doubles:
        monkeypatch.setattr(DualNewton, "solve", fails)
    for seed, kind in enumerate(["noisy", "exact", "rounded"]):
        X, y = data(kind, seed)
        end = lf.flow_endpoint(lf.LeastSquares(X, y), lf.PowerNetwork(depth, log_scale=log_scale), "mp")
        digits = 80 + int(abs(log_scale))
        with mp.workdps(digits):
            maps = endpoints.exponential(log_scale) if depth == 2 else endpoints.power(depth, log_scale)
            exact = endpoints.solve(X, y, *maps, np.linalg.lstsq(X.T, end.dual)[0], digits)
            logs = [float(mp.log(abs(x))) for x in exact]
        np.testing.assert_allclose(end.log_abs, logs, rtol=1e-15, atol=1e-15)
        assert end.certificate.holds


def fails(self):
    raise ArithmeticError("not in double precision")


@pytest.mark.parametrize("seed", [1, 3])
def test_multiprecision_where_columns_differ_a_great_deal(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((6, 12)) * 10.0 ** rng.uniform(-4, 4, 12)
    end = lf.flow_endpoint(lf.LeastSquares(X, rng.standard_normal(6)), lf.SquareNetwork(1e-16), "mp")
    assert end.certificate.holds


def test_what_multiprecision_is_not_for():
    problem = lf.LeastSquares(*data("noisy", 0))
    with pytest.raises(ValueError, match="layers that start differently"):
        lf.flow_endpoint(problem, NETWORKS["layers"], "mp")
    with pytest.raises(ValueError, match="precision must be 'double' or 'mp'; got 'quad'"):
        lf.flow_endpoint(problem, NETWORKS["depth 3"], "quad")


def test_multiprecision_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"pip install 'lassoflow\[mp\]'"):
        lf.flow_endpoint(lf.LeastSquares(*data("noisy", 0)), NETWORKS["depth 3"], "mp")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_end_is_where_integration_ends(network):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n, d = rng.integers(1, 12, 2)
        X = rng.standard_normal((n, d))
        y = X @ np.where(rng.random(d) < 0.4, rng.standard_normal(d), 0.0) + 0.3 * (seed % 2) * rng.standard_normal(n)
        problem = lf.LeastSquares(X, y, fit_intercept=bool(seed % 3 == 0))
        end = lf.flow_endpoint(problem, NETWORKS[network])
        flow = lf.gradient_flow(problem, NETWORKS[network], rtol=1e-9)
        assert end.certificate.holds
        np.testing.assert_allclose(end.coef, flow.end, rtol=0, atol=1e-8 * max(np.abs(end.coef).max(), 1e-6))
        assert end.intercept == pytest.approx(float(flow.intercept(np.inf)), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("network", NETWORKS)
def test_degenerate_data(network):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 4))
    y = X @ [1.0, 0.0, -1.0, 0.0] + 0.1 * rng.standard_normal(5)
    for A, b in (
        (X, np.zeros(5)),
        (np.zeros((5, 3)), y),
        (X[:1], y[:1]),
        (np.c_[X, np.zeros(5)], y),
        (np.c_[X, X[:, :2], -X[:, :1]], y),
        (X[:, :2] @ rng.standard_normal((2, 7)), y),
        (rng.integers(-2, 3, (4, 9)).astype(float), rng.integers(-3, 4, 4).astype(float)),
    ):
        for intercept in (False, True):
            end = lf.flow_endpoint(lf.LeastSquares(A, b, fit_intercept=intercept), NETWORKS[network])
            assert end.certificate.holds
            assert np.isfinite(end.coef).all()


def test_duplicates_share_their_coefficient():
    X, y = data("noisy", 1)
    twice = np.c_[X, X[:, :1], -X[:, 1:2]]
    for network in (lf.PowerNetwork(2, 1e-50), lf.PowerNetwork(3, 1e-9)):
        x = lf.flow_endpoint(lf.LeastSquares(twice, y), network).coef
        np.testing.assert_allclose([x[8], x[9]], [x[0], -x[1]], rtol=1e-9)


@pytest.mark.parametrize("depth", [3, 5])
def test_coefficients_scale_with_the_data_and_the_network(depth):
    X, y = data("noisy", 2)
    one = lf.flow_endpoint(lf.LeastSquares(X, y), lf.PowerNetwork(depth, 1e-9))
    for factor in (1e-30, 1e20):
        other = lf.flow_endpoint(lf.LeastSquares(X, factor * y), lf.PowerNetwork(depth, factor * 1e-9))
        np.testing.assert_allclose(other.log_abs, one.log_abs + math.log(factor), atol=1e-9)


def test_order_signs_and_repeated_rows():
    X, y = data("noisy", 3)
    network = lf.PowerNetwork(2, 1e-40)
    one = lf.flow_endpoint(lf.LeastSquares(X, y), network)
    order, signs = np.array([3, 0, 7, 1, 2, 6, 5, 4]), np.array([1, -1, 1, 1, -1, -1, 1, -1])
    other = lf.flow_endpoint(lf.LeastSquares(X[:, order] * signs, y), network)
    np.testing.assert_allclose(other.coef * signs, one.coef[order], rtol=1e-9)
    weights = np.array([1.0, 2.0, 1.0, 3.0])
    rows = np.repeat(np.arange(4), weights.astype(int))
    repeated = lf.flow_endpoint(lf.LeastSquares(X[rows], y[rows]), network)
    weighted = lf.flow_endpoint(lf.LeastSquares(X, y, sample_weight=weights), network)
    np.testing.assert_allclose(weighted.log_abs, repeated.log_abs, rtol=1e-9)


def test_tiny_scales_are_in_proportion():
    """At depth 3 coefficients that vanish with the scale are in proportion to it, far below what floats hold."""
    X, y = data("exact", 0)
    ends = [lf.flow_endpoint(lf.LeastSquares(X, y), lf.PowerNetwork(3, log_scale=-c)).log_abs for c in (500.0, 5000.0)]
    small = ends[0] < -100
    assert small.any()
    np.testing.assert_allclose((ends[0] - ends[1])[small], 4500.0, rtol=1e-12)
    np.testing.assert_allclose(ends[0][~small], ends[1][~small], rtol=1e-12)


@pytest.mark.parametrize("factors", [(1.0, 1e-150), (1e150, 1.0)])
@pytest.mark.parametrize("network", ["depth 3", "product", "layers"])
def test_coefficients_hidden_by_a_large_scale_are_refused(network, factors):
    X, y = data("noisy", 1)
    with pytest.raises(ValueError, match="rounding would hide them"):
        lf.flow_endpoint(lf.LeastSquares(factors[0] * X, factors[1] * y), NETWORKS[network])


def test_u_squared_ends_in_the_non_negative_fit():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((20, 6)), rng.standard_normal(20)
    end = lf.flow_endpoint(lf.LeastSquares(X, y), lf.SquareNetwork(1e-3))
    exact = nnls(X, y)[0]
    np.testing.assert_allclose(end.coef, exact, atol=1e-10)
    assert (end.log_abs[exact == 0] == -np.inf).all()


def test_an_error_of_rounding_is_told_from_one_of_the_data():
    rng = np.random.default_rng(0)
    A = rng.integers(-5, 6, (30, 30)).astype(float)
    x = np.zeros(30)
    x[:3] = 1.0, -2.0, 3.0
    np.testing.assert_array_equal(refined_fit(A, A @ x), x)
    x[3] = 2.0**-80  # A @ x loses it; y as a difference of two exact ones does not
    tiny = refined_fit(A, A[:, 3] * x[3])
    np.testing.assert_allclose(tiny[3], x[3], rtol=1e-15)
    assert np.count_nonzero(tiny) == 1


# -- the l1 solution ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_min_l1_against_a_linear_program(noise):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 12))
        d = n + int(rng.integers(1, 20))
        X = rng.standard_normal((n, d))
        y = X @ np.where(rng.random(d) < 0.2, rng.standard_normal(d), 0.0) + noise * rng.standard_normal(n)
        end = lf.min_l1(lf.LeastSquares(X, y))
        assert end.certificate.holds
        assert end.unique
        program = linprog(np.ones(2 * d), A_eq=np.c_[X, -X], b_eq=y)
        np.testing.assert_allclose(end.coef, program.x[:d] - program.x[d:], atol=1e-7)
        assert np.abs(end.dual).max(initial=0.0) <= 1 + 1e-9


@pytest.mark.parametrize(("depth", "chosen"), [(2, [0.7687, 1.4687, 1.0626, 0.0]), (3, [0.7747, 1.4747, 1.0506, 0.0])])
def test_depth_chooses_among_several_solutions(depth, chosen):
    """The example of Wind, Antun and Hansen (2023) as THEORY has it: kernel (1, 1, -2, 0), x = (0.3, 1, 2, 0)."""
    A = np.array([[1.0, -1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    problem = lf.LeastSquares(A, A @ [0.3, 1.0, 2.0, 0.0])
    end = lf.min_l1(problem, depth=depth)
    assert not end.unique
    assert end.certificate.holds
    np.testing.assert_allclose(end.coef, chosen, atol=5e-5)
    size = -2000.0 if depth == 2 else -60.0
    np.testing.assert_allclose(
        lf.flow_endpoint(problem, lf.PowerNetwork(depth, log_scale=size)).coef,
        end.coef,
        atol=2e-3 if depth == 2 else 1e-6,
    )


def test_min_l1_refuses_columns_without_penalty_where_it_would_have_to_choose():
    problem = lf.LeastSquares([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], [2.0, 1.0])
    with pytest.raises(ValueError, match="penalty_factor must be positive here"):
        lf.min_l1(problem, [0.0, 1.0, 1.0])
    independent = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [2.0, 1.0, 0.0])
    assert lf.min_l1(independent, [0.0, 1.0]).certificate.holds


def test_min_l1_of_more_samples_than_features_is_the_fit():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((9, 4)), rng.standard_normal(9)
    end = lf.min_l1(lf.LeastSquares(X, y))
    np.testing.assert_allclose(end.coef, np.linalg.lstsq(X, y)[0], rtol=1e-12)
    assert end.unique


def test_penalty_factors_weigh_the_norm():
    X, y = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), np.array([2.0, 1.0])
    np.testing.assert_allclose(lf.min_l1(lf.LeastSquares(X, y), [1.0, 9.0, 1.0]).coef, [2.0, 0.0, 1.0], atol=1e-14)


@pytest.mark.parametrize("depth", [1, 2.5, 0])
def test_a_depth_that_is_none_is_refused(depth):
    with pytest.raises(ValueError, match="depth must be a whole number >= 2"):
        lf.min_l1(lf.LeastSquares([[1.0, 1.0]], [1.0]), depth=depth)


@pytest.mark.parametrize("precision", ["double", "mp"])
def test_tiny_columns_end_where_they_should(precision):
    X, y = data("noisy", 0)
    end = lf.flow_endpoint(lf.LeastSquares(X, y), lf.PowerNetwork(2, log_scale=-400.0), precision)
    assert lf.flow_endpoint(lf.LeastSquares(X * 2.0**-498, y), lf.PowerNetwork(2, 1e-10), precision).certificate.holds
    moved = lf.PowerNetwork(2, log_scale=-400.0 - 100 * math.log(2))  # coefficients and scale by the same factor
    large = lf.flow_endpoint(lf.LeastSquares(X * 2.0**100, y), moved, precision)
    assert large.certificate.holds
    assert (large.support == end.support).all()
