"""What a Dask worker computes: influences of one chunk of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from torchattr.influence.example_gradients import ExampleGradients
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.torch_numpy_converter import NumpyConverter

__all__ = [
    "factors_of_chunk",
    "gradients_of_chunk",
    "perturbations_of_chunk",
    "scores_of_chunk",
]

#: Threads of a process share its model, whose mode and buffers each would change.
_ONE_AT_A_TIME = RLock()


def factors_of_chunk(
    influence: Influence, converter: NumpyConverter, pair: Sequence[Any]
) -> NDArray[Any]:
    """Preconditioned gradients.

    Args:
        influence: A fitted object.
        converter: Between arrays and tensors.
        pair: ``(x, y)`` of ``M`` examples, arrays.

    Returns:
        ``(M, P)``.
    """
    with _ONE_AT_A_TIME:
        return converter.to_numpy(
            influence.influence_factors(*_tensors(converter, pair))
        )


def gradients_of_chunk(
    influence: Influence, converter: NumpyConverter, pair: Sequence[Any]
) -> list[ExampleGradients]:
    """Gradients, which several chunks of factors are multiplied with.

    Args:
        influence: A fitted object.
        converter: Between arrays and tensors.
        pair: ``(x, y)`` of ``N`` examples, arrays.

    Returns:
        The gradients.
    """
    with _ONE_AT_A_TIME:
        examples = influence.risk.examples(*_tensors(converter, pair))
        return influence.gradients(examples)


def scores_of_chunk(
    influence: Influence,
    converter: NumpyConverter,
    factors: NDArray[Any],
    gradients: Sequence[ExampleGradients],
) -> NDArray[Any]:
    """Influences ``Up``.

    Args:
        influence: A fitted object.
        converter: Between arrays and tensors.
        factors: ``(M, P)``.
        gradients: Of ``N`` examples.

    Returns:
        ``(M, N)``.
    """
    given = _factors(influence, converter, factors)
    return converter.to_numpy(influence.influences_from_gradients(given, gradients))


def perturbations_of_chunk(
    influence: Influence,
    converter: NumpyConverter,
    factors: NDArray[Any],
    pair: Sequence[Any],
) -> NDArray[Any]:
    """Influences of features.

    Args:
        influence: A fitted object.
        converter: Between arrays and tensors.
        factors: ``(M, P)``.
        pair: ``(x, y)`` of ``N`` examples, arrays.

    Returns:
        ``(M, N, *x.shape[1:])``.
    """
    with _ONE_AT_A_TIME:
        given = _factors(influence, converter, factors)
        scores = influence.influences_from_factors(
            given, *_tensors(converter, pair), InfluenceMode.Perturbation
        )
        return converter.to_numpy(scores)


def _factors(
    influence: Influence, converter: NumpyConverter, factors: NDArray[Any]
) -> Tensor:
    tensor: Tensor = converter.from_numpy(factors)
    return tensor.to(influence.device, influence.dtype)


def _tensors(converter: NumpyConverter, pair: Sequence[Any]) -> tuple[Any, Any]:
    x, y = pair
    if isinstance(x, dict):
        inputs: Any = {name: converter.from_numpy(array) for name, array in x.items()}
    elif isinstance(x, tuple | list):
        inputs = tuple(map(converter.from_numpy, x))
    else:
        inputs = converter.from_numpy(x)
    return inputs, converter.from_numpy(y)
