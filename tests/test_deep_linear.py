"""Regularised deep linear networks: loss and derivatives, inputs, scaling, enumeration, what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lassoflow as lf
from oracles import deep


@pytest.mark.parametrize("seed", range(12))
def test_loss_and_derivatives(seed):
    rng = np.random.default_rng(seed)
    problem, Y = deep.random_problem(rng)
    W = [rng.standard_normal((a, b)) for a, b in itertools.pairwise(problem.widths[::-1])][::-1]
    D = deep.near(rng, W, 1.0)
    decay = problem.weight_decay
    assert problem.loss(W) == pytest.approx(deep.loss(W, Y, decay), rel=1e-13)
    np.testing.assert_allclose(deep.flat(problem.gradient(W)), deep.flat(deep.gradient(W, Y, decay)), rtol=1e-11)
    step = [V + 1e-100j * E for V, E in zip(W, D, strict=True)]
    slope = deep.loss(step, Y, decay).imag / 1e-100
    assert slope == pytest.approx(deep.flat(problem.gradient(W)) @ deep.flat(D), rel=1e-11)
    turned = deep.flat(problem.hessian_vector_product(W, D))
    expected = deep.hessian(W, Y, decay) @ deep.flat(D)
    np.testing.assert_allclose(turned, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(problem.product(W), deep.product(W), rtol=1e-12)
    assert problem.balancedness(W).shape == (problem.depth - 1,)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("size", [1e-3, 1.0, 70.0])
def test_orthogonal_inputs_are_exact(depth, size):
    """``X X' = c I`` with more samples than inputs: the loss has a constant part, and c moves the thresholds."""
    rng = np.random.default_rng(depth)
    X = size * np.linalg.qr(rng.standard_normal((9, 3)))[0].T
    Y = rng.standard_normal((4, 9))
    decay = (0.1 * lf.lambda_critical(1.0, depth) * size**2) ** (1 / depth) * rng.uniform(0.5, 2.0, depth)
    problem = lf.DeepLinear(Y, [3] * (depth - 1), decay, X)
    for each in deep.some(rng, problem.critical_points(), 8):
        W = each.point(rng)
        assert each.value == pytest.approx(deep.loss(W, Y, decay, X), rel=1e-12)
        H = deep.hessian(W, Y, decay, X)
        assert deep.norm(deep.gradient(W, Y, decay, X)) <= 1e-12 * np.abs(H).max() * max(1.0, deep.norm(W))
        np.testing.assert_allclose(deep.norm(problem.gradient(W)), 0.0, atol=1e-12 * np.abs(H).max())
        np.testing.assert_allclose(np.linalg.eigvalsh((H + H.T) / 2), each.spectrum, atol=1e-12 * np.abs(H).max())
        assert deep.inertia(H) == (each.index, each.nullity)
        V = deep.near(rng, W, 0.1)
        distance = each.distance(V, n_starts=2)
        moved = deep.norm([v - w for v, w in zip(V, W, strict=True)])
        assert distance.lower <= distance.upper <= moved * (1 + 1e-14)
        assert problem.loss(V) == pytest.approx(deep.loss(V, Y, decay, X), rel=1e-12)


@pytest.mark.parametrize("rank", [2, 4])
def test_whitening_is_another_penalty(rank):
    """On the range of X: the critical points of the loss with the penalty ``lambda_1 |W_1 C^(1/2)|^2``."""
    rng = np.random.default_rng(rank)
    X = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 7))
    Y = rng.standard_normal((3, 7))
    with pytest.raises(
        ValueError, match=r"DeepLinear.whitened.*another penalty.*lambda_1 \|W_1 \(X X'\)\^\(1/2\)\|\^2"
    ):
        lf.DeepLinear(Y, [3, 2], 0.1, X)
    problem = lf.DeepLinear.whitened(Y, [3, 2], [0.05, 0.1, 0.2], X)
    assert problem.widths == (rank, 3, 2, 3)
    for each in problem.critical_points(at_most=4):
        W = problem.unwhiten(each.point(rng))
        assert W[0].shape == (3, 4)
        misfit, penalty = W[2] @ W[1] @ W[0] @ X - Y, 0.05 * np.sum((W[0] @ X) ** 2)
        penalty += 0.1 * np.sum(W[1] ** 2) + 0.2 * np.sum(W[2] ** 2)
        assert each.value == pytest.approx(np.sum(misfit**2) + penalty, rel=1e-12)
        first = W[1].T @ W[2].T @ misfit @ X.T + 0.05 * W[0] @ X @ X.T
        assert np.abs(first).max() <= 1e-12 * max(np.abs(X @ X.T).max(), np.abs(Y).max() * np.abs(X).max())
        beside = W[0] - W[0] @ X @ np.linalg.pinv(X)
        assert np.abs(beside).max() <= 1e-12 * max(np.abs(W[0]).max(), 1e-300)


