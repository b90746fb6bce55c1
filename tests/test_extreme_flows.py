"""Gradient flows of data that are zero, constant, dependent, or of extreme size: they hold what they claim."""

import numpy as np
import pytest

import lassoflow as lf

_RANDOM = np.random.default_rng(0)
X = _RANDOM.standard_normal((12, 6))
Y = X @ [1.0, -2.0, 0.0, 0.0, 0.5, 0.0] + 0.3 * _RANDOM.standard_normal(12)
DATA = {
    "y = 0": (X, np.zeros(12)),
    "X = 0": (np.zeros((5, 3)), np.ones(5)),
    "n = 1": (X[:1], Y[:1]),
    "a zero column": (np.c_[X, np.zeros(12)], Y),
    "duplicates and opposites": (np.c_[X, X[:, :2], -X[:, :1]], Y),
    "rank 2": (X[:, :2] @ _RANDOM.standard_normal((2, 6)), Y),
    "tiny X": (X * 1e-150, Y),
    "huge y": (X, Y * 1e150),
    "float32": ((X * 1e-20).astype(np.float32), Y.astype(np.float32)),
}
NETWORKS = {
    "product": lf.ProductNetwork(1e-3),
    "square": lf.SquareNetwork(1e-6),
    "depth 2, tiny": lf.PowerNetwork(2, log_scale=-1e4),
    "depth 2, large": lf.PowerNetwork(2, 10.0),
    "depth 3": lf.PowerNetwork(3, 1e-6),
    "depth 4, tiny": lf.PowerNetwork(4, log_scale=-1e4),
    "layers": lf.LayeredNetwork([1.0, 0.7, 0.2], 1e-6),
}


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("data", DATA)
def test_flows_of_extreme_data_keep_their_laws_and_bounds(data, network, intercept):
    problem, network = lf.LeastSquares(*DATA[data], fit_intercept=intercept), NETWORKS[network]
    for weight_decay in (0.0, 0.1) if network.depth == 2 else (0.0,):
        flow = lf.gradient_flow(problem, network, weight_decay=weight_decay)
        assert np.isfinite(flow.end).all()
        assert not np.isnan(flow.log_abs(1.0)).any()
        assert lf.certify(flow).holds
        assert network.clock == "training" or lf.compare(flow).holds


@pytest.mark.parametrize("data", [(X, Y * 1e-150), (X * 1e150, Y)])
@pytest.mark.parametrize("network", ["product", "depth 3", "layers"])
def test_coefficients_hidden_by_a_large_scale_are_refused(data, network):
    with pytest.raises(ValueError, match=r"scale so far above the coefficients .* rounding would hide them"):
        lf.gradient_flow(lf.LeastSquares(*data), NETWORKS[network])


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_one_branch_follows_coefficients_far_below_the_scale(weight_decay):
    problem = lf.LeastSquares(X, Y * 1e-150)
    flow = lf.gradient_flow(problem, lf.SquareNetwork(1e-6), weight_decay=weight_decay)
    assert lf.certify(flow).holds
    lasso = lf.lasso_path(problem, positive=True, weight_decay=weight_decay)
    assert abs(flow.end - lasso.instantaneous().end).max() <= 1e-5 * 1e-150


def test_layers_with_nothing_to_fit_come_to_rest():
    rng = np.random.default_rng(32)
    problem = lf.LeastSquares(rng.standard_normal((10, 5)), np.zeros(10))
    for seed in range(20):
        directions = np.random.default_rng(seed).uniform(0.3, 2.0, (3, 5))
        flow = lf.gradient_flow(problem, lf.LayeredNetwork(directions, 0.13))
        assert abs(flow.end).max() <= 1e-6 * 0.13
