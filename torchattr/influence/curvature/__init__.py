"""Curvatures: matrices that stand for the second derivative of the training loss."""

from torchattr.influence.curvature.curvature import Curvature, LinearOperator
from torchattr.influence.curvature.ekfac import EKFAC
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.fisher import Fisher
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.curvature.identity import Identity
from torchattr.influence.curvature.kfac import KFAC

__all__ = [
    "EKFAC",
    "KFAC",
    "Curvature",
    "EmpiricalFisher",
    "Fisher",
    "GaussNewton",
    "Hessian",
    "Identity",
    "LinearOperator",
]
