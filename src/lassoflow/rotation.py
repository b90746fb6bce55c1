"""The same least-squares problem on fewer rows.

``|y - X x|`` does not change under a rotation of the rows, and one that makes ``[X y]`` upper triangular leaves d + 1
of them. A walk over many rows and few columns costs no more than one over d + 1 rows then.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from lassoflow.arrays import Floats
from lassoflow.design import DenseDesign, Subset
from lassoflow.problem import LeastSquares
from lassoflow.threads import one_thread

_LONG, _LARGE = 4, 2**14
"""Rows a column, and entries, from which on a rotation pays."""
_HEAVY = 2**32
"""Multiplications from which on threads are worth waiting for."""
_BLOCK = 16
"""Rows a column that are rotated at a time."""


def worthwhile(problem: Any) -> bool:
    """Whether a problem has many more rows than columns."""
    n, d = problem.design.shape
    is_plain = isinstance(problem, LeastSquares) and isinstance(problem.design, DenseDesign)
    return is_plain and n >= _LONG * (d + 1) and n * d >= _LARGE


def rotated(problem: LeastSquares) -> LeastSquares:
    """The problem on d + 1 rows, with the same loss but for a constant, in working units: one pass over X.

    Examples
    --------
    >>> import numpy as np
    >>> import lassoflow as lf
    >>> from lassoflow.rotation import rotated
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((500, 2)), rng.standard_normal(500)
    >>> problem = lf.LeastSquares(X, y)
    >>> small = rotated(problem)
    >>> small.design.shape
    (3, 2)
    >>> bool(np.isclose(small.lambda_max, problem.lambda_max, rtol=1e-13))
    True
    """
    (n, d), design = problem.design.shape, problem.design
    assert isinstance(design, DenseDesign)
    design.count()
    with one_thread(n * d * d <= _HEAVY):
        triangle = _triangle(design.matrix, problem.target) * np.sqrt((d + 1) / n)  # the loss is per row
    small = copy(problem)
    for cached in ("lambda_max", "largest_single_fit", "deviations"):
        small.__dict__.pop(cached, None)
    rows = np.ascontiguousarray(triangle[:, :d].T)
    small.design = Subset(rows, design.norms * np.sqrt((d + 1) / n))
    small.target, small.n_samples = np.ascontiguousarray(triangle[:, d]), d + 1
    return small


def _triangle(X: Floats, y: Floats) -> Floats:
    """The upper triangle of a QR factorisation of ``[X y]``, a block of rows after the other."""
    n, d = X.shape
    triangle: Floats = np.zeros((0, d + 1))
    for start in range(0, n, _BLOCK * d):
        block = slice(start, start + _BLOCK * d)
        rows = np.vstack([triangle, np.column_stack([X[block], y[block]])])
        triangle = np.asarray(np.linalg.qr(rows, mode="r"))
    return triangle
