"""Deep linear networks by their definition: loss, gradient, a dense Hessian by complex steps; random problems."""

import functools

import numpy as np

import lassoflow as lf


def product(layers):
    return functools.reduce(lambda made, W: W @ made, layers)


def loss(weights, Y, decay, X=None):
    made = product(weights) if X is None else product(weights) @ X
    return np.sum((made - Y) ** 2) + sum(rate * np.sum(W**2) for rate, W in zip(decay, weights, strict=True))


def gradient(weights, Y, decay, X=None):
    """By the definition, layer by layer; also at complex weights."""
    misfit = (product(weights) - Y) if X is None else (product(weights) @ X - Y) @ X.T
    found = []
    for layer, W in enumerate(weights):
        before = product([np.eye(weights[0].shape[1]), *weights[:layer]])
        after = product([np.eye(W.shape[0]), *weights[layer + 1 :]])
        found.append(2 * after.T @ misfit @ before.T + 2 * decay[layer] * W)
    return found


def flat(layers):
    return np.concatenate([np.ravel(W) for W in layers])


def layered(vector, widths):
    sizes = [a * b for a, b in zip(widths[1:], widths[:-1], strict=True)]
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return [part.reshape(a, b) for part, a, b in zip(parts, widths[1:], widths[:-1], strict=True)]


def hessian(weights, Y, decay, X=None):
    """Exact to rounding: the gradient is a polynomial, and a complex step has no difference to cancel."""
    widths = (weights[0].shape[1], *(W.shape[0] for W in weights))
    point = flat(weights)
    unit = np.max(decay) ** (1 / (2 * len(weights) - 2))  # of weights, as all is scaled
    step = 1e-60 * max(np.abs(point).max(), unit)
    columns = []
    for j in range(point.size):
        moved = point.astype(complex)
        moved[j] += 1j * step
        columns.append(flat(gradient(layered(moved, widths), Y, decay, X)).imag / step)
    return np.array(columns).T


def inertia(H, share=1e-9):
    """Index and nullity by a share of the largest eigenvalue."""
    values = np.linalg.eigvalsh((H + H.T) / 2)
    bound = share * np.abs(values).max()
    return int((values < -bound).sum()), int((np.abs(values) <= bound).sum())


def with_values(rng, rows, columns, values):
    """A matrix of given singular values, and singular vectors at random."""
    k = min(rows, columns)
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0][:, :k] for n in (rows, columns))
    return (left * np.asarray(values)[:k]) @ right.T


def random_problem(rng, depth=None, largest=4):
    """Random widths, repeated and zero singular values, unequal weight decays on either side of critical ones."""
    depth = depth or int(rng.integers(2, 7))
    widths = rng.integers(1, largest + 1, depth + 1)
    values = rng.uniform(0.3, 4.0, min(widths[0], widths[-1]))
    for i in range(1, values.size):
        draw = rng.uniform()
        values[i] = values[i - 1] if draw < 0.3 else 0.0 if draw < 0.4 else values[i]
    Y = with_values(rng, widths[-1], widths[0], values)
    lam = lf.lambda_critical(max(values.max(), 0.3), depth) * 10 ** rng.uniform(-3, 0.3)
    decay = lam ** (1 / depth) * np.exp(rng.uniform(-1, 1, depth))
    return lf.DeepLinear(Y, widths[1:-1].tolist(), decay), Y


def some(rng, classes, n):
    listed = list(classes)
    return [listed[i] for i in rng.permutation(len(listed))[:n]]


def norm(layers):
    entries = np.abs(flat(layers))
    largest = entries.max() or 1.0
    return float(largest * np.linalg.norm(entries / largest))


def near(rng, layers, size):
    """Weights at a random direction and a given size of entries from others."""
    return [W + size * rng.standard_normal(W.shape) for W in layers]
