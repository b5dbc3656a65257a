"""Feature attribution: which parts of this input made the prediction.

The classes and arguments are captum 0.9's; code works after ``captum.attr`` is replaced
by ``torchattr.attr`` in its imports. What is added is keyword-only, above all
``return_standard_error=True``.

Example:
    >>> import torch
    >>> from torchattr.attr import ShapleyValueSampling
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> ShapleyValueSampling(lambda x: x.sum(1)).attribute(x)
    tensor([[1., 2.]])
"""

from importlib import import_module
from types import ModuleType

from torchattr.attr.feature_ablation import FeatureAblation
from torchattr.attr.feature_permutation import FeaturePermutation
from torchattr.attr.interpretable_models import InterpretableModel, Lasso
from torchattr.attr.kernel_shap import KernelShap
from torchattr.attr.lime import Lime
from torchattr.attr.lime_base import LimeBase
from torchattr.attr.occlusion import Occlusion
from torchattr.attr.shapley import Shapley
from torchattr.attr.shapley_value_sampling import ShapleyValueSampling
from torchattr.attr.shapley_values import ShapleyValues
from torchattr.attr.similarity import get_exp_kernel_similarity_function
from torchattr.games.attribution import Attribution, PerturbationAttribution
from torchattr.games.baselines import BaselineDistribution

__all__ = [
    "Attribution",
    "BaselineDistribution",
    "FeatureAblation",
    "FeaturePermutation",
    "InterpretableModel",
    "KernelShap",
    "Lasso",
    "Lime",
    "LimeBase",
    "Occlusion",
    "PerturbationAttribution",
    "Shapley",
    "ShapleyValueSampling",
    "ShapleyValues",
    "get_exp_kernel_similarity_function",
]


def __getattr__(name: str) -> ModuleType:
    if name == "visualization":  # captum's idiom; on demand, as matplotlib is slow
        return import_module("torchattr.visualization")
    raise AttributeError(f"module 'torchattr.attr' has no attribute {name!r}")
