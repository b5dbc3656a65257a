"""How much is done at once, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_leaves

from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["chunked_products", "example_chunks", "saved_elements", "working_elements"]

#: What was counted, by the shapes of an example; a copy of a risk counts again.
_SAVED: WeakKeyDictionary[EmpiricalRisk, dict[tuple[torch.Size, ...], int]]
_SAVED = WeakKeyDictionary()
#: Vectors that a product is made with at once, before examples are cut to make room.
_COLUMNS = 32


def working_elements(device: torch.device) -> int:
    """How many numbers a computation may keep at a time.

    Args:
        device: Where. On a processor 32 MiB in single precision: more is slower, as
            caches hold less of it.

    Returns:
        Their number.
    """
    return 2**23 if device.type == "cpu" else 2**28


def saved_elements(risk: EmpiricalRisk, examples: Examples) -> int:
    """How many numbers automatic differentiation keeps for the loss of an example.

    Args:
        risk: The model, the loss and the parameters.
        examples: At least one.

    Returns:
        Their number, at least 1; found by a forward pass of the first, once for
        examples of the same shapes.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.MSELoss())
        >>> saved_elements(risk, risk.examples(torch.ones(9, 3), torch.ones(9, 2)))
        7
    """
    tensors = [*tree_leaves(examples.inputs), examples.targets]
    shapes = tuple(tensor.shape[1:] for tensor in tensors)
    known = _SAVED.setdefault(risk, {})
    if shapes not in known:
        known[shapes] = _counted(risk, next(example_chunks(examples, 1)))
    return known[shapes]


def example_chunks(examples: Examples, size: int) -> Iterator[Examples]:
    """Examples, some at a time.

    Args:
        examples: All.
        size: How many at a time, at least one; the last chunk may have fewer.

    Yields:
        The chunks, views of the examples.
    """
    size = max(1, size)
    if len(examples) <= size:
        yield examples
        return
    for start in range(0, len(examples), size):
        yield examples.map(itemgetter(slice(start, start + size)))


def chunked_products(
    product_of: Callable[[Examples], Callable[[Tensor], Tensor]],
    examples: Examples,
    vectors: Tensor,
    elements: int,
) -> Tensor:
    """Products of vectors with a matrix that is a sum over examples.

    Args:
        product_of: Makes, of some examples, a function of a vector ``(P,)`` to its
            product; what it computes beforehand is shared by all vectors.
        examples: All.
        vectors: ``(P, R)``.
        elements: How many numbers are kept for one example and one vector.

    Returns:
        ``(P, R)``.
    """
    room = working_elements(vectors.device)
    size, n_vectors = vectors.shape
    total = torch.zeros_like(vectors.T)
    for part in example_chunks(examples, room // (elements * min(_COLUMNS, n_vectors))):
        columns = max(1, room // (elements * len(part) + size))
        product = vmap(product_of(part))
        total += torch.cat([product(rows) for rows in torch.split(vectors.T, columns)])
    return total.T


def _counted(risk: EmpiricalRisk, examples: Examples) -> int:
    parameters = {n: t.clone().requires_grad_() for n, t in risk.parameters().items()}
    kept = {tensor.data_ptr(): 0 for tensor in parameters.values()}

    def pack(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.data_ptr(), tensor.numel())
        return tensor

    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        risk.losses(parameters, examples)
    return max(1, sum(kept.values()) // len(examples))
