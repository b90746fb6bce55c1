"""The curve of steps on the weights, known at recorded steps, and the initialisation such a run is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lassoflow.arrays import Floats, Ints
from lassoflow.curve import Side, check_side


class Effective(NamedTuple):
    """What a run has made of its initialisation: ``x = exp(log_upper + g) - exp(log_lower - g)``, exactly.

    g is ``accumulated``. The flow has the same form with the initial ``log_upper`` and ``log_lower``, so a run ends
    where the flow from its final ones would: an interpolating limit minimises the Bregman divergence of that flow's
    potential from its start (derived, see docs, section 12; the idea is of Even, Pesme, Gunasekar & Flammarion 2023).
    Arrays have shape (k + 1, d), a row for each recorded step.

    Attributes
    ----------
    log_upper, log_lower : arrays
        Logarithms of the two branches' factors; ``log_lower`` is -inf for a SquareNetwork.
    accumulated : array
        The negative gradient in the coefficients, summed over the steps, times the step size and ``2 kappa``; in
        lasso time this is the dual times ``log(1 / scale)``.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> from lassoflow.descent import gradient_descent
    >>> problem = lf.LeastSquares([[1.0, 0.5]], [2.0])
    >>> curve = gradient_descent(problem, lf.ProductNetwork(scale=1e-4), step_size=0.1, n_steps=500).curve
    >>> bool(np.abs(curve.effective.coef() - curve.slopes).max() < 1e-12)
    True
    >>> curve.effective.log_scale[-1] < curve.effective.log_scale[0]  # discretisation makes the scale smaller
    array([ True,  True])
    """

    log_upper: Floats
    log_lower: Floats
    accumulated: Floats

    @property
    def log_scale(self) -> Floats:
        """The mean of the two logarithms, ``log(alpha_inf^2 / 2)`` in the paper's letters; ``log_upper`` if alone."""
        if np.isneginf(self.log_lower).all():
            return self.log_upper
        return (self.log_upper + self.log_lower) / 2

    @property
    def tilt(self) -> Floats:
        """Half their difference; 0 where only one branch exists."""
        if np.isneginf(self.log_lower).all():
            return np.zeros_like(self.log_upper)
        return (self.log_upper - self.log_lower) / 2

    def coef(self) -> Floats:
        """The coefficients by the mirror formula."""
        return np.exp(self.log_upper + self.accumulated) - np.exp(self.log_lower - self.accumulated)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The curve of a run, known at the recorded steps: rows of all arrays are step 0 and the k recorded ones after it.

    Averages are exact at recorded steps (every step is counted) and z is linear between them; the coefficients are
    linear between recorded steps.

    Examples
    --------
    >>> import lassoflow as lf
    >>> from lassoflow.descent import gradient_descent
    >>> problem = lf.LeastSquares([[1.0]], [1.0])
    >>> run = gradient_descent(problem, lf.SquareNetwork(scale=1e-2), step_size=0.1, n_steps=100, record=[50])
    >>> run.curve.steps, run.curve.losses.round(4), run.curve.weights[-1].round(4)
    (array([  0,  50, 100]), array([0.49, 0.  , 0.  ]), array([[1.]]))
    """

    knots: Floats
    """Lasso times of the recorded steps after step 0, increasing, shape (k,)."""
    averages: Floats
    """z / s, shape (k + 1, d)."""
    slopes: Floats
    """The coefficients, shape (k + 1, d)."""
    stop: float
    """Where the run ends: the last knot."""
    steps: Ints
    """Numbers of the recorded steps, shape (k + 1,)."""
    losses: Floats
    """The loss of all rows, shape (k + 1,)."""
    weights: Floats
    """The weights, shape (k + 1, layers, d)."""
    step_size: float
    """That of every step."""
    effective: Effective | None
    """At depth 2, without momentum and weight decay."""

    exact = False

    @property
    def mesh(self) -> Floats:
        """The recorded times."""
        return self.knots

    def active(self) -> NDArray[np.bool_]:
        """Which coordinates are ever nonzero, shape (d,)."""
        return (self.averages != 0).any(axis=0) | (self.slopes != 0).any(axis=0)

    def slope(self, s: Floats, side: Side) -> Floats:
        """x(s) for s of shape (m,): shape (m, d)."""
        before, share = self._place(s, side)
        return self.slopes[before] * (1.0 - share) + self.slopes[before + 1] * share

    def average(self, s: Floats, side: Side) -> Floats:
        """z(s) / s for s of shape (m,), at 0 the start: shape (m, d)."""
        before, share = self._place(s, side)
        times, later = np.concatenate(([0.0], self.knots)), np.asarray(s, dtype=np.float64)[:, None] > 0
        # z is interpolated; divided by s that is a convex combination of averages, which cannot cancel
        end = share * times[before + 1, None]
        start = (1.0 - share) * times[before, None]
        weight = np.divide(end, start + end, out=np.zeros_like(end), where=later)
        return self.averages[before] * (1.0 - weight) + self.averages[before + 1] * weight

    def to_arrays(self) -> dict[str, Any]:
        """The curve as named arrays."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        effective = arrays.pop("effective")
        return arrays | (effective._asdict() if effective else {})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Recorded:
        """The curve that :meth:`to_arrays` wrote."""
        plain: dict[str, Any] = {field.name: arrays[field.name] for field in fields(cls) if field.name != "effective"}
        plain |= {name: float(plain[name]) for name in ("stop", "step_size")}
        found = "log_upper" in arrays
        return cls(**plain, effective=Effective(*(arrays[name] for name in Effective._fields)) if found else None)

    def _place(self, s: Floats, side: Side) -> tuple[Ints, Floats]:
        """The record before s, and how far s is on the way to the next, shape (m, 1)."""
        check_side(side)
        times = np.concatenate(([0.0], self.knots))
        before = np.clip(np.searchsorted(times, s, side="right") - 1, 0, times.size - 2)
        return before, ((s - times[before]) / (times[before + 1] - times[before]))[:, None]
