"""Walking ahead on working sets: passes over X, all kinds of X, budgets, progress, and what a check finds.

That it does not matter to a path how it was walked is in ``test_walk.py``, on degenerate designs of all kinds.
"""

import numpy as np
import pytest
import scipy.sparse as sp

import lassoflow as lf
from lassoflow import ahead
from lassoflow.box import Box
from lassoflow.design import DenseDesign
from lassoflow.working_set import Ahead, Mixtures, check, nearest
from oracles import kkt

SOLVERS = {"lasso": lf.lasso_path, "flow": lf.limit_flow}
BOTH = pytest.mark.parametrize("law", SOLVERS)


def wide(n=80, d=20_000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, :10].sum(axis=1) + rng.standard_normal(n)


@BOTH
def test_a_wide_problem_takes_few_passes_and_obeys_its_law(law):
    X, y = wide()
    problem = lf.LeastSquares(X, y)
    path = SOLVERS[law](problem, max_knots=75)
    assert path.knots.size == 75
    assert problem.passes <= 75 / 10
    assert problem.passes.bytes == problem.passes * X.nbytes
    for s in (path.knots[:-1] + path.knots[1:])[::9] / 2:
        coef = path(s)
        theta = kkt.dual(X, y, path.integral(s), s)
        assert kkt.normal_cone_violation(coef, theta, 1.0, 1.0) <= 1e-12 * max(1.0, s * problem.lambda_max)


@BOTH
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_change_nothing(law, order, monkeypatch):
    X, y = wide(60, 4000)
    X = np.asarray(X, order=order)
    once = SOLVERS[law](lf.LeastSquares(X, y))
    monkeypatch.setattr(ahead, "SMALL", 0)
    path = SOLVERS[law](lf.LeastSquares(X, y))
    np.testing.assert_allclose(path.knots, once.knots, rtol=1e-11)
    middle = (path.knots[:-1] + path.knots[1:]) / 2
    np.testing.assert_allclose(path(middle), once(middle), rtol=0, atol=1e-12 * np.abs(once(middle)).max())
    np.testing.assert_allclose(path.end, once.end, rtol=0, atol=1e-12 * np.abs(once.end).max())


@BOTH
@pytest.mark.parametrize("intercept", [False, True])
def test_a_sparse_design_in_batches_equals_the_dense_one(law, intercept):
    rng = np.random.default_rng(0)
    X = sp.random_array((300, 6000), density=0.02, rng=rng, format="csc")
    y = X[:, :10].sum(axis=1) + 0.1 * rng.standard_normal(300)
    sparse = lf.LeastSquares(X, y, fit_intercept=intercept)
    path = SOLVERS[law](sparse, max_knots=100)
    dense = SOLVERS[law](lf.LeastSquares(X.toarray(), y, fit_intercept=intercept), max_knots=100)
    np.testing.assert_allclose(path.knots, dense.knots, rtol=1e-12)
    middle = (path.knots[:-1] + path.knots[1:]) / 2
    np.testing.assert_allclose(path(middle), dense(middle), rtol=0, atol=1e-12 * np.abs(dense(middle)).max())
    assert sparse.passes < 20


def test_logistic_walks_ahead_too():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6000))
    y = X[:, :3].sum(axis=1) + rng.standard_normal(200) > 0
    problem = lf.Logistic(X, y)
    path = lf.limit_flow(problem, max_knots=12)
    assert problem.passes < 6
    for s in (path.knots[:-1] + path.knots[1:]) / 2:
        slope = problem.gradient(path(s))
        assert np.abs(slope[path(s) != 0]).max(initial=0) <= 1e-10 * problem.lambda_max
        assert np.abs(path.dual(s)).max() <= 1 + 1e-10


@BOTH
def test_a_stop_between_knots_is_checked_too(law, monkeypatch):
    monkeypatch.setattr(ahead, "SMALL", 0)
    X, y = wide(50, 3000)
    problem = lf.LeastSquares(X, y)
    whole = SOLVERS[law](problem, max_knots=60)
    for share in (0.01, 0.5, 0.99):
        lam = 1.0 / (share * whole.knots[40] + (1 - share) * whole.knots[41])
        path = SOLVERS[law](problem, lambda_min=lam)
        assert path.status == "lambda_min"
        np.testing.assert_allclose(path.knots, whole.knots[:41], rtol=1e-12)


@BOTH
def test_progress_is_told_of_every_knot_once(law):
    X, y = wide()
    heard = []
    path = SOLVERS[law](lf.LeastSquares(X, y), max_knots=70, callback=heard.append)
    assert [at.knot for at in heard] == list(range(1, 71))
    np.testing.assert_array_equal([at.s for at in heard], path.knots)


