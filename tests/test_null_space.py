"""Null-space constants, against closed forms and all sign patterns by another linear program."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import null_space
from scipy.optimize import linprog

import lassoflow as lf
from lassoflow.null_space import null_space_constants
from lassoflow.sign_patterns import Interval, modulo, solve


def constants(X, x, **options):
    X = np.asarray(X, dtype=float)
    return null_space_constants(lf.LeastSquares(X, np.ones(len(X))), x, **options)


def norm_by_basis(X, on, c):
    """``max <c, n_S>`` over the kernel with ``|n_T|_1 <= 1``: coordinates of a basis, bounds e of ``|n_T|``."""
    rank = np.linalg.matrix_rank
    if on.any() and rank(np.vstack([X[:, on], c])) > rank(X[:, on]) and rank(X[:, on]) < on.sum():
        return np.inf  # HiGHS calls some of these infeasible
    K = null_space(X, rcond=1e-11)
    k, m = K.shape[1], int((~on).sum())
    if k == 0:
        return 0.0
    T, eye = K[~on], np.eye(m)
    upper = np.block([[T, -eye], [-T, -eye], [np.zeros((1, k)), np.ones((1, m))]])
    cost = np.concatenate([-(c @ K[on]), np.zeros(m)])
    bounds = [(None, None)] * k + [(0, None)] * m
    result = linprog(cost, upper, np.append(np.zeros(2 * m), 1.0), bounds=bounds, method="highs-ds")
    return -result.fun


def brute_force(X, x):
    """rho, rho_minus and rho_tilde, by all sign patterns."""
    on = x != 0
    sigma = np.sign(x[on])
    signs = [np.array(c) for c in itertools.product([-1.0, 1.0], repeat=int(on.sum()))]
    values = [(norm_by_basis(X, on, c), norm_by_basis(X, on, (c - sigma) / 2)) for c in signs]
    return norm_by_basis(X, on, -sigma), max(v for _, v in values), max(v for v, _ in values)


def sparse_vector(d, size, rng):
    x = np.zeros(d)
    x[rng.choice(d, size, replace=False)] = rng.normal(size=size)
    return x


def assert_vouched(X, x, found, rtol=1e-9):
    """The direction attains rho and the certificate its dual, by the definitions."""
    on, scale = x != 0, np.linalg.norm(X, 2)
    if found.certificate is None:
        assert found.rho == found.rho_dual == np.inf
        assert found.gap == 0
        assert not found.direction[~on].any()
        assert found.signs @ found.direction[on] < 0
        assert np.abs(X @ found.direction).max() <= rtol * scale
        return
    assert abs(found.gap) <= rtol * max(1.0, found.rho)
    nu = found.certificate
    np.testing.assert_array_equal(nu[on], found.signs)
    assert np.abs(nu[~on]).max(initial=0.0) == found.rho_dual
    u = np.linalg.lstsq(X.T, nu, rcond=1e-11)[0]
    np.testing.assert_allclose(X.T @ u, nu, atol=rtol * max(1.0, np.abs(nu).max()))
    n = found.direction
    assert np.abs(X @ n).max() <= rtol * scale * max(1.0, np.abs(n).max())
    if found.rho:
        assert np.abs(n[~on]).sum() == pytest.approx(1.0, rel=1e-12)
        assert -found.signs @ n[on] == pytest.approx(found.rho, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(120))
def test_primal_and_dual_agree_on_gaussian_designs(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(3, 21))
    n = int(rng.integers(2, d))
    X, x = rng.normal(size=(n, d)), sparse_vector(d, int(rng.integers(1, n + 1)), rng)
    found = constants(X, x, time_limit=0.0)
    assert abs(found.gap) <= 1e-9 * max(1.0, found.rho)
    assert found.rho == pytest.approx(norm_by_basis(X, x != 0, -np.sign(x[x != 0])), rel=1e-7)
    assert found.unique == (found.rho < 1)
    assert found.kernel_dimension == d - n
    assert_vouched(X, x, found)


@pytest.mark.parametrize("seed", range(40))
def test_all_sign_patterns(seed):
    rng = np.random.default_rng(seed)
    size = seed % 8 + 1
    n = int(rng.integers(size, size + 8))
    d = n + int(rng.integers(1, 9))
    X, x = rng.normal(size=(n, d)), sparse_vector(d, size, rng)
    found = constants(X, x, time_limit=60.0)
    assert found.minus.exact
    assert found.tilde.exact
    assert found.plus is found.minus
    np.testing.assert_allclose((found.rho, found.minus.upper, found.tilde.upper), brute_force(X, x), rtol=1e-7)


@pytest.mark.parametrize("a", [-3.0, 0.25, 1.0, 1e-8, 1e8])
def test_one_row_of_two(a):
    first, second = constants([[1.0, a]], [2.0, 0.0]), constants([[1.0, a]], [0.0, -2.0])
    for found, ratio in ((first, abs(a)), (second, 1 / abs(a))):
        for value in (found.rho, found.rho_dual, *found.minus, *found.plus, *found.tilde):
            assert value == pytest.approx(ratio, rel=1e-12)
        assert found.unique == (ratio < 1)


@pytest.mark.parametrize("seed", range(20))
def test_kernel_of_dimension_one(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(3, 16))
    n = rng.normal(size=d) * 10.0 ** rng.uniform(-3, 3, d)
    X = rng.normal(size=(d - 1, d - 1)) @ null_space(n[None]).T
    x = sparse_vector(d, int(rng.integers(1, d)), rng)
    on, found = x != 0, constants(X, x)
    parts, rest = np.sign(x[on]) * n[on], np.abs(n[~on]).sum()
    assert found.kernel_dimension == 1
    assert found.rho == pytest.approx(abs(parts.sum()) / rest, rel=1e-8)
    minus = max(np.maximum(parts, 0).sum(), np.maximum(-parts, 0).sum()) / rest
    np.testing.assert_allclose(found.minus, minus, rtol=1e-8)
    np.testing.assert_allclose(found.tilde, np.abs(parts).sum() / rest, rtol=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_invariances(seed):
    rng = np.random.default_rng(seed)
    n, d = 6, 11
    X, x = rng.normal(size=(n, d)), sparse_vector(d, 3, rng)
    order, flips = rng.permutation(d), rng.choice([-1.0, 1.0], d)
    mixing = rng.normal(size=(n + 2, n))
    known = values(constants(X, x))
    for other, vector in (
        (1e-150 * X, x),
        (1e150 * X, x),
        (X, 1e-300 * x),
        (X[:, order], x[order]),
        (X * flips, x * flips),
        (mixing @ X, x),
        (np.diag(10.0 ** rng.uniform(-4, 4, n)) @ X, x),
    ):
        np.testing.assert_allclose(values(constants(other, vector)), known, rtol=1e-8)


def values(found):
    return np.array([found.rho, found.rho_dual, *found.minus, *found.tilde])


@pytest.mark.parametrize("seed", range(10))
def test_columns_of_unequal_size(seed):
    """Coordinates of ``X D`` are those of X over D: the constants weigh them, checked in one scale of columns."""
    rng = np.random.default_rng(seed)
    X, x = rng.normal(size=(5, 9)), sparse_vector(9, 3, rng)
    scale = 10.0 ** rng.uniform(-3, 3, 9)
    found = constants(X * scale, x)
    assert_vouched(X * scale, x, found)
    np.testing.assert_allclose((found.rho, found.minus.upper, found.tilde.upper), brute_force(X * scale, x), rtol=1e-6)


def test_zero_vector():
    found = constants([[1.0, 2.0, 3.0]], np.zeros(3))
    assert (found.rho, found.rho_dual, found.minus, found.tilde) == (0, 0, (0, 0), (0, 0))
    assert found.unique
    assert not found.certificate.any()
    assert found.support.size == 0


def test_trivial_kernel_has_zeros():
    rng = np.random.default_rng(0)
    for X, x in ((rng.normal(size=(6, 4)), [1, 0, -2, 0]), (np.eye(3), [1, 1, 1]), ([[2.0]], [1.0]), ([[2.0]], [0.0])):
        found = constants(X, x)
        assert found.unique
        assert found.kernel_dimension == 0
        assert found.rho == 0
        assert found.rho_dual <= 1e-12
        assert found.minus == found.tilde == (0, 0)
        assert not found.direction.any()
        assert_vouched(np.asarray(X), np.asarray(x), found)


def test_duplicated_columns():
    X = np.array([[1.0, 1.0, 0.3], [2.0, 2.0, 1.0]])
    one = constants(X, [1.0, 0.0, 0.0])
    assert one.rho == pytest.approx(1.0, rel=1e-12)
    assert not one.unique
    same, opposite = constants(X, [1.0, 1.0, 0.0]), constants(X, [1.0, -1.0, 0.0])
    assert same.rho == pytest.approx(0.0, abs=1e-12)
    assert not same.unique
    assert same.minus == same.tilde == (np.inf, np.inf)
    assert_vouched(X, np.array([1.0, 1.0, 0.0]), same)
    assert opposite.rho == opposite.rho_dual == np.inf
    np.testing.assert_allclose(opposite.direction, [-0.5, 0.5, 0.0])


def test_zero_columns_and_zero_designs():
    X = np.array([[1.0, 0.0, 2.0]])
    off, on = constants(X, [0.0, 0.0, 1.0]), constants(X, [0.0, 1.0, 1.0])
    assert off.rho == pytest.approx(0.5, rel=1e-12)
    assert off.kernel_dimension == 2
    assert on.rho == np.inf
    np.testing.assert_allclose(on.direction, [0.0, -1.0, 0.0])
    nothing = constants(np.zeros((2, 3)), [1.0, 0.0, 0.0])
    assert nothing.rho == np.inf
    assert nothing.kernel_dimension == 3
    assert constants(np.zeros((2, 3)), np.zeros(3)).rho == 0
    assert constants([[0.0]], [1.0]).rho == np.inf
    assert constants([[0.0]], [0.0]).unique


def test_kernel_off_the_support_alone():
    """Coordinates of the support that no kernel vector touches cost nothing, and no search."""
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    X = Q @ np.block([[np.eye(12), np.zeros((12, 8))], [np.zeros((4, 12)), rng.normal(size=(4, 8))]])
    found = constants(X, np.append(np.ones(12), np.zeros(8)))
    assert found.minus == found.tilde == (0, 0)
    assert found.rho <= 1e-12
    assert found.unique


@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.integers(-2, 2)),
    st.lists(st.sampled_from([-1.0, 0.0, 0.0, 1.0]), min_size=6, max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_integer_designs(X, entries):
    X, x = X.astype(float), np.array(entries[: X.shape[1]])
    found = constants(X, x)
    assert_vouched(X, x, found)
    on = x != 0
    assert found.kernel_dimension == X.shape[1] - np.linalg.matrix_rank(X)
    if np.linalg.matrix_rank(X[:, on]) < on.sum():
        assert not found.unique
        assert found.minus == found.tilde == (np.inf, np.inf)
        assert found.rho == pytest.approx(norm_by_basis(X, on, -found.signs), rel=1e-7, abs=1e-9)
        return
    rho, minus, tilde = brute_force(X, x)
    assert found.rho == pytest.approx(rho, rel=1e-7, abs=1e-9)
    assert found.unique == (rho < 1 - 1e-8)
    for interval, known in ((found.minus, minus), (found.tilde, tilde)):
        np.testing.assert_allclose(interval, known, rtol=1e-7, atol=1e-9)


def test_unique_is_what_basis_pursuit_finds():
    rng = np.random.default_rng(7)
    seen = set()
    for _ in range(40):
        X, x = rng.normal(size=(6, 12)), sparse_vector(12, int(rng.integers(1, 5)), rng)
        x[x != 0] = np.sign(x[x != 0])
        split = linprog(np.ones(24), A_eq=np.hstack([X, -X]), b_eq=X @ x, method="highs-ds").x
        unique = constants(X, x, time_limit=0.0).unique
        assert unique == (np.abs(split[:12] - split[12:] - x).max() < 1e-6)
        seen.add(unique)
    assert seen == {False, True}


@pytest.mark.parametrize("limit", [0.0, 1e-3, 0.05])
def test_time_limit_leaves_intervals_around_the_constants(limit):
    rng = np.random.default_rng(11)
    X, x = rng.normal(size=(20, 60)), sparse_vector(60, 9, rng)
    exact, found = constants(X, x, time_limit=120.0), constants(X, x, time_limit=limit)
    assert exact.minus.exact
    assert exact.tilde.exact
    for interval, known in ((found.minus, exact.minus), (found.tilde, exact.tilde)):
        assert interval.lower <= known.upper
        assert known.lower <= interval.upper
    assert limit or not found.tilde.exact
    assert found.rho <= found.minus.upper <= found.tilde.upper


def test_time_limit_is_kept():
    rng = np.random.default_rng(2)
    X, x = rng.normal(size=(40, 120)), sparse_vector(120, 20, rng)
    start = time.monotonic()
    found = constants(X, x, time_limit=0.5)
    assert time.monotonic() - start < 10
    assert found.tilde.lower < found.tilde.upper
    assert "between" in str(found)


def test_failed_programs_leave_proven_bounds(monkeypatch):
    """If the solver gives nothing, least squares still bound the norm."""
    rng = np.random.default_rng(4)
    X, x = rng.normal(size=(5, 9)), sparse_vector(9, 2, rng)
    known = constants(X, x)

    class Failed:
        status = 4

    monkeypatch.setattr("lassoflow.sign_patterns.linprog", lambda *_, **__: Failed())
    found = constants(X, x)
    assert found.rho == 0 <= known.rho <= found.rho_dual
    assert found.minus.lower == 0 <= known.minus.upper <= found.minus.upper
    assert known.tilde.upper <= found.tilde.upper


def test_weak_duality_of_programs():
    rng = np.random.default_rng(5)
    B = np.linalg.qr(rng.normal(size=(9, 4)))[0].T
    program = solve(B, rng.normal(size=9), np.zeros(9))
    assert np.abs(B @ program.w).max() <= 1e-15
    np.testing.assert_allclose(modulo(B, B), 0, atol=1e-15)


def test_centred_and_weighted_designs():
    rng = np.random.default_rng(6)
    X, x = rng.normal(size=(6, 9)) + 5, sparse_vector(9, 2, rng)
    found = null_space_constants(lf.LeastSquares(X, np.ones(6), rng.uniform(1, 2, 6), fit_intercept=True), x)
    augmented = np.vstack([X.T, np.ones(6)]).T
    basis = np.linalg.qr(augmented[:, -1:], mode="complete")[0][:, 1:]
    assert found.kernel_dimension == 9 - np.linalg.matrix_rank(basis.T @ X)
    assert abs(found.gap) <= 1e-9


def test_intervals():
    assert Interval(1.0, 1.0 + 1e-12).exact
    assert Interval(np.inf, np.inf).exact
    assert not Interval(0.0, 1e-300).exact
    assert str(Interval(0.5, 0.5)) == "0.5"
    assert str(Interval(0.5, 0.75)) == "between 0.5 and 0.75"
    found = constants([[1.0, 2.0]], [1.0, 0.0])
    assert repr(found) == "<NullSpaceConstants: rho 2, not unique, support of 1>"
    assert "not the only minimiser" in str(found)


@pytest.mark.parametrize(
    ("x", "options", "named"),
    [
        ([1.0], {}, r"x must have shape \(2,\), one entry a column of X"),
        (np.ones((2, 2)), {}, "x must have shape"),
        ([1.0, np.nan], {}, "x must be finite"),
        ([1.0, np.inf], {}, "x must be finite"),
        (["a", "b"], {}, "x must hold real numbers"),
        ([1.0, 0.0], {"time_limit": -1.0}, "time_limit"),
        ([1.0, 0.0], {"time_limit": np.nan}, "time_limit"),
    ],
)
def test_wrong_arguments(x, options, named):
    with pytest.raises(ValueError, match=named):
        constants([[1.0, 2.0]], x, **options)
