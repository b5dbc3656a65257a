"""Training examples whose targets are scores at labels drawn from the model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.chunk_sizes import (
    example_chunks,
    saved_elements,
    working_elements,
)
from torchattr.influence.curvature.likelihood import Likelihood
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["DrawnScores"]


class DrawnScores:
    """Examples with scores, the gradients in the outputs at labels that are drawn.

    Random numbers are those of the processor, on any device, and are taken in the order
    of the examples, the same number for each: so what is drawn for an example depends
    on the seed and on its position in the data, not on how they are batched.

    Args:
        batches: The training examples.
        risk: The model.
        likelihood: Of the labels.
        seed: Of the random numbers.

    Example:
        >>> from torchattr.influence.curvature.likelihood import Gaussian
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 2), torch.nn.MSELoss())
        >>> batches = Batches([(torch.ones(3, 1), torch.ones(3, 2))], risk)
        >>> drawn = DrawnScores(batches, risk, Gaussian(True), 0)
        >>> [examples.targets.shape for examples in drawn]
        [torch.Size([3, 2])]
    """

    def __init__(
        self, batches: Batches, risk: EmpiricalRisk, likelihood: Likelihood, seed: int
    ) -> None:
        self._batches = batches
        self._risk = risk
        self._likelihood = likelihood
        self._seed = seed

    def __iter__(self) -> Iterator[Examples]:
        generator = torch.Generator().manual_seed(self._seed)
        for examples in self._chunks():
            outputs = self._outputs(examples)
            shape = len(examples), self._likelihood.n_draws(outputs)
            uniform = torch.rand(shape, dtype=torch.float64, generator=generator)
            scores = self._likelihood.scores(
                outputs, examples.targets, uniform.to(outputs.device)
            )
            yield Examples(examples.inputs, scores)

    def _chunks(self) -> Iterator[Examples]:
        room = working_elements(self._risk.device)
        for examples in self._batches:
            self._outputs(next(example_chunks(examples, 1)))  # refused before counted
            elements = saved_elements(self._risk, examples)
            yield from example_chunks(examples, room // elements)

    def _outputs(self, examples: Examples) -> Tensor:
        with torch.no_grad():
            outputs = self._risk.outputs(self._risk.parameters(), examples.inputs)
        if not isinstance(outputs, Tensor):
            raise InputError(
                "drawing labels needs a model whose output is a tensor; got "
                f"{type(outputs).__name__}. Wrap the model, or take GaussNewton"
            )
        return outputs
