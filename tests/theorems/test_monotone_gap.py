"""Where the lasso is monotone the averaged flow attains its objective in the limit (Berthier 2025, Theorems 2.1, 3.1).

At a finite scale the gap falls as ``1 / log(scale)^2``, also for shapes that move the network's own box (derived).
"""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.objective import published
from oracles import monotone
from oracles.networks import SHALLOW, instances, sides


@pytest.mark.parametrize("kind", SHALLOW)
def test_gap_falls_as_one_over_the_logarithm_squared(kind):
    for problem, lasso in instances(kind, True, 6, seed=5):
        s = np.unique(np.concatenate([lasso.knots, np.geomspace(lasso.knots[0] / 2, 30 * lasso.knots[-1], 400)]))
        gaps = []
        for size in (1e3, 1e4, 1e5):
            found = sides(problem, SHALLOW[kind](-size), s)
            assert not found.eta.any()
            gaps.append(found.gap.max())
        slopes = np.diff(np.log10(gaps))
        assert (np.abs(slopes + 2) <= [0.15, 0.05]).all()


@pytest.mark.parametrize("positive", [False, True])
def test_gap_of_the_limit_vanishes_iff_the_lasso_is_monotone(positive):
    counts = [0, 0]
    for X, y in monotone.gaussian_instances(300, seed=8):
        problem = lf.LeastSquares(X, X.sum(axis=1) + y if positive else y)
        lasso, flow = (walk(problem, positive=positive) for walk in (lf.lasso_path, lf.limit_flow))
        knots = np.union1d(lasso.knots, flow.knots)
        found = published(flow, lasso, np.concatenate([knots, monotone.middles(knots)]))
        is_monotone = monotone.is_monotone(lasso)
        counts[is_monotone] += 1
        assert (found.gap.max() <= 1e-13) == is_monotone
        assert found.eta.any() != is_monotone
        assert found.z_down.any() != is_monotone
    assert min(counts) >= 30


def test_certificate_names_the_theorem():
    """2.1 or 3.1 for a path that is monotone throughout; 2.2 or 3.2, with eta = 0, up to where it turns back."""
    for positive, section in ((False, 2), (True, 3)):
        kind = "square" if positive else "product"
        for is_monotone, number in ((True, 1), (False, 2)):
            problem, lasso = next(instances(kind, is_monotone, 1, seed=5))
            for certificate in (
                lf.compare(lf.limit_flow(problem, positive=positive), lasso),
                lf.compare(lf.gradient_flow(problem, SHALLOW[kind](-50.0))),
                lf.certify(lasso),
            ):
                source = certificate["lasso monotone up to s"].source
                assert source == f"docs/theory, section 5; Berthier 2025, Theorem {section}.{number}"
    stopped = lf.limit_flow(next(instances("product", True, 1, seed=5))[0], max_knots=2)
    assert lf.compare(stopped)["lasso monotone up to s"].source.endswith("Theorem 2.2")
