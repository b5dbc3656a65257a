"""Which inputs, and which training examples, made a prediction.

:mod:`torchattr.attr` explains predictions by features, with captum's classes;
:mod:`torchattr.games`, :mod:`torchattr.sampling` and :mod:`torchattr.estimation` are
what it is made of; :mod:`torchattr.visualization` draws the answers.

Example:
    >>> import torch, torchattr
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> torchattr.attr.ShapleyValueSampling(lambda x: x.sum(1)).attribute(x)
    tensor([[1., 2.]])
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from torchattr import attr, errors, estimation, games, sampling

if TYPE_CHECKING:
    from torchattr import visualization

__version__ = "0.1.0"

__all__ = ["attr", "errors", "estimation", "games", "sampling", "visualization"]


def __getattr__(name: str) -> ModuleType:
    if name == "visualization":  # on demand, because matplotlib takes long to import
        return import_module("torchattr.visualization")
    raise AttributeError(f"module 'torchattr' has no attribute {name!r}")
