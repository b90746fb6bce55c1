"""The benchmarks' tables of large problems, made of tiny ones, and their judge of grids."""

import numpy as np
import pytest
from benchmarks import cases, crossvalidation, grids, growth, large, mapped, memory, sparse
from benchmarks.kkt import Curve, Data, duality_gap, violation
from sklearn.linear_model import lasso_path

import lassoflow as lf


def sklearn_grid(data, lambdas, tolerance, threads):
    return lasso_path(data.X, data.y, alphas=lambdas, tol=tolerance, max_iter=10**5)[1]


@pytest.fixture(autouse=True)
def _one_grid(monkeypatch):
    monkeypatch.setattr(grids, "GRIDS", {"celer": sklearn_grid})
    monkeypatch.setattr(grids, "INSTALLED", {"celer": True, "skglm": None})


def test_large_compares_exact_solvers_and_grids():
    tiny = {
        "by knots": lambda: cases.Long(cases.gaussian(20, 100), knots=10),
        "to a penalty": lambda: cases.Long(cases.toeplitz(30, 60), share=0.1),
    }
    text = large.run(1, tiny, "to a penalty")
    assert "skglm is not installed" in text
    rows = [line.split("|") for line in text.splitlines() if "| lars_path" in line]
    assert len(rows) == 4
    for row in rows:
        ours, theirs = row[4].split("/")
        assert int(ours) == int(theirs)
        assert max(float(row[8]), float(row[9])) <= 1e-12
    gaps = [line.split("|")[4] for line in text.splitlines() if "| celer" in line]
    assert len(gaps) == 2
    assert max(map(float, gaps)) <= large.GRID_GAP


def test_sparse_equals_its_dense_restriction():
    text = sparse.run(1, (300, 400), 20)
    assert "NOT" not in text
    knots_apart = text.split("knots\nto ")[1].split()[0]
    assert float(knots_apart) <= 1e-9


def test_cross_validation_is_compared():
    text = crossvalidation.run(1, (60, 40), (crossvalidation.Design(0.5, 3, 4.0),))
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if "| 2 " in line]
    errors = {row[3]: float(row[8]) for row in rows if row[8]}
    assert errors["ExactLassoCV"] <= errors["LassoCV"] * (1 + 1e-6)


def test_growth_fits_an_exponent():
    text = growth.run(1, {"knots": [(10, 40, 5), (10, 40, 8)]})
    assert text.count("10x40") == 2


@pytest.mark.skipif(not memory.TOLD, reason="memory is measured on Linux alone")
def test_a_mapped_walk_equals_the_one_in_memory(monkeypatch):
    for name, value in {"SAMPLES": 60, "KNOTS": 10, "SHARE": 50.0}.items():
        monkeypatch.setattr(mapped, name, value)
    (row,) = [line.split("|") for line in mapped.run(20_000, ("C",)).splitlines() if line.startswith("| C")]
    assert max(float(row[k]) for k in (6, 7, 8)) <= 1e-9


def test_gap_and_violation_see_what_is_wrong():
    data = cases.gaussian(30, 50)
    path = lf.lasso_path(lf.LeastSquares(data.X, data.y))
    lambdas = data.lambda_max * np.array([0.5, 0.2])
    curve = Curve(lambdas, path.at(lam=lambdas).T)
    assert duality_gap(data, curve) <= 1e-14
    assert violation(data, curve) <= 1e-14
    assert duality_gap(data, Curve(lambdas, curve.coefs * 1.01)) >= 1e-6
    zero = Data(data.X, data.y)
    assert duality_gap(zero, Curve(np.array([data.lambda_max]), np.zeros((50, 1)))) <= 1e-14
