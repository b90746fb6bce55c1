"""Sparse regression by gradient flow."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from lassoflow.accuracy import AccuracyBounds, accuracy_bounds, log_distance, scale_for_accuracy
from lassoflow.certificate import certify, compare
from lassoflow.checks import Certificate
from lassoflow.choice import CVSelection
from lassoflow.convex import Huber, Logistic, Poisson
from lassoflow.criteria import ICSelection, select_by_criterion
from lassoflow.critical import CriticalClass, ErrorBound
from lassoflow.critical_set import CriticalSet
from lassoflow.deep_descent import descend
from lassoflow.deep_linear import DeepLinear
from lassoflow.deep_run import DeepDescent
from lassoflow.degrees import bootstrap_degrees_of_freedom
from lassoflow.descent import gradient_descent
from lassoflow.display import PathDisplay
from lassoflow.endpoint import Endpoint, flow_endpoint, min_l1
from lassoflow.flow import gradient_flow
from lassoflow.frame_distance import Distance
from lassoflow.layered import LayeredNetwork
from lassoflow.monotonicity import monotone_by_design, monotone_until
from lassoflow.network import PowerNetwork, ProductNetwork, SquareNetwork
from lassoflow.noise import noise_variance
from lassoflow.null_space import NullSpaceConstants, null_space_constants
from lassoflow.optimality import duality_gap, kkt_violation
from lassoflow.path import Path, load
from lassoflow.problem import LeastSquares
from lassoflow.prox import ProxLandscape, prox_landscape, prox_lp
from lassoflow.scalar_landscape import ScalarRoot, lambda_critical, lambda_global, scalar_roots
from lassoflow.selection import select_by_cv
from lassoflow.selection_display import SelectionDisplay
from lassoflow.walk import lasso_path, limit_flow

if TYPE_CHECKING:
    from lassoflow.classifier_cv import FlowClassifierCV
    from lassoflow.classifiers import FlowClassifier
    from lassoflow.estimators import ExactLasso, FlowRegressor
    from lassoflow.estimators_cv import ExactLassoCV, FlowRegressorCV
    from lassoflow.estimators_ic import ExactLassoIC, FlowRegressorIC
    from lassoflow.reports import report

__version__ = "0.1.0"

__all__ = [
    "AccuracyBounds",
    "CVSelection",
    "Certificate",
    "CriticalClass",
    "CriticalSet",
    "DeepDescent",
    "DeepLinear",
    "Distance",
    "Endpoint",
    "ErrorBound",
    "ExactLasso",
    "ExactLassoCV",
    "ExactLassoIC",
    "FlowClassifier",
    "FlowClassifierCV",
    "FlowRegressor",
    "FlowRegressorCV",
    "FlowRegressorIC",
    "Huber",
    "ICSelection",
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
    "SelectionDisplay",
    "SquareNetwork",
    "accuracy_bounds",
    "bootstrap_degrees_of_freedom",
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
    "noise_variance",
    "null_space_constants",
    "prox_landscape",
    "prox_lp",
    "report",
    "scalar_roots",
    "scale_for_accuracy",
    "select_by_criterion",
    "select_by_cv",
]

_LATER = {
    "ExactLasso": "estimators",
    "FlowRegressor": "estimators",
    "FlowClassifier": "classifiers",
    "FlowClassifierCV": "classifier_cv",
    "ExactLassoCV": "estimators_cv",
    "FlowRegressorCV": "estimators_cv",
    "ExactLassoIC": "estimators_ic",
    "FlowRegressorIC": "estimators_ic",
    "report": "reports",
}
"""Where they live. They are imported when they are asked for: scikit-learn takes longer than all the rest."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(_import_module(f"lassoflow.{_LATER[name]}"), name)
    raise AttributeError(f"module 'lassoflow' has no attribute {name!r}")
