"""Paths of networks in files: the network comes back, and what is damaged is refused in a sentence."""

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.archive import read_arrays, write_arrays

RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 3))
PROBLEM = lf.LeastSquares(X, X @ [1.0, -0.5, 0.0] + 0.1 * RNG.standard_normal(8))
SQUARE_DIRECTIONS = RNG.uniform(0.2, 1.0, (3, 3)) * np.array([[1.0], [2.0], [3.0]])
NETWORKS = [
    lf.ProductNetwork(1e-6),
    lf.ProductNetwork(log_scale=-5000.0, shape_u=[1.0, -2.0, 0.5], shape_v=0.2),
    lf.ProductNetwork(7.0, shape_u=2.0),
    lf.SquareNetwork(1e-4, shape=[1.0, 2.0, 3.0]),
    lf.PowerNetwork(2, 0.1),
    lf.PowerNetwork(5, 1e-4),
    lf.LayeredNetwork([1.0, 0.3], 1e-3),
    lf.LayeredNetwork([2.0, 1.0, 0.1], 1e-5),
    lf.LayeredNetwork(SQUARE_DIRECTIONS, log_scale=-9.0),
]
EVERY = pytest.mark.parametrize("network", NETWORKS, ids=repr)


@EVERY
def test_flows_come_back_with_their_network(network, tmp_path):
    flow = lf.gradient_flow(PROBLEM, network)
    flow.save(tmp_path / "flow.npz")
    for problem in (None, PROBLEM):
        twin = lf.load(tmp_path / "flow.npz", problem)
        assert type(twin.network) is type(network)
        assert repr(twin.network) == repr(network)
        assert repr(twin) == repr(flow)
        assert twin.network.log_scale == network.log_scale
        for name in network.arguments:
            np.testing.assert_array_equal(getattr(twin.network, name), getattr(network, name))
    theta = np.array([-0.4, 0.0, 0.3])
    expected, found = (one.branches(3).coef(one.branches(3).gaps(theta)) for one in (network, twin.network))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(twin.network.faces(3).upper, network.faces(3).upper)
    assert str(lf.certify(twin)) == str(lf.certify(flow))
    assert lf.certify(twin).holds
    if network.clock == "lasso":
        assert str(lf.compare(twin)) == str(lf.compare(flow))
    else:
        with pytest.raises(ValueError, match="training time only"):
            twin.at(lam=1.0)


@EVERY
def test_runs_come_back_with_their_network(network, tmp_path):
    if network.log_scale < -100:
        pytest.skip("weights are no floats")
    run = lf.gradient_descent(PROBLEM, network, n_steps=50)
    run.save(tmp_path / "run.npz")
    twin = lf.load(tmp_path / "run.npz", PROBLEM)
    assert repr(twin.network) == repr(network)
    np.testing.assert_array_equal(twin.end, run.end)


def test_paths_without_a_network_have_none(tmp_path):
    lf.limit_flow(PROBLEM).save(tmp_path / "flow.npz")
    assert "network" not in read_arrays(tmp_path / "flow.npz")
    assert lf.load(tmp_path / "flow.npz").network is None


@pytest.mark.parametrize(
    ("network", "change", "words"),
    [
        (NETWORKS[0], {"network": "Perceptron"}, "unknown kind 'Perceptron'"),
        (NETWORKS[0], {"network_shape_v": None}, "it has no 'network_shape_v'"),
        (NETWORKS[0], {"network_log_scale": None}, "it has no 'network_log_scale'"),
        (NETWORKS[0], {"network_log_scale": np.nan}, "log_scale must be a finite number"),
        (NETWORKS[0], {"network_log_scale": np.zeros(3)}, "is not a path saved"),
        (NETWORKS[0], {"network_shape_u": np.ones(7)}, "length 7; the problem has 3"),
        (NETWORKS[3], {"network_shape": np.zeros(3)}, "shape must not be zero"),
        (NETWORKS[5], {"network_depth": "deep"}, "depth must be a whole number"),
        (NETWORKS[8], {"network_directions": np.ones((3, 3))}, "the layer of the smallest size must be one alone"),
        (NETWORKS[8], {"network_directions": np.float64(3.0)}, "is not a path saved"),
    ],
)
def test_a_network_that_is_none_is_refused_in_a_sentence(network, change, words, tmp_path):
    file = tmp_path / "flow.npz"
    lf.gradient_flow(PROBLEM, network).save(file)
    arrays = read_arrays(file) | change
    write_arrays(file, {name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match="is not a path saved by lassoflow") as caught:
        lf.load(file)
    assert words in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert not str(caught.value).endswith("..")


def test_damaged_files_are_refused_in_a_sentence(tmp_path):
    """Every byte in turn, and files that end early: a path comes back as it was, or one sentence."""
    file = tmp_path / "flow.npz"
    flow = lf.gradient_flow(PROBLEM, lf.ProductNetwork(1e-2), until=0.5, rtol=1e-2)
    flow.save(file)
    whole, refused = file.read_bytes(), []
    places = np.linspace(0, len(whole) - 1, 600).astype(int)
    damaged = [whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :] for place in places]
    for content in [*damaged, *(whole[:place] for place in places[::20])]:
        file.write_bytes(content)
        try:
            assert repr(lf.load(file)) == repr(flow)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 400
    assert all("is not a path saved by lassoflow" in sentence for sentence in refused)
    assert not any("\n" in sentence for sentence in refused)
