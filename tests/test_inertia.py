"""Blocks of the Hessian against multiple precision, to decays whose largest eigenvalue hides the others."""

import mpmath as mp
import numpy as np
import pytest

import lassoflow as lf
from lassoflow.hessian_blocks import Active, own_block, pair_block


def exact_own(decay, beta):
    depth = len(decay)
    block = mp.matrix(depth)
    for k in range(depth):
        for m in range(depth):
            block[k, m] = 2 * (mp.mpf(beta) - 1) + 4 * (k == m)
    return spectrum(block, decay)


def exact_pair(decay, first, second):
    depth = len(decay)
    u, v = (mp.mpf(beta) ** (mp.mpf(1) / (2 * depth - 2)) for beta in (first, second))
    block = mp.matrix(2 * depth)
    for k in range(depth):
        for m in range(depth):
            block[k, m] = 2 * (u ** (2 * depth - 2 - k - m) * v ** (k + m) + (k == m))
            block[depth + k, depth + m] = 2 * (v ** (2 * depth - 2 - k - m) * u ** (k + m) + (k == m))
            if k != m:
                block[k, depth + m] = block[depth + m, k] = -2 * (v / u) ** (k - m - 1 if k > m else k - m + 1)
    return spectrum(block, [*decay, *decay])


def spectrum(block, decay):
    roots = [mp.sqrt(mp.mpf(float(rate))) for rate in decay]
    for k in range(len(roots)):
        for m in range(len(roots)):
            block[k, m] *= roots[k] * roots[m]
    return np.array([float(value) for value in mp.eigsy(block, eigvals_only=True)])


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("log_size", [0.6, 2, 5, 9, 14])
def test_every_eigenvalue_of_large_roots_keeps_its_digits(depth, log_size):
    rng = np.random.default_rng([depth, int(log_size)])
    decay = np.exp(rng.uniform(-1.0, 1.0, depth))
    lam = float(np.prod(decay))
    y = lam ** (1 / (2 * depth - 2)) * 10**log_size * np.array([1.0, rng.uniform(0.8, 0.95)])
    one, two = (Active(a, value, lf.scalar_roots(value, lam, depth)[-1], 1) for a, value in enumerate(y))
    with mp.workdps(90):
        np.testing.assert_allclose(own_block(decay, one.root), exact_own(decay, one.root.beta), rtol=1e-9)
        found, exact = pair_block(decay, one, two), exact_pair(decay, one.root.beta, two.root.beta)
    assert (found == 0).sum() == depth - 1
    np.testing.assert_allclose(found[found != 0], exact[np.abs(exact) > 1e-20], rtol=1e-9)


def test_kappa_at_tiny_weight_decay():
    """At depth 2 with equal decays omega: ``4 omega`` is the least eigenvalue, however small it is."""
    for omega in (1e-2, 1e-6, 1e-12):
        bound = lf.DeepLinear(np.diag([3.0, 2.0]), [2], omega).error_bound()
        assert bound.kappa == pytest.approx(1 / (4 * omega), rel=1e-9)
