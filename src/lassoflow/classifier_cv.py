"""A classifier that chooses its penalty by exact cross-validation of the log loss."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv

from lassoflow.arrays import Floats, Ints, read_nonnegative
from lassoflow.choice import CVSelection, Rule, read_rule
from lassoflow.classifiers import PathClassifier
from lassoflow.exact_cv import SMALLEST_SHARE
from lassoflow.losses import LogisticLoss
from lassoflow.path import Path
from lassoflow.pieces import Pieces, penalties_of


class FlowClassifierCV(PathClassifier):
    """Sparse logistic regression along the limit flow; the penalty is chosen by exact cross-validation.

    The flow is constant between knots, and so is the log loss of held-out rows: its least value is found without a
    grid. Folds whose classes are separated keep the coefficients at which their paths end.

    Parameters
    ----------
    rule : "min" or "1se", default "min"
        The least loss; or the most regularised choice within a standard error of it.
    cv : int, splitter or iterable of (train, test), optional
        As scikit-learn takes it, stratified; 5 folds if None.
    lambda_min : float, optional
        The smallest penalty searched; 1e-3 of the largest if None.
    fit_intercept, positive, penalty_factor, weight_decay, verbose
        As of :class:`FlowClassifier`.

    Attributes
    ----------
    alpha_ : float, or array of shape (q,) for more than two classes
        The chosen penalties.
    selection_ : CVSelection, or list of q
        The whole exact curve, the choice and that of the other rule.
    classes_, coef_, intercept_, path_, n_iter_, n_features_in_, feature_names_in_
        As of :class:`FlowClassifier`.

    Raises
    ------
    ValueError
        By ``fit``, if an argument makes no sense, or a fold has rows of one class only.

    Notes
    -----
    Derived, see docs/theory, sections 4 and 15. The loss is ``log(1 + exp(-+eta))``, the mean over held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 6))
    >>> y = X[:, 0] + 0.7 * rng.standard_normal(80) > 0
    >>> model = lf.FlowClassifierCV().fit(X, y)
    >>> (model.coef_ != 0).tolist()
    [[True, False, False, False, False, False]]
    """

    def __init__(
        self,
        rule: Rule = "min",
        cv: Any = None,
        *,
        lambda_min: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        penalty_factor: ArrayLike | str | None = None,
        weight_decay: float = 0.0,
        verbose: int = 0,
    ) -> None:
        self.rule = rule
        self.cv = cv
        self.lambda_min = lambda_min
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.penalty_factor = penalty_factor
        self.weight_decay = weight_decay
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> FlowClassifierCV:
        """Choose by cross-validation, and walk the path of all rows down to the choice.

        Parameters
        ----------
        X : array, sparse array or frame of shape (n, d)
        y : array of shape (n,)
        sample_weight : array of shape (n,), optional
            Of the fits and of the held-out losses.

        Returns
        -------
        self
            Itself.
        """
        read_rule(self.rule)
        X, y, weights = self._read(X, y, sample_weight)
        folds = list(check_cv(self.cv, y, classifier=True).split(X, y))
        chosen, paths = [], []
        for label in self._targets():
            selection, problem = self._choose(X, y == label, weights, folds)
            chosen.append(selection)
            paths.append(self._path(problem, selection.lam))
        self.selection_: Any = chosen[0] if len(chosen) == 1 else chosen
        self.alpha_: Any = chosen[0].lam if len(chosen) == 1 else np.array([one.lam for one in chosen])
        self._keep(paths, [one.lam for one in chosen])
        return self

    def _choose(
        self, X: Any, is_class: Any, weights: Floats | None, folds: list[tuple[Ints, Ints]]
    ) -> tuple[CVSelection, Any]:
        """The choice for one class against the others, and the problem of all rows."""
        problem = self._problem(X, is_class, weights)
        first = 1.0 / self._path(problem, 0.0, max_knots=0).domain[1]
        floor = SMALLEST_SHARE * first if self.lambda_min is None else read_nonnegative(self.lambda_min, "lambda_min")
        rows = sp.csr_array(X) if sp.issparse(X) else X
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # folds may separate their classes
            pieces = [self._fold(rows, is_class, weights, train, test, floor) for train, test in folds]
        return CVSelection.of(pieces, "flow", self.rule, floor, first, (0.0, 0.0)), problem

    def _fold(self, X: Any, is_class: Any, weights: Floats | None, train: Ints, test: Ints, floor: float) -> Pieces:
        """The log loss of one fold's path on its held-out rows, constant between its knots."""
        if is_class[train].all() or not is_class[train].any():
            raise ValueError("cv: a fold has rows of one class only to fit on; stratify the folds.")
        path = self._path(self._problem(X[train], is_class[train], None if weights is None else weights[train]), floor)
        return held_out(path, X[test], is_class[test].astype(np.float64), None if weights is None else weights[test])


def held_out(path: Path, X: Any, y: Floats, weights: Floats | None) -> Pieces:
    """The log loss of a path on rows, as pieces that are constant."""
    times = np.append(0.0, path.knots)
    losses = LogisticLoss().value(path.predict(X, times), y)
    errors = np.average(losses, axis=1, weights=weights)
    table = np.column_stack([errors, np.zeros_like(errors), np.zeros_like(errors)])
    return Pieces(times, np.append(np.inf, penalties_of(path.knots)), table, errors, float(errors[0]))
