"""The limit flow passes through the saddles of Zhao et al. (2026), Experiment 1, at the times they give.

Their loss is ``|y - X x|^2`` and the clock that of ``X'(y - X x)``;
ours divides by n = 2, so our times are twice theirs.
"""

import numpy as np
import pytest
from flint import fmpq
from scipy.optimize import linprog

import lassoflow as lf
from oracles import rational

X = np.array([[1.0, 0.5, 0.7, 0.0], [0.5, 1.0, 0.1, 0.7]])
Y = np.array([1.0, 0.0])
JUMPS = 2 * np.array([1, 4, 4 + 80 / 49])
SADDLES = np.array([[0.8, 0, 0, 0], [0, 0, 1.4, 0], [0, 0, 10 / 7, -10 / 49]])


def test_limit_flow_jumps_between_the_saddles():
    flow = lf.limit_flow(lf.LeastSquares(X, Y))
    np.testing.assert_allclose(flow.knots, JUMPS, rtol=1e-14)
    np.testing.assert_allclose(flow(JUMPS * 1.01), SADDLES, rtol=0, atol=1e-14)
    np.testing.assert_allclose(flow(JUMPS * 0.99), [np.zeros(4), *SADDLES[:2]], rtol=0, atol=1e-14)


def test_the_last_saddle_is_the_min_l1_interpolator():
    program = linprog(np.ones(8), A_eq=np.hstack([X, -X]), b_eq=Y)
    np.testing.assert_allclose(program.x[:4] - program.x[4:], SADDLES[-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(lf.limit_flow(lf.LeastSquares(X, Y)).end, SADDLES[-1], rtol=0, atol=1e-14)


def test_jump_times_are_exact_in_rationals():
    rows = [[fmpq(round(10 * entry), 10) for entry in row] for row in X]
    ones = [fmpq(1)] * 4
    curve = rational.limit_flow(rational.Problem(rows, [fmpq(1), fmpq(0)], ones, ones))
    assert curve.knots == [fmpq(2), fmpq(8), 2 * (4 + fmpq(80, 49))]
    assert curve.segments[-1].slope == [fmpq(0), fmpq(0), fmpq(10, 7), fmpq(-10, 49)]


def test_halving_a_growth_time_moves_the_limit():
    """Weight 1/2 on |k_1| moves the solution to k_1 = 1, k_4 = -5/7."""
    flow = lf.limit_flow(lf.LeastSquares(X, Y), penalty_factor=[0.5, 1, 1, 1])
    assert flow.end == pytest.approx([1, 0, 0, -5 / 7], abs=1e-14)
