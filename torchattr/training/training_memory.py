"""How many models fit in memory while they are trained side by side."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from torchattr.games.examples import Examples, call_model
from torchattr.training.learner import Learner

__all__ = ["models_in_memory"]

_CPU_BUDGET = 2**30  # bytes; beyond the caches, a larger one gains nothing
_CUDA_SHARE = 0.5  # of the memory that is free now
_COPIES_OF_WEIGHTS = 4  # weights, their gradients, two moments of the optimizer
_COPIES_OF_ACTIVATIONS = 3  # saved, their gradients, what an operation works in


def models_in_memory(
    learner: Learner, train: Examples, n_test: int, output: Tensor
) -> int:
    """How many models may be trained and scored at once.

    What the backward pass keeps is counted on one minibatch of the initial model. It
    is a guess that keeps runs from failing: a game that still runs out of memory
    tries again with half as many.

    Args:
        learner: What trains them.
        train: The training examples.
        n_test: Number of test examples.
        output: ``(*out)``: an output for one example.

    Returns:
        At least one.

    Example:
        >>> from torchattr.training import TorchLearner
        >>> net = torch.nn.Linear(2**20, 1)
        >>> sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.1)
        >>> learner = TorchLearner(net, torch.nn.MSELoss(), sgd, epochs=1)
        >>> train = Examples(torch.zeros(1, 2**20), torch.zeros(1, 1))
        >>> models_in_memory(learner, train, 1, torch.zeros(1)) < 64
        True
    """
    weights = sum(map(_n_bytes, learner.model.parameters()))
    each = (
        _COPIES_OF_WEIGHTS * weights
        + _COPIES_OF_ACTIVATIONS * _activation_bytes(learner, train)
        + n_test * _n_bytes(output)
    )
    return max(1, int(_budget(learner.device) // max(1, each)))


def _activation_bytes(learner: Learner, train: Examples) -> int:
    """What the backward pass of one minibatch keeps, beside the weights."""
    # A copy in evaluation mode draws no random numbers and counts no statistics.
    model = copy.deepcopy(learner.model).eval()
    weights = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = _n_bytes(tensor)
        return tensor

    size = min(len(train), learner.batch_size or len(train))
    batch = train.take(torch.arange(size, device=learner.device))
    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        learner.loss(call_model(model, batch.inputs), batch.targets)
    return sum(kept.values())


def _n_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _budget(device: torch.device) -> float:
    if device.type == "cuda":
        return _CUDA_SHARE * torch.cuda.mem_get_info(device)[0]
    return _CPU_BUDGET
