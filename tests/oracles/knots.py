"""The knots of a lasso path in ball arithmetic, from the supports and signs between them."""

from __future__ import annotations

import flint
import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

BITS = 400


def next_knot(X: NDArray[np.float64], y: NDArray[np.float64], coef: NDArray[np.float64], s: float) -> float:
    """The first knot after s of the lasso path whose solution at s has the support and signs of ``coef``.

    On a segment ``z_A = s a - b`` with ``a = M_AA^-1 r_A`` and ``b = M_AA^-1 sign_A``; the segment ends where a z_i
    returns to 0 or where another dual, ``(s X_j'(y - X a) + X_j'X b) / n``, reaches 1 or -1. The result is proven to
    53 bits: balls that are wider raise ArithmeticError.
    """
    with flint.ctx.workprec(BITS):
        n, active = len(y), np.flatnonzero(coef)
        columns, target = arb_mat(X[:, active].tolist()), arb_mat(y[:, None].tolist())
        transposed = columns.transpose()
        a, b = _halves((transposed * columns).solve(_beside(transposed * target, n * np.sign(coef[active]))))
        others = arb_mat(X.T.tolist())  # all of them: the balls of the active slopes hold 0
        slopes, constants = others * (target - columns * a), others * (columns * b)
        times = [b[i, 0] / a[i, 0] for i in range(len(active))]
        times += [
            (sign * n - constants[j, 0]) / slopes[j, 0]
            for j in range(X.shape[1])
            for sign in (1, -1)
            if not slopes[j, 0].contains(0)
        ]
        return min(_rounded(time) for time in times if time > arb(s))


def _beside(left: arb_mat, right: NDArray[np.float64]) -> arb_mat:
    return arb_mat([[left[i, 0], right[i]] for i in range(len(right))])


def _halves(pair: arb_mat) -> tuple[arb_mat, arb_mat]:
    return tuple(arb_mat([[pair[i, k]] for i in range(pair.nrows())]) for k in (0, 1))  # type: ignore[return-value]


def _rounded(ball: arb) -> float:
    if ball.rel_accuracy_bits() < 60:
        raise ArithmeticError("The working precision is too low for a proven knot.")
    return float(ball.mid())
