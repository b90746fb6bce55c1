"""A lasso path can have (3^d + 1) / 2 segments, hence (3^d - 1) / 2 knots (Mairal & Yu 2012).

Their construction adds a column and a row to a problem whose smallest knot is lambda_1 (loss ``|y - X x|^2 / 2``):

    X~ = [[X, 2 a y], [0, a]],  y~ = (y, 1),  0 < a < lambda_1 / (2 y'y + 1)

The path of X~ runs through that of X, then back with the new column in, then again with the signs turned: k segments
become 3 k - 1. Here a is a power of two, so that the data are exact in floating point.
"""

from itertools import pairwise

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

import lassoflow as lf
from oracles import rational
from oracles.compare import as_floats


def worst_case(d):
    """X, y of Mairal & Yu's problem with d columns, all entries powers of two."""
    X, y = np.ones((1, 1)), np.ones(1)
    while X.shape[1] < d:
        smallest = len(y) / lf.lasso_path(lf.LeastSquares(X, y)).knots[-1]
        alpha = 2.0 ** np.floor(np.log2(smallest / (2 * y @ y + 1)))
        X = np.block([[X, 2 * alpha * y[:, None]], [np.zeros((1, X.shape[1])), np.full((1, 1), alpha)]])
        y = np.append(y, 1.0)
    return X, y


def segment_signs(path):
    """The signs of z on every segment, the zero segment first."""
    inside = np.append(path.knots[:-1] + np.diff(path.knots) / 2, 2 * path.knots[-1])
    return [np.zeros(path.box.upper.size), *np.sign(path.integral(inside))]


def interval(problem, signs):
    """The exact times at which the lasso solution has these signs: (begin, end), with None for infinity.

    On the support ``z = s a - b`` with ``M_AA a = r_A``, ``M_AA b = sign_A``; every condition is affine in s.
    """
    d, active = len(signs), np.flatnonzero(signs)
    a, b = [fmpq(0)] * d, [fmpq(0)] * d
    if active.size:
        gram = fmpq_mat([[problem.M[i][j] for j in active] for i in active])
        right = fmpq_mat([[problem.r[i], fmpq(int(signs[i]))] for i in active])
        for row, i in enumerate(active):
            a[i], b[i] = (gram.solve(right)[row, k] for k in (0, 1))
    rate = problem.dual(a, fmpq(1))
    offset = [rational.dot(row, b) for row in problem.M]
    conditions = [(int(signs[i]) * a[i], -int(signs[i]) * b[i]) for i in active]
    conditions += [(-sign * rate[j], 1 - sign * offset[j]) for j in range(d) if not signs[j] for sign in (1, -1)]
    roots = [(slope > 0, -constant / slope) for slope, constant in conditions if slope != 0]
    assert all(constant >= 0 for slope, constant in conditions if slope == 0)
    begin = max((root for rising, root in roots if rising), default=fmpq(0))
    end = min((root for rising, root in roots if not rising), default=None)
    return max(begin, fmpq(0)), end


def proven_knots(X, y, path):
    """Exact knots: the path's signs have intervals of positive length that cover [0, inf) without a gap."""
    problem = rational.Problem.of(X, y)
    intervals = [interval(problem, signs) for signs in segment_signs(path)]
    assert intervals[0][0] == 0
    assert intervals[-1][1] is None
    for (begin, end), (following, _) in pairwise(intervals):
        assert begin < end == following
    return [begin for begin, _ in intervals[1:]]


@pytest.mark.parametrize("d", range(1, 9))
def test_worst_case_has_three_to_the_d_knots(d):
    X, y = worst_case(d)
    path = lf.lasso_path(lf.LeastSquares(X, y))
    exact = proven_knots(X, y, path)
    assert len(exact) == path.knots.size == (3**d - 1) // 2
    np.testing.assert_allclose(path.knots, as_floats(exact), rtol=1e-12)


def test_the_oracle_counts_the_same():
    for d in (2, 3, 4):
        X, y = worst_case(d)
        assert len(rational.lasso_path(rational.Problem.of(X, y)).knots) == (3**d - 1) // 2


def test_a_budget_ends_in_a_usable_partial_path():
    X, y = worst_case(7)
    path = lf.lasso_path(lf.LeastSquares(X, y), max_knots=100)
    full = lf.lasso_path(lf.LeastSquares(X, y))
    assert path.status == "max_knots"
    assert path.knots.size == 100
    np.testing.assert_array_equal(path(path.knots), full(path.knots))
