"""A fitted linear model as a file of plain JSON: what it needs to predict, and where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from lassoflow.archive import replacing
from lassoflow.arrays import Floats
from lassoflow.tables import Table

FORMAT = 2
_LINKS = ("identity", "logit")


@dataclass(frozen=True)
class FittedModel:
    """A linear model.

    Attributes
    ----------
    format, version : int and str
        Of the file, and of lassoflow that wrote it.
    model, select : str
        What was asked for.
    link : "identity" or "logit"
        Whether predictions are linear predictors, or probabilities of the larger class.
    target : str
    classes : list of two numbers, or empty
    features : list of d str
        Columns of the table, or ``column=level``.
    coef : dict of float
        Nonzero coefficients by feature, in units of the table.
    intercept : float
    scaling : list of d floats
        Deviations that columns were divided by for the fit; coefficients are not in these units.
    penalty, s, blend : float or None
        The choice: lambda = 1/s, and the share of the average.
    sentence : str
        How it was chosen.
    data : dict
        Name, shape and SHA-256 of the numbers it was fitted on.
    levels : dict of lists of str
        Of the columns of text that were encoded, by name; files of format 1 have none.
    """

    format: int
    version: str
    model: str
    select: str
    link: str
    target: str
    classes: list[float]
    features: list[str]
    coef: dict[str, float]
    intercept: float
    scaling: list[float]
    penalty: float | None
    s: float | None
    blend: float | None
    sentence: str
    data: dict[str, Any]
    levels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """The features that predictions depend on."""
        return [name for name in self.features if self.coef.get(name)]

    def predict(self, X: Floats) -> Floats:
        """Predictions for rows of the needed features, shape (m, len(needed)): shape (m,)."""
        coef = np.array([self.coef[name] for name in self.needed])
        eta = X @ coef + self.intercept
        return np.asarray(expit(eta)) if self.link == "logit" else eta

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write it; the file appears whole or not at all."""
        with replacing(file) as stream:
            stream.write(f"{json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False)}\n".encode())


def read_model(file: str | os.PathLike[str]) -> FittedModel:
    """Read what :meth:`FittedModel.save` wrote; nothing in it is executed.

    Raises
    ------
    ValueError
        If the file is not such a model.
    """
    with open(file, "rb") as stream:
        raw = stream.read()
    try:
        parts = json.loads(raw.decode())
        if int(parts["format"]) > FORMAT:
            raise ValueError("it was written by a newer version")
        model = FittedModel(**parts)
        np.array([float(value) for value in [*model.coef.values(), model.intercept]])
        if model.link not in _LINKS or not set(model.coef) <= set(model.features):
            raise ValueError("it does not fit together")
    except (KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError) as error:
        reason = "it is no JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)
        raise ValueError(f"MODEL: {os.fspath(file)!r} is no model written by lassoflow fit: {reason}.") from None
    return model


def fingerprint(table: Table, name: str) -> dict[str, Any]:
    """What a table was: its name, shape, and a hash of its numbers and column names."""
    digest = hashlib.sha256("\0".join([*table.feature_names, table.target_name]).encode())
    for part in (table.X, table.y, table.sample_weight):
        if part is not None:
            digest.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
    return {"name": name, "rows": table.X.shape[0], "columns": table.X.shape[1], "sha256": digest.hexdigest()}
