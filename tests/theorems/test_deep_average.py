"""Averages of deep flows on the lasso path: powers of the scale, where depth 2 has powers of its logarithm.

Along a monotone path the gap of the (weighted) lasso objective is of the order of the squared distance,
``scale^(2 (D-2)/D)``, or of what coefficients at zero are worth, the scale itself, whichever is larger: powers
``min(1, 2 (D-2)/D)``. For three layers that is the square of the weights' scale ``s = scale^(1/3)``. On other paths the
gap tends to that of the limit. Derived, see docs, section 8.
"""

import numpy as np
import pytest

import lassoflow as lf
from oracles import monotone

LAYERS = np.random.default_rng(5).uniform(0.2, 1.5, (5, 4)) * np.array([1, -1, 1, 1, -1])[:, None]
KINDS = {f"power {depth}": (lambda scale, depth=depth: lf.PowerNetwork(depth, scale), depth) for depth in (3, 4, 6)}
KINDS |= {
    f"layers {depth}": (lambda scale, depth=depth: lf.LayeredNetwork(LAYERS[:depth], scale), depth)
    for depth in (3, 4, 5)
}
EVERY = pytest.mark.parametrize("name", KINDS)


def relative_gap(path, lasso, factors, s):
    """Of ``l(x) + sum (k+ x+ + k- x-) / s`` at the average of a flow, over its minimum: the largest over s."""

    def objective(x):
        return lasso.problem.loss(x) + (np.maximum(x, 0) @ factors[0] + np.maximum(-x, 0) @ factors[1]) / s

    least = objective(lasso(s))
    return float(((objective(path.average(s)) - least) / least).max())


def instances(network, wanted):
    """Problems whose lasso in the network's box is monotone or is not, with that lasso, the box and times."""
    box = network.box(4)
    factors = np.stack([box.upper, box.lower])
    for X, y in monotone.gaussian_instances(100, seed=1):
        lasso = lf.lasso_path(lf.LeastSquares(X, y), penalty_factor=factors)
        if monotone.is_monotone(lasso) == wanted and lasso.knots.size > 2:
            yield lasso, factors, np.union1d(np.geomspace(0.5, 50, 100) * lasso.knots[0], lasso.knots)


@EVERY
def test_the_gap_vanishes_like_a_power_of_the_scale(name):
    make, depth = KINDS[name]
    scales = np.array([1e-5, 1e-6, 1e-7])
    for (lasso, factors, s), _ in zip(instances(make(1e-3), True), range(3), strict=False):
        flows = [lf.gradient_flow(lasso.problem, make(scale), rtol=1e-9) for scale in scales]
        gaps = [relative_gap(flow, lasso, factors, s) for flow in flows]
        slope = np.diff(np.log(gaps)) / np.diff(np.log(scales))
        np.testing.assert_allclose(slope, min(1.0, 2 * (depth - 2) / depth), atol=0.03)


@EVERY
def test_the_gap_of_other_paths_tends_to_that_of_the_limit(name):
    """Which is not zero, so the distance enters to the first power."""
    make, depth = KINDS[name]
    scales, slopes = np.array([1e-8, 1e-10]), []
    for (lasso, factors, s), _ in zip(instances(make(1e-3), False), range(5), strict=False):
        limit = relative_gap(lf.limit_flow(lasso.problem, penalty_factor=factors), lasso, factors, s)
        flows = [lf.gradient_flow(lasso.problem, make(scale), rtol=1e-9) for scale in scales]
        apart = [abs(relative_gap(flow, lasso, factors, s) - limit) for flow in flows]
        assert apart[1] < limit
        slopes.append(np.diff(np.log(apart)) / np.diff(np.log(scales)))
    assert np.median(slopes) == pytest.approx((depth - 2) / depth, abs=0.03)
