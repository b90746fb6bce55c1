"""Certificates: right on right paths, alarmed on wrong ones, and the bound against brute force."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_diabetes

import lassoflow as lf

DIABETES = lf.LeastSquares(*load_diabetes(return_X_y=True), fit_intercept=True)
WALKS = pytest.mark.parametrize("walk", [lf.lasso_path, lf.limit_flow])


def gaussian(n: int, d: int, seed: int, **options: object) -> lf.LeastSquares:
    rng = np.random.default_rng(seed)
    return lf.LeastSquares(rng.standard_normal((n, d)), rng.standard_normal(n), **options)


@WALKS
def test_an_exact_path_is_certified(walk):
    path = walk(DIABETES)
    certificate = lf.certify(path)
    assert certificate.holds
    assert certificate[f"KKT violation of {path.name}"].value < 1e-12
    assert lf.certify(path, s=[0.1, 1.0, 1e6]).holds


@WALKS
@pytest.mark.parametrize("error", [1e-6, 1e-3])
def test_a_wrong_coefficient_is_noticed(walk, error):
    path = walk(DIABETES)
    curve = path.curve
    matrix = curve.averages if path.law == "lasso" else curve.slopes
    spoilt = sp.csr_array(matrix * (1 + error))
    name = "averages" if path.law == "lasso" else "slopes"
    wrong = replace(path, curve=replace(curve, **{name: spoilt}))
    assert not lf.certify(wrong).holds
    assert "VIOLATES" in lf.certify(wrong).summary
    assert lf.kkt_violation(wrong, path.knots[5]) > 1e-2 * error


def test_a_missing_coordinate_is_noticed():
    """The lasso of some columns is not the lasso of all of them."""
    X, y = load_diabetes(return_X_y=True)
    part = lf.lasso_path(lf.LeastSquares(X * (np.arange(10) != 2), y, fit_intercept=True))
    impostor = replace(part, problem=DIABETES)
    assert lf.kkt_violation(impostor, 2.0) > 1e-3
    assert lf.duality_gap(impostor, 2.0) > 1e-3


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e150])
@WALKS
def test_certificates_have_no_units(walk, scale):
    X, y = load_diabetes(return_X_y=True)
    for problem in (lf.LeastSquares(scale * X, y), lf.LeastSquares(X, scale * y)):
        assert lf.certify(walk(problem)).holds
    path = walk(lf.LeastSquares(X, scale * y))
    curve = replace(path.curve, averages=path.curve.averages * 1.001, slopes=path.curve.slopes * 1.001)
    assert not lf.certify(replace(path, curve=curve)).holds


def test_a_small_column_counts_like_a_large_one():
    rng = np.random.default_rng(0)
    orthogonal = np.linalg.qr(rng.standard_normal((50, 4)))[0] * 50**0.5
    X = orthogonal * [1e6, 1.0, 1.0, 1e-6]
    flow = lf.limit_flow(lf.LeastSquares(X, X @ [1e-6, -2.0, 0.5, 3e6]), penalty_factor="std")
    assert lf.certify(flow).holds
    stretch = sp.diags_array([1.0, 1.0, 1.0, 1.5])
    curve = replace(flow.curve, averages=flow.curve.averages @ stretch, slopes=flow.curve.slopes @ stretch)
    assert lf.certify(replace(flow, curve=curve))["KKT violation of the limit flow"].value == pytest.approx(
        0.5, rel=0.5
    )


@WALKS
def test_what_double_precision_cannot_do_is_no_failure(walk):
    """Hilbert's matrix, y all but orthogonal to X, and opposite columns without penalty."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    y = rng.standard_normal(40)
    nearly_orthogonal = y - X @ np.linalg.lstsq(X, y, rcond=None)[0] * (1 - 1e-9)
    pairs = np.hstack([X, 1e-3 * rng.standard_normal((40, 5)) - X])
    for design, response, factor in (
        (1 / (1 + np.add.outer(np.arange(10.0), np.arange(10.0))), np.ones(10), None),
        (X, nearly_orthogonal, None),
        (pairs, y, [0.0, 1.0] * 5),
    ):
        certificate = lf.certify(walk(lf.LeastSquares(design, response), penalty_factor=factor))
        assert certificate.holds, certificate


def test_a_certificate_of_no_time_is_refused():
    with pytest.raises(ValueError, match="at least one time"):
        lf.certify(lf.lasso_path(DIABETES), s=[])


