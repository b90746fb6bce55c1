"""What came of a descent on a deep linear network: where it ended, and how fast, beside what theory predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from lassoflow.arrays import Floats, Ints
from lassoflow.critical import CriticalClass
from lassoflow.deep_linear import DeepLinear
from lassoflow.frame_distance import Distance

_DECADES = 2.0
"""Decades of the gradient, the last ones, over which a linear rate is fitted."""
_STEP_DECADES = 1.5
"""Decades of steps, the last ones, over which an exponent is fitted."""
_POINTS = 60
_STEEPEST = 6.0
"""Exponents of the gradient beyond this are none of a sublinear regime."""
_FEWEST = 16
"""Steps below which no regime is told."""


@dataclass(frozen=True, eq=False)
class DeepDescent:
    """A descent: step by step, at recorded steps, and at its end. Made by :func:`lassoflow.descend`.

    Attributes
    ----------
    problem : DeepLinear
    losses, gradients : arrays of shape (n_steps + 1,)
        F, and the norm of its gradient.
    step_sizes : array of shape (n_steps,)
    steps : array of int, shape (k,)
        The recorded steps; the first is 0 and the last is n_steps.
    recorded : list of k lists of L arrays
        The weights there.
    converged : bool
        Whether the gradient came down to the tolerance.
    gradient_scale : float
        The size of gradients that tolerances refer to, see :func:`lassoflow.descend`.

    Examples
    --------
    >>> import lassoflow as lf
    >>> run = lf.descend(lf.DeepLinear([[3.0, 0.0], [0.0, 2.0]], hidden_widths=[3], weight_decay=1.0), seed=1)
    >>> run.converged, run.ended_in, run.regime
    (True, <CriticalClass: global minimum, F = 8, rank 2 (large: 3, 2)>, 'linear')
    >>> bool(abs(run.rate / run.predicted_rate - 1) < 0.05)
    True
    """

    problem: DeepLinear
    losses: Floats = field(repr=False)
    gradients: Floats = field(repr=False)
    step_sizes: Floats = field(repr=False)
    steps: Ints = field(repr=False)
    recorded: list[list[Floats]] = field(repr=False)
    converged: bool
    gradient_scale: float

    def __str__(self) -> str:
        return "\n".join([self._end_sentence(), self._class_sentence(), *self._speed_sentences()])

    @property
    def n_steps(self) -> int:
        """How many steps were taken."""
        return self.step_sizes.size

    @property
    def weights(self) -> list[Floats]:
        """The weights at the end."""
        return self.recorded[-1]

    @property
    def loss(self) -> float:
        """F at the end."""
        return float(self.losses[-1])

    @cached_property
    def _nearest(self) -> tuple[CriticalClass, Distance]:
        return self.problem.nearest(self.weights)

    @property
    def ended_in(self) -> CriticalClass:
        """The class of critical points nearest to the end."""
        return self._nearest[0]

    @cached_property
    def distance(self) -> Distance:
        """The distance of the end to the class in which the descent ended."""
        return self.ended_in.distance(self.weights)

    @cached_property
    def distances(self) -> Floats:
        """Distances (upper bounds) of the recorded weights to the class in which the descent ended, shape (k,)."""
        return np.array([self.ended_in.distance(W).upper for W in self.recorded])

    @property
    def error_ratios(self) -> Floats:
        """:attr:`distances` over the norm of the gradient, shape (k,); near the class at most its kappa."""
        slopes = self.gradients[self.steps]
        return np.divide(self.distances, slopes, out=np.full(slopes.shape, math.inf), where=slopes > 0)

    @property
    def rate(self) -> float:
        """The fall of ``log |grad F|`` a step, fitted over its last two decades; NaN of fewer than three steps."""
        window = self._last_decades
        if window.size < 3:
            return math.nan
        return -float(np.polyfit(window, np.log(self.gradients[window]), 1)[0])

    @property
    def predicted_rate(self) -> float:
        """What :attr:`rate` should be: ``-log(1 - step size times mu)``, the mean over the same steps.

        mu is the least positive eigenvalue at the class. NaN at a class that is no minimum, or where the
        error bound fails: nothing is predicted there.
        """
        values = self.ended_in.eigenvalues[0]
        if self.ended_in.kind not in ("global minimum", "local minimum") or not self._holds or not self.n_steps:
            return math.nan
        share = self.step_sizes[np.minimum(self._last_decades, self.n_steps - 1)] * values[values > 0].min()
        with np.errstate(divide="ignore"):  # a step may end it
            return -float(np.log1p(-np.minimum(share, 2.0 - share)).mean())

    @property
    def regime(self) -> Literal["linear", "sublinear", "unknown"]:
        """Which law the gradient follows better over the second half of the steps, exponential or power."""
        n = self.n_steps
        half = np.arange(max(1, n // 2), n + 1)
        if n < _FEWEST or not self.gradients[half].all():
            return "unknown"
        logs = np.log(self.gradients[half])
        (power, _), by_power = _line(np.log(half), logs)
        _, by_exponential = _line(half / n, logs)
        return "sublinear" if by_power < by_exponential and power > -_STEEPEST else "linear"

    @property
    def exponent(self) -> float:
        """The power p of ``|grad F| ~ k^p``, fitted over the last decade and a half of the steps; if sublinear."""
        first = self.n_steps / 10**_STEP_DECADES
        window = np.unique(np.rint(np.geomspace(max(1.0, first), max(1, self.n_steps), _POINTS)).astype(np.intp))
        if window.size < 3 or not self.gradients[window].all():
            return math.nan
        return float(_line(np.log(window), np.log(self.gradients[window]))[0][0])

    @property
    def predicted_exponent(self) -> float:
        """-3/2 at depth 2 and -2 beyond, at a class where the error bound fails; elsewhere NaN."""
        if self._holds:
            return math.nan
        return -1.5 if self.problem.depth == 2 else -2.0

    @property
    def _holds(self) -> bool:
        return self.ended_in.error_bound().holds

    @property
    def _last_decades(self) -> Ints:
        """The steps of the last decades of the gradient."""
        slopes = self.gradients
        above = np.flatnonzero(slopes > 10.0**_DECADES * slopes[-1])
        first = int(above[-1]) + 1 if above.size else 0
        return np.arange(first, slopes.size)[slopes[first:] > 0]

    def _end_sentence(self) -> str:
        how = "converged after" if self.converged else "had not converged after"
        slope = self.gradients[-1]
        return (
            f"The descent {how} {self.n_steps} steps: F = {self.loss:.6g}, |grad F| = {slope:.2g}, "
            f"{slope / self.gradient_scale:.1g} of its natural size."
        )

    def _class_sentence(self) -> str:
        found, apart = self.ended_in, self.distance
        between = f"{apart.upper:.2g}" if apart.exact else f"between {apart.lower:.2g} and {apart.upper:.2g}"
        return f"The nearest class of critical points is {between} away: {found.kind}, {found.description}."

    def _speed_sentences(self) -> list[str]:
        if not self._holds:
            root = "third" if self.problem.depth == 2 else "square"
            slow = "The weight decay is critical there, and the gradient is predicted to fall like "
            slow += f"k^{self.predicted_exponent:g}; here like k^{self.exponent:.3f} ({self.regime})."
            return [slow, f"A gradient of g tells a singular value only up to the {root} root of g."]
        if math.isnan(self.predicted_rate) or math.isnan(self.rate):
            return []
        fall = f"|grad F| fell by a factor of {math.exp(-self.rate):.6f} a step in the end; predicted: "
        return [fall + f"{math.exp(-self.predicted_rate):.6f} (rates {self.rate:.4g} and {self.predicted_rate:.4g})."]


def _line(x: Floats, y: Floats) -> tuple[Floats, float]:
    """The least-squares line, and the sum of squares that it leaves."""
    line = np.polyfit(x, y, 1)
    return line, float(np.square(np.polyval(line, x) - y).sum())