def test_no_column_is_near_the_box():
    """Columns orthogonal to y never come to the box; the first working set holds nothing of use."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 20_000))
    y = rng.standard_normal(64)
    X -= np.outer(y, y @ X) / (y @ y)
    X[:, 7] += 0.5 * y
    path = lf.lasso_path(lf.LeastSquares(X, y), max_knots=3)
    np.testing.assert_allclose(path.knots[0], 64 / (X[:, 7] @ y), rtol=1e-12)


# -- a check --------------------------------------------------------------------------------------------------------


def brute(X, box, inside, times, impulses):
    """The first time at which a column is outside, and those columns."""
    for k, (s, impulse) in enumerate(zip(times, impulses, strict=True)):
        theta = X.T @ impulse / len(X)
        out = ((theta > box.upper + box.decay * s) | (-theta > box.lower + box.decay * s)) & ~inside
        if out.any():
            return k, np.flatnonzero(out)
    return len(times) + 1, np.zeros(0)


@pytest.mark.parametrize("count", [6, 60])
@pytest.mark.parametrize("seed", range(20))
def test_a_check_finds_the_first_departure(seed, count):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((15, 9000))
    box = Box(rng.uniform(0.5, 3, 9000), rng.choice([1.0, 2.0, np.inf], 9000), decay=float(rng.choice([0.0, 0.1])))
    inside = rng.random(9000) < 0.5
    times = np.cumsum(rng.uniform(0.1, 1, count))
    impulses = np.cumsum(rng.uniform(0.5, 2) / count * 6 * rng.standard_normal((count, 15)), axis=0)
    verdict = check(
        DenseDesign(X, None, False), box, np.zeros(9000), inside, Ahead(times, impulses, np.zeros(15), True)
    )
    right, outside = brute(X, box, inside, times, impulses)
    assert verdict.right == right
    np.testing.assert_array_equal(verdict.outside, outside)


@pytest.mark.parametrize("roughness", [0.0, 1e-3, 1.0])
def test_mixtures_miss_no_more_than_they_say(roughness):
    rng = np.random.default_rng(0)
    curve = np.outer(np.linspace(1, 2, 80) ** 2, rng.standard_normal(50)) + np.outer(
        np.linspace(1, 2, 80), rng.standard_normal(50)
    )
    vectors = curve + roughness * rng.standard_normal((80, 50))
    mixed, X = Mixtures.of(vectors), rng.standard_normal((50, 200))
    off = mixed.off(np.linalg.norm(X, axis=0), np.zeros(200))
    assert mixed.parts.shape[0] < 10
    apart = np.abs(mixed.weights @ (mixed.parts @ X) - vectors @ X)
    assert (apart[:-1] <= off[0]).all()
    assert apart[-1].max() <= 1e-14
    assert off[0].max() <= 100 * roughness + 1e-9


def test_a_check_of_the_end_finds_what_runs_away():
    design, noise, nowhere = DenseDesign(np.eye(3), None, False), np.full(3, 1e-3), np.zeros(3, dtype=bool)
    end = Ahead(np.zeros(0), np.zeros((0, 3)), np.array([0.0, -1.0, 1e-3]), True)
    barred = np.array([1.0, np.inf, 1.0])
    assert check(design, Box(lower=np.ones(3), upper=barred), noise, nowhere, end).outside.tolist() == [1]
    assert not check(design, Box(lower=barred, upper=np.ones(3)), noise, nowhere, end).outside.size
    assert not check(design, Box(np.ones(3), barred, decay=1.0), noise, nowhere, end).outside.size


def test_nearest_keeps_what_must_be_kept():
    assert nearest(np.array([0.1, 0.9, 0.5, 0.95]), np.array([0]), 2).tolist() == [0, 1, 3]
    assert nearest(np.array([0.1, 0.9]), np.array([], dtype=int), 99).tolist() == [0, 1]


# -- ends and knots that tie ------------------------------------------------------------------------------------------


@pytest.fixture
def small_batches(monkeypatch):
    for name, value in {"SMALL": 0, "_FEWEST": 2, "_MOST": 8, "_WIDTH": 1, "_WIDEST": 1, "_NARROWEST": 1}.items():
        monkeypatch.setattr(ahead, name, value)


@pytest.mark.filterwarnings("ignore:The path ends at")
@pytest.mark.parametrize("kind", [lf.Logistic, lf.Poisson])
def test_an_end_without_a_minimum_is_no_knot(kind, monkeypatch):
    """Where columns tie that have no minimum together, a batch may see one of them first."""
    paths = {}
    for small in (2**20, 0):
        monkeypatch.setattr(ahead, "SMALL", small)
        if not small:
            for name in ("_WIDTH", "_WIDEST", "_NARROWEST"):
                monkeypatch.setattr(ahead, name, 1)
        for seed in range(200):
            rng = np.random.default_rng(seed)
            X, y = rng.integers(-1, 2, (12, 24)).astype(float), rng.integers(0, 2, 12)
            y[:2] = 0, 1
            paths[small, seed] = lf.limit_flow(kind(X, y), positive=True)
    for seed in range(200):
        whole, path = paths[2**20, seed], paths[0, seed]
        assert path.status == whole.status
        assert path.knots.size == whole.knots.size
        assert path.domain == pytest.approx(whole.domain, rel=1e-6)  # some at s of 1e7, where all but vanishes


@BOTH
@pytest.mark.usefixtures("small_batches")
def test_progress_is_right_where_knots_tie(law):
    for seed in range(300):
        rng = np.random.default_rng(seed)
        X, y = rng.integers(-2, 3, (8, 16)).astype(float), rng.integers(-4, 5, 8).astype(float)
        heard = []
        path = SOLVERS[law](lf.LeastSquares(X, y), callback=heard.append)
        np.testing.assert_array_equal([at.s for at in heard], path.knots)
