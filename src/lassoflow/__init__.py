"""Sparse regression by gradient flow."""

from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.descent import gradient_descent
from lassoflow.display import PathDisplay
from lassoflow.endpoint import Endpoint, flow_endpoint, min_l1
from lassoflow.flow import gradient_flow
from lassoflow.layered import LayeredNetwork
from lassoflow.monotonicity import monotone_by_design, monotone_until
from lassoflow.network import PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.optimality import duality_gap, kkt_violation
from lassoflow.path import Path, load
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "Endpoint",
    "LayeredNetwork",
    "LeastSquares",
    "Path",
    "PathDisplay",
    "PowerNetwork",
    "ProductNetwork",
    "SquareNetwork",
    "certify",
    "compare",
    "duality_gap",
    "flow_endpoint",
    "gradient_descent",
    "gradient_flow",
    "kkt_violation",
    "lasso_path",
    "limit_flow",
    "load",
    "min_l1",
    "monotone_by_design",
    "monotone_until",
]