def test_duality_gap_against_its_definition():
    rng = np.random.default_rng(3)
    problem, lam, x = gaussian(15, 8, 3), 0.05, rng.standard_normal(8)
    path = lf.lasso_path(problem)
    at_x = replace(path, curve=replace(path.curve, averages=sp.csr_array(np.tile(x, (path.knots.size + 1, 1)))))
    at_x = replace(at_x, curve=replace(at_x.curve, slopes=at_x.curve.averages))
    X, y = rng_data(15, 8, 3)
    residual = y - X @ x
    feasible = residual * min(1.0, lam / np.abs(X.T @ residual / 15).max())
    primal = residual @ residual / 30 + lam * np.abs(x).sum()
    dual = (y @ y - np.sum((y - feasible) ** 2)) / 30
    assert lf.duality_gap(at_x, 1 / lam) == pytest.approx((primal - dual) / (y @ y / 30), rel=1e-10)


def rng_data(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


@pytest.mark.parametrize(
    "box",
    [
        {},
        {"positive": True},
        {"weight_decay": 0.05},
        {"penalty_factor": [0.0, 1.0, 2.0, 0.5, 1.0, np.inf, 1.0, 3.0]},
        {"penalty_factor": [[0.0, 1, 1, 1, 1, 1, 1, 1], [1, np.inf, 2, 1, 1, 1, 1, 0.0]]},
        {"penalty_factor": [0.0, 1.0, 2.0, 0.5, 1.0, 1.0, 1.0, 3.0], "weight_decay": 0.02},
    ],
)
@pytest.mark.parametrize("shape", [(30, 8), (5, 8)])
def test_every_box_is_certified_and_compared(box, shape):
    for seed in range(20):
        problem = gaussian(*shape, seed, fit_intercept=seed % 2 == 0)
        flow = lf.limit_flow(problem, **box)
        certificate = lf.compare(flow)
        assert certificate.holds, certificate
        again = lf.compare(flow, lf.lasso_path(problem, **box))
        assert again.to_dict() == certificate.to_dict()


def test_bound_and_distance_against_quadrature():
    problem = gaussian(10, 6, 12)
    flow, lasso = lf.limit_flow(problem), lf.lasso_path(problem)
    certificate = lf.compare(flow, lasso)
    X, y = rng_data(10, 6, 12)
    end = certificate.s[-1]
    grid = np.linspace(0, end, 200_001)
    middle = (grid[1:] + grid[:-1]) / 2
    slope = lasso.instantaneous()(middle)
    backward = np.where(slope * np.sign(lasso(middle)) < 0, slope, 0.0)
    cumulated = np.concatenate([[0.0], np.cumsum(np.linalg.norm(backward @ X.T, axis=1))]) * (grid[1] - grid[0])
    expected = np.interp(certificate.s, grid, cumulated) / certificate.s / np.linalg.norm(y)
    np.testing.assert_allclose(certificate.bound, expected, rtol=0, atol=1e-4)
    apart = np.linalg.norm((flow.average(certificate.s) - lasso(certificate.s)) @ X.T, axis=1) / np.linalg.norm(y)
    np.testing.assert_allclose(certificate.distance, apart, rtol=0, atol=1e-13)
    assert certificate.bound.max() > 0.01


def test_monotone_until_is_where_a_coefficient_first_turns_back():
    lasso = lf.lasso_path(DIABETES)
    until = lf.monotone_until(lasso)
    before, after = np.abs(lasso.integral(np.linspace(0, until, 500))), np.abs(lasso.integral([until, 1.001 * until]))
    assert (np.diff(before, axis=0) >= -1e-9 * before.max()).all()
    assert (np.diff(after, axis=0) < 0).any()


def test_the_distance_fails_where_it_should():
    lasso, flow = lf.lasso_path(DIABETES), lf.limit_flow(DIABETES)
    curve = replace(flow.curve, averages=flow.curve.averages * 1.01, slopes=flow.curve.slopes * 1.01)
    certificate = lf.compare(replace(flow, curve=curve), lasso)
    assert certificate["distance of averaged flow and lasso"].holds is False
    assert certificate.summary.startswith("NOT certified: ")


def test_a_stopped_path_claims_no_more_than_its_domain():
    certificate = lf.compare(lf.limit_flow(DIABETES, max_knots=3))
    assert "up to the end of the paths" in certificate.summary
    assert certificate.s[-1] == lf.limit_flow(DIABETES, max_knots=3).domain[1]


def test_compare_refuses_what_does_not_belong_together():
    lasso, flow = lf.lasso_path(DIABETES), lf.limit_flow(DIABETES)
    with pytest.raises(ValueError, match="takes a flow and then a lasso path"):
        lf.compare(lasso, flow)
    with pytest.raises(ValueError, match="different penalty factors or weight decay"):
        lf.compare(flow, lf.lasso_path(DIABETES, positive=True))
    with pytest.raises(ValueError, match="different penalty factors or weight decay"):
        lf.compare(flow, lf.lasso_path(DIABETES, weight_decay=0.1))
    with pytest.raises(ValueError, match="different data"):
        lf.compare(flow, lf.lasso_path(gaussian(442, 10, 0)))


def test_compare_paths_of_equal_data_or_stopped_early(tmp_path):
    flow = lf.limit_flow(DIABETES)
    twin = lf.LeastSquares(*load_diabetes(return_X_y=True), fit_intercept=True)
    assert lf.compare(flow, lf.lasso_path(twin)).holds
    stopped = lf.compare(lf.limit_flow(DIABETES, max_knots=5))
    assert stopped.holds
    assert stopped.s[-1] <= flow.knots[5]
    flow.save(tmp_path / "flow.npz")
    assert lf.compare(lf.load(tmp_path / "flow.npz"), lf.lasso_path(DIABETES)).holds


def test_nothing_to_compare():
    certificate = lf.compare(lf.limit_flow(lf.LeastSquares([[1.0]], [0.0])))
    assert certificate.holds
    assert certificate.s.size == 0
    assert "monotone" in certificate.summary


def test_a_certificate_prints_and_converts():
    certificate = lf.compare(lf.limit_flow(DIABETES))
    text = str(certificate)
    assert all(len(line) <= 150 for line in text.splitlines())
    assert "holds" in text
    plain = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert plain["holds"] is True
    assert len(plain["curve"]["s"]) == certificate.s.size
    assert repr(certificate) == "<Certificate: 9 checks, all hold>"
    with pytest.raises(KeyError, match="nothing"):
        certificate["nothing"]


# -- networks -------------------------------------------------------------------------------------------------------


MIRROR = [
    "defect of z' = x", "defect of theta = s r - M z", "mu of Polyak-Lojasiewicz", "log of c, the least gain",
    "loss against D_Q(x*, x0) / s", "loss against exp(-2 mu c t)", "D_Q of the end, of another solution",
]  # fmt: skip


@pytest.mark.parametrize(
    ("network", "log_gain"),
    [
        (lf.ProductNetwork(1e-4), np.log(1e-4)),
        (lf.PowerNetwork(2, 1e-4), np.log(8 * 1e-4)),
        (lf.PowerNetwork(3, 1e-6), np.log(18) + 4 / 3 * np.log(1e-6)),
        (lf.PowerNetwork(2, log_scale=-1e4), np.log(8) - 1e4),
        (lf.LayeredNetwork([2.0, 1.0, 0.0], 1e-6), np.log(4) + 4 / 3 * np.log(1e-6)),
    ],
    ids=repr,
)
def test_constants_of_a_flow(network, log_gain):
    X, y = rng_data(12, 5, 0)
    certificate = lf.certify(lf.gradient_flow(lf.LeastSquares(X, y), network))
    assert [check.name for check in certificate.checks] == MIRROR
    assert certificate.holds
    assert certificate["mu of Polyak-Lojasiewicz"].value == pytest.approx(np.linalg.eigvalsh(X.T @ X / 12)[0])
    assert certificate["log of c, the least gain"].value == pytest.approx(log_gain, rel=1e-12)
    assert certificate.summary.endswith("keeps the laws of mirror flow.")


def test_a_square_network_has_no_exponential_rate():
    certificate = lf.certify(lf.gradient_flow(gaussian(12, 5, 0), lf.SquareNetwork(1e-4)))
    assert [check.name for check in certificate.checks] == [name for name in MIRROR if "exp" not in name]
    assert certificate.holds
    assert certificate.summary.endswith("The exponential rate does not apply: a weight may vanish, and c is 0.")
    plain = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert plain["checks"][3] == {
        "name": "log of c, the least gain", "value": "-inf", "bound": None, "s": None, "holds": None,
        "source": "docs/theory, section 9",
    }  # fmt: skip
    decaying = lf.certify(lf.gradient_flow(gaussian(12, 5, 0), lf.SquareNetwork(1e-4), weight_decay=0.1))
    assert [check.name for check in decaying.checks] == MIRROR[:2]
    assert "does not apply" not in decaying.summary


@pytest.mark.parametrize(
    "network", [lf.ProductNetwork(1e-6), lf.SquareNetwork(1e-6), lf.PowerNetwork(3, 1e-6)], ids=repr
)
def test_gaps_and_z_that_belong_to_different_duals_are_noticed(network):
    flow = lf.gradient_flow(DIABETES, network)
    curve = copy.copy(flow.curve)
    curve.stretches = [replace(part, gaps=part.gaps * (1 + 1e-6)) for part in curve.stretches]
    certificate = lf.certify(replace(flow, curve=curve))
    assert certificate["defect of theta = s r - M z"].holds is False
    assert "VIOLATES" in certificate.summary


def test_a_flow_that_cannot_move_is_certified():
    for X, y in ((np.zeros((3, 2)), np.ones(3)), (np.eye(3, 2), np.zeros(3)), (np.eye(3, 2), -np.ones(3))):
        for network in (lf.SquareNetwork(1e-4), lf.PowerNetwork(2, 1e-4)):
            flow = lf.gradient_flow(lf.LeastSquares(X, y), network)
            assert lf.certify(flow).holds
            assert lf.compare(flow).holds


# -- by design ------------------------------------------------------------------------------------------------------


def test_orthogonal_designs_are_monotone_by_design():
    assert lf.monotone_by_design(lf.LeastSquares(np.eye(40), np.ones(40))).two_sided


def test_m_matrices_are_monotone_for_positive_paths():
    """The second difference matrix is an M-matrix; its positive lasso is monotone whatever y is."""
    gram = 2 * np.eye(30) - np.eye(30, k=1) - np.eye(30, k=-1)
    root = np.linalg.cholesky(gram).T
    verdict = lf.monotone_by_design(lf.LeastSquares(root, np.ones(30)), budget=100)
    assert verdict.positive
    for seed in range(20):
        problem = lf.LeastSquares(root, np.random.default_rng(seed).standard_normal(30))
        assert lf.monotone_until(lf.lasso_path(problem, positive=True)) == np.inf


@pytest.mark.parametrize("seed", range(40))
def test_by_design_against_all_signs_and_against_paths(seed):
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.standard_normal((12, 4)))[0] + rng.uniform(0, 0.4) * rng.standard_normal((12, 4))
    factor = rng.uniform(0.8, 1.2, 4)
    verdict = lf.monotone_by_design(lf.LeastSquares(X, X[:, 0]), factor)
    assert verdict.two_sided is brute_force(X.T @ X, factor)
    if verdict.two_sided:
        for _ in range(10):
            problem = lf.LeastSquares(X, rng.standard_normal(12))
            assert lf.monotone_until(lf.lasso_path(problem, penalty_factor=factor)) == np.inf


