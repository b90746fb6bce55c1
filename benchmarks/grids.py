"""Solvers that give approximate lassos on a grid of penalties, each at the loosest tolerance that is good enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

import lassoflow as lf
from benchmarks.kkt import Curve, Data, Floats, duality_gap

try:
    import celer
except ImportError:
    celer = None
try:
    import skglm
except ImportError:
    skglm = None
try:
    import glmnetrs
except ImportError:
    glmnetrs = None
try:
    import adelie
except ImportError:
    adelie = None

INSTALLED = {"celer": celer, "skglm": skglm, "glmnet-rs": glmnetrs, "adelie": adelie}
"""The modules, by the name they are installed under."""
SIZE = 100
"""Penalties on a grid."""
TOLERANCES = 10.0 ** -np.arange(2, 13)
PATIENCE = 20.0
"""Seconds a grid may take before no smaller tolerance is tried."""

Grid = Callable[[Data, Floats, float, int], Floats]
"""From data, falling penalties, a tolerance and a number of threads: coefficients, one column a penalty."""


class Reached(NamedTuple):
    """The loosest tolerance of a grid that is good enough, or the last that was tried."""

    tolerance: float
    gap: float

    def cells(self, wanted: float) -> list[str]:
        """Both numbers, and whether it was good enough."""
        return [f"{self.tolerance:.0e}", f"{self.gap:.0e}" + " (missed)" * (self.gap > wanted)]


def penalties(data: Data, last: float) -> Floats:
    """The grid: from lambda_max down, in geometric steps."""
    return np.geomspace(data.lambda_max, last, SIZE)


def celer_grid(data: Data, lambdas: Floats, tolerance: float, threads: int) -> Floats:
    """By ``celer_path``; the tolerance is of the duality gap."""
    return celer.celer_path(data.X, data.y, "lasso", alphas=lambdas, tol=tolerance, prune=1)[1]


def skglm_grid(data: Data, lambdas: Floats, tolerance: float, threads: int) -> Floats:
    """By the path of skglm's AndersonCD; the tolerance is of the optimality conditions, as a share of lambda_max."""
    from skglm.datafits import Quadratic
    from skglm.penalties import L1
    from skglm.utils.jit_compilation import compiled_clone

    solver = skglm.solvers.AndersonCD(tol=tolerance * lambdas[0], fit_intercept=False)
    return solver.path(data.X, data.y, compiled_clone(Quadratic()), compiled_clone(L1(lambdas[0])), lambdas)[1]


def glmnet_grid(data: Data, lambdas: Floats, tolerance: float, threads: int) -> Floats:
    """By ``glmnetrs.glmnet``; the tolerance is of the change of the loss in a sweep."""
    found = glmnetrs.glmnet(
        data.X, data.y, lambda_=lambdas, standardize=False, intercept=False, thresh=tolerance, maxit=10**7
    )
    return found.beta


def adelie_grid(data: Data, lambdas: Floats, tolerance: float, threads: int) -> Floats:
    """By ``adelie.grpnet``; the tolerance is of the change of the loss in a sweep."""
    X = adelie.matrix.dense(data.X, method="naive", n_threads=threads)
    found = adelie.grpnet(
        X=X, glm=adelie.glm.gaussian(data.y), lmda_path=lambdas, tol=tolerance, intercept=False, early_exit=False,
        n_threads=threads, progress_bar=False,
    )  # fmt: skip
    return np.asarray(found.betas.toarray()).T


GRIDS: dict[str, Grid] = {"celer": celer_grid, "skglm": skglm_grid, "glmnet-rs": glmnet_grid, "adelie": adelie_grid}


def available(data: Data) -> dict[str, Grid]:
    """The grids that are installed and take data of this kind."""
    names = ("celer", "skglm") if sp.issparse(data.X) else GRIDS
    return {name: GRIDS[name] for name in names if INSTALLED[name]}


def loosest(grid: Grid, data: Data, lambdas: Floats, gap: float, threads: int) -> Reached:
    """The loosest tolerance at which the duality gap is small enough at every penalty."""
    grid(data, lambdas[:3], TOLERANCES[0], threads)  # nothing is compiled below
    for tolerance in TOLERANCES:
        start = time.perf_counter()
        coefs = grid(data, lambdas, float(tolerance), threads)
        taken = time.perf_counter() - start
        worst = gap_of(data, lambdas, coefs)
        if worst <= gap or taken > PATIENCE:
            break
    return Reached(float(tolerance), worst)


def gap_of(data: Data, lambdas: Floats, coefs: Floats) -> float:
    """The worst relative duality gap on a grid; infinite if penalties are missing."""
    if coefs.shape[1] != lambdas.size:
        return np.inf
    return duality_gap(data, Curve(lambdas, np.asarray(coefs)))


def gap_of_path(data: Data, lambdas: Floats, path: lf.Path) -> float:
    """The same of an exact path."""
    last = 1.0 / path.domain[1]
    rows: Any = path.at(lam=np.maximum(lambdas, last), side="left")
    return gap_of(data, lambdas, rows.T)
