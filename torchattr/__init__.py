"""Which inputs, and which training examples, made a prediction.

:mod:`torchattr.attr` explains predictions by features, with captum's classes;
:mod:`torchattr.valuation` values training examples by training again, and
:mod:`torchattr.influence` without, with pyDVL's;
:mod:`torchattr.games`, :mod:`torchattr.sampling`, :mod:`torchattr.estimation` and
:mod:`torchattr.training` are what they are made of; :mod:`torchattr.metrics` judges the
answers and :mod:`torchattr.visualization` draws them.

Example:
    >>> import torch, torchattr
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> torchattr.attr.ShapleyValueSampling(lambda x: x.sum(1)).attribute(x)
    tensor([[1., 2.]])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torchattr import attr, errors, estimation, games, sampling

if TYPE_CHECKING:
    from torchattr import influence, metrics, training, valuation, visualization
    from torchattr.valuation import DataBanzhaf, DataLOO, DataShapley

__version__ = "0.1.0"

__all__ = [
    "DataBanzhaf",
    "DataLOO",
    "DataShapley",
    "attr",
    "errors",
    "estimation",
    "games",
    "influence",
    "metrics",
    "sampling",
    "training",
    "valuation",
    "visualization",
]


def __getattr__(name: str) -> Any:  # ruff: ignore[any-type] (a module or a class)
    # On demand: explaining a prediction must not wait for matplotlib or for valuation.
    if name in {"influence", "metrics", "training", "valuation", "visualization"}:
        return import_module(f"torchattr.{name}")
    if name in {"DataBanzhaf", "DataLOO", "DataShapley"}:
        return getattr(import_module("torchattr.valuation"), name)
    raise AttributeError(f"module 'torchattr' has no attribute {name!r}")
