"""Gradient flow of diagonal networks in multiprecision, twice, sharing nothing with the library.

- :func:`train` follows the *weights* by Taylor series of high order: gradient flow of ``l(w) + weight decay`` as it is
  written down, no dual, no lasso time but for reading it off. For training times up to about 1e3.
- :func:`solve` follows the cumulated coefficients, ``z' = phi(s r - M z)``, by Radau IIA collocation of high order, a
  Newton method with a Jacobian in double and residuals in multiprecision. The distance ``1 - theta`` is a difference
  in multiprecision, so it keeps its digits where doubles have none. For any scale, on small problems.

The two agree where both can go (``test_network.py``), so phi here is proven by the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
from mpmath import mp, mpf
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Vector = list[mpf]

DIGITS = 50
ORDER = 28
STAGES = 8


@dataclass(frozen=True)
class Spec:
    """A network: ``kind`` is "product" (u v), "square" (u^2), "power" (u^depth - v^depth), "layers" (u_1 ... u_depth).

    Give ``scale`` or ``log_scale``; ``first`` and ``second`` are b and c of a product, ``first`` the shape of a square
    or the directions of layers, of shape (depth,) or (depth, d). Layers, at least three, are for :func:`train` only.
    """

    kind: str
    scale: float | None = None
    log_scale: float | None = None
    depth: int = 2
    first: ArrayLike = 1.0
    second: ArrayLike = 0.0

    @property
    def log(self) -> mpf:
        """The logarithm of the scale."""
        return mp.log(mpf(self.scale)) if self.scale is not None else mpf(self.log_scale)

    @property
    def clock(self) -> mpf:
        """Lasso time per training time; 1 at depth 2 from a scale of 1 on, where times are training times."""
        if self.depth == 2 and self.log >= 0:
            return mpf(1)
        if self.kind == "product":
            return 2 / -self.log
        if self.kind == "layers":
            return mp.exp(self.log * (self.depth - 2) / self.depth)
        if self.depth == 2:
            return 4 / -self.log
        return self.depth * (self.depth - 2) * mp.exp(self.log * (self.depth - 2) / self.depth)


@dataclass(frozen=True)
class Trace:
    """What a reference returns, a row a time: floats, but ``exact_x`` and ``weights`` in multiprecision."""

    x: Floats
    average: Floats
    log_abs: Floats
    exact_x: list[Vector]
    weights: list[list[Vector]]
    steps: int


def _data(X: ArrayLike, y: ArrayLike) -> tuple[list[Vector], Vector]:
    """M and r, exactly those of the floats."""
    rows = [[mpf(float(entry)) for entry in row] for row in np.asarray(X)]
    target, n = [mpf(float(entry)) for entry in np.asarray(y)], len(rows)
    columns = [list(column) for column in zip(*rows, strict=True)]
    M = [[mp.fdot(a, b) / n for b in columns] for a in columns]
    return M, [mp.fdot(a, target) / n for a in columns]


def _spread(shape: ArrayLike, d: int) -> Vector:
    return [mpf(float(entry)) for entry in np.broadcast_to(np.asarray(shape, dtype=float), (d,))]


def _trace(moments: list[tuple[mpf, Vector, Vector]], weights: list[list[Vector]], steps: int) -> Trace:
    """Of (s, x, z) at each time."""
    floats = np.array([[float(value) for value in x] for _, x, _ in moments])
    average = [[float(value / s) if s else float(x[j]) for j, value in enumerate(z)] for s, x, z in moments]
    logs = [[float(mp.log(abs(value))) if value else -np.inf for value in x] for _, x, _ in moments]
    return Trace(floats, np.array(average), np.array(logs), [x for _, x, _ in moments], weights, steps)


# -- the weights ----------------------------------------------------------------------------------------------------


def train(
    X: ArrayLike, y: ArrayLike, spec: Spec, times: Sequence[float], weight_decay: float = 0.0, digits: int = DIGITS
) -> Trace:
    """Gradient flow in the weights, at lasso times in increasing order."""
    with mp.workdps(digits):
        M, r = _data(X, y)
        d = len(r)
        double = spec.depth == 2 and spec.kind != "product"  # weight_decay |w|^2, not (weight_decay / 2) |w|^2
        layers, decay = _start(spec, d), mpf(weight_decay) * (2 if double else 1)
        t, z, steps = mpf(0), [mpf(0)] * d, 0
        moments, weights = [], []
        for s in times:
            stop = mpf(float(s)) / spec.clock
            while t < stop:
                series, x = _taylor(spec, M, r, decay, layers)
                h = min(_radius(series) * mp.exp(-1.3), stop - t)
                layers = [[_value(c, h) for c in layer] for layer in series]
                z = [
                    a + _value([mpf(0)] + [c / (k + 1) for k, c in enumerate(b)], h) for a, b in zip(z, x, strict=True)
                ]
                t, steps = (stop if h == stop - t else t + h), steps + 1
            x = [c[0] for c in _coefficients(spec, [[[w] for w in layer] for layer in layers])]
            moments.append((mpf(float(s)), x, [spec.clock * value for value in z]))
            weights.append(layers)
        return _trace(moments, weights, steps)


def _start(spec: Spec, d: int) -> list[Vector]:
    root = mp.exp(spec.log / spec.depth)
    if spec.kind == "product":
        return [[root * b for b in _spread(spec.first, d)], [root * c for c in _spread(spec.second, d)]]
    if spec.kind == "square":
        return [[root * b for b in _spread(spec.first, d)]]
    if spec.kind == "layers":
        return [[root * b for b in _spread(direction, d)] for direction in spec.first]
    return [[root] * d, [root] * d]


def _times(a: Vector, b: Vector) -> mpf:
    """The next coefficient of a product of series known to the same order."""
    return mp.fdot(a, b[::-1])


def _coefficients(spec: Spec, layers: list[list[Vector]]) -> list[Vector]:
    """Series of x from series of the weights, by plain multiplication."""

    def product(a: Vector, b: Vector) -> Vector:
        return [_times(a[: k + 1], b[: k + 1]) for k in range(len(a))]

    def power(a: Vector) -> Vector:
        return reduce(product, [a] * spec.depth)

    if spec.kind in ("product", "layers"):
        return [reduce(product, factors) for factors in zip(*layers, strict=True)]
    if spec.kind == "square":
        return [product(u, u) for u in layers[0]]
    return [[a - b for a, b in zip(power(u), power(v), strict=True)] for u, v in zip(*layers, strict=True)]


def _taylor(
    spec: Spec, M: list[Vector], r: Vector, decay: mpf, start: list[Vector]
) -> tuple[list[list[Vector]], list[Vector]]:
    """Series of all weights and of x: ``w' = -dl/dx dx/dw - decay w``, coefficient by coefficient."""
    d, n_layers = len(r), len(start)
    layers = [[[w] for w in layer] for layer in start]
    powers = [[[[w ** (e + 1)] for e in range(spec.depth)] for w in layer] for layer in start]  # w, w^2, ..., w^D
    heads, tails, others = ([[[] for _ in range(d)] for _ in layers] for _ in range(3))  # products of layers
    x: list[Vector] = [[] for _ in range(d)]
    g: list[Vector] = [[] for _ in range(d)]
    for k in range(ORDER):
        for j in range(d):
            if spec.kind == "product":
                x[j].append(_times(layers[0][j], layers[1][j]))
            elif spec.kind == "square":
                x[j].append(_times(layers[0][j], layers[0][j]))
            elif spec.kind == "layers":
                for i in range(n_layers):  # u_1 ... u_i and u_i ... u_L
                    heads[i][j].append(_times(heads[i - 1][j], layers[i][j]) if i else layers[i][j][k])
                    m = n_layers - 1 - i
                    tails[m][j].append(_times(tails[m + 1][j], layers[m][j]) if i else layers[m][j][k])
                x[j].append(heads[-1][j][k])
            else:
                x[j].append(powers[0][j][-1][k] - powers[1][j][-1][k])
        now = [x[j][k] for j in range(d)]
        for j in range(d):
            g[j].append((r[j] if k == 0 else mpf(0)) - mp.fdot(M[j], now))
        for j in range(d):
            if spec.kind == "product":
                slopes = [_times(layers[1][j], g[j]), _times(layers[0][j], g[j])]
            elif spec.kind == "square":
                slopes = [2 * _times(layers[0][j], g[j])]
            elif spec.kind == "layers":
                for i in range(n_layers):  # all layers but one
                    ends = [part[j] for part in (*heads[i - 1 : i], *tails[i + 1 : i + 2])]
                    others[i][j].append(_times(*ends) if len(ends) == 2 else ends[0][k])
                slopes = [_times(others[i][j], g[j]) for i in range(n_layers)]
            else:
                slopes = [sign * spec.depth * _times(powers[i][j][-2], g[j]) for i, sign in enumerate((1, -1))]
            for i in range(n_layers):
                w = layers[i][j]
                w.append((slopes[i] - decay * w[k]) / (k + 1))
                if spec.kind == "power":
                    powers[i][j][0] = w
                    for e in range(1, spec.depth):
                        powers[i][j][e].append(_times(powers[i][j][e - 1], w))
    return layers, x


