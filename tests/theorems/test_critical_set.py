"""The critical set of regularised deep linear networks: its members, their kinds and inertia, and no others.

Chen, Jiang & Wang 2025 (arXiv 2502.11152, abstract); derived, see docs, section 16.
"""

import itertools

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import least_squares

import lassoflow as lf
from oracles import deep


@pytest.mark.parametrize("seed", range(6))
def test_members_are_critical_with_the_stated_inertia(seed):
    """Against a dense Hessian: any depth, bottlenecks, rectangular targets, repeated and zero values, unequal decay."""
    rng = np.random.default_rng(seed)
    for _ in range(14):
        problem, Y = deep.random_problem(rng)
        decay = problem.weight_decay
        for each in deep.some(rng, problem.critical_points(), 4):
            W = each.point(rng)
            assert deep.norm(deep.gradient(W, Y, decay)) <= 1e-12 * max(1.0, np.linalg.norm(Y))
            assert each.value == pytest.approx(deep.loss(W, Y, decay), rel=1e-12)
            H = deep.hessian(W, Y, decay)
            values = np.linalg.eigvalsh((H + H.T) / 2)
            np.testing.assert_allclose(each.spectrum, values, rtol=0, atol=1e-12 * np.abs(values).max())
            assert deep.inertia(H) == (each.index, each.nullity)
            assert ((each.spectrum < 0).sum(), (each.spectrum == 0).sum()) == (each.index, each.nullity)
            assert each.dimension == tangent_dimension(each, W)


def tangent_dimension(each, W):
    """Of the manifold, by differences between members: the rank of the tangents at W of random curves in it.

    Nearest members to points close by are, to second order, moved along tangents only.
    """
    rng = np.random.default_rng(0)
    n = deep.flat(W).size
    size = 1e-5
    moved = [each.nearest(deep.near(rng, W, size)) for _ in range(n + 3)]
    tangents = np.array([deep.flat(M) - deep.flat(W) for M in moved]) / size
    return int((np.linalg.svd(tangents, compute_uv=False) > 1e-2).sum())


def critical_problems(depth):
    """Problems at critical weight decay, by one of their singular values, repeated or not."""
    rng = np.random.default_rng(depth)
    for values, hidden in (([2.0], 1), ([2.0, 1.0], 2), ([1.5, 1.0, 1.0], 3), ([1.0, 1.0, 0.5], 2), ([1.0, 0.7], 3)):
        n = len(values)
        tilt = np.exp(rng.uniform(-0.5, 0.5, depth))
        decay = lf.lambda_critical(1.0, depth) ** (1 / depth) * tilt / np.prod(tilt) ** (1 / depth)
        Y = deep.with_values(rng, n, n, values)
        yield lf.DeepLinear(Y, [hidden] * (depth - 1), decay), Y


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_inertia_at_critical_weight_decay(depth):
    rng = np.random.default_rng(0)
    for problem, Y in critical_problems(depth):
        assert problem.error_bound().holds == (1.0 not in [round(g.y, 9) for g in problem.directions.groups])
        for each in problem.critical_points():
            W = each.point(rng)
            assert deep.norm(deep.gradient(W, Y, problem.weight_decay)) <= 1e-12
            H = deep.hessian(W, Y, problem.weight_decay)
            assert deep.inertia(H, 1e-7) == (each.index, each.nullity)
            np.testing.assert_allclose(each.spectrum, np.linalg.eigvalsh(H), atol=1e-7 * np.abs(H).max())
            assert each.error_bound().holds == (each.nullity == each.dimension)


