"""The averaged flow's gap in the lasso's objective is at most C eta in the limit (Berthier 2025, Theorems 2.2, 3.2)."""

from itertools import pairwise

import numpy as np
import pytest

import lassoflow as lf
from lassoflow.objective import eta, gap_bound, objective_gap, published, z_down
from oracles import monotone
from oracles.networks import SHALLOW, instances, sides

LINES = ("objective gap of averaged flow", "z-down of the lasso", "eta of the lasso", "objective gap over eta")


def scaled(X, y, factor, leaving):
    """Data with factors 1 whose lasso leaves zero at s = 1, from a loss of 1, where that of X, y leaves at another."""
    up = np.sqrt(2 * len(y)) / np.linalg.norm(y)
    return X / factor * leaving / up, up * y


def by_quadrature(problem, s, decay=0.0, **box):
    """zdown and eta as printed: total decrease of positive and negative parts of z on a fine grid, data as they are."""
    lasso = lf.lasso_path(problem, weight_decay=decay, **box)
    grid = np.union1d(np.linspace(0, s[-1], 200_001), s)
    z = lasso.integral(grid)
    drops = sum(np.maximum(part[:-1] - part[1:], 0.0).sum(axis=1) for part in (np.maximum(z, 0), np.maximum(-z, 0)))
    total = np.concatenate([[0.0], np.cumsum((1 + (grid[1:] + grid[:-1]) / 2) * drops)])
    down = total[np.searchsorted(grid, s)]
    return down, (1 + decay * s) * (np.sqrt(down) / s + down / s**2)


FACTORS = np.array([1, 2, 0.5, 3, 1, 0.7])


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("factor", "decay"), [(np.ones(6), 0.0), (FACTORS, 0.0), (2 * np.ones(6), 0.02)])
def test_z_down_and_eta_against_quadrature(positive, factor, decay):
    """Of the scaled data: the units of the numbers, too, and penalty factors as columns over them."""
    rng, told = np.random.default_rng(3), 0
    for _ in range(30):
        X, y = rng.standard_normal((7, 6)), rng.standard_normal(7)
        y = y + X.sum(axis=1) * positive
        lasso = lf.lasso_path(lf.LeastSquares(X, y), factor, positive=positive, weight_decay=decay)
        leaving = lasso.knots[0]
        s = np.array([0.5, 0.9, 1.3]) * min(lasso.knots[-1], 40 * leaving)
        problem = lf.LeastSquares(*scaled(X, y, factor, leaving))
        down, expected = by_quadrature(problem, s / leaving, decay / factor[0] * leaving, positive=positive)
        np.testing.assert_allclose(z_down(lasso, s), down, rtol=2e-3, atol=1e-9)
        np.testing.assert_allclose(eta(lasso, s), expected, rtol=2e-3, atol=1e-6)
        told += down.any()
    assert told >= 3


def turning(seed):
    """X and y of a lasso that turns back."""
    draws = monotone.gaussian_instances(400, seed=seed)
    return next((X, y) for X, y in draws if not monotone.is_monotone(lf.lasso_path(lf.LeastSquares(X, y))))


@pytest.mark.parametrize("scale", [1e-140, 1e-7, 1e140])
def test_gap_z_down_and_eta_have_no_units(scale):
    X, y = turning(6)
    plain = lf.compare(lf.limit_flow(lf.LeastSquares(X, y)))
    for X_new, y_new in ((scale * X, y), (X, scale * y)):
        other = lf.compare(lf.limit_flow(lf.LeastSquares(X_new, y_new)))
        for name in (
            "objective gap of averaged flow",
            "z-down of the lasso",
            "eta of the lasso",
            "objective gap over eta",
        ):
            assert other[name].value == pytest.approx(plain[name].value, rel=1e-9)


SIDES = [[1, 2, 3, 0.5, 1], [2, 1, 1, 1, 0.3]]


