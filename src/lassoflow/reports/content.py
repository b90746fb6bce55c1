"""A subject in numbers and words: the plain dict that the template and the script of the page are given."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import lassoflow
from lassoflow.arrays import Floats, Ints
from lassoflow.checks import Certificate, short
from lassoflow.choice import CVSelection
from lassoflow.criteria import ICSelection, select_by_criterion
from lassoflow.path import Path
from lassoflow.problem import LeastSquares
from lassoflow.reports.hardening import DEEPEST, LOG_SCALES, TIME_LIMIT, reason_without
from lassoflow.reports.hardening import stops as finite_stops
from lassoflow.reports.subject import Subject
from lassoflow.reports.tracks import COUNTED, MOST_NODES, Track, track
from lassoflow.sampling import span

MOST_CURVES = 30
"""Features that are drawn: those whose coefficients are largest on either path."""
MOST_ROWS = 1000
"""Of the table of coefficients."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Source(NamedTuple):
    """Where the data come from and how to make the page again; what the command line knows and a path does not."""

    name: str = ""
    target: str = "y"
    settings: str = ""
    command: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()


def describe(subject: Subject, source: Source, tell: Callable[[str], object]) -> dict[str, Any]:
    """Everything that the page shows."""
    notes = list(subject.notes)
    data, whole = _data(subject, notes, tell)
    certificate = subject.certificate()
    n_drawn, n_active = len(data["names"]), whole.size
    return {
        "title": f"{source.target}: a sparse regression on {len(subject.names):,} feature{_s(len(subject.names))}",
        "source": source._asdict(),
        "data_line": _data_line(subject, source),
        "drawn": _drawn(n_drawn, n_active),
        "notes": [*source.notes, *notes],
        "model": _model(subject),
        "criteria": _criteria(subject),
        "certificate": _certified(certificate),
        "compared": certificate if certificate is not None and _are_apart(certificate) else None,
        "versions": {"lassoflow": lassoflow.__version__, "numpy": np.__version__, "Python": platform.python_version()},
        "counted": COUNTED,
        "data": data,
    }


def _s(count: int) -> str:
    return "" if count == 1 else "s"


# -- the data and the drawings ------------------------------------------------------------------------------------


def _data_line(subject: Subject, source: Source) -> str:
    problem, d = subject.problem, len(subject.names)
    where = f"{source.name}: " if source.name else ""
    if problem is None:
        return f"{where}{d:,} feature{_s(d)}; the path alone, without its data."
    n = problem.n_samples
    parts = [f"{n:,} row{_s(n)}", f"{d:,} feature{_s(d)}"]
    parts += [f"target {source.target}"] * bool(source.name)
    parts += ["an intercept" if problem.fit_intercept else "no intercept"]
    parts += ["weighted rows"] * (problem.sample_weight is not None)
    return f"{where}{', '.join(parts)}."


def _drawn(drawn: int, active: int) -> str:
    if not active:
        return "No coefficient is ever nonzero on these paths."
    if drawn == active:
        return (
            f"All {active:,} features that are ever active are drawn." if active > 1 else "One feature is ever active."
        )
    return f"Drawn are the {drawn} features with the largest coefficients, of {active:,} that are ever active."


