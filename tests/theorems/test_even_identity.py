"""Descent from ``u = 2^(1/2) alpha, v = 0`` is a mirror step, exactly, with all rows and with batches.

With g_k the (stochastic) gradients, ``q_pm(a) = -+2a - log((1 -+ a)^2)`` and
``alpha_pm^2 = alpha^2 exp(-sum q_pm(gamma g))``, after every step

    beta = alpha_+^2 exp(-2 gamma sum g) / 2 - alpha_-^2 exp(2 gamma sum g) / 2,

and the limit's scale is ``alpha_inf^2 = alpha_+ alpha_-``. Derived, see docs, section 12; the idea is of Even, Pesme,
Gunasekar & Flammarion (2023).
"""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.batches import Chance
from lassoflow.descent import gradient_descent

N, D, ALPHA, STEPS = 20, 30, 0.1, 400
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, D))
Y = X[:, :3].sum(axis=1)


@pytest.mark.parametrize(("batch_size", "gamma"), [(None, 0.05), (None, 0.3), (4, 0.05), (1, 0.01)])
def test_every_step_is_the_identity(batch_size, gamma):
    network = lf.ProductNetwork(2 * ALPHA**2)
    run = gradient_descent(
        lf.LeastSquares(X, Y), network, step_size=gamma, n_steps=STEPS, batch_size=batch_size, seed=7,
        record=np.arange(STEPS + 1),
    )  # fmt: skip
    beta, chance = run.curve.slopes, Chance([7], N, batch_size, noisy=False)
    rows = [chance.draw(k)[0][0] if batch_size else slice(None) for k in range(STEPS)]
    steps = gamma * np.array(
        [X[row].T @ (X[row] @ b - Y[row]) / len(Y[row]) for row, b in zip(rows, beta[:-1], strict=True)]
    )
    total = np.cumsum(steps, axis=0)
    plus, minus = (-np.cumsum(-sign * 2 * steps - np.log((1 - sign * steps) ** 2), axis=0) for sign in (1, -1))
    found = ALPHA**2 / 2 * (np.exp(plus - 2 * total) - np.exp(minus + 2 * total))
    assert np.abs(found - beta[1:]).max() <= 1e-13 * np.abs(beta).max()
    q = -np.log((1 - steps**2) ** 2) / 2
    assert (np.abs(steps) < 1).all()
    assert (q >= 0).all()  # steps of finite size only ever make the scale smaller
    log_scale = np.log(ALPHA**2 / 2) - q.sum(axis=0)
    np.testing.assert_allclose(run.curve.effective.log_scale[-1], log_scale, rtol=1e-13)
