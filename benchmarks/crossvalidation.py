"""Cross-validation on exact paths, against scikit-learn's on its own exact path and on its grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import threadpoolctl
from sklearn.linear_model import LassoCV, LassoLarsCV

import lassoflow as lf
from benchmarks import solvers
from benchmarks.kkt import Data
from benchmarks.table import absences, table
from benchmarks.timing import Task, in_turn, spread

try:
    import glmnetrs
except ImportError:
    glmnetrs = None

SHAPE, FOLDS, THREADS = (500, 5000), 5, (1, 2)
HEADER = ["design", "threads", "estimator", "s", "LassoCV / this", "LassoLarsCV / this", "alpha", "CV error"]


class Design(NamedTuple):
    """Correlation of neighbours, columns with coefficient 1, and variance of the signal over that of the noise."""

    rho: float
    signals: int
    snr: float

    def __str__(self) -> str:
        return f"rho {self.rho:g}, {self.signals} signals, SNR {self.snr:g}"


DESIGNS = (Design(0.0, 10, 1.0), Design(0.35, 10, 3.0), Design(0.35, 10, 6.0), Design(0.0, 100, 10.0))


def run(rounds: int, shape: tuple[int, int] = SHAPE, designs: tuple[Design, ...] = DESIGNS) -> str:
    """The table: medians of so many rounds, all estimators in turn."""
    rows = []
    for design in designs:
        data = draw(design, *shape)
        for threads in THREADS:
            with threadpoolctl.threadpool_limits(threads), solvers.quiet():
                rows += [[str(design), str(threads), *row] for row in _rows(data, rounds)]
    text = [
        f"{shape[0]}x{shape[1]}, {FOLDS} folds, from the raw arrays to the fit of all rows. LassoCV has its 100",
        "penalties and its tolerance of 1e-4, LassoLarsCV the knots of exact paths; ours are exact, over all penalties",
        "down to 1e-3 lambda_max. cv_glmnet has its defaults. alpha and the error are those of the minimum,",
        "FlowRegressorCV's also over the blend.",
        *absences({"glmnet-rs": glmnetrs}),
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def draw(design: Design, n: int, d: int, seed: int = 0) -> Data:
    """Normal columns of unit variance and a response of them."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = design.rho * X[:, j - 1] + np.sqrt(1.0 - design.rho**2) * X[:, j]
    fitted = X[:, rng.choice(d, design.signals, replace=False)].sum(axis=1)
    return Data(X, fitted + np.sqrt(fitted.var() / design.snr) * rng.standard_normal(n))


def _rows(data: Data, rounds: int) -> list[list[str]]:
    """One row an estimator."""
    estimators: dict[str, Callable[[], Any]] = {
        "ExactLassoCV": lambda: lf.ExactLassoCV(cv=FOLDS, rule="min"),
        "FlowRegressorCV": lambda: lf.FlowRegressorCV(cv=FOLDS, rule="min"),
        "LassoCV": lambda: LassoCV(cv=FOLDS, tol=1e-4),
        "LassoLarsCV": lambda: LassoLarsCV(cv=FOLDS),
    }
    tasks = {name: Task(lambda make=make: make().fit(data.X, data.y)) for name, make in estimators.items()}
    if glmnetrs:
        tasks["cv_glmnet (glmnet-rs)"] = Task(lambda: glmnetrs.cv_glmnet(data.X, data.y, nfolds=FOLDS))
    taken, rows = in_turn(tasks, rounds), []
    for name in tasks:
        ratios = [spread(taken[peer] / taken[name]) for peer in ("LassoCV", "LassoLarsCV")]
        chosen = _chosen(estimators[name]().fit(data.X, data.y)) if name in estimators else ["", ""]
        rows.append([name, f"{np.median(taken[name]):.2f}", *ratios, *chosen])
    return rows


def _chosen(fitted: Any) -> list[str]:
    """The penalty of a fitted estimator, and its mean error over the folds there."""
    paths = fitted.mse_path_
    return [f"{fitted.alpha_:.4f}", f"{np.mean(paths, axis=-1).min():.4f}"]