def test_kinds():
    """Minima by the index where the Hessian decides, and by values; the rest by the loss around members."""
    rng = np.random.default_rng(3)
    problems = [deep.random_problem(rng)[0] for _ in range(120)]
    problems += [problem for depth in (2, 3, 4) for problem, _ in critical_problems(depth)]
    seen = set()
    for problem in problems:
        classes = list(problem.critical_points())
        for each in classes:
            seen.add(each.kind)
            best = each.value <= classes[0].value * (1 + 1e-12)
            assert (each.kind == "global minimum") == best
            assert (each.kind == "strict saddle") == (each.index > 0)
            if each.nullity == each.dimension:
                assert each.kind != "non-strict saddle"
            elif each.kind != "strict saddle" and problem.depth > 2:
                assert each.kind == "non-strict saddle"
                assert falls_near(problem, each)
            if "minimum" in each.kind:
                W = each.point(rng)
                around = [problem.loss(deep.near(rng, W, size)) for size in (1e-3, 1e-2) for _ in range(5)]
                assert min(around) >= each.value * (1 - 1e-13)
    assert seen == {"global minimum", "local minimum", "strict saddle", "non-strict saddle"}


def falls_near(problem, each):
    """Whether the loss falls beside a class, in third order, along null vectors of the Hessian."""
    rng, W = np.random.default_rng(0), each.point(0)
    values, vectors = np.linalg.eigh(deep.hessian(W, problem.target, problem.weight_decay))
    null = vectors[:, np.abs(values) <= 1e-7 * np.abs(values).max()]
    moves = [null @ rng.standard_normal(null.shape[1]) for _ in range(10)]
    around = [deep.layered(deep.flat(W) + t * move, problem.widths) for move in moves for t in (-3e-3, 3e-3)]
    return min(map(problem.loss, around)) < each.value * (1 - 1e-12)


def test_the_global_minimum_jumps_at_lambda_global():
    for share, rank in ((1 - 1e-9, 1), (1 + 1e-9, 0)):
        decay = (share * lf.lambda_global(2.0, 3)) ** (1 / 3)
        classes = lf.DeepLinear([[2.0, 0.0], [0.0, 0.5]], [2, 2], decay).critical_points()
        assert [each.rank for each in classes if each.kind == "global minimum"] == [rank]
    both = lf.DeepLinear([[2.0]], [2, 2], lf.lambda_global(2.0, 3) ** (1 / 3))
    assert [(each.rank, each.kind) for each in both.critical_points()][:2] in (
        [(1, "global minimum"), (0, "global minimum")],
        [(0, "global minimum"), (1, "global minimum")],
    )
    assert both.error_bound().holds


@pytest.mark.parametrize(("depth", "seed"), [(2, 0), (2, 1), (3, 0), (3, 1)])
def test_what_descents_and_newton_find_is_listed(depth, seed):
    """Every stationary point within 1e-7 of a listed class of the same index and nullity; and all classes are found."""
    rng = np.random.default_rng([depth, seed])
    while True:
        problem, _ = deep.random_problem(rng, depth, largest=3)
        n = sum(a * b for a, b in itertools.pairwise(problem.widths))
        if problem.error_bound().margin > 1e-3 and 2 <= len(problem.critical_points()) <= 6 and n <= 18:
            break
    size = max(float(each.singular_values.max(initial=0.1)) for each in problem.critical_points())
    found = set()
    for k in range(60):
        start = rng.standard_normal(n) * size * 10 ** rng.uniform(-1, 0.3)
        if k < 3:
            start = descended(problem, start)
        W = polished(problem, start)
        if deep.norm(problem.gradient(W)) > 1e-11 * max(1.0, np.linalg.norm(problem.target)):
            continue
        each, distance = problem.nearest(W)
        assert distance.upper <= 1e-7
        assert deep.inertia(deep.hessian(W, problem.target, problem.weight_decay), 1e-6) == (each.index, each.nullity)
        found.add(each.counts)
    assert len(found) >= 0.9 * len(problem.critical_points())


def descended(problem, start):
    decay, size = problem.weight_decay, 0.05
    value, point = np.inf, start
    for _ in range(400):
        W = deep.layered(point, problem.widths)
        value, slope = problem.loss(W), deep.flat(problem.gradient(W))
        while problem.loss(deep.layered(point - size * slope, problem.widths)) > value - size / 2 * (slope @ slope):
            size /= 2
            if size * decay.max() < 1e-14:
                return point
        point, size = point - size * slope, size * 1.2
    return point


