"""The scalar equation of a singular direction: roots, values and thresholds, against multiple precision."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lassoflow as lf

DEPTHS = st.integers(2, 9)
UNTIMED = settings(deadline=None)


def bracketed(y, lam, depth, name):
    """A root by bisection of its logarithm, on its side of the double root."""
    root_of_lam = mp.sqrt(lam)
    if depth == 2:
        return mp.sqrt(root_of_lam * (y - root_of_lam))
    double = mp.log((depth - 2) * root_of_lam * y / (2 * depth - 2)) / depth
    far = mp.log(root_of_lam * y) / depth if name == "large" else mp.log(root_of_lam / y) / (depth - 2) - 1
    inside, outside = double, far
    for _ in range(200):
        middle = (inside + outside) / 2
        sigma = mp.exp(middle)
        if sigma ** (2 * depth - 2) - root_of_lam * y * sigma ** (depth - 2) + lam > 0:
            outside = middle
        else:
            inside = middle
    return mp.exp(inside)


def ulps(found, exact):
    return float(abs(mp.mpf(found) - exact) / mp.mpf(np.spacing(abs(found))))


def in_range(*values):
    return all(1e-290 < abs(value) < 1e300 for value in values)


@UNTIMED
@given(DEPTHS, st.floats(-280, 280), st.floats(-30, 0.5), st.floats(-12, -1), st.booleans())
def test_roots_to_an_ulp(depth, log_y, log_share, log_margin, close):
    with mp.workdps(70):
        y = 10.0**log_y
        factor = mp.mpf(depth) ** depth * mp.mpf(depth - 2) ** (depth - 2) / mp.mpf(2 * depth - 2) ** (2 * depth - 2)
        critical = mp.mpf(y) ** (2 * depth - 2) * factor
        lam = float(critical * (1 - mp.mpf(10) ** log_margin if close else mp.mpf(10) ** log_share))
        assume(in_range(lam) and (close or abs(log_share) > 1e-9))
        roots = lf.scalar_roots(y, lam, depth)
        names = ["zero", *(["large"] if depth == 2 else ["small", "large"])] if lam < critical else ["zero"]
        assert [root.name for root in roots] == names
        for root in roots[1:]:
            sigma = bracketed(mp.mpf(y), mp.mpf(lam), depth, root.name)
            p, beta = sigma**depth / mp.sqrt(lam), sigma ** (2 * depth - 2) / mp.mpf(lam)
            exact = {
                "sigma": sigma,
                "product": p,
                "residual": y - p,
                "beta": beta,
                "value": (p - y) ** 2 + depth * sigma**2,
                "curvature": 2 * depth * (depth * beta - (depth - 2)),
            }
            for name, value in exact.items():
                if in_range(float(value)):
                    assert ulps(getattr(root, name), value) <= 1.0, name


@UNTIMED
@given(DEPTHS, st.floats(1e-20, 1e20))
def test_the_double_root_in_closed_form(depth, y):
    lam = lf.lambda_critical(y, depth)
    assume(in_range(lam))
    zero, *others = lf.scalar_roots(y, lam, depth)
    if depth == 2:
        assert not others
        assert zero.curvature == 0.0
        return
    (double,) = others
    assert (double.name, double.curvature) == ("double", 0.0)
    assert double.product == pytest.approx(y * (depth - 2) / (2 * depth - 2), rel=1e-15)
    assert double.beta == (depth - 2) / depth
    above, below = (lf.scalar_roots(y, lam * share, depth) for share in (1 + 1e-12, 1 - 1e-12))
    assert (len(above), len(below)) == (1, 3)


@UNTIMED
@given(DEPTHS, st.floats(1e-20, 1e20))
def test_the_global_minimiser_jumps(depth, y):
    lam = lf.lambda_global(y, depth)
    assume(in_range(lam))
    assert lam <= lf.lambda_critical(y, depth)
    if depth == 2:
        assert lam == lf.lambda_critical(y, depth)
        return
    for share, sign in ((1 - 1e-6, -1), (1.0, 0), (1 + 1e-6, 1)):
        zero, _, large = lf.scalar_roots(y, lam * share, depth)
        assert np.sign(round((large.value - zero.value) / zero.value, 9)) == sign
    assert lf.scalar_roots(y, lam, depth)[2].product == pytest.approx(y * (depth - 2) / (depth - 1), rel=1e-13)


@UNTIMED
@given(DEPTHS, st.floats(0.01, 100), st.floats(1e-6, 2), st.integers(-25, 25))
def test_scaling(depth, y, share, power):
    """``y -> c y`` with ``lam -> c^(2L-2) lam``, c a power of two: not a digit changes."""
    lam, c = share * float(lf.lambda_critical(y, depth)), 2.0**power
    scaled = lf.scalar_roots(c * y, lam * c ** (2 * depth - 2), depth)
    for one, other in zip(lf.scalar_roots(y, lam, depth), scaled, strict=True):
        assert (other.sigma, other.product) == (c * one.sigma, c * one.product)
        assert (other.value, other.curvature, other.beta) == (c**2 * one.value, one.curvature, one.beta)


def test_known_values():
    assert lf.lambda_critical(1.0, 3) == 27 / 256
    assert lf.lambda_critical(1.0, 4) == pytest.approx(16 / 729, rel=1e-16)
    assert lf.lambda_global(1.0, 3) == 1 / 16
    np.testing.assert_array_equal(lf.lambda_critical([[1.0, 2.0], [0.0, 3.0]], 2), [[1.0, 4.0], [0.0, 9.0]])
    assert lf.lambda_critical(1e200, 3) == np.inf
    assert lf.lambda_critical(1e-200, 3) == 0.0
    for y in (0.0, 1.0):  # nothing beside zero
        assert [root.name for root in lf.scalar_roots(y, 7.0, 3)] == ["zero"]


def test_curvature_is_the_second_derivative():
    for depth in (2, 3, 5):
        for root in lf.scalar_roots(2.0, 0.3 * lf.lambda_critical(2.0, depth), depth):
            lam = 0.3 * lf.lambda_critical(2.0, depth)
            with mp.workdps(40):
                second = mp.diff(lambda s, d=depth, a=lam: (s**d / mp.sqrt(a) - 2) ** 2 + d * s**2, root.sigma, 2)
            assert root.curvature == pytest.approx(float(second), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lf.lambda_critical(-1.0, 3), "y must be finite and >= 0; got -1.0"),
        (lambda: lf.lambda_global([1.0, np.nan], 3), "y must be finite"),
        (lambda: lf.lambda_critical(1.0, 1), "depth must be a whole number >= 2; got 1"),
        (lambda: lf.lambda_critical(1.0, 2.5), "depth must be a whole number >= 2"),
        (lambda: lf.scalar_roots(1.0, 0.0, 3), "lam must be a finite number > 0; got 0.0"),
        (lambda: lf.scalar_roots(1.0, np.inf, 3), "lam must be"),
        (lambda: lf.scalar_roots(np.nan, 1.0, 3), "y must be finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