@pytest.mark.parametrize("power", [-480, -60, 60, 480])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_scaling(depth, power):
    """``Y -> c Y`` with the weight decay of a layer times ``c^((2L-2)/L)``, to c = 2^480 and down to 2^-480."""
    rng = np.random.default_rng(depth)
    unit = 2.0 ** (power // depth)
    c, rate = unit**depth, unit ** (2 * depth - 2)
    Y = rng.standard_normal((3, 2))
    decay = (0.1 * lf.lambda_critical(1.0, depth)) ** (1 / depth) * rng.uniform(0.5, 2.0, depth)
    hidden = [3] * (depth - 1)
    first, second = (lf.DeepLinear(a * Y, hidden, b * decay) for a, b in ((1.0, 1.0), (c, rate)))
    assert first.error_bound().margin == pytest.approx(second.error_bound().margin, rel=1e-9)
    assert first.error_bound().kappa == pytest.approx(rate * second.error_bound().kappa, rel=1e-9)
    W = [rng.standard_normal(shape) for shape in zip(first.widths[1:], first.widths[:-1], strict=True)]
    for one, other in zip(first.critical_points(), second.critical_points(), strict=True):
        assert (one.counts, one.kind, one.index, one.nullity) == (other.counts, other.kind, other.index, other.nullity)
        assert other.value / c / c == pytest.approx(one.value, rel=1e-12)
        np.testing.assert_allclose(other.spectrum / rate, one.spectrum, atol=1e-12 * np.abs(one.spectrum).max())
        near, far = one.distance(W), other.distance([unit * V for V in W])
        assert far.upper == pytest.approx(unit * near.upper, rel=1e-6)
        assert far.lower == pytest.approx(unit * near.lower, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 5),
    st.lists(st.integers(1, 4), min_size=6, max_size=6),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0]), min_size=4, max_size=4),
    st.integers(-100, 100),
    st.floats(-6, 1),
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    st.integers(0, 2**31),
)
def test_degenerate_targets(depth, widths, values, log_scale, log_share, tilts, seed):
    """Repeated and zero singular values, bottlenecks, 1 x 1, wide scales, unequal weight decay."""
    rng = np.random.default_rng(seed)
    unit = 10.0 ** (log_scale / depth)  # of the weights
    widths = widths[: depth + 1]
    Y = unit**depth * deep.with_values(rng, widths[-1], widths[0], sorted(values, reverse=True))
    tilts = np.array(tilts[:depth])
    decay = unit ** (2 * depth - 2) * (10.0**log_share * lf.lambda_critical(1.0, depth)) ** (1 / depth)
    decay = decay * np.exp(tilts - tilts.mean())
    problem = lf.DeepLinear(Y, widths[1:-1], decay)
    classes = problem.critical_points(at_most=40)
    assert len(list(classes)) == len(classes)
    for each in deep.some(rng, classes, 3):
        W = each.point(rng)
        size = max(np.linalg.norm(Y), 1e-9) * max(1.0, deep.norm(W) / unit) ** (depth - 1) * unit ** (depth - 1)
        assert deep.norm(problem.gradient(W)) <= 1e-12 * size
        assert each.value == pytest.approx(deep.loss(W, Y, decay), rel=1e-12)
        H = deep.hessian(W, Y, decay)
        assert (each.spectrum == 0).sum() == each.nullity
        assert (each.spectrum < 0).sum() == each.index
        assert each.spectrum.size == len(H)
        scale = np.abs(H).max()
        np.testing.assert_allclose(each.spectrum, np.linalg.eigvalsh((H + H.T) / 2), atol=1e-10 * scale, rtol=0)


