"""What can train many models of the same kind, each on its own part of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from torchattr.games.examples import Examples
from torchattr.training.output_form import Loss

__all__ = ["Learner"]


@runtime_checkable
class Learner(Protocol):
    """What a retraining game asks of a learner; ``TorchLearner`` is one."""

    @property
    def model(self) -> nn.Module:
        """The model with its initial weights."""
        ...

    @property
    def loss(self) -> Loss:
        """``(outputs, targets)`` to a loss, or to losses of examples."""
        ...

    @property
    def device(self) -> torch.device:
        """Where models are trained."""
        ...

    @property
    def batch_size(self) -> int | None:
        """Examples of a minibatch, or ``None`` for all."""
        ...

    def fit(self, data: object, coalition: Tensor | None = None) -> nn.Module:
        """One model, trained on the members of a coalition."""
        ...

    def fit_many(self, data: object, coalitions: Tensor) -> dict[str, Tensor]:
        """``(K, ...)`` parameters and buffers of models trained on ``K`` coalitions."""
        ...

    def outputs(self, models: Mapping[str, Tensor], inputs: object) -> Tensor:
        """``(K, M, *out)`` outputs of ``K`` models on ``M`` inputs."""
        ...

    def examples(self, data: object) -> Examples:
        """The data as tensors, of the model's type and on its device."""
        ...

    def description(self) -> dict[str, object]:
        """What makes two trainings the same, by name."""
        ...
