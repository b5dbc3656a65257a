r"""Influence functions: which training examples made a prediction, without retraining.

A score is :math:`g_{test}^\top (C + \lambda I)^{-1} g_{train}`: to first order, how
much worse the prediction would be without the training example, times their number.
:class:`DirectInfluence` and its kind have pyDVL's names and methods. What they are made
of can be had alone: a curvature :math:`C` (:class:`Hessian`, :class:`GaussNewton`,
:class:`Fisher`, :class:`EKFAC`, any object with ``@``) and a solver (:class:`Cholesky`,
:class:`ConjugateGradient`, ...). Calculators go through data batch by batch.

Example:
    >>> import torch
    >>> from torchattr.influence import DirectInfluence
    >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [3.5]])
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(1.6)  # the least squares solution
    >>> loss = torch.nn.MSELoss()
    >>> influence = DirectInfluence(model, loss, scale="loo").fit([(x, y)])
    >>> influence.influences(x[1:2], y[1:2], x, y).round(decimals=3)
    tensor([[ 0.0000,  0.1440, -0.1440]])
"""

from torchattr.influence.arnoldi_influence import ArnoldiInfluence
from torchattr.influence.batches import Batches
from torchattr.influence.blocks import BlockMode
from torchattr.influence.calculators.dask_chunks import (
    InvalidDimensionChunksError,
    ThreadSafetyViolationError,
    UnalignedChunksError,
)
from torchattr.influence.calculators.dask_influence_calculator import (
    DaskInfluenceCalculator,
    DisableClientSingleThreadCheck,
)
from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence
from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
    NestedLazyChunkSequence,
)
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedListAggregator,
    NestedSequenceAggregator,
    NestedTorchCatAggregator,
)
from torchattr.influence.calculators.sequence_aggregator import (
    ListAggregator,
    SequenceAggregator,
    TorchCatAggregator,
)
from torchattr.influence.calculators.sequential_influence_calculator import (
    SequentialInfluenceCalculator,
)
from torchattr.influence.calculators.top_k import Ranked, TopInfluences
from torchattr.influence.calculators.torch_dataset_to_dask_array import (
    torch_dataset_to_dask_array,
)
from torchattr.influence.calculators.torch_numpy_converter import (
    NumpyConverter,
    TorchNumpyConverter,
)
from torchattr.influence.cg_influence import CgInfluence
from torchattr.influence.curvature.curvature import Curvature, LinearOperator
from torchattr.influence.curvature.ekfac import EKFAC
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.fisher import Fisher
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.curvature.identity import Identity
from torchattr.influence.curvature.kfac import KFAC
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.ekfac_influence import EkfacInfluence
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.inverse_harmonic_mean_influence import (
    InverseHarmonicMeanInfluence,
)
from torchattr.influence.lissa_influence import LissaInfluence
from torchattr.influence.nystroem_sketch_influence import NystroemSketchInfluence
from torchattr.influence.second_order_mode import SecondOrderMode
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
    "EKFAC",
    "KFAC",
    "Arnoldi",
    "ArnoldiInfluence",
    "Batches",
    "BlockMode",
    "CgInfluence",
    "Cholesky",
    "ConjugateGradient",
    "ConvergenceWarning",
    "Curvature",
    "DaskInfluenceCalculator",
    "DataInf",
    "DirectInfluence",
    "DisableClientSingleThreadCheck",
    "Eigh",
    "EkfacInfluence",
    "EmpiricalFisher",
    "EmpiricalRisk",
    "Fisher",
    "GaussNewton",
    "Hessian",
    "Identity",
    "Influence",
    "InfluenceMode",
    "InvalidDimensionChunksError",
    "InverseHarmonicMeanInfluence",
    "JacobiPreconditioner",
    "KroneckerEigenbasis",
    "LazyChunkSequence",
    "LiSSA",
    "LinearOperator",
    "LissaInfluence",
    "ListAggregator",
    "NestedLazyChunkSequence",
    "NestedListAggregator",
    "NestedSequenceAggregator",
    "NestedTorchCatAggregator",
    "NumpyConverter",
    "NystroemPreconditioner",
    "NystroemSketch",
    "NystroemSketchInfluence",
    "Preconditioner",
    "PreparedPreconditioner",
    "Ranked",
    "SecondOrderMode",
    "SequenceAggregator",
    "SequentialInfluenceCalculator",
    "Solved",
    "Solver",
    "ThreadSafetyViolationError",
    "TopInfluences",
    "TorchCatAggregator",
    "TorchNumpyConverter",
    "UnalignedChunksError",
    "torch_dataset_to_dask_array",
]