def _radius(layers: list[list[Vector]]) -> mpf:
    """Radius of convergence, by the last coefficients of each coordinate's weights relative to its largest one."""
    smallest = mp.inf
    for j in range(len(layers[0])):
        size = max(abs(layer[j][0]) for layer in layers)
        for k in (ORDER - 1, ORDER):
            last = max(abs(layer[j][k]) for layer in layers)
            if last:
                smallest = min(smallest, (size / last) ** (mpf(1) / k))
    return smallest


def _value(series: Vector, h: mpf) -> mpf:
    total = mpf(0)
    for c in reversed(series):
        total = total * h + c
    return total


# -- the dual -------------------------------------------------------------------------------------------------------


def solve(
    X: ArrayLike,
    y: ArrayLike,
    spec: Spec,
    times: Sequence[float],
    weight_decay: float = 0.0,
    digits: int = DIGITS,
    accuracy: float = 1e-9,
) -> Trace:
    """The flow in lasso time, ``z' = phi(s r - M z)``, at times in increasing order.

    ``accuracy`` bounds the last Legendre coefficient of the logarithm of x on every step; what a step ends with is far
    more accurate (order 15 against 8); measured: below 1e-11 relative to the largest coefficient.
    """
    with mp.workdps(digits):
        M, r = _data(X, y)
        phi = _scalar_map(spec, len(r), mpf(weight_decay))
        rough = max([1.0, *(abs(float(r[j] / M[j][j])) for j in range(len(r)) if M[j][j])])
        s, z, h, steps = mpf(0), [mpf(0)] * len(r), mpf(1) / 16 / (max(abs(v) for v in r) or 1), 0
        moments = []
        for time in times:
            stop = mpf(float(time))
            while s < stop:
                taken = min(h, stop - s)
                new, error = _collocate(M, r, phi, s, z, taken, rough * accuracy * 1e-3)
                if error > accuracy:
                    h = taken * (0.25 if error > 1e6 else max(0.2, 0.8 * (accuracy / error) ** (1 / STAGES)))
                    continue
                s, z, steps = (stop if taken == stop - s else s + taken), new, steps + 1
                growth = min(3.0, 0.8 * (accuracy / max(error, 1e-30)) ** (1 / STAGES))
                h = max(h, taken * growth) if taken < h else taken * growth
            moments.append((stop, phi(_dual(M, r, s, z), s)[0], z))
        return _trace(moments, [], steps)