def polished(problem, start):
    widths, decay, Y = problem.widths, problem.weight_decay, problem.target
    found = least_squares(
        lambda v: deep.flat(problem.gradient(deep.layered(v, widths))),
        start,
        lambda v: deep.hessian(deep.layered(v, widths), Y, decay),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=200,
    )
    return deep.layered(found.x, widths)


def real_solutions(equations, unknowns):
    """All real solutions of a zero-dimensional system: the grid of the real roots of one eliminant an unknown."""
    roots = []
    for x in unknowns:
        others = [z for z in unknowns if z != x]
        basis = sp.groebner(equations, *others, x, order="lex")
        (eliminant,) = [g for g in basis.exprs if g.free_symbols == {x}]
        roots.append(
            [float(root) for root in sp.Poly(sp.sqf_part(eliminant), x).nroots(n=40) if abs(sp.im(root)) < 1e-20]
        )
    residual = sp.lambdify(unknowns, equations)
    scale = sp.lambdify(unknowns, [sum(map(sp.Abs, sp.Add.make_args(sp.expand(e)))) for e in equations])
    return [
        point
        for point in itertools.product(*roots)
        if all(abs(r) <= 1e-9 * s for r, s in zip(residual(*point), scale(*point), strict=True))
    ]


@pytest.mark.parametrize(
    ("y", "decay"),
    [(3, [1, 1]), (3, [2, 1]), (1, [2, 2]), (4, [1, 1, 1]), (4, [1, 2, sp.Rational(1, 2)]), (1, [1, 1, 1])],
)
def test_all_solutions_of_the_scalar_chain(y, decay):
    """By elimination: the solutions of grad F = 0 at widths 1 are the listed ones, with signs whose product is +."""
    depth = len(decay)
    unknowns = sp.symbols(f"w1:{depth + 1}")
    made = sp.prod(unknowns)
    equations = [
        2 * (made - y) * sp.prod([v for v in unknowns if v != w]) + 2 * a * w
        for w, a in zip(unknowns, decay, strict=True)
    ]
    solved = sorted(real_solutions(equations, unknowns))
    listed = []
    for each in lf.DeepLinear([[float(y)]], [1] * (depth - 1), np.array(decay, dtype=float)).critical_points():
        sizes = each.singular_values[:, 0] if each.rank else np.zeros(depth)
        signs = (
            [s for s in itertools.product([-1, 1], repeat=depth) if np.prod(s) > 0] if each.rank else [np.ones(depth)]
        )
        listed += [tuple(sizes * s) for s in signs]
    np.testing.assert_allclose(solved, sorted(listed), atol=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("decay", [1, sp.Rational(1, 3)])
def test_all_solutions_of_the_gram_equation(depth, decay):
    """At 2 x 2: psd solutions of ``(G^L + lam G)^2 = lam G^L Y'Y`` that commute with Y'Y, ``G = lambda_1 W_1'W_1``."""
    Y = sp.Matrix([[2, 1], [0, 1]])
    a, b, c = sp.symbols("a b c")
    G, square, lam = sp.Matrix([[a, b], [b, c]]), Y.T * Y, decay**depth
    difference = (G**depth + lam * G) ** 2 - lam * G**depth * square
    equations = [sp.expand(e) for e in [*difference, (G * square - square * G)[0, 1]] if e != 0]
    psd = [point for point in real_solutions(equations, (a, b, c)) if is_psd(*point)]
    problem = lf.DeepLinear(np.array(Y, dtype=float), [2] * (depth - 1), float(decay))
    listed = []
    for each in problem.critical_points():
        gram = float(decay) * each.point(1)[0].T @ each.point(1)[0]
        listed.append((gram[0, 0], gram[0, 1], gram[1, 1]))
    assert len(psd) == len(listed)
    for point in psd:
        assert min(np.abs(np.subtract(point, other)).max() for other in listed) <= 1e-10


def is_psd(a, b, c):
    return min(a, c) >= -1e-12 and a * c - b * b >= -1e-9 * max(1.0, a * c)
