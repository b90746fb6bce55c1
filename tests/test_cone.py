"""The direction of a knot: least squares over a cone, seen from the limit flow, whose value it is."""

import numpy as np
import pytest
from scipy.optimize import minimize

import lassoflow as lf
from oracles import kkt


def first_direction(X, y, free=(), signed=(), decay=0.0):
    """``argmin |y - X d|^2 / (2 n) + decay |d|_1`` over d free on some columns, of given signs on others, 0 elsewhere.

    A box with those faces at zero and all others at infinity puts a path on that cone from the start.
    """
    factor = np.full((2, X.shape[1]), np.inf)
    factor[:, list(free)] = 0.0
    for j, sign in signed:
        factor[0 if sign > 0 else 1, j] = 0.0
    return lf.limit_flow(lf.LeastSquares(X, y), penalty_factor=factor, weight_decay=decay)(0.0)


def violation(X, y, d, free=(), signed=(), decay=0.0):
    """How far d is from the optimality conditions of that problem, relative to lambda_max."""
    slope = kkt.gradient(X, y, d)
    worst = max((abs(slope[j] - decay * np.sign(d[j])) for j in free if d[j] or not decay), default=0.0)
    worst = max([worst, *(abs(slope[j]) - decay for j in free)])
    for j, sign in signed:
        assert d[j] * sign >= 0 or j in free or (j, -sign) in signed
        gain = sign * slope[j] - decay
        worst = max(worst, gain, abs(gain) if d[j] * sign > 0 else 0.0)
    outside = set(range(X.shape[1])) - set(free) - {j for j, _ in signed}
    assert not d[list(outside)].any()
    return worst / kkt.lambda_max(X, y)


def random_cone(d, rng):
    roles = rng.integers(0, 4, d)
    return np.flatnonzero(roles == 0).tolist(), [(int(j), rng.choice([-1, 1])) for j in np.flatnonzero(roles > 1)]


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (30, 30)])
def test_gaussian_cones(shape, decay):
    rng = np.random.default_rng([*shape, int(100 * decay)])
    for _ in range(100):
        X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
        free, signed = random_cone(shape[1], rng)
        d = first_direction(X, y, free, signed, decay)
        assert violation(X, y, d, free, signed, decay) <= 1e-12 * max(1, np.abs(d).max())


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_integer_cones_with_dependent_columns(decay):
    rng = np.random.default_rng(int(10 * decay))
    for _ in range(300):
        X, y = rng.integers(-1, 2, (6, 10)).astype(float), rng.integers(-2, 3, 6).astype(float)
        if not (X.T @ y).any():
            continue
        free, signed = random_cone(10, rng)
        d = first_direction(X, y, free, signed, decay)
        assert violation(X, y, d, free, signed, decay) <= 1e-12 * max(1, np.abs(d).max())
        passive = np.flatnonzero(d)
        assert np.linalg.matrix_rank(X[:, passive]) == passive.size


def test_direction_agrees_with_a_general_solver():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((15, 6)), rng.standard_normal(15)
    free, signed, decay = [0, 1], [(2, 1), (3, -1), (4, 1)], 0.02
    bounds = [(None, None)] * 2 + [(0, None), (None, 0), (0, None), (0, 0)]

    def objective(d):
        return ((y - X @ d) ** 2).sum() / 30 + decay * (d[2] - d[3] + d[4] + np.abs(d[:2]).sum())

    found = minimize(objective, np.full(6, 0.1) * [1, 1, 1, -1, 1, 0], bounds=bounds, method="L-BFGS-B", tol=1e-14)
    d = first_direction(X, y, free, signed, decay)
    assert objective(d) <= found.fun + 1e-12
    np.testing.assert_allclose(d, found.x, rtol=0, atol=1e-4)


def test_dependent_column_takes_over_where_decay_makes_it_cheaper():
    """Columns 2 and 1: the first explains as much at half the price, though it is in the span of the second."""
    factor = np.array([[1.0, 0.5], [3.0, 1.0]])
    problem = lf.LeastSquares([[2.0, 1.0]], [-2.0])
    flow = lf.limit_flow(problem, penalty_factor=factor, weight_decay=0.5)
    np.testing.assert_allclose(flow.knots, [2 / 3, 2], rtol=1e-15)
    np.testing.assert_allclose(flow([1.0, 3.0]), [[0, -1.5], [-0.875, 0]], rtol=1e-15)
    lasso = lf.lasso_path(problem, penalty_factor=factor, weight_decay=0.5)
    np.testing.assert_allclose(lasso.knots, [2 / 3, 2], rtol=1e-15)
    np.testing.assert_allclose(lasso.integral([1.0, 3.0]), [[0, -0.5], [-1.875, 0]], rtol=1e-15)


def test_more_columns_than_samples_never_makes_the_fit_dependent():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((10, 60)), rng.standard_normal(10)
    for solver in (lf.lasso_path, lf.limit_flow):
        path = solver(lf.LeastSquares(X, y)).instantaneous()
        assert path.dimension(path.knots).max() <= 10
        np.testing.assert_allclose(X @ path.end, y, rtol=0, atol=1e-13)


def test_many_columns_enter_and_leave():
    """A long path with many deletions keeps its factor accurate to the end."""
    rng = np.random.default_rng(5)
    X = np.cumsum(rng.standard_normal((80, 300)), axis=1)  # neighbours are ever more alike
    y = rng.standard_normal(80)
    path = lf.lasso_path(lf.LeastSquares(X, y))
    slopes = path.instantaneous()(path.knots) != 0
    assert (slopes[:-1] & ~slopes[1:]).sum() >= 50
    scale = kkt.lambda_max(X, y)
    for s in path.knots:
        z = path.integral(s)
        assert kkt.normal_cone_violation(z, kkt.dual(X, y, z, s)) <= 1e-12 * max(1, s * scale)
