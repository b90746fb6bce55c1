"""Sparse regression by gradient flow."""

from lassoflow.accuracy import AccuracyBounds, accuracy_bounds, log_distance, scale_for_accuracy
from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.convex import Huber, Logistic, Poisson
from lassoflow.critical import CriticalClass, ErrorBound
from lassoflow.critical_set import CriticalSet
from lassoflow.deep_descent import descend
from lassoflow.deep_linear import DeepLinear
from lassoflow.deep_run import DeepDescent
from lassoflow.descent import gradient_descent
from lassoflow.display import PathDisplay
from lassoflow.endpoint import Endpoint, flow_endpoint, min_l1
from lassoflow.flow import gradient_flow
from lassoflow.frame_distance import Distance
from lassoflow.layered import LayeredNetwork
from lassoflow.monotonicity import monotone_by_design, monotone_until
from lassoflow.network import PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.null_space import NullSpaceConstants, null_space_constants
from lassoflow.optimality import duality_gap, kkt_violation
from lassoflow.path import Path, load
from lassoflow.problem import LeastSquares
from lassoflow.prox import ProxLandscape, prox_landscape, prox_lp
from lassoflow.scalar_landscape import ScalarRoot, lambda_critical, lambda_global, scalar_roots
from lassoflow.walk import lasso_path, limit_flow

__version__ = "0.1.0"

__all__ = [
    "AccuracyBounds",
    "Certificate",
    "CriticalClass",
    "CriticalSet",
    "DeepDescent",
    "DeepLinear",
    "Distance",
    "Endpoint",
    "ErrorBound",
    "Huber",
    "LayeredNetwork",
    "LeastSquares",
    "Logistic",
    "NullSpaceConstants",
    "Path",
    "PathDisplay",
    "Poisson",
    "PowerNetwork",
    "ProductNetwork",
    "ProxLandscape",
    "ScalarRoot",
    "SquareNetwork",
    "accuracy_bounds",
    "certify",
    "compare",
    "descend",
    "duality_gap",
    "flow_endpoint",
    "gradient_descent",
    "gradient_flow",
    "kkt_violation",
    "lambda_critical",
    "lambda_global",
    "lasso_path",
    "limit_flow",
    "load",
    "log_distance",
    "min_l1",
    "monotone_by_design",
    "monotone_until",
    "null_space_constants",
    "prox_landscape",
    "prox_lp",
    "scalar_roots",
    "scale_for_accuracy",
]