def _data(subject: Subject, notes: list[str], tell: Callable[[str], object]) -> tuple[dict[str, Any], Ints]:
    """What the script of the page draws, and which features are ever active."""
    shown = [path for path in (subject.lasso, subject.flow) if path is not None]
    start, stop = span(shown)
    if subject.s is not None and np.isfinite(subject.s):
        start, stop = min(start, subject.s), max(stop, min(1.02 * subject.s, subject.path.domain[1]))
    scale = subject.scale
    features, active = _largest(shown, scale)
    tracks = {name: track(path, features, scale, (start, stop)) for name, path in _named(subject)}
    stops = _stops(subject, features, (start, stop), tracks, notes, tell)
    if not all(one.whole for one in tracks.values()):
        notes.append(f"Of each path {MOST_NODES} events are kept, evenly; between them its curve is interpolated.")
    standardised = subject.problem is not None
    data = {
        "names": [subject.names[j] for j in features],
        "unit": "coefficient × standard deviation of its column" if standardised else "coefficient",
        "letter": subject.path.letter,
        "span": [start, stop],
        "lasso": tracks["lasso"].to_dict() if "lasso" in tracks else None,
        "stops": stops,
        "first_stop": next((i for i, stop in enumerate(stops) if stop["own"]), 0),
        "chosen": subject.s if subject.s is not None and np.isfinite(subject.s) else None,
        "loss_words": ", half the mean squared residual" if isinstance(subject.problem, LeastSquares) else "",
        "null_loss": None if subject.problem is None else float(subject.problem.loss(np.zeros(scale.size))),
    }
    return data, active


def _named(subject: Subject) -> list[tuple[str, Path]]:
    """The paths to carry, by name."""
    pairs = [("lasso", subject.lasso), ("flow", subject.flow)]
    pairs += [("average", subject.flow.averaged())] if subject.flow is not None else []
    if subject.limit is not None and subject.limit is not subject.flow:
        pairs += [("limit", subject.limit), ("limit average", subject.limit.averaged())]
    return [(name, path) for name, path in pairs if path is not None]