def brute_force(gram: np.ndarray, factor: np.ndarray) -> bool:
    """``S (M_II)^-1 S k >= 0`` for every I and every S, one by one."""
    d = len(gram)
    for subset in range(1, 2**d):
        index = [j for j in range(d) if subset >> j & 1]
        inverse = np.linalg.inv(gram[np.ix_(index, index)])
        for signs in range(2 ** len(index)):
            s = np.array([1.0 if signs >> i & 1 else -1.0 for i in range(len(index))])
            if (s * (inverse @ (s * factor[index])) < -1e-12).any():
                return False
    return True


def test_a_budget_that_runs_out_is_said():
    near = np.eye(40) + 1e-6 * np.random.default_rng(0).standard_normal((40, 40))
    verdict = lf.monotone_by_design(lf.LeastSquares(near, np.ones(40)), budget=1000)
    assert verdict.two_sided is None
    assert "first" in verdict.reason


def test_by_design_wants_positive_factors():
    for factor in ([0.0] * 10, [np.inf] * 10):
        with pytest.raises(ValueError, match="one positive, finite factor"):
            lf.monotone_by_design(DIABETES, factor)


def test_more_columns_than_rows():
    assert lf.monotone_by_design(gaussian(5, 400, 0)).two_sided is False


def test_a_bound_that_is_attained_is_kept_but_for_the_error_of_the_flow():
    """In the kernel regime the loss of one coefficient is its exponential bound."""
    flow = lf.gradient_flow(lf.LeastSquares([[1.0]], [1.0]), lf.PowerNetwork(2, 1e5))
    certificate = lf.certify(flow)
    assert certificate.holds
    assert certificate["loss against exp(-2 mu c t)"].value == pytest.approx(1.0, abs=1e-3)
