"""The page: numbers and words in, one HTML file out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from lassoflow.archive import replacing, strict
from lassoflow.path import Path
from lassoflow.reports.content import Source, describe
from lassoflow.reports.subject import Subject, read_subject


def report(
    path_or_estimator: Any,
    file: str | os.PathLike[str],
    *,
    problem: Any = None,
    target: str = "",
    name: str = "",
) -> None:
    """Write a page about a path or a fitted estimator: one HTML file that needs no network, to look at and forward.

    It shows the lasso path and the flow as charts to play with, the chosen model with its coefficients, the certificate
    in words, and how to make the page again. Of a path without a choice the extended BIC makes one. The file appears
    whole or not at all.

    Parameters
    ----------
    path_or_estimator : Path or fitted estimator
        A path of the lasso, a limit flow or a finite flow; ``FlowRegressor``, ``ExactLasso``, ``FlowClassifier`` or one
        of their variants. Of several responses or classes the first is shown.
    file : str or path
        Where to write.
    problem : LeastSquares or another problem, optional
        The data, which estimators and loaded paths do not hold: with it the page has the other path, the loss and the
        certificate. Columns and rows have to be those of the fit.
    target, name : str
        What the response and the data are called.

    Raises
    ------
    ValueError, TypeError
        If there is nothing to report on; the sentence says what is missing.
    OSError
        If the file cannot be written.
    ImportError
        If jinja2 or Bokeh is not installed.

    Examples
    --------
    >>> import lassoflow as lf, tempfile, os
    >>> problem = lf.LeastSquares([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [2.0, 1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lf.report(lf.limit_flow(problem), os.path.join(folder, "page.html"))
    ...     os.path.getsize(os.path.join(folder, "page.html")) < 3_000_000
    True
    """
    require_libraries()
    subject = read_subject(path_or_estimator, problem)
    command = _python_command(path_or_estimator, problem, {"target": target, "name": name})
    text = render(subject, Source(name, target or "y", command=command))
    with replacing(file) as stream:
        stream.write(text)


def require_libraries() -> None:
    """Raise an ImportError that says what to install, unless the libraries of the page are there."""
    if not (find_spec("bokeh") and find_spec("jinja2")):
        raise ImportError("report needs bokeh and jinja2: pip install 'lassoflow[report]'")


def render(subject: Subject, source: Source, tell: Callable[[str], object] = lambda what: None) -> bytes:
    """The page of a subject; ``tell`` is told what is being computed."""
    import jinja2

    from lassoflow.reports import charts

    content = describe(subject, source, tell)
    tell("drawing")
    data = content["data"]
    items = charts.frames(data["lasso"] is not None, bool(data["stops"]), data["null_loss"] is not None)
    keys: list[str] = []
    if hasattr(subject.selection, "folds"):
        items["cv"], keys = charts.cross_validation(subject.selection)
    certificate = content["compared"]
    if certificate is not None:
        items["distance"] = charts.distances(certificate)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(_part("template.html")).render(
        content,
        style=_part("page.css"),
        library=_inert(charts.script()),
        script=_part("page.js"),
        charts=list(items),
        keys=keys,
        payload=_as_json({**data, "charts": items}),
    )
    return text.encode("utf-8", "backslashreplace")


def _part(name: str) -> str:
    return (files("lassoflow.reports") / name).read_text(encoding="utf-8")


def _as_json(value: Any) -> str:
    """JSON that can stand in a script element, whatever names it holds."""
    text = json.dumps(strict(value), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _inert(script: str) -> str:
    """A script that does not end its element early."""
    return script.replace("</script", "<\\/script")


def _python_command(shown: Any, problem: Any, options: dict[str, str]) -> str:
    """The lines that make the page again; the data are the reader's to bring."""
    given = "".join(f", {key}={value!r}" for key, value in options.items() if value)
    given = f"{', problem=problem' if problem is not None else ''}{given}"
    if isinstance(shown, Path):
        return f'import lassoflow as lf\n\nlf.report(path, "report.html"{given})  # {shown!r}'
    return f'import lassoflow as lf\n\nmodel = lf.{shown!r}.fit(X, y)\nlf.report(model, "report.html"{given})'
