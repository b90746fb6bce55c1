"""The error bound of regularised deep linear networks: distance over gradient tends to kappa, and where it cannot.

Chen, Jiang & Wang 2025 (arXiv 2502.11152, abstract); the constant is derived, see docs, section 16.
"""

import numpy as np
import pytest

import lassoflow as lf
from oracles import deep


def moved(each, W, direction, size):
    widths = (W[0].shape[1], *(V.shape[0] for V in W))
    return deep.layered(deep.flat(W) + size * direction / np.linalg.norm(direction), widths)


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_distance_over_gradient_is_at_most_kappa_and_reaches_it(depth):
    """At distance 1e-4 of every class: saddles, repeated values, unequal decay."""
    rng = np.random.default_rng(depth)
    n_problems = 0
    while n_problems < 6:
        problem, Y = deep.random_problem(rng, depth, largest=3)
        if problem.error_bound().margin < 1e-2 or len(problem.critical_points()) > 30:
            continue
        n_problems += 1
        for each in problem.critical_points():
            W, bound = each.point(rng), each.error_bound()
            assert bound.holds
            values, vectors = np.linalg.eigh(deep.hessian(W, Y, problem.weight_decay))
            normal = np.flatnonzero(np.abs(values) > 1e-9 * np.abs(values).max())
            slowest = normal[np.abs(values[normal]).argmin()]
            assert bound.kappa == pytest.approx(1 / abs(values[slowest]), rel=1e-9)
            ratios = [each.error_ratio(moved(each, W, vectors[:, slowest], t)) for t in (1e-4, -1e-4)]
            assert max(ratios) >= 0.99 * bound.kappa
            random = [vectors[:, normal] @ rng.standard_normal(normal.size) for _ in range(3)]
            ratios += [each.error_ratio(moved(each, W, direction, 1e-4)) for direction in random]
            assert max(ratios) <= 1.01 * bound.kappa
            assert bound.kappa <= problem.error_bound().kappa * (1 + 1e-12)


def test_kappa_of_all_classes_without_listing_them():
    rng = np.random.default_rng(1)
    for _ in range(60):
        problem, _ = deep.random_problem(rng)
        largest = max(each.error_bound().kappa for each in problem.critical_points())
        assert problem.error_bound().kappa == pytest.approx(largest, rel=1e-9)
    wide = lf.DeepLinear(np.diag(np.linspace(1.0, 2.0, 40)), [50, 50], 1e-2).error_bound()
    assert wide.holds
    assert 0 < wide.margin < wide.kappa < np.inf


@pytest.mark.parametrize(("depth", "power"), [(2, -2), (3, -1), (5, -1)])
@pytest.mark.parametrize("n", [1, 2])
def test_at_critical_weight_decay_the_ratio_grows(depth, power, n):
    """Like distance^-2 at depth 2 with a spare hidden unit, like distance^-1 from depth 3 on."""
    Y = deep.with_values(np.random.default_rng(0), n, n, [1.0, 2.0][:n])
    decay = lf.lambda_critical(1.0, depth) ** (1 / depth)
    problem = lf.DeepLinear(Y, [n + 1] * (depth - 1), decay)
    bound = problem.error_bound()
    assert (bound.holds, bound.margin, bound.kappa) == (False, 0.0, np.inf)
    assert "critical for the singular value 1" in bound.reason
    failing = [each for each in problem.critical_points() if not each.error_bound().holds]
    assert failing
    for each in failing:
        W = each.point(0)
        values, vectors = np.linalg.eigh(deep.hessian(W, Y, problem.weight_decay))
        null = vectors[:, np.abs(values) < 1e-7 * np.abs(values).max()]
        inverse = np.linalg.pinv(deep.hessian(W, Y, problem.weight_decay), rcond=1e-7, hermitian=True)
        for direction in np.random.default_rng(1).standard_normal((4, null.shape[1])) @ null.T:
            points = [settled(problem, moved(each, W, direction, t), inverse) for t in (1e-2, 5e-3)]
            distance = np.log([each.distance(point).upper for point in points])
            ratio = np.log([each.error_ratio(point) for point in points])
            assert np.diff(ratio) / np.diff(distance) == pytest.approx(power, abs=0.15)


def settled(problem, W, inverse):
    """Newton's method across the null space only: the curve on which the gradient is least."""
    for _ in range(20):
        step = inverse @ deep.flat(problem.gradient(W))
        W = [V - S for V, S in zip(W, deep.layered(step, problem.widths), strict=True)]
    return W


def test_which_classes_fail():
    """Depth 2: rank below the hidden width and a critical value at zero; beyond: an active double root."""
    for hidden, fail in ((1, {0: True, 1: False}), (2, {0: True, 1: True})):
        problem = lf.DeepLinear(np.diag([2.0, 1.0]), [hidden], 1.0)
        assert {each.rank: not each.error_bound().holds for each in problem.critical_points()} == fail
        assert not problem.error_bound().holds
    deeper = lf.DeepLinear(np.diag([2.0, 1.0]), [2, 2], lf.lambda_critical(1.0, 3) ** (1 / 3))
    for each in deeper.critical_points():
        assert each.error_bound().holds == ("double" not in each.description)
        assert ("double root" in each.error_bound().reason) == ("double" in each.description)
    assert lf.DeepLinear(np.diag([2.0, 1.0]), [2, 2], lf.lambda_global(1.0, 3) ** (1 / 3)).error_bound().holds


def test_the_margin_is_the_distance_to_critical_weight_decay():
    for depth in (2, 3, 4):
        for share in (0.5, 1 - 1e-6, 1 + 1e-6, 2.0):
            lam = share * lf.lambda_critical(2.0, depth)
            margin = lf.DeepLinear([[2.0]], [1] * (depth - 1), lam ** (1 / depth)).error_bound().margin
            expected = abs(share**-0.5 - 1) if depth == 2 else abs(share - 1)
            assert margin == pytest.approx(expected, rel=1e-6)


def test_the_ratio_along_a_descent_is_at_most_kappa():
    problem = lf.DeepLinear(np.diag([3.0, 2.0]), [2, 2], 0.2)
    best = next(iter(problem.critical_points()))
    W = deep.near(np.random.default_rng(0), best.point(0), 1e-3)
    ratios = []
    for _ in range(200):
        ratios.append(best.error_ratio(W))
        W = [V - 0.01 * slope for V, slope in zip(W, problem.gradient(W), strict=True)]
    assert max(ratios) <= 1.05 * best.error_bound().kappa
    assert ratios[-1] == pytest.approx(best.error_bound().kappa, rel=0.05)
