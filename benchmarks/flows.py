"""Gradient flow from small initialisations: ours in the dual against ODE solvers on the weights.

The network is u^2 - v^2. Every solver is asked for the coefficients at twenty times between the first jump and the
last; right means within 1e-5 of the largest coefficient, by a flow of ours with a tolerance of 1e-9, which the tests
compare with 50-digit integration. Compilation is not counted.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import lassoflow as lf
from benchmarks.kkt import Floats
from benchmarks.table import table

try:
    import diffrax
    import jax
    import jax.numpy as jnp
except ImportError:
    diffrax = None

HEADER = ["case", "scale of the weights", "solver", "ms", "largest error", "right"]
_STEPS = 20_000
"""Steps after which diffrax is given up, as it cannot be stopped by the clock, and ten times those of descent."""
_PATIENCE = 20.0
"""Seconds after which a solver is given up."""


class _TooSlow(Exception):
    pass


def run(repeats: int, patience: float = _PATIENCE) -> str:
    """The table."""
    rows = []
    for name, (X, y), scales in _cases():
        problem = lf.LeastSquares(X, y)
        for exponent in scales:
            network = lf.PowerNetwork(2, log_scale=2 * exponent * math.log(10.0))
            s = _times(problem, network)
            truth = lf.gradient_flow(problem, network, rtol=1e-9)(s)
            size = float(np.abs(truth).max())
            for solver, solve in _solvers(problem, X, y, network, s, patience):
                rows.append([name, f"1e{exponent}", solver, *_judge(solve, truth, size, repeats)])
                print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
    absent = [] if diffrax else ["diffrax is not installed: no comparison (pip install diffrax).", ""]
    return "\n".join([*__doc__.split("\n\n")[1:], *absent, table(HEADER, rows)])


def _cases() -> Iterator[tuple[str, tuple[Floats, Floats], list[int]]]:
    yield "40x100, noisy", _problem(40, 100, 5, 0.5), [-1, -2, -5, -10, -30, -100, -300]
    yield "200x2000, noiseless", _problem(200, 2000, 10, 0.0), [-1, -5, -30, -300]


def _problem(n: int, d: int, active: int, noise: float) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    signal = np.zeros(d)
    signal[:active] = rng.choice([-1, 1], active) * rng.uniform(1.0, 3.0, active)
    return X, X @ signal + noise * rng.standard_normal(n)


def _times(problem: lf.LeastSquares, network: lf.PowerNetwork) -> Floats:
    knots = lf.limit_flow(problem).knots
    return np.geomspace(1.2 * knots[0], 1.2 * knots[-1], 20)


def _judge(solve: Callable[[], Floats], truth: Floats, size: float, repeats: int) -> list[str]:
    timings = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = solve()  # compiled by now
            while len(timings) < repeats and sum(timings) < _PATIENCE / 4:
                start = time.perf_counter()
                x = solve()
                timings.append(time.perf_counter() - start)
    except _TooSlow:
        return [f"> {1e3 * _PATIENCE:.0f}", "", "no"]
    except ArithmeticError:
        return ["", "gives up", "no"]
    error = float(np.abs(x - truth).max()) / size
    return [f"{1e3 * np.median(timings):.1f}", f"{error:.0e}", "yes" if error <= 1e-5 else "NO"]


def _solvers(
    problem: lf.LeastSquares, X: Floats, y: Floats, network: lf.PowerNetwork, s: Floats, patience: float
) -> Iterator[tuple[str, Callable[[], Floats]]]:
    yield "lassoflow", lambda: lf.gradient_flow(problem, network, until=s[-1])(s)
    start = math.exp(network.log_scale / 2)
    M, r = X.T @ X / y.size, X.T @ y / y.size
    training, weights = np.asarray(network.training_time(s)), np.full(2 * r.size, start)
    for method in ("LSODA", "Radau"):
        for label, tolerances in (("default", {}), ("rtol 1e-8", {"rtol": 1e-8, "atol": 1e-8 * weights[0]})):
            if method == "Radau" and problem.n_features > 500:
                continue  # minutes
            yield f"scipy {method}, {label}", _scipy(M, r, weights, training, method, tolerances, patience)
    if problem.n_features < 500:
        yield "gradient descent", _descent(problem, network, training)
    if diffrax:
        for label, rtol, atol in (("default", 1e-3, 1e-6), ("rtol 1e-8", 1e-8, 1e-8 * weights[0])):
            yield f"diffrax Tsit5, {label}", _diffrax(M, r, weights, training, rtol, atol)


def _scipy(
    M: Floats, r: Floats, weights: Floats, t: Floats, method: str, tolerances: Any, patience: float
) -> Callable[[], Floats]:
    d = r.size

    def solve() -> Floats:
        began = time.perf_counter()

        def slope(_: float, w: Floats) -> Floats:
            if time.perf_counter() - began > patience:
                raise _TooSlow
            down = r - M @ (w[:d] ** 2 - w[d:] ** 2)
            return 2.0 * np.concatenate([w[:d] * down, -w[d:] * down])

        found = solve_ivp(slope, (0.0, t[-1]), weights, method=method, t_eval=t, **tolerances)
        if not found.success:
            raise ArithmeticError(found.message)
        return (found.y[:d] ** 2 - found.y[d:] ** 2).T

    return solve


def _descent(problem: lf.LeastSquares, network: lf.PowerNetwork, t: Floats) -> Callable[[], Floats]:
    """Plain gradient descent with its automatic step, read off at the steps nearest to the times."""

    def solve() -> Floats:
        size = lf.gradient_descent(problem, network, n_steps=1).curve.step_size
        steps = np.maximum(np.rint(t / size).astype(int), 1)
        if steps[-1] > 10 * _STEPS:
            raise ArithmeticError("too many steps")
        run = lf.gradient_descent(problem, network, step_size=size, n_steps=int(steps[-1]), record=np.unique(steps))
        return run(np.minimum(network.lasso_time(steps * size), run.domain[1]))

    return solve


def _diffrax(M: Floats, r: Floats, weights: Floats, t: Floats, rtol: float, atol: float) -> Callable[[], Floats]:
    jax.config.update("jax_enable_x64", True)
    d, gram, right = r.size, jnp.asarray(M), jnp.asarray(r)

    def slope(_: Any, w: Any, __: Any) -> Any:
        down = right - gram @ (w[:d] ** 2 - w[d:] ** 2)
        return 2.0 * jnp.concatenate([w[:d] * down, -w[d:] * down])

    @jax.jit
    def whole(w: Any) -> Any:
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(slope), diffrax.Tsit5(), t0=0.0, t1=t[-1], dt0=None, y0=w, max_steps=_STEPS,
            saveat=diffrax.SaveAt(ts=jnp.asarray(t)), stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            throw=False,
        )  # fmt: skip
        return found.ys, found.result == diffrax.RESULTS.successful

    def solve() -> Floats:
        w, succeeded = map(np.asarray, whole(jnp.asarray(weights)))
        if not succeeded:
            raise ArithmeticError("too many steps")
        return w[:, :d] ** 2 - w[:, d:] ** 2

    return solve