def test_the_order_and_number_of_classes():
    rng = np.random.default_rng(0)
    for _ in range(40):
        problem, _ = deep.random_problem(rng)
        classes = problem.critical_points()
        values = [each.value for each in classes]
        assert len(values) == len(classes) == classes.n_classes
        assert (np.diff(values) >= -1e-14 * max(values)).all()
        assert len({each.counts for each in classes}) == len(values)
        assert values == [each.value for each in classes]  # as often as one likes
        part = problem.critical_points(at_most=3)
        assert [each.counts for each in part] == [each.counts for each in classes][:3]
        assert (len(part), part.is_complete) == (min(3, len(values)), len(values) <= 3)


@pytest.mark.parametrize(("depth", "roots"), [(2, 1), (3, 2)])
def test_the_number_of_classes_of_distinct_values(depth, roots):
    """``sum over subsets of at most d_min values with a root, of (roots)^size``."""
    Y = np.diag([5.0, 4.0, 3.0, 2.0, 1e-3])
    decay = (0.1 * lf.lambda_critical(2.0, depth)) ** (1 / depth)
    for width in (1, 2, 6):
        problem = lf.DeepLinear(Y, [width] * (depth - 1), decay)
        subsets = itertools.chain.from_iterable(itertools.combinations(range(4), n) for n in range(min(width, 4) + 1))
        assert len(problem.critical_points()) == sum(roots ** len(subset) for subset in subsets)


def test_classes_are_enumerated_lazily():
    """Of ``3^200`` classes the first, under a bottleneck that forbids most of the best choices, too."""
    Y = np.diag(np.linspace(1.0, 2.0, 200))
    for widths in ([200, 200], [3, 200]):
        problem = lf.DeepLinear(Y, widths, 1e-3)
        classes = problem.critical_points(at_most=20)
        values = [each.value for each in classes]
        assert len(values) == 20
        assert values == sorted(values)
        best = next(iter(classes))
        assert best.kind == "global minimum"
        assert best.rank == min(200, *widths)
    with pytest.raises(OverflowError):
        len(lf.DeepLinear(Y, [200, 200], 1e-3).critical_points())


def test_ties_by_the_stated_tolerance():
    decay = (0.1 * lf.lambda_critical(1.0, 3)) ** (1 / 3)
    for apart, groups in ((1e-14, 1), (1e-11, 2)):
        problem = lf.DeepLinear(np.diag([1.0 + apart, 1.0]), [2, 2], decay)
        assert len(problem.directions.groups) == groups
    assert len(lf.DeepLinear(np.diag([1.0 + 1e-11, 1.0]), [2, 2], decay, tolerance=1e-10).directions.groups) == 1
    tiny = lf.DeepLinear(np.diag([1.0, 1e-14]), [2, 2], decay)
    assert [group.size for group in tiny.directions.groups] == [1]


