"""What a Dask worker computes: influences of one chunk of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from torchattr.influence.calculators.torch_numpy_converter import NumpyConverter
from torchattr.influence.gradients.example_gradients import ExampleGradients
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode

__all__ = [
    "Reading",
    "factors_of_chunk",
    "gradients_of_chunk",
    "perturbations_of_chunk",
    "scores_of_chunk",
]

#: Threads of a process, and workers in one process too, share its model, whose mode
#: and parameters a pass changes while it lasts.
_ONE_AT_A_TIME = RLock()


@dataclass(frozen=True)
class Reading:
    """How the arrays of a chunk become the inputs of a model.

    Attributes:
        converter: Between arrays and tensors.
        structure: As in :class:`ChunkedExamples`.
    """

    converter: NumpyConverter
    structure: tuple[str, ...] | None = None

    def tensors(self, pair: Sequence[Any]) -> tuple[Any, Any]:
        """Inputs and targets.

        Args:
            pair: Arrays of the inputs, in a list, and of the targets.

        Returns:
            Both as tensors, the inputs in their structure.
        """
        inputs, targets = pair
        tensors = tuple(map(self.converter.from_numpy, inputs))
        if self.structure is None:
            structured: Any = tensors[0]
        else:
            names = self.structure
            structured = dict(zip(names, tensors, strict=True)) if names else tensors
        return structured, self.converter.from_numpy(targets)


def factors_of_chunk(
    influence: Influence, pair: Sequence[Any], *, reading: Reading
) -> NDArray[Any]:
    """Preconditioned gradients.

    Args:
        influence: A fitted object.
        pair: Arrays of the inputs of ``M`` examples, in a list, and of their targets.
        reading: How arrays become tensors.

    Returns:
        ``(M, P)``.
    """
    with _ONE_AT_A_TIME:
        return reading.converter.to_numpy(
            influence.influence_factors(*reading.tensors(pair))
        )


def gradients_of_chunk(
    influence: Influence, pair: Sequence[Any], *, reading: Reading
) -> list[ExampleGradients]:
    """Gradients, which several chunks of factors are multiplied with.

    Args:
        influence: A fitted object.
        pair: Arrays of the inputs of ``N`` examples, in a list, and of their targets.
        reading: How arrays become tensors.

    Returns:
        The gradients.
    """
    with _ONE_AT_A_TIME:
        examples = influence.risk.examples(*reading.tensors(pair))
        return influence.gradients(examples)


def scores_of_chunk(
    influence: Influence,
    factors: NDArray[Any],
    gradients: Sequence[ExampleGradients],
    *,
    reading: Reading,
) -> NDArray[Any]:
    """Influences ``Up``.

    Args:
        influence: A fitted object.
        factors: ``(M, P)``.
        gradients: Of ``N`` examples.
        reading: How arrays become tensors.

    Returns:
        ``(M, N)``.
    """
    with _ONE_AT_A_TIME:
        given = _factors(influence, reading, factors)
        scores = influence.influences_from_gradients(given, gradients)
        return reading.converter.to_numpy(scores)


def perturbations_of_chunk(
    influence: Influence,
    factors: NDArray[Any],
    pair: Sequence[Any],
    *,
    reading: Reading,
) -> NDArray[Any]:
    """Influences of features.

    Args:
        influence: A fitted object.
        factors: ``(M, P)``.
        pair: Arrays of the inputs of ``N`` examples, in a list, and of their targets.
        reading: How arrays become tensors.

    Returns:
        ``(M, N, *x.shape[1:])``.
    """
    with _ONE_AT_A_TIME:
        given = _factors(influence, reading, factors)
        scores = influence.influences_from_factors(
            given, *reading.tensors(pair), InfluenceMode.Perturbation
        )
        return reading.converter.to_numpy(scores)


def _factors(influence: Influence, reading: Reading, factors: NDArray[Any]) -> Tensor:
    tensor: Tensor = reading.converter.from_numpy(factors)
    return tensor.to(influence.device, influence.dtype)