@pytest.mark.parametrize("box", [{}, {"positive": True}, {"penalty_factor": SIDES, "weight_decay": 0.1}])
def test_objective_gap_against_the_difference_of_objectives(box):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 5)), rng.standard_normal(9)
    problem = lf.LeastSquares(X, y, fit_intercept=True)
    lasso, s = lf.lasso_path(problem, **box), np.array([0.1, 3.0, 10.0, 200.0])
    upper, lower, decay = lasso.box.upper, lasso.box.lower, lasso.box.decay

    def objective(x):
        cost = np.where(x > 0, upper, np.where(x < 0, lower, 0.0)) / s[:, None] + decay
        return problem.loss(x) + (cost * np.abs(x)).sum(axis=1)

    coef = lasso(s) + rng.uniform(0, 0.5, (4, 5)) * (1 if box.get("positive") else rng.choice([-1, 1], (4, 5)))
    expected = (objective(coef) - objective(lasso(s))) / problem.loss(np.zeros(5))
    np.testing.assert_allclose(objective_gap(lasso, coef, s), expected, rtol=1e-10)
    assert (objective_gap(lasso, lasso(s), s) <= 1e-14).all()
    if box.get("positive"):
        assert (objective_gap(lasso, -coef - 1, s) == np.inf).all()


@pytest.mark.parametrize("kind", ["shapes", "difference of squares", "square"])
def test_one_constant_bounds_the_gap_as_the_scale_vanishes(kind):
    """With C the largest gap over eta of the limit flow, what the gap exceeds C eta by falls at least as 1 / log."""
    for problem, lasso in instances(kind, False, 6, seed=6):
        limit = lf.limit_flow(problem, positive=kind == "square")
        knots = np.union1d(limit.knots, lasso.knots)
        times = [knots, np.linspace(knots[0], knots[-1], 1000), np.geomspace(knots[0] / 2, 30 * knots[-1], 1000)]
        s = np.unique(np.concatenate(times))
        found = published(limit, lasso, s)
        turned = found.eta > 0
        assert found.gap[~turned].max() <= 1e-13
        constant = (found.gap[turned] / found.eta[turned]).max()
        assert 0 < constant < 1
        excess = []
        for size in (1e3, 1e4, 1e5):
            finite = sides(problem, SHALLOW[kind](-size), s)
            np.testing.assert_array_equal(finite.eta, found.eta)  # of the lasso with factors 1, whatever the shapes
            excess.append((finite.gap - constant * finite.eta).max())
        assert (np.array(excess[1:]) <= 0.12 * np.array(excess[:-1])).all()


@pytest.mark.parametrize("kind", SHALLOW)
def test_lines_of_the_certificate(kind):
    problem, _ = next(instances(kind, False, 1, seed=6))
    certificate = lf.compare(lf.gradient_flow(problem, SHALLOW[kind](-1e4)))
    assert certificate.holds
    for name in LINES:
        line = certificate[name]
        assert line.value > 0
        assert (line.bound, line.holds) == (None, None)
        assert line.source == f"Berthier 2025, Theorem {3 if kind == 'square' else 2}.2"
    assert "from a loss of 1" in certificate.units
    limit = lf.compare(lf.limit_flow(problem, positive=kind == "square"))
    for name, rel in (
        ("objective gap of averaged flow", 0.1),
        ("eta of the lasso", 0.1),
        ("objective gap over eta", 0.5),
    ):
        assert limit[name].value == pytest.approx(certificate[name].value, rel=rel)


def test_gap_of_the_limit_is_quadratic_in_the_penalty_between_knots():
    """Why the certificate looks half-way in 1/s between knots, and from the last one to infinity."""
    seen = 0
    for problem, lasso in instances("product", False, 10, seed=9):
        flow = lf.limit_flow(problem)
        knots = np.union1d(lasso.knots, flow.knots)
        for near, far in pairwise([*(1 / knots), 1e-9 / knots[-1]]):
            s = 1 / np.linspace(near, far, 6)[1:-1]
            average = flow.average(s)
            if (np.ptp(np.sign(average), axis=0) == 0).all():  # a flow that passes zero has no knot there
                assert abs(np.diff(objective_gap(lasso, average, s), 3)[0]) <= 1e-13
                seen += 1
    assert seen >= 30


@pytest.mark.parametrize("end", [0.1, 0.7, 1.9, 3.3, 5.9, 49.0, 1e5])
def test_lines_of_flows_that_stop(end):
    X, y = turning(6)
    problem = lf.LeastSquares(X, y)
    for flow in (
        lf.limit_flow(problem, lambda_min=1 / end),
        lf.gradient_flow(problem, lf.ProductNetwork(1e-6), until=end),
        lf.gradient_flow(problem, lf.PowerNetwork(2, 1e-6), until=end),
    ):
        for check in lf.compare(flow).checks:
            assert check.s is None or check.s <= flow.domain[1]


