"""What cross-validation on exact paths chose, by which rule, and the whole error it chose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lassoflow.arrays import Floats
from lassoflow.exact_cv import ExactLaw
from lassoflow.pieces import Pieces, penalty_before
from lassoflow.surface import Place, Surface

Rule = Literal["min", "1se", "paired"]
_RULES = {
    "min": "the minimum",
    "1se": "the one-standard-error rule",
    "paired": "the largest blend within half a paired standard error of the minimum",
}

_MARGIN = 0.5
"""How many standard errors of its loss a larger blend may lose by the rule "paired" (docs, section 15)."""
_HALVINGS = 40
"""Of the interval of blends: to 1e-12 of it."""


class Choice(NamedTuple):
    """A penalty and a blend, with the cross-validated error there and its standard error."""

    lam: float
    """The penalty."""
    blend: float
    """The share of the average."""
    error: float
    """The mean over folds."""
    standard_error: float
    """Its standard error; NaN for a single fold."""

    @property
    def s(self) -> float:
        """The time 1 / lambda; inf at a penalty of zero."""
        return 1.0 / self.lam if self.lam else float("inf")


@dataclass(frozen=True, eq=False)
class CVSelection:
    """What cross-validation on exact paths chose, and the whole error it chose from.

    The error of a fold is the (weighted) mean of squares over its held-out rows; the cross-validated error is the plain
    mean over folds, and its standard error their standard deviation over the root of their number.

    Attributes
    ----------
    law : "lasso" or "flow"
    rule : "min", "1se" or "paired"
    best : Choice
        The least error; of equal ones the largest penalty, then the largest blend.
    one_se : Choice or None
        The largest penalty, and then blend, whose error is at most a standard error above; None for a single fold.
    paired : Choice or None
        The least error at the largest blend that loses at most half a standard error on ``best``, the standard error
        being that of the loss, fold by fold; None for a single fold.
    lambda_min, lambda_max : float
        The range of the search: the upper end lies just above the first knots of all folds.
    blends : (float, float)
        The range of blends, both ends the same if it was given.
    folds : tuple of Pieces
        The exact error of every fold.
    surface : Surface
        Their mean.

    Examples
    --------
    >>> import lassoflow as lf
    >>> X = [[1.0, 0.2], [-1.0, 0.1], [2.0, -0.3], [-2.0, 0.0], [0.5, 0.4], [-0.5, -0.4]]
    >>> y = [1.1, -0.9, 2.1, -1.8, 0.4, -0.7]
    >>> chosen = lf.select_by_cv(X, y, cv=3)
    >>> print(chosen)
    Chosen by the minimum of 3-fold cross-validation: lambda = 0.6375 (s = 1.56863), blend 0.04; error 0.0405 ±
    0.0205. Searched exactly over all lambda from 0.001725 to 2.45 and all blends from 0 to 1.
    >>> bool(chosen.curve(chosen.lam, chosen.blend) == chosen.error), chosen.one_se.lam >= chosen.lam
    (True, True)
    """

    law: ExactLaw
    rule: Rule
    best: Choice
    one_se: Choice | None
    paired: Choice | None
    lambda_min: float
    lambda_max: float
    blends: tuple[float, float]
    folds: tuple[Pieces, ...]
    surface: Surface

    @classmethod
    def of(
        cls,
        folds: Sequence[Pieces],
        law: ExactLaw,
        rule: Rule,
        lambda_min: float,
        lambda_max: float,
        blends: tuple[float, float],
    ) -> CVSelection:
        """The choice, from the errors of the folds.

        Parameters
        ----------
        folds : sequence of Pieces
        law, rule, lambda_min, blends
            As in the attributes.
        lambda_max : float
            Of the whole data.

        Raises
        ------
        ValueError
            If the rule is "1se", and there is a single fold. By "paired" it then is ``best``.
        """
        if rule == "1se" and len(folds) < 2:
            raise ValueError('rule must not be "1se" for a single fold, which has no standard error.')
        first = [float(fold.times[1]) for fold in folds if fold.times.size > 1]
        first += [1.0 / lambda_max] if lambda_max else []
        top = penalty_before(min(first)) if first else lambda_min
        surface = Surface.of(folds, lambda_min, top, blends)
        place, error = surface.least()
        best = _choice(folds, place)
        one_se = paired = None
        if len(folds) > 1:
            level = max(error, best.error) + best.standard_error
            one_se = _choice(folds, surface.most_regularised(level, place))
            paired = _paired(folds, surface, best)
        return cls(law, rule, best, one_se, paired, lambda_min, top, blends, tuple(folds), surface)

    @property
    def choice(self) -> Choice:
        """The choice of the rule; ``best`` if the rule is "paired" and there is a single fold."""
        return {"min": self.best, "1se": self.one_se, "paired": self.paired}[self.rule] or self.best

    @property
    def lam(self) -> float:
        """The chosen penalty."""
        return self.choice.lam

    @property
    def s(self) -> float:
        """The chosen time, 1 / lambda."""
        return self.choice.s

    @property
    def blend(self) -> float:
        """The chosen share of the average."""
        return self.choice.blend

    @property
    def error(self) -> float:
        """The cross-validated error of the choice."""
        return self.choice.error

    @property
    def standard_error(self) -> float:
        """The standard error of that error; NaN for a single fold."""
        return self.choice.standard_error

    @property
    def knots(self) -> Floats:
        """All penalties at which a fold has a knot, and the ends of the range: decreasing, shape (m + 1,)."""
        return self.surface.edges

    def errors(self, lam: ArrayLike, blend: ArrayLike | None = None) -> Floats:
        """The exact error of every fold at penalties and blends that broadcast: shape ``(n_folds,) + their shape``.

        Parameters
        ----------
        lam : array
            Penalties, at least ``lambda_min``.
        blend : array, optional
            By default the best one for each penalty.

        Raises
        ------
        ValueError
            If a penalty is below ``lambda_min``.
        """
        penalties = np.asarray(lam, dtype=np.float64)
        if not (penalties >= self.lambda_min).all():
            raise ValueError(f"lam must be at least {self.lambda_min:.6g}, where the paths of the folds end.")
        blend = self.best_blend(penalties) if blend is None else blend
        return np.stack([fold(penalties, blend) for fold in self.folds])

    def curve(self, lam: ArrayLike, blend: ArrayLike | None = None) -> Floats:
        """The exact cross-validated error at penalties and blends, by default the best: their shape."""
        return np.asarray(self.errors(lam, blend).mean(axis=0))

    def standard_errors(self, lam: ArrayLike, blend: ArrayLike | None = None) -> Floats:
        """The standard error of :meth:`curve`; NaN for a single fold."""
        return _standard_error(self.errors(lam, blend))

    def best_blend(self, lam: ArrayLike) -> Floats:
        """The blend with the least error at each penalty, the largest of several: the shape of lam."""
        return self.surface.best_blend(lam)

    def __str__(self) -> str:
        joint = self.blends[0] < self.blends[1]
        blends = f" and all blends from {self.blends[0]:g} to {self.blends[1]:g}" if joint else ""
        spread = "" if np.isnan(self.standard_error) else f" ± {self.standard_error:.3g}"
        rule = self.rule if len(self.folds) > 1 else "min"
        text = (
            f"Chosen by {_RULES[rule]} of {len(self.folds)}-fold cross-validation: "
            f"lambda = {self.lam:.6g} (s = {self.s:.6g}), blend {self.blend:.3g}; error {self.error:.3g}{spread}. "
            f"Searched exactly over all lambda from {self.lambda_min:.6g} to {self.lambda_max:.6g}{blends}."
        )
        if self.best.lam <= self.surface.edges[-2] and self.lambda_min:
            text += " The least error lies at the lower end of that range: below it may be smaller."
        return text

    def __repr__(self) -> str:
        return f"<CVSelection: lambda {self.lam:.4g}, blend {self.blend:.3g}, error {self.error:.4g}, rule {self.rule}>"


def read_rule(rule: Any) -> None:
    """Raise a ValueError unless a rule is one of them."""
    if rule not in _RULES:
        raise ValueError(f'rule must be "min", "1se" or "paired"; got {rule!r}.')


def _paired(folds: Sequence[Pieces], surface: Surface, best: Choice) -> Choice:
    """The least error at the largest blend whose loss on the best choice is within the margin.

    The loss rises with the blend, its standard error need not: where the largest blend of all loses too much, halving
    finds one that does not, and next to it, to rounding, a larger one that does.
    """
    kept, low, high = Place(best.lam, best.blend), best.blend, surface.blends[1]
    at_best, blend = _errors_at(folds, kept), high
    for _ in range(_HALVINGS):
        place, _ = replace(surface, blends=(blend, surface.blends[1])).least()
        loss = _errors_at(folds, place) - at_best
        if loss.mean() <= _MARGIN * _standard_error(loss):
            kept, low = place, blend
        else:
            high = blend
        if low == high:
            break
        blend = 0.5 * (low + high)
    return _choice(folds, kept)


def _errors_at(folds: Sequence[Pieces], place: Place) -> Floats:
    return np.array([float(fold(place.lam, place.blend)) for fold in folds])


def _choice(folds: Sequence[Pieces], place: Place) -> Choice:
    errors = _errors_at(folds, place)
    return Choice(place.lam, place.blend, float(errors.mean()), float(_standard_error(errors)))


def _standard_error(errors: Floats) -> Floats:
    """The standard error of the mean over the first axis."""
    count = errors.shape[0]
    if count < 2:
        return np.full(errors.shape[1:], np.nan)
    size = float(np.abs(errors).max(initial=0.0)) or 1.0  # their squares may be beyond floating point
    return np.asarray((errors / size).std(axis=0, ddof=1) * (size / np.sqrt(count)))