def _dual(M: list[Vector], r: Vector, s: mpf, z: Vector) -> Vector:
    return [s * b - mp.fdot(row, z) for row, b in zip(M, r, strict=True)]


def _scalar_map(spec: Spec, d: int, decay: mpf) -> Callable[[Vector, mpf], tuple[Vector, Vector]]:
    """x and dx/dtheta as functions of theta and s, from the solution of the weights' equations in accumulated gradient.

    With g the accumulated gradient in training time and t that time: products and squares are linear equations,
    ``(u ± v)' = (± dg - decay) (u ± v)``; powers obey ``(u^(2-D))' = -D (D-2) g'``.
    """
    log, clock = spec.log, spec.clock
    if spec.kind == "power" and spec.depth > 2:
        root, power = mp.exp(log / spec.depth), mpf(spec.depth) / (spec.depth - 2)

        def deep(theta: Vector, s: mpf) -> tuple[Vector, Vector]:
            x, slope = [], []
            for value in theta:
                up, down = 1 - value, 1 + value  # (u / root)^(2 - D) and that of v
                if up <= 0 or down <= 0:
                    return [mp.inf] * d, [mp.inf] * d
                u, v = root**spec.depth * up**-power, root**spec.depth * down**-power
                x.append(u - v)
                slope.append(power * (u / up + v / down))
            return x, slope

        return deep
    rate = {"product": 2, "square": 4, "power": 4}[spec.kind] / clock  # d log(branch) / d theta
    first, second = _spread(spec.first, d), _spread(spec.second, d)
    if spec.kind == "product":
        plus = [mp.exp(log) * ((b + c) / 2) ** 2 for b, c in zip(first, second, strict=True)]
        minus = [mp.exp(log) * ((b - c) / 2) ** 2 for b, c in zip(first, second, strict=True)]
    else:
        plus = [mp.exp(log) * (b**2 if spec.kind == "square" else 1) for b in first]
        minus = [mpf(0) if spec.kind == "square" else value for value in plus]

    def shallow(theta: Vector, s: mpf) -> tuple[Vector, Vector]:
        x, slope = [], []
        for j, value in enumerate(theta):
            up = plus[j] * mp.exp(rate * (value - decay * s))
            down = minus[j] * mp.exp(rate * (-value - decay * s)) if minus[j] else mpf(0)
            x.append(up - down)
            slope.append(rate * (up + down))
        return x, slope

    return shallow