def _largest(paths: list[Path], scale: Floats) -> tuple[Ints, Ints]:
    """The features with the largest coefficients on any path, from the largest down; and all that are ever active."""
    size = np.zeros(scale.size)
    for path in paths:
        times = path.knots[path.knots < path.domain[1]]
        rows = max(1, 2**22 // scale.size)
        for row in range(0, times.size, rows):
            np.maximum(size, np.abs(path(times[row : row + rows])).max(axis=0), out=size)
        np.maximum(size, np.abs(path.end), out=size)
    size *= scale
    active = np.flatnonzero(size)
    order = active[np.argsort(-size[active], kind="stable")]
    return order[:MOST_CURVES], active


def _stops(
    subject: Subject,
    features: Ints,
    ends: tuple[float, float],
    tracks: dict[str, Track],
    notes: list[str],
    tell: Callable[[str], object],
) -> list[dict[str, Any]]:
    """The stops of the slider through initialisations: finite flows, then the limit."""
    stops: list[dict[str, Any]] = []
    if subject.flow is None:
        return stops
    reason = reason_without(subject)
    if reason is None:
        until = min(ends[1], DEEPEST * float(subject.flow.knots[0]))
        found = finite_stops(subject, features, (ends[0], until), tell)
        if len(found) < len(LOG_SCALES):
            notes.append(
                f"Of {len(LOG_SCALES)} flows from a finite initialisation {len(found)} are shown: "
                f"the others would take longer than {TIME_LIMIT:.0f} s in all."
            )
        for log_scale, flow, average in found:
            label = f"e{log_scale:.0f}".translate(_RAISED)
            stops.append(_stop(label, f"The network, from an initialisation of {label}", flow, average))
    else:
        notes.append(reason)
    network = subject.flow.network
    in_the_limit = "the limit", "The network, in the limit of a vanishing initialisation"
    given = in_the_limit if network is None else (repr(network), f"The network, {network!r}")
    stops.append(_stop(*given, tracks["flow"], tracks["average"], own=True))
    if "limit" in tracks:
        stops.append(_stop(*in_the_limit, tracks["limit"], tracks["limit average"]))
    return stops


def _stop(label: str, title: str, flow: Track, average: Track, own: bool = False) -> dict[str, Any]:
    return {"label": label, "title": title, "flow": flow.to_dict(), "average": average.to_dict(), "own": own}


# -- the chosen model ---------------------------------------------------------------------------------------------


def _model(subject: Subject) -> dict[str, Any] | None:
    """The choice in a sentence, and its coefficients with their refit and shrunken values."""
    if subject.s is None:
        return None
    path, blend = subject.path, float(subject.blend or 0.0)
    s, side = (subject.s, "right") if subject.s < path.domain[1] else (path.domain[1], "left")
    views = [path.relaxed(share)(s, side) for share in (blend, 0.0, 1.0)]  # type: ignore[arg-type]
    scale, chosen = subject.scale, views[0]
    active = np.flatnonzero(np.any(views, axis=0))
    order = active[np.lexsort((-np.abs(views[2] * scale)[active], -np.abs(chosen * scale)[active]))]
    sentence = str(subject.selection) if subject.selection is not None else f"Fitted at s = {s:.6g}, as asked."
    if isinstance(subject.selection, CVSelection) and isinstance(subject.problem, LeastSquares):
        empty = 2.0 * float(subject.problem.loss(np.zeros(subject.problem.n_features)))
        sentence += f" The mean square of the response about its mean is {empty:.3g}." * subject.problem.fit_intercept
    return {
        "sentence": sentence,
        "s": s,
        "blend": blend,
        "columns": _columns(path),
        "rows": [(subject.names[j], *(float(view[j]) for view in views), float(chosen[j] * scale[j])) for j in order][
            :MOST_ROWS
        ],
        "left_out": max(0, order.size - MOST_ROWS),
        "n_chosen": int((chosen != 0).sum()),
        "intercept": float(path.relaxed(blend).intercept(s, side)),  # type: ignore[arg-type]
        "standardised": subject.problem is not None,
    }


def _columns(path: Path) -> tuple[str, str]:
    """What the unshrunk and the shrunken values are called."""
    if path.law == "lasso":
        return "refit (least squares on the support)", "shrunken (the lasso)"
    return "unshrunk (the flow)", "shrunken (its average)"


def _criteria(subject: Subject) -> list[dict[str, Any]]:
    """What other criteria choose: by the number of coefficients along the flow, by degrees of freedom on the lasso."""
    if subject.limit is None or subject.lasso is None or not isinstance(subject.problem, LeastSquares):
        return []
    rows = []
    for name in ("EBIC", "BIC", "AIC", "AICc", "Cp", "GCV"):
        criterion, path = name.lower(), subject.limit if name.endswith("BIC") else subject.lasso
        try:
            found: ICSelection = select_by_criterion(path, criterion)  # type: ignore[arg-type]
        except ValueError:
            continue  # too few rows for it
        rows.append({"name": name, "along": path.name, "lam": found.lam, "s": found.s, "size": found.dimension})
    return rows


# -- the certificate ----------------------------------------------------------------------------------------------


def _certified(certificate: Certificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    rows = [
        {
            "name": check.name,
            "value": short(check.value),
            "bound": short(check.bound),
            "s": short(check.s),
            "verdict": {True: "holds", False: "FAILS", None: "observed"}[check.holds],
        }
        for check in certificate.checks
    ]
    return {
        "sentence": _in_words(certificate),
        "holds": certificate.holds,
        "time": certificate.time,
        "rows": rows,
        "units": certificate.units,
    }


def _are_apart(certificate: Certificate) -> bool:
    """Whether there is anything to draw of a comparison: two curves that differ by more than rounding."""
    return bool(certificate.s.size > 1 and certificate.distance.max() > 1e-6)


def _in_words(certificate: Certificate) -> str:
    """The certificate in a sentence, of the trained network in plain words where it is the limit flow."""
    if certificate.holds and certificate.summary.startswith(
        "The lasso path is monotone: the averaged flow is the lasso"
    ):
        return certificate.summary.replace("the averaged flow", "the average of the trained network")
    if not certificate.holds or not certificate.summary.startswith("The averaged flow is the lasso up to s"):
        return certificate.summary
    until, apart = certificate["lasso monotone up to s"].value, certificate.checks[-1]
    spread = "std(y)" if "std(y)" in certificate.units else "rms(y)"
    return (
        f"Up to s = {until:.4g} the average of the trained network is the lasso path; after that the two are at most "
        f"{100 * apart.value:.2g} % of {spread} apart (proven there: at most {100 * (apart.bound or 0.0):.2g} %)."
    )
