"""The two kinds of steps: their orders, their dense output, and when either is taken."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lassoflow as lf
from lassoflow import kernels, rosenbrock, runge_kutta
from lassoflow.branches import Maps

NONE = np.zeros((0, 0))
STEPS = {"implicit": rosenbrock.implicit_step, "explicit": runge_kutta.explicit_step}


def setting(power, wide):
    """Three coordinates on their way, with decay: maps, gram, r, state."""
    rng = np.random.default_rng(0)
    F = rng.standard_normal((2, 3)) / 2
    empty = np.zeros((0, 3))
    norms = np.linalg.norm(F, axis=0)
    gram = kernels.Gram(NONE, F, norms) if wide else kernels.Gram(F.T @ F, empty, norms)
    maps = Maps(power, 3.0, np.log(0.05), True, 0.0, empty, empty, np.ones(3))
    g, width = np.array([0.3, 0.5, 0.8]), np.full(3, 2.0)
    return maps, gram, np.array([0.5, -0.2, 0.3]), g, width


def state(maps, gram, decay, r, g, z, width):
    x, slope, far = kernels.coefficients(maps, g, width, 700.0)
    return rosenbrock.State(g, z, width, x, slope, far, decay - r + kernels.times_gram(gram, x))


def truth(maps, gram, decay, r, g, width, times):
    """g and z at times, by a library in plain numpy."""
    M = gram.matrix if gram.matrix.size else gram.factor.T @ gram.factor

    def slopes(s, both):
        near, far = both[:3], width + 2 * decay * s - both[:3]
        if maps.power == np.inf:
            x = np.exp(maps.log_scale) * (np.exp(-maps.rate * near) - np.exp(-maps.rate * far))
        else:
            x = np.exp(maps.log_scale) * (near**-maps.power - far**-maps.power)
        return np.concatenate([decay - r + M @ x, x])

    start = np.concatenate([g, np.zeros(3)])
    return solve_ivp(slopes, (0, times[-1]), start, "DOP853", times, rtol=1e-13, atol=1e-15).y.T


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("power", [np.inf, 3.0, 2.0, 1.4])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", STEPS)
def test_steps_are_of_order_five_and_their_dense_output_of_order_four(kind, decay, power, wide):
    maps, gram, r, g, width = setting(power, wide)
    ends, sums = [], []
    for h in (0.4, 0.1):
        now = state(maps, gram, decay, r, g, np.zeros(3), width)
        step = STEPS[kind](maps, gram, decay, r, now, h, 700.0)
        shares = np.array([0.3, 0.6, 1.0])
        exact = truth(maps, gram, decay, r, g, width, h * shares)
        for start, end, bends, exactly, kept in (
            (g, step.g, step.g_bends, exact[:, :3], ends),
            (np.zeros(3), step.z, step.z_bends, exact[:, 3:], sums),
        ):
            t = shares[:, None]
            dense = start + t * (end - start + (1 - t) * (bends[0] + t * (bends[1] + t * bends[2])))
            kept.append(np.abs(dense - exactly).max(axis=1))
    assert ends[1][2] <= max(ends[0][2] / 4**5, 1e-14)  # local errors, of one order more
    for errors in (ends, sums):
        assert (errors[1][:2] <= np.maximum(errors[0][:2] / 4**4, 1e-14)).all()


@pytest.mark.parametrize("kind", STEPS)
def test_the_estimate_of_the_error_covers_it(kind):
    for power in (np.inf, 3.0):
        maps, gram, r, g, width = setting(power, False)
        now = state(maps, gram, 0.1, r, g, np.zeros(3), width)
        step = STEPS[kind](maps, gram, 0.1, r, now, 0.3, 700.0)
        error = np.abs(step.g - truth(maps, gram, 0.1, r, g, width, [0.3])[0, :3]).max()
        assert error <= np.abs(step.error).max()
        assert (step.noise < 1e-13).all()


def test_stiffness_is_the_largest_eigenvalue():
    rng = np.random.default_rng(1)
    F = rng.standard_normal((4, 6))
    slope = rng.uniform(0.1, 10, 6)
    exact = np.linalg.eigvals(F.T @ F * slope).real.max()
    for gram in (
        kernels.Gram(NONE, F, np.linalg.norm(F, axis=0)),
        kernels.Gram(F.T @ F, np.zeros((0, 6)), np.linalg.norm(F, axis=0)),
    ):
        assert kernels.stiffness(gram, slope) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("scale", [0.3, 1e-2, 1e-6])
def test_wide_problems_take_explicit_steps_and_are_right(scale):
    """Against a library's integration of z in all coordinates."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((70, 160))
    y = X[:, :4] @ np.array([2.0, -1.5, 1.0, 0.5])
    problem, network = lf.LeastSquares(X, y), lf.PowerNetwork(2, scale)
    M, r, rate = X.T @ X / 70, X.T @ y / 70, -np.log(scale)

    def coefficients(theta):
        return 2 * scale * np.sinh(rate * theta)

    flow = lf.gradient_flow(problem, network, until=2.0)
    s = np.linspace(0.1, 2.0, 20)
    exact = solve_ivp(
        lambda s, z: coefficients(s * r - M @ z), (0, 2.0), np.zeros(160), "Radau" if scale < 1e-3 else "DOP853", s,
        rtol=1e-10, atol=1e-12,
    ).y.T  # fmt: skip
    x = coefficients(s[:, None] * r - exact @ M)
    size = np.abs(x).max()
    assert np.abs(flow(s) - x).max() <= 1e-5 * size
    assert np.abs(flow.integral(s) - exact).max() <= 1e-5 * size
    assert flow.curve.effort.factorisations < flow.curve.effort.steps
