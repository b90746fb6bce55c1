"""A path: the pair (z, theta) as a curve over the time s, and the views of it that are paths again.

``z`` is the cumulated coefficient vector, its slope ``z'`` the *instantaneous* coefficients and ``z / s`` the
*average* ones. For the lasso the average is the lasso solution and the slope its refit; for a flow the slope is the
flow itself and the average the curve that is compared with the lasso. A :class:`Path` is that curve seen with one
blend of the two: ``blend * average + (1 - blend) * instantaneous``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassoflow.architecture import Clock, network_from_arrays
from lassoflow.archive import read_arrays, write_arrays
from lassoflow.arrays import Floats, read_matrix, read_nonnegative
from lassoflow.box import Box
from lassoflow.convex import ConvexProblem
from lassoflow.curve import Curve, Polygon, Side
from lassoflow.curved import Curved
from lassoflow.decayed import Decayed
from lassoflow.dense import Smooth
from lassoflow.dual_curve import DualCurve, Sampled
from lassoflow.network import Network
from lassoflow.problem import LeastSquares
from lassoflow.recorded import Recorded
from lassoflow.snippet import snippet
from lassoflow.vanishing import Vanishing

if TYPE_CHECKING:
    import pandas as pd

Law = Literal["lasso", "flow", "network", "descent"]
"""What a path obeys: the lasso, the limit flow, the gradient flow of a finite network, or steps on its weights."""
Status = Literal["complete", "lambda_min", "max_knots", "until", "stopped", "limit", "unbounded"]

_FORMAT = 2
"""Of files that hold a curve of intercepts; others are of format 1, which all versions read."""


class Frame(NamedTuple):
    """What turns coefficients into predictions: column names, their means and the mean response."""

    feature_names: tuple[str, ...]
    feature_means: Floats
    target_mean: float


@dataclass(frozen=True, eq=False)
class Path:
    """A curve of coefficients over the time ``s = 1 / lambda``, exact between knots.

    Paths come from :func:`lassoflow.lasso_path`, :func:`lassoflow.limit_flow`, :func:`lassoflow.gradient_flow`,
    :func:`lassoflow.gradient_descent` and :func:`lassoflow.load`. Everything is vectorised: for s of any shape,
    ``path(s)`` has shape ``s.shape + (d,)``. At a jump the value is the right limit; ``side="left"`` gives the other
    (at the end of a path that was stopped, there is only the left one).

    Attributes
    ----------
    law : "lasso", "flow" (the limit flow), "network" (gradient flow of a finite one) or "descent"
    problem : LeastSquares, another problem, or None
        What it solves; None for a loaded path.
    box : Box
        Penalty factors and weight decay; of a network that starts at 1 or above, faces that may be negative.
    status : str
        "complete", or what ended the path early: "lambda_min", "max_knots", "until", "stopped", or "unbounded" where
        the loss has no minimum from then on; or "limit" if it is the flow of a deep network from so small a scale that
        the limit flow is the answer.
    blend : float
        Share of the average in what the path shows (1: average, 0: instantaneous).
    curve : object
        z as the walk or the integrator has left it; of a descent :class:`~lassoflow.recorded.Recorded`.
    frame : tuple
        Feature names, means of the columns and the mean response: what makes predictions of coefficients.

    Examples
    --------
    >>> import lassoflow as lf
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0])
    >>> path = lf.lasso_path(problem)
    >>> path
    <Path of the lasso: 2 knots for s from 1 to 2, 2 features, complete, exact>
    >>> path([1.0, 2.0, 4.0])
    array([[0. , 0. ],
           [1. , 0. ],
           [1.5, 0.5]])
    >>> path.at(lam=0.25), path.end, path.knots, path.domain
    (array([1.5, 0.5]), array([2., 1.]), array([1., 2.]), (0.0, inf))
    >>> path.integral(4.0), path.dual(4.0)  # z and theta; z / s is the average
    (array([6., 2.]), array([1., 1.]))
    >>> path.support(1.5), path.degrees_of_freedom([0.5, 1.5, 2.5])
    (array([ True, False]), array([0, 1, 2]))
    >>> path.predict([[1.0, 1.0]], 4.0), path.intercept(4.0)
    (array([2.]), array(0.))
    >>> path.instantaneous()(1.5), path.relaxed(0.5)(1.5)  # the refit, and half-way to it
    (array([2., 0.]), array([1.33333333, 0.        ]))
    >>> path.to_frame()
         s  lambda  dimension  l1_norm  intercept   x0   x1
    0  1.0     1.0          0      0.0        0.0  0.0  0.0
    1  2.0     0.5          1      1.0        0.0  1.0  0.0
    2  inf     0.0          2      3.0        0.0  2.0  1.0
    """

    curve: Curve
    law: Law
    problem: LeastSquares | ConvexProblem | None
    box: Box
    frame: Frame
    status: Status
    blend: float
    network: Network | None = None
    """The network whose path it is, with its scale and its clock."""
    offset: Curve | None = None
    """The intercept of centred columns as a curve; None if it is the mean response throughout."""

    @property
    def clock(self) -> Clock:
        """What s is: "lasso" time 1/lambda or, of networks in the kernel regime, "training" time."""
        return self.network.clock if self.network else "lasso"

    @property
    def letter(self) -> str:
        """What tables and messages call the time: s, or t if it is training time."""
        return "s" if self.clock == "lasso" else "t"

    # -- the curve ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the path shows, in words: "the lasso", "the limit flow", or a view of them."""
        views = {
            "lasso": {1.0: "the lasso", 0.0: "the lasso's refit"},
            "flow": {0.0: "the limit flow", 1.0: "the limit flow's average"},
            "network": {0.0: "the gradient flow", 1.0: "the gradient flow's average"},
            "descent": {0.0: "gradient descent", 1.0: "gradient descent's average"},
        }[self.law]
        own = next(iter(views.values()))
        return views.get(self.blend, f"{own}, blend {self.blend:g}")

    @property
    def knots(self) -> Floats:
        """Times s of the events, increasing, shape (k,); of a path that is not exact, up to some 200 of its steps."""
        return self.curve.knots

    @property
    def mesh(self) -> Floats:
        """Times between which few points draw the path well: its knots, or the ends of an integrator's steps."""
        return self.curve.mesh

    @property
    def domain(self) -> tuple[float, float]:
        """The times the path covers: (0, inf) if complete."""
        return 0.0, self.curve.stop

    @property
    def exact(self) -> bool:
        """Whether values are exact (up to rounding) at every s rather than interpolated."""
        return self.curve.exact

    @property
    def end(self) -> Floats:
        """Coefficients at the end of the domain, shape (d,); the limit for s to infinity if complete."""
        return self(self.curve.stop, side="left")

    def __call__(self, s: ArrayLike, side: Side = "right") -> Floats:
        """Coefficients at times s: shape ``s.shape + (d,)``.

        Raises
        ------
        ValueError
            If an s is negative, NaN, or beyond the end of the path.
        """
        flat, shape = self._times(s)
        if self.blend == 1.0:
            values = self.curve.average(flat, side)
        elif self.blend == 0.0:
            values = self.curve.slope(flat, side)
        else:
            values = self.blend * self.curve.average(flat, side) + (1 - self.blend) * self.curve.slope(flat, side)
        return _shaped(values, shape)

    def at(self, *, lam: ArrayLike, side: Side = "right") -> Floats:
        """Coefficients at penalties ``lam = 1 / s`` (on top of any weight decay): shape ``lam.shape + (d,)``.

        Raises
        ------
        ValueError
            If a penalty is negative or NaN, or below the end of the path; or if there is no lasso clock.
        """
        if self.clock == "training":
            raise ValueError(
                f"{self.network!r} is in the kernel regime: there is training time only, and no penalty belongs to it. "
                "Call the path with a training time."
            )
        penalties = np.asarray(lam, dtype=np.float64)
        if not (penalties >= 0).all():
            raise ValueError("lam must be a penalty >= 0; it is negative or NaN somewhere.")
        with np.errstate(divide="ignore"):
            return self(1.0 / penalties, side)

    def average(self, s: ArrayLike, side: Side = "right") -> Floats:
        """``z(s) / s``, shape ``s.shape + (d,)``; at 0 its limit. The same for every view."""
        flat, shape = self._times(s)
        return _shaped(self.curve.average(flat, side), shape)

    def integral(self, s: ArrayLike, side: Side = "right") -> Floats:
        """``z(s)``, the coefficients cumulated over time, shape ``s.shape + (d,)``. The same for every view."""
        flat, shape = self._times(s)
        average = self.curve.average(flat, side)
        product = np.multiply(average, flat[:, None], out=np.zeros_like(average), where=average != 0)
        return _shaped(product, shape)

    def log_abs(self, s: ArrayLike, side: Side = "right") -> Floats:
        """``log|x(s)|``, shape ``s.shape + (d,)``: -inf where a coefficient is 0.

        Of a network's flow it is right where coefficients are below the smallest float. Its average is known as a
        number only, and steps on the weights, exact paths and blends are, too: of these it is the logarithm of that.

        Examples
        --------
        >>> import lassoflow as lf
        >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.0])
        >>> flow = lf.gradient_flow(problem, lf.ProductNetwork(log_scale=-10_000))
        >>> flow(0.5), flow.log_abs(0.5).round(1)
        (array([0., 0.]), array([-5001.4, -7501.4]))
        >>> lf.lasso_path(problem).log_abs(2.0).round(4)
        array([  0., -inf])
        """
        flat, shape = self._times(s)
        if self.blend == 0.0 and isinstance(self.curve, Smooth | Decayed | Vanishing | DualCurve):
            return _shaped(self.curve.log_abs(flat), shape)
        with np.errstate(divide="ignore"):
            return np.log(np.abs(self(s, side)))

    def dual(self, s: ArrayLike) -> Floats:
        """The dual: shape ``s.shape + (d,)``, the same for every view.

        ``theta(s) = -int_0^s grad l``, of least squares ``s X'(y - X z/s) / n``.

        Raises
        ------
        ValueError
            If the path was loaded without its problem, or an s is infinite.
        """
        flat, shape = self._times(s)
        if np.isinf(flat).any():
            raise ValueError("The dual has no value at s = inf; ask for a finite s.")
        return _shaped(flat[:, None] * self.dual_rate(flat), shape)

    def dual_rate(self, s: ArrayLike) -> Floats:
        """``theta(s) / s``, the mean of minus the gradient up to s, also at 0 and at inf: shape ``s.shape + (d,)``.

        Of least squares, and of every lasso, it is minus the gradient at ``z / s``; of flows of other losses gradients
        are summed over the segments, one pass each.

        Raises
        ------
        ValueError
            If the path was loaded without its problem.
        """
        flat, shape = self._times(s)
        problem = self.require_data("the dual")
        if isinstance(problem, LeastSquares) or self.law == "lasso":
            return _shaped(-problem.gradient(self.curve.average(flat, "right")), shape)
        if isinstance(self.curve, DualCurve):
            return _shaped(self.curve.dual_rate(problem, flat), shape)
        start = np.concatenate([[0.0], self.knots])
        rates = -problem.gradient(self.curve.slope(start, "right"))
        passed = np.vstack([np.zeros(rates.shape[1]), np.cumsum(np.diff(start)[:, None] * rates[:-1], axis=0)])
        segment = np.searchsorted(self.knots, flat, side="right")
        share = np.divide(start[segment], flat, out=np.zeros_like(flat), where=flat > 0)[:, None]
        means = np.divide(passed, start[:, None], out=np.zeros_like(passed), where=start[:, None] > 0)
        return _shaped(share * means[segment] + (1.0 - share) * rates[segment], shape)

    # -- what a user reads off ------------------------------------------------------------------------------------

    def support(self, s: ArrayLike, side: Side = "right") -> NDArray[np.bool_]:
        """Which coefficients are nonzero at s: booleans of shape ``s.shape + (d,)``."""
        return self(s, side) != 0

    def dimension(self, s: ArrayLike, side: Side = "right") -> NDArray[np.intp]:
        """How many coefficients are nonzero at s: shape ``s.shape``."""
        return np.asarray(self.support(s, side).sum(axis=-1), dtype=np.intp)

    def degrees_of_freedom(self, s: ArrayLike, side: Side = "right") -> NDArray[np.intp]:
        """Degrees of freedom at s, the intercept not counted: shape ``s.shape``.

        For the lasso this is the rank of the active columns, an unbiased estimate (Zou, Hastie & Tibshirani 2007;
        Tibshirani & Taylor 2012); the walk keeps them independent, so it is their number. For every other view it is
        :meth:`dimension`, which leaves out what the search costs and is therefore too small (see
        docs, section 14).
        """
        return self.dimension(s, side)

    def intercept(self, s: ArrayLike, side: Side = "right") -> Floats:
        """The intercept at s: shape ``s.shape`` (0 where none is fitted)."""
        return np.asarray(self._offset(s, side) - self(s, side) @ self.frame.feature_means)

    def _offset(self, s: ArrayLike, side: Side) -> Floats:
        """The intercept of centred columns at s: shape ``s.shape``."""
        if self.offset is None:
            return np.full(np.shape(s), self.frame.target_mean)
        flat, shape = self._times(s)
        parts = self.offset.average(flat, side), self.offset.slope(flat, side)
        return (self.blend * parts[0] + (1.0 - self.blend) * parts[1]).reshape(shape)

    def predict(self, X: Any, s: ArrayLike, side: Side = "right") -> Floats:
        """Predictions for X of shape (m, d) at s: shape ``s.shape + (m,)``.

        Raises
        ------
        ValueError
            If X has another number of columns, or a frame's names differ from those the path was fitted on.
        """
        matrix, names, _ = read_matrix(X)
        expected = self.frame.feature_names
        if len(names) != len(expected):
            raise ValueError(f"X has {len(names)} features; the path was fitted on {len(expected)}.")
        if hasattr(X, "columns") and names != expected:
            wrong = next(j for j in range(len(names)) if names[j] != expected[j])
            raise ValueError(f"X: column {wrong} is {names[wrong]!r}; the path was fitted on {expected[wrong]!r}.")
        flat, shape = self._times(s)
        fitted = np.asarray((matrix @ self(flat, side).T).T) + self.intercept(flat, side)[:, None]
        return _shaped(fitted, shape)

    # -- views ----------------------------------------------------------------------------------------------------

    def averaged(self) -> Path:
        """The path of averages z/s: of a lasso path itself, of a flow the curve that approximates the lasso."""
        return self.relaxed(1.0)

    def instantaneous(self) -> Path:
        """The path of slopes z': of a flow itself, of a lasso path the least-squares refit on its support.

        With weight decay it is the fit on the support at that penalty alone.
        """
        return self.relaxed(0.0)

    def relaxed(self, gamma: float) -> Path:
        """``gamma * average + (1 - gamma) * instantaneous``; of a lasso path, the relaxed lasso (Meinshausen 2007).

        Raises
        ------
        ValueError
            If gamma is not in [0, 1].
        """
        blend = read_nonnegative(gamma, "gamma")
        if blend > 1.0:
            raise ValueError(f"gamma must lie in [0, 1]; got {gamma!r}.")
        return replace(self, blend=blend)

    # -- out and in -----------------------------------------------------------------------------------------------

    def to_frame(self, all_features: bool = False) -> pd.DataFrame:
        """One row a knot and one for the end: s, lambda, dimension, l1_norm, intercept, then the features.

        In training time the first column is t, and there is no lambda.

        Rows are right limits but for the last, at the end of the domain (s = inf and lambda = 0 if complete). A
        feature that is named like one of the other columns gets " (feature)" behind its name.

        Parameters
        ----------
        all_features : bool
            Whether to keep the columns of features that are never active, too.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("to_frame needs pandas: pip install 'lassoflow[frame]'") from None

        knots = self.knots[self.knots < self.curve.stop]
        s = np.append(knots, self.curve.stop)
        values = np.vstack([self(knots), self.end])
        head = {
            **({"s": s, "lambda": 1.0 / s} if self.clock == "lasso" else {"t": s}),
            "dimension": (values != 0).sum(axis=1),
            "l1_norm": np.abs(values).sum(axis=1),
            "intercept": np.append(self.intercept(knots), self.intercept(self.curve.stop, side="left")),
        }
        keep = np.flatnonzero(self.curve.active() | all_features)
        names = [self.frame.feature_names[j] for j in keep]
        names = [f"{name} (feature)" if name in head else name for name in names]
        return pd.concat([pd.DataFrame(head), pd.DataFrame(values[:, keep], columns=names)], axis=1)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the path to an .npz file (no pickle, no X). :func:`lassoflow.load` reads it back.

        The file appears whole or not at all: it is written beside its place and renamed.
        """
        write_arrays(file, _to_arrays(self))

    def __repr__(self) -> str:
        count, d = self.knots.size, len(self.frame.feature_names)
        time = {"lasso": "s", "training": "training time t"}[self.clock]
        span = f" for {time} from {self.knots[0]:.4g} to {self.knots[-1]:.4g}" if count else ""
        by = "" if self.status == "stopped" else f" by {self.status}"
        whole = {"complete": "complete", "limit": "complete, as its limit"}
        ended = whole.get(self.status, f"stopped{by} at {self.letter} = {self.curve.stop:.4g}")
        what = "knot" if self.exact else "step"
        count = count if self.exact else self.mesh.size
        notes = [f"{count} {what}{'s' * (count != 1)}{span}", f"{d} feature{'s' * (d != 1)}", ended]
        return f"<Path of {self.name}: {', '.join(notes + ['exact'] * self.exact)}>"

    def _repr_html_(self) -> str:
        """A few lines for a notebook; :func:`lassoflow.report` writes a whole page."""
        return snippet(self)

    # -- checks ---------------------------------------------------------------------------------------------------

    def require_data(self, purpose: str) -> LeastSquares | ConvexProblem:
        """The problem, or an error that says how to bring it back."""
        if self.problem is None:
            raise ValueError(f"This path was loaded without its data, which {purpose} needs: lf.load(file, problem).")
        return self.problem

    def require_problem(self, purpose: str) -> LeastSquares:
        """The problem if it is one of least squares, or an error that says why that is needed."""
        problem = self.require_data(purpose)
        if not isinstance(problem, LeastSquares):
            kind = type(problem).__name__
            raise ValueError(f"This path is of a {kind} problem; {purpose} is known for least squares only.")
        return problem

    def _times(self, s: ArrayLike) -> tuple[Floats, tuple[int, ...]]:
        times = np.asarray(s, dtype=np.float64)
        if not (times >= 0).all():
            raise ValueError(f"{self.letter} must be a time >= 0; it is negative or NaN somewhere.")
        if (times > self.curve.stop).any():
            raise ValueError(
                f"{self.letter} = {times.max():.6g} lies beyond the end of the path: "
                f"{self.status} stopped it at {self.letter} = {self.curve.stop:.6g}."
            )
        return times.ravel(), times.shape


