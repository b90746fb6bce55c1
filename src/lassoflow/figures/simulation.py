"""The simulations of Hastie, Tibshirani & Tibshirani (2020): what is drawn, and how estimates are judged.

Rows are drawn from N(0, S), ``S_ij = rho^|i - j|``, responses ``y = Xb + noise`` with the noise variance that makes the
signal-to-noise ratio ``b'Sb / variance`` what it is to be. A validation set of the same size goes with every draw. As
there, nothing is centred and no intercept is fitted: the truth has none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lassoflow.arrays import Floats

BETA_TYPES = (1, 2, 3, 5)
RHOS = (0.0, 0.35, 0.7)
SNRS = tuple(np.geomspace(0.05, 6.0, 10).tolist())


class Setting(NamedTuple):
    """How many rows, columns and (strong) signals."""

    name: str
    n: int
    d: int
    signals: int


SETTINGS = (
    Setting("low", 100, 10, 5),
    Setting("medium", 500, 100, 5),
    Setting("high-5", 50, 1000, 5),
    Setting("high-10", 100, 1000, 10),
)


class Cell(NamedTuple):
    """One case of the design, of which many data sets are drawn.

    Attributes
    ----------
    setting : Setting
    beta_type : 1, 2, 3 or 5
        Signals of 1, equally spaced (1) or the first ones (2); the first ones, falling from 10 to 0.5 in equal steps
        (3); the first ones 1, all others falling by halves (5).
    rho : float
        Correlation of neighbouring columns.
    snr : float
        Signal-to-noise ratio.

    Examples
    --------
    >>> from lassoflow.figures.simulation import Cell, Setting
    >>> cell = Cell(Setting("tiny", 20, 6, 3), beta_type=3, rho=0.5, snr=2.0)
    >>> cell.coef
    array([10.  ,  5.25,  0.5 ,  0.  ,  0.  ,  0.  ])
    >>> cell.variance(cell.coef) / cell.noise_variance
    2.0
    """

    setting: Setting
    beta_type: int
    rho: float
    snr: float

    @property
    def coef(self) -> Floats:
        """The truth b, shape (d,)."""
        _, _, d, k = self.setting
        coef = np.zeros(d)
        if self.beta_type == 1:
            coef[np.rint(np.linspace(0, d - 1, k)).astype(np.intp)] = 1.0
        else:
            coef[:k] = np.linspace(10.0, 0.5, k) if self.beta_type == 3 else 1.0
        if self.beta_type == 5:
            coef[k:] = 0.5 ** np.arange(1, d - k + 1)
        return coef

    def variance(self, coef: Floats) -> float:
        """The variance ``x'Sx`` of a prediction by coefficients x of shape (d,)."""
        share = 0.0
        total = 0.0
        for value in coef.tolist():  # share = sum of rho^(j - i) x_i over i < j
            total += value * (value + 2.0 * share)
            share = self.rho * (share + value)
        return total

    @property
    def noise_variance(self) -> float:
        """What makes the signal-to-noise ratio right."""
        return self.variance(self.coef) / self.snr


class Draw(NamedTuple):
    """Training and validation rows: X, X_val of shape (n, d), y, y_val of shape (n,)."""

    X: Floats
    y: Floats
    X_val: Floats
    y_val: Floats


def draw(cell: Cell, rng: np.random.Generator) -> Draw:
    """New data of a cell.

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.figures.simulation import Cell, Setting, draw
    >>> made = draw(Cell(Setting("tiny", 20, 6, 3), 2, 0.5, 2.0), np.random.default_rng(0))
    >>> [part.shape for part in made]
    [(20, 6), (20,), (20, 6), (20,)]
    """
    n, d = cell.setting.n, cell.setting.d
    X = rng.standard_normal((2 * n, d))
    for j in range(1, d):  # an AR(1) process along the columns has exactly the covariance S
        X[:, j] = cell.rho * X[:, j - 1] + np.sqrt(1.0 - cell.rho**2) * X[:, j]
    y = X @ cell.coef + np.sqrt(cell.noise_variance) * rng.standard_normal(2 * n)
    return Draw(X[:n], y[:n], X[n:], y[n:])


class Metrics(NamedTuple):
    """How good an estimate x of b is; the first three are expectations over new data, exactly.

    Attributes
    ----------
    relative_risk : float
        ``(x - b)'S(x - b) / b'Sb``: 0 for the truth, 1 for x = 0.
    relative_test_error : float
        The mean square of prediction errors over the noise variance: 1 for the truth, ``SNR + 1`` for x = 0.
    variance_explained : float
        The proportion of the variance of y that is explained: ``SNR / (SNR + 1)`` for the truth, 0 for x = 0.
    nonzeros : float
    f_score : float
        Of the support: the harmonic mean of precision and recall, 0 if nothing is found.
    """

    relative_risk: float
    relative_test_error: float
    variance_explained: float
    nonzeros: float
    f_score: float


def judge(cell: Cell, coef: Floats) -> Metrics:
    """The metrics of an estimate of shape (d,).

    Examples
    --------
    >>> import numpy as np
    >>> from lassoflow.figures.simulation import Cell, Setting, judge
    >>> cell = Cell(Setting("tiny", 20, 6, 3), 2, 0.5, 3.0)
    >>> judge(cell, cell.coef)
    Metrics(relative_risk=0.0, relative_test_error=1.0, variance_explained=0.75, nonzeros=3.0, f_score=1.0)
    >>> judge(cell, np.zeros(6))
    Metrics(relative_risk=1.0, relative_test_error=4.0, variance_explained=0.0, nonzeros=0.0, f_score=0.0)
    """
    truth = cell.coef
    risk = cell.variance(coef - truth) / cell.variance(truth)
    found, signals = coef != 0, truth != 0
    hits, sizes = int((found & signals).sum()), int(found.sum() + signals.sum())
    explained = (1.0 - risk) * cell.snr / (cell.snr + 1.0)
    return Metrics(risk, 1.0 + risk * cell.snr, explained, float(found.sum()), 2.0 * hits / sizes)