@cache
def _radau(stages: int, digits: int) -> tuple[Vector, list[Vector], Vector]:
    """Nodes and matrix of Radau IIA; and the map from values at the nodes to the last Legendre coefficient."""
    with mp.workdps(digits + 20):
        before, now = [mpf(1)], [mpf(0), mpf(1)]  # Legendre polynomials, ascending
        for n in range(1, stages):
            padded = [*before, mpf(0), mpf(0)]
            shifted = [mpf(0), *now]
            before, now = now, [((2 * n + 1) * p - n * q) / (n + 1) for p, q in zip(shifted, padded, strict=True)]
        difference = [p - q for p, q in zip(now, [*before, mpf(0)], strict=True)]
        slope = [k * c for k, c in enumerate(difference)][1:]
        nodes = []
        for guess in np.sort(np.polynomial.polynomial.polyroots([float(c) for c in difference]).real):
            root = mpf(float(guess))
            for _ in range(9):
                root -= _value(difference, root) / _value(slope, root)
            nodes.append((root + 1) / 2)
        vander = mp.matrix([[c**k for k in range(stages)] for c in nodes])
        inverse = vander**-1
        integrals = mp.matrix([[c ** (k + 1) / (k + 1) for k in range(stages)] for c in nodes])
        A = integrals * inverse
        # of the polynomial of degree `stages` through 0 and the nodes: leading coefficient times that of Legendre
        weights = []
        for i, c in enumerate(nodes):
            others = [c, *(c - e for k, e in enumerate(nodes) if k != i)]
            weights.append(1 / mp.fprod(others) / mp.binomial(2 * stages, stages))
        return nodes, [[A[i, k] for k in range(stages)] for i in range(stages)], weights


def _collocate(
    M: list[Vector], r: Vector, phi: Callable, s: mpf, z: Vector, h: mpf, small: float
) -> tuple[Vector, float]:
    """One step: z at its end, and the error (inf where Newton's method does not converge)."""
    nodes, A, last = _radau(STAGES, mp.dps)
    d = len(r)
    M_float = np.array([[float(value) for value in row] for row in M])
    A_float = np.array([[float(value) for value in row] for row in A])
    theta = _dual(M, r, s, z)
    x = phi(theta, s)[0]
    steps = [[h * c * value for value in x] for c in nodes]
    previous = np.inf
    for _ in range(40):
        values, slopes = [], []
        for c, step in zip(nodes, steps, strict=True):
            at = [t + h * c * b - mp.fdot(row, step) for t, b, row in zip(theta, r, M, strict=True)]
            value, slope = phi(at, s + h * c)
            if any(not mp.isfinite(v) or abs(v) > 1e30 for v in value):
                return z, np.inf
            values.append(value)
            slopes.append([float(v) for v in slope])
        residual = np.array(
            [
                [float(steps[i][j] - h * mp.fdot(A[i], [value[j] for value in values])) for j in range(d)]
                for i in range(STAGES)
            ]
        )
        slope = np.array(slopes)
        jacobian = np.eye(STAGES * d).reshape(STAGES, d, STAGES, d)
        jacobian = jacobian + float(h) * np.einsum("ik,kj,jl->ijkl", A_float, slope, M_float)
        matrix, right = jacobian.reshape(STAGES * d, -1), residual.ravel()
        lengths = np.abs(matrix).max(axis=1)
        try:
            change = np.linalg.solve(matrix / lengths[:, None], right / lengths).reshape(STAGES, d)
        except np.linalg.LinAlgError:
            return z, np.inf
        steps = [
            [a - mpf(b) for a, b in zip(step, move, strict=True)] for step, move in zip(steps, change, strict=True)
        ]
        x_float = np.abs(np.array([[float(v) for v in value] for value in values])) + small
        moved = (np.abs(change @ M_float) * slope / x_float).max(initial=0.0)
        if not np.isfinite(moved):
            return z, np.inf
        if moved < 1e-16 or (moved < 1e-12 and moved > 0.1 * previous):
            break
        previous = moved
    else:
        return z, np.inf
    moves = [[mp.fdot(row, step) for step in steps] for row in M]  # in multiprecision: their last coefficient cancels
    coefficient = np.array([abs(float(mp.fdot(last, move))) for move in moves])
    error = (coefficient * (slope / x_float).max(axis=0)).max(initial=0.0)
    return [a + b for a, b in zip(z, steps[-1], strict=True)], float(error)
