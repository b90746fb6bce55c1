"""Distances to classes of critical points: bounds in order, exact where said, and as near as twenty random starts."""

import numpy as np
import pytest

import lassoflow as lf
from oracles import deep


def case(rng, depth=None, largest=4, active=True):
    """A random problem and one of its classes."""
    while True:
        problem, _ = deep.random_problem(rng, depth, largest)
        classes = [each for each in problem.critical_points() if each.rank or not active]
        if classes:
            return problem, classes[rng.integers(len(classes))]


def by_random_starts(each, W, n=20):
    """The distance that polar factors find from random frames alone."""
    rng, frames = np.random.default_rng(0), each._frames
    widths = (W[0].shape[1], *(V.shape[0] for V in W))
    members = [frames.settle(W, *frames.random(widths, rng)) for _ in range(n)]
    return min(deep.norm([V - M for V, M in zip(W, member, strict=True)]) for member in members)


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_two_starts_find_the_best_of_twenty_near_a_class(depth):
    rng = np.random.default_rng(depth)
    for _ in range(25):
        _, each = case(rng, depth)
        W = deep.near(rng, each.point(rng), 0.05)
        distance, best = each.distance(W), by_random_starts(each, W)
        assert distance.upper <= best * (1 + 1e-6)
        assert distance.lower <= min(distance.upper, best * (1 + 1e-14))
        if distance.exact:
            assert best >= distance.upper * (1 - 1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_in_order_at_all_distances(seed):
    """Of members themselves, at 1e-17 to 10 an entry, and to other classes."""
    rng = np.random.default_rng(seed)
    for k in range(60):
        problem, each = case(rng, active=False)
        size = 10.0 ** rng.uniform(-17, 1) if k % 5 else 0.0
        member = each.point(rng)
        W = deep.near(rng, member, size)
        distance = each.distance(W)
        assert 0.0 <= distance.lower <= distance.upper
        moved = deep.norm([V - M for V, M in zip(W, member, strict=True)])
        assert distance.upper <= moved * (1 + 1e-9) + 1e-14 * max(deep.norm(W), 1e-3)
        other = deep.some(rng, problem.critical_points(), 1)[0].distance(W)
        assert 0.0 <= other.lower <= other.upper
        if 1e-8 < size < 1e-2:
            assert distance.lower > 0.0


def test_exact_at_depth_2_and_at_the_origin():
    """A grid of all frames of one hidden pair; nothing is nearer."""
    rng = np.random.default_rng(0)
    problem = lf.DeepLinear(np.diag([3.0, 2.0]), [2], [0.5, 1.5])
    for each in problem.critical_points():
        W = deep.near(rng, each.point(rng), 0.7)
        distance = each.distance(W)
        assert distance.exact
        assert distance.lower == distance.upper
        sizes = each.singular_values
        first = np.flatnonzero([n == (1,) for n in each.counts])
        right = np.eye(2)[:, first]
        least = np.inf
        for angle in np.linspace(0, 2 * np.pi, 2001):
            for sign in (1, -1):
                Q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, sign])
                Q = Q[:, : first.size]
                least = min(least, deep.norm([W[0] - (Q * sizes[0]) @ right.T, W[1] - (right * sizes[1]) @ Q.T]))
        assert distance.upper <= least <= distance.upper + 1e-2
        assert np.linalg.norm(problem.gradient(each.nearest(W))) <= 1e-13


def test_partly_active_repeated_values_are_not_called_exact():
    problem = lf.DeepLinear(np.eye(3), [2], 0.1)
    for each in problem.critical_points():
        assert each.distance(each.point(0)).exact == (each.rank in (0, 3))
        turned = each.point(3)
        assert each.distance(turned).upper <= 1e-14  # the turn of the repeated block is found


def test_the_whole_critical_set():
    """Against the least of all classes, without looking at all of them."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        problem, each = case(rng, largest=3, active=False)
        W = deep.near(rng, each.point(rng), 10 ** rng.uniform(-4, 0.5))
        least = min(other.distance(W).upper for other in problem.critical_points())
        nearest, distance = problem.nearest(W)
        assert distance.upper == pytest.approx(least, rel=1e-9)
        assert 0 <= distance.lower <= distance.upper
        assert nearest.distance(W).upper == distance.upper


def test_a_run_among_very_many_classes():
    """``3^30`` classes; near a member its own is found at once."""
    rng = np.random.default_rng(0)
    problem = lf.DeepLinear(np.diag(np.linspace(1.0, 3.0, 30)), [30, 30], 1e-3)
    for each in problem.critical_points(at_most=3):
        nearest, distance = problem.nearest(deep.near(rng, each.point(rng), 1e-6))
        assert nearest.counts == each.counts
        assert 0 < distance.lower < distance.upper < 1e-6 * 3 * 30
