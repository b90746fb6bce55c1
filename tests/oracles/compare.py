"""A path against its exact twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import lassoflow as lf
from oracles import rational

TOLERANCE = 1e-9


def assert_equal_paths(path: lf.Path, curve: rational.Curve) -> None:
    """Fitted values everywhere; coefficients, slopes and knots wherever they are unique."""
    problem = curve.problem
    X, y = as_floats(problem.X), as_floats(problem.y)
    knots = assert_equal_knots(path, curve)
    times = probe_times(knots)
    integral, slope = path.integral(times), path.instantaneous()(times)
    scale = float(np.linalg.norm(y)) * max(1.0, np.abs(X).max())
    jumps = as_floats(curve.jumps)
    for i, s in enumerate(times):
        moment = rational.exact(s)
        z = curve.integral(moment)
        assert_close(X @ integral[i], as_floats(curve.fit(z)), s * scale, f"X z at s = {s}")
        unique = curve.has_unique_coef(moment) if path.law == "lasso" else curve.has_unique_history(moment)
        if unique and not np.isclose(s, jumps, rtol=TOLERANCE, atol=0).any():
            assert_close(integral[i], as_floats(z), s * scale, f"z at s = {s}")
        if s not in knots:
            x = curve.segment(moment).slope
            assert_close(X @ slope[i], as_floats(curve.fit(x)), scale, f"X z' at s = {s}")
            if curve.has_unique_slope(moment):
                assert_close(slope[i], as_floats(x), scale, f"z' at s = {s}")


def assert_equal_knots(path: lf.Path, curve: rational.Curve) -> NDArray[np.float64]:
    """All knots of the exact path, and no others but lasso knots at which only the choice of a solution changes."""
    expected = as_floats(curve.knots)
    assert (np.diff(path.knots) > 0).all(), f"knots {path.knots} do not increase"
    for s in expected:
        assert np.isclose(path.knots, s, rtol=TOLERANCE, atol=0).any(), f"knot {s} is missing in {path.knots}"
    for s in path.knots:
        if not np.isclose(expected, s, rtol=TOLERANCE, atol=0).any():
            assert path.law == "lasso", f"flow has no knot {s}, only {expected}"
            assert not curve.has_unique_coef(rational.exact(s)), f"lasso has no knot {s}, only {expected}"
    assert path.law == "lasso" or path.knots.size == expected.size
    return np.union1d(expected, path.knots)


def probe_times(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """The knots, times between them, before the first and long after the last."""
    if not knots.size:
        return np.array([1e-9, 1.0, 1e9])
    late = knots[-1] * np.array([1.5, 1e3, 1e9])
    between = (0.75 * knots[:-1] + 0.25 * knots[1:])[np.diff(knots) > 1e-6 * knots[1:]]
    return np.concatenate([knots, between, [knots[0] / 2], late])


def assert_close(actual: NDArray[np.float64], expected: NDArray[np.float64], scale: float, what: str) -> None:
    """Equal to the tolerance relative to a natural scale."""
    error = float(np.abs(actual - expected).max(initial=0.0))
    assert error <= TOLERANCE * scale, f"{what}: off by {error / (scale or 1.0):.2g} of {scale:.2g}"


def as_floats(values: object) -> NDArray[np.float64]:
    """Nested lists of rationals as floats, each rounded once."""
    if isinstance(values, list):
        return np.array([as_floats(value) for value in values], dtype=np.float64)
    return np.float64(int(values.p) / int(values.q))  # type: ignore[attr-defined]
