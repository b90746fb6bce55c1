"""Sparse regression by gradient flow."""

from lassoflow.path import Path, load
from lassoflow.problem import LeastSquares
from lassoflow.walk import lasso_path, limit_flow

__all__ = ["LeastSquares", "Path", "lasso_path", "limit_flow", "load"]