def test_the_same_seed_draws_the_same_member():
    best = next(iter(lf.DeepLinear(np.diag([2.0, 1.0]), [3, 2], 0.1).critical_points()))
    for one, other in zip(best.point(5), best.point(5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(best.point(5)[0], best.point(6)[0])
    assert lf.DeepLinear(np.diag([2.0, 1.0]), [3, 2], 0.1).balancedness(best.point(1)).max() < 1e-14


def test_nothing_but_zero():
    for Y in (np.zeros((2, 3)), 1e-3 * np.ones((2, 3))):
        problem = lf.DeepLinear(Y, [2, 4], 1.0)
        (origin,) = problem.critical_points()
        assert (origin.kind, origin.rank, origin.index, origin.nullity, origin.dimension) == (
            "global minimum",
            0,
            0,
            0,
            0,
        )
        np.testing.assert_allclose(origin.spectrum, 2.0)
        assert all(not W.any() for W in origin.point(0))
        found, distance = problem.nearest([np.ones((2, 3)), np.ones((4, 2)), np.ones((2, 4))])
        assert (found.rank, distance.exact) == (0, True)
        assert distance.upper == pytest.approx(22**0.5)


Y = [[1.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lf.DeepLinear([1.0, 2.0], [2], 0.1), r"Y must be a matrix with rows and columns; got shape \(2,\)"),
        (lambda: lf.DeepLinear([[1.0, np.nan]], [2], 0.1), "Y must be finite; the entry in row 0, column 1 is not"),
        (lambda: lf.DeepLinear([[1.0, np.inf]], [2], 0.1), "Y must be finite"),
        (lambda: lf.DeepLinear([["a"]], [2], 0.1), "Y must hold real numbers"),
        (lambda: lf.DeepLinear(np.zeros((0, 2)), [2], 0.1), "Y must be a matrix with rows and columns"),
        (lambda: lf.DeepLinear([[1.0], [2.0, 3.0]], [2], 0.1), "Y must be an array; its rows have different lengths"),
        (lambda: lf.DeepLinear(np.array([[1j]]), [2], 0.1), "Y must hold real numbers; got dtype complex128"),
        (lambda: lf.DeepLinear(Y, [], 0.1), "hidden_widths must be a sequence of one or more whole numbers >= 1"),
        (lambda: lf.DeepLinear(Y, [0], 0.1), "hidden_widths"),
        (lambda: lf.DeepLinear(Y, [2.5], 0.1), r"hidden_widths .* got \[2.5\]"),
        (lambda: lf.DeepLinear(Y, 2, 0.1), "hidden_widths"),
        (lambda: lf.DeepLinear(Y, "22", 0.1), "hidden_widths"),
        (lambda: lf.DeepLinear(Y, [True], 0.1), "hidden_widths"),
        (lambda: lf.DeepLinear(Y, [2], 0.0), "weight_decay must be finite and > 0 for every layer; got 0.0"),
        (lambda: lf.DeepLinear(Y, [2], [0.1, -0.1]), "weight_decay must be finite and > 0"),
        (lambda: lf.DeepLinear(Y, [2], np.nan), "weight_decay must be finite and > 0"),
        (lambda: lf.DeepLinear(Y, [2], [0.1] * 3), r"one for each of 2 layers; got shape \(3,\)"),
        (lambda: lf.DeepLinear(Y, [2], "much"), "weight_decay must hold real numbers"),
        (lambda: lf.DeepLinear(Y, [2], 0.1, X=np.eye(3)), "X and Y must have as many columns; got 3 and 2"),
        (lambda: lf.DeepLinear(Y, [2], 0.1, X=[[1.0, 2.0], [0.0, 1.0]]), "X must have X X' = c I"),
        (lambda: lf.DeepLinear(Y, [2], 0.1, X=np.zeros((1, 2))), "X must have X X' = c I"),
        (lambda: lf.DeepLinear(Y, [2], 0.1, X=[[np.nan, 1.0]]), "X must be finite"),
        (lambda: lf.DeepLinear(Y, [2], 0.1, tolerance=-1.0), "tolerance must be"),
        (lambda: lf.DeepLinear.whitened(Y, [2], 0.1, np.zeros((1, 2))), "X must not be zero throughout"),
        (lambda: lf.DeepLinear.whitened(Y, [2], 0.1, np.eye(3)), "X and Y must have as many columns"),
        (lambda: lf.DeepLinear(Y, [2], 0.1).critical_points(0), "at_most must be a whole number >= 1; got 0"),
        (lambda: lf.DeepLinear(Y, [2], 0.1).loss([np.eye(2)]), "weights must be a list of 2 layers; got 1"),
        (lambda: lf.DeepLinear(Y, [2], 0.1).gradient([np.eye(2), np.eye(3)]), r"weights\[1\] must have shape \(2, 2\)"),
        (lambda: lf.DeepLinear(Y, [2], 0.1).loss([np.eye(2), [["a"]]]), r"weights\[1\] must hold real numbers"),
        (lambda: lf.DeepLinear(Y, [3], 0.1).nearest([np.eye(2)] * 2), r"weights\[0\] must have shape \(3, 2\)"),
        (lambda: lf.DeepLinear(Y, [2], 0.1).nearest([np.eye(2), np.nan * np.eye(2)]), r"weights\[1\] must be finite"),
        (
            lambda: lf.DeepLinear(Y, [2], 0.1).hessian_vector_product([np.eye(2)] * 2, [np.eye(3)] * 2),
            r"directions\[0\] must have shape",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
