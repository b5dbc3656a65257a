"""Solvers: from gradients to preconditioned gradients, with any curvature."""

from torchattr.influence.solvers.arnoldi import Arnoldi
from torchattr.influence.solvers.cholesky import Cholesky
from torchattr.influence.solvers.conjugate_gradient import ConjugateGradient
from torchattr.influence.solvers.data_inf import DataInf
from torchattr.influence.solvers.eigh import Eigh
from torchattr.influence.solvers.jacobi_preconditioner import JacobiPreconditioner
from torchattr.influence.solvers.kronecker_eigenbasis import KroneckerEigenbasis
from torchattr.influence.solvers.lissa import LiSSA
from torchattr.influence.solvers.nystroem_preconditioner import NystroemPreconditioner
from torchattr.influence.solvers.nystroem_sketch import NystroemSketch
from torchattr.influence.solvers.preconditioner import (
    Preconditioner,
    PreparedPreconditioner,
)
from torchattr.influence.solvers.solver import ConvergenceWarning, Solved, Solver

__all__ = [
    "Arnoldi",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceWarning",
    "DataInf",
    "Eigh",
    "JacobiPreconditioner",
    "KroneckerEigenbasis",
    "LiSSA",
    "NystroemPreconditioner",
    "NystroemSketch",
    "Preconditioner",
    "PreparedPreconditioner",
    "Solved",
    "Solver",
]