def _shaped(rows: Floats, shape: tuple[int, ...]) -> Floats:
    """Rows of shape (m, d) as an array of shape ``shape + (d,)``."""
    return rows.reshape(*shape, rows.shape[-1])


def load(file: str | os.PathLike[str], problem: LeastSquares | ConvexProblem | None = None) -> Path:
    """Read a path written by :meth:`Path.save`.

    Parameters
    ----------
    file : str or path
        The .npz file.
    problem : LeastSquares, optional
        The problem it was computed for, where certificates or the dual are wanted; the file holds no data.

    Raises
    ------
    ValueError
        If the file is not a saved path, or the problem has other features.

    Examples
    --------
    >>> import lassoflow as lf, tempfile, os
    >>> path = lf.limit_flow(lf.LeastSquares([[2.0]], [1.0]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path.save(os.path.join(folder, "path.npz"))
    ...     lf.load(os.path.join(folder, "path.npz")).end
    array([0.5])
    """
    try:
        path = _from_arrays(read_arrays(file), problem)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise ValueError(f"{os.fspath(file)!r} is not a path saved by lassoflow: {reason}.") from None
    if problem is not None and problem.feature_names != path.frame.feature_names:
        raise ValueError(f"The problem given has other features than the path in {os.fspath(file)!r}.")
    return replace(path, problem=problem)


