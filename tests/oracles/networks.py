"""The networks that are tested with their references, and the problems and networks of the theorems at depth 2."""

import numpy as np

import lassoflow as lf
from lassoflow.objective import published
from oracles import monotone
from oracles.multiprecision import Spec

SPECS = {
    "product": Spec("product", 1e-6),
    "product of two shapes": Spec("product", 1e-3, first=[1.0, -2.0, 0.3], second=[0.5, 0.7, -1.5]),
    "square": Spec("square", 1e-5, first=[1.0, 2.0, -0.4]),
    "depth 2": Spec("power", 1e-6),
    "depth 2, scale 0.9": Spec("power", 0.9),
    "depth 3": Spec("power", 1e-6, depth=3),
    "depth 4": Spec("power", 1e-4, depth=4),
    "depth 7": Spec("power", 1e-3, depth=7),
}
TRAINED = ["product", "product of two shapes", "square", "depth 2", "depth 3", "depth 4"]
X = np.array([[1.0, 0.5, -0.3], [0.2, -1.0, 0.4], [0.7, 0.1, 1.2], [-0.4, 0.6, 0.3]])
Y = np.array([1.5, -0.7, 0.8, 0.2])


def network_of(spec):
    """The library's network of a reference's."""
    size = {"scale": spec.scale, "log_scale": spec.log_scale}
    if spec.kind == "product":
        return lf.ProductNetwork(**size, shape_u=spec.first, shape_v=spec.second)
    if spec.kind == "square":
        return lf.SquareNetwork(**size, shape=spec.first)
    return lf.PowerNetwork(spec.depth, **size)


SHALLOW = {
    "product": lambda size: lf.ProductNetwork(log_scale=size),
    "shapes": lambda size: lf.ProductNetwork(
        log_scale=size, shape_u=[1.0, -2.0, 0.3, 1.0], shape_v=[0.5, 0.7, -1.5, 0]
    ),
    "difference of squares": lambda size: lf.PowerNetwork(2, log_scale=size),
    "square": lambda size: lf.SquareNetwork(log_scale=size),
}


def instances(kind, monotone_ones, count, seed):
    """Problems with their lasso, monotone or not; positive for the square."""
    positive = kind == "square"
    for X, y in monotone.gaussian_instances(400, seed=seed):
        problem = lf.LeastSquares(X, X.sum(axis=1) + y if positive else y)
        lasso = lf.lasso_path(problem, positive=positive)
        if monotone.is_monotone(lasso) == monotone_ones:
            yield problem, lasso
            count -= 1
        if not count:
            return


def sides(problem, network, s):
    """Both sides of the theorem for a network."""
    flow = lf.gradient_flow(problem, network)
    own = lf.lasso_path(problem, np.stack([flow.box.upper, flow.box.lower]))
    return published(flow, own, s)