def test_factors_of_a_limit_flow_are_columns_over_them():
    (X, y), factor = turning(1), np.array([0.3, 2.0, 1.0, 0.6])
    weighted = lf.compare(lf.limit_flow(lf.LeastSquares(X * factor, y), factor))
    plain = lf.compare(lf.limit_flow(lf.LeastSquares(X, y)))
    for name in LINES:
        assert weighted[name].value == pytest.approx(plain[name].value, rel=1e-9)


def test_nothing_is_said_where_no_theorem_is():
    problem, _ = next(instances("product", False, 1, seed=6))
    flows = [
        lf.limit_flow(problem, np.array([[1.0, 1, 1, 1], [2, 1, 1, 1]])),
        lf.limit_flow(problem, [0.0, 1, 1, 1]),
        lf.limit_flow(problem, [1.0, 2, 1, 1], weight_decay=0.1),
        lf.gradient_flow(problem, lf.PowerNetwork(3, 1e-9)),
        lf.gradient_flow(problem, lf.LayeredNetwork([1.0, 0.5, 0.2], 1e-6)),
        lf.gradient_descent(problem, lf.ProductNetwork(1e-4), n_steps=50),
    ]
    for flow in flows:
        certificate = lf.compare(flow)
        assert not [check.name for check in certificate.checks if "eta" in check.name]
        assert "loss of 1" not in certificate.units
        assert not any("Theorem 2" in check.source for check in certificate.checks) or flow.law in (
            "network",
            "descent",
        )
    pair = lf.gradient_flow(problem, lf.LayeredNetwork([1.0, 0.5], 1e-6))
    assert lf.compare(pair)["eta of the lasso"].source == "Berthier 2025, Theorem 2.2"


# -- a bound without open constants -----------------------------------------------------------------------------------


@pytest.mark.parametrize("positive", [False, True])
def test_the_gap_of_the_limit_flow_has_an_explicit_bound(positive):
    """Docs, section 5: also with ties, dependent columns, factors and an intercept."""
    told, largest = 0, 0.0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        n, d = rng.integers(2, 10, 2)
        X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
        if seed % 3 == 0:
            X, y = np.round(2 * X), np.round(3 * y)
        factor = rng.choice([0.5, 1.0, 3.0], d) if seed % 2 else None
        limit = lf.limit_flow(lf.LeastSquares(X, y, fit_intercept=seed % 5 == 0), factor, positive=positive)
        certificate = lf.compare(limit)
        if not limit.knots.size or not certificate["distance of averaged flow and lasso"].bound:
            continue
        line = certificate["objective gap of averaged flow"]
        assert line.holds
        told += line.bound > 1e-9
        largest = max(largest, line.value / line.bound if line.bound > 1e-9 else 0.0)
    assert told >= 5
    assert 0.05 < largest <= 1.0


def test_the_bound_is_its_integral():
    """By a sum over a fine grid of u, and whatever the units."""
    problem = lf.LeastSquares(*turning(0))
    lasso = lf.lasso_path(problem)
    s = np.array([0.7, 1.5, 4.0]) * lasso.knots[-1]
    for time, bound in zip(s, gap_bound(lasso, s), strict=True):
        u = (np.arange(40_000) + 0.5) * time / 40_000
        z, slope = lasso.integral(u), lasso.instantaneous()(u)
        backward = np.where(slope * z < 0, slope, 0.0)
        size = np.linalg.norm(problem.fitted(backward), axis=1) / np.linalg.norm(problem.target)
        assert bound == pytest.approx(2 * np.mean((1 - u / time) * size), rel=1e-3)
    X, y = turning(0)
    scaled_bound = gap_bound(lf.lasso_path(lf.LeastSquares(1e140 * X, 1e-100 * y)), s / 1e40)
    np.testing.assert_allclose(scaled_bound, gap_bound(lasso, s), rtol=1e-9)


def test_an_average_that_only_has_the_fitted_values_of_the_lasso():
    """With weight decay the lasso exchanges one column for another that has become cheaper; the average keeps both."""
    problem = lf.LeastSquares([[1.0, 2.0]], [5.0])
    exchanged = lf.compare(lf.limit_flow(problem, [1.0, 4.0], weight_decay=0.2))
    assert exchanged.holds
    assert "the averaged flow has the lasso's fitted values at every s" in exchanged.summary
    alike = lf.compare(lf.limit_flow(problem, [1.0, 1.0], weight_decay=0.2))
    assert "the averaged flow is the lasso at every s" in alike.summary