def _to_arrays(path: Path) -> dict[str, Any]:
    frame = path.frame
    return {
        "format": _FORMAT if path.offset else 1,
        "law": path.law,
        "status": path.status,
        "blend": path.blend,
        "lower": path.box.lower,
        "upper": path.box.upper,
        "decay": path.box.decay,
        "feature_names": np.array(frame.feature_names, dtype=np.str_),
        "feature_means": frame.feature_means,
        "target_mean": frame.target_mean,
        **path.curve.to_arrays(),
        **({f"offset_{name}": value for name, value in path.offset.to_arrays().items()} if path.offset else {}),
        **(path.network.to_arrays() if path.network else {}),
    }


def _from_arrays(arrays: dict[str, NDArray[Any]], problem: LeastSquares | ConvexProblem | None) -> Path:
    if int(arrays["format"]) > _FORMAT:
        raise ValueError("it was written by a newer version")
    names = tuple(str(name) for name in arrays["feature_names"])
    law, status = str(arrays["law"]), str(arrays["status"])
    if law not in get_args(Law) or status not in get_args(Status):
        raise ValueError(f"it holds a path of law {law!r} and status {status!r}")
    network = network_from_arrays(arrays) if "network" in arrays else None
    if network:
        network.branches(len(names))  # it has to fit
    squares = problem if isinstance(problem, LeastSquares) else None
    losses = problem if isinstance(problem, ConvexProblem) else None
    curve: Curve
    if "stretches" in arrays:
        curve = Smooth.from_arrays(arrays, squares)
    elif "chart" in arrays:
        curve = Decayed.from_arrays(arrays)
    elif "vanishing" in arrays:
        curve = Vanishing.from_arrays(arrays, len(names), squares)
    elif "state_rows" in arrays:
        curve = DualCurve.from_arrays(arrays, losses)
    elif "lambdas" in arrays:
        curve = Curved.from_arrays(arrays, len(names))
    elif "steps" in arrays:
        curve = Recorded.from_arrays(arrays)
    else:
        curve = Polygon.from_arrays(arrays, len(names))
    return Path(
        curve=curve,
        law=law,  # type: ignore[arg-type]
        problem=None,
        box=Box(arrays["lower"], arrays["upper"], float(arrays["decay"])),
        frame=Frame(names, arrays["feature_means"], float(arrays["target_mean"])),
        status=status,  # type: ignore[arg-type]
        blend=float(arrays["blend"]),
        network=network,
        offset=_offset_from(arrays),
    )


def _offset_from(arrays: dict[str, NDArray[Any]]) -> Curve | None:
    """The curve of intercepts, where there is one."""
    kept = {name.removeprefix("offset_"): value for name, value in arrays.items() if name.startswith("offset_")}
    if not kept:
        return None
    if "sampled" in kept:
        return Sampled.from_arrays(kept)
    return Curved.from_arrays(kept, 1) if "lambdas" in kept else Polygon.from_arrays(kept, 1)
