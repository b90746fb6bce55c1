"""The exact oracle itself, and the library's paths against it on thousands of small problems full of ties."""

from dataclasses import replace

import numpy as np
import pytest
from flint import fmpq

import lassoflow as lf
from oracles import cases, compare, rational

LAWS = {"lasso": (rational.lasso_path, lf.lasso_path), "flow": (rational.limit_flow, lf.limit_flow)}
CHUNKS, CHUNK = 4, 500


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", cases.KINDS)
def test_paths_are_exact(kind, law, chunk):
    oracle, solver = LAWS[law]
    rng = np.random.default_rng([chunk, cases.KINDS.index(kind)])
    for _ in range(CHUNK):
        case = cases.random_case(kind, rng)
        try:
            compare.assert_equal_paths(solver(case.problem(), **case.box), oracle(case.exact()))
        except Exception as error:
            error.add_note(repr(case))
            raise


def test_soft_thresholding():
    problem = rational.Problem.of(np.eye(2), np.array([4.0, -2.0]))
    curve = rational.lasso_path(problem)  # r = (2, -1), M = I / 2
    assert curve.knots == [fmpq(1, 2), fmpq(1)]
    assert curve.integral(fmpq(3)) == [fmpq(10), fmpq(-4)]


def test_flow_of_one_column_jumps_to_least_squares():
    curve = rational.limit_flow(rational.Problem.of(np.array([[2.0]]), np.array([3.0])))
    assert curve.knots == [fmpq(1, 6)]
    assert curve.segments[-1].slope == [fmpq(3, 2)]


def test_growing_box_with_unequal_factors_makes_the_lasso_jump():
    """Which of two collinear columns is cheaper turns at s = 2: X z is continuous there, z is not."""
    box = {"penalty_factor": np.array([[1.0, 0.5], [3.0, 1.0]]), "weight_decay": 0.5}
    curve = rational.lasso_path(rational.Problem.of(np.array([[2.0, 1.0]]), np.array([-2.0]), **box))
    assert curve.jumps == [fmpq(2)]
    before, after = curve.segments[1].at(fmpq(2)), curve.segments[2].at(fmpq(2))
    assert (before, after) == ([fmpq(0), fmpq(-2)], [fmpq(-1), fmpq(0)])


@pytest.mark.parametrize("law", LAWS)
def test_check_refuses_a_wrong_curve(law):
    rng = np.random.default_rng(0)
    problem = rational.Problem.of(rng.integers(-2, 3, (5, 4)).astype(float), rng.integers(-3, 4, 5).astype(float))
    curve = LAWS[law][0](problem)
    for index in range(1, len(curve.segments)):
        wrong = list(curve.segments)
        wrong[index] = replace(wrong[index], slope=[x * fmpq(101, 100) for x in wrong[index].slope])
        with pytest.raises(AssertionError):
            rational.check_law(rational.Curve(problem, wrong), law)
