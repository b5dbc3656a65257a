"""Plain kernels: implementations of layers that can be differentiated in every way."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from torchattr.influence.overlapping_blocks import overlapping

__all__ = ["plain_kernels"]


@contextmanager
def plain_kernels(model: nn.Module) -> Generator[None, None, None]:
    """Keep a model from fused kernels that lack a derivative, for the block.

    Fused attention has no second derivative, and none of the fused kernels a rule for
    ``torch.func.vmap``: attention, the encoder layer of a transformer in eval mode. On
    CUDA, cuDNN has no derivative of a recurrent layer in eval mode.

    Args:
        model: Which will run.

    Yields:
        Nothing.

    Example:
        >>> with plain_kernels(nn.Linear(1, 1)):
        ...     torch.backends.mha.get_fastpath_enabled()
        False
    """
    with overlapping("attention", _plain_attention):
        if any(isinstance(module, nn.RNNBase) for module in model.modules()):
            with overlapping("cudnn", _without_cudnn):
                yield
        else:
            yield


@contextmanager
def _plain_attention() -> Generator[None, None, None]:
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@contextmanager
def _without_cudnn() -> Generator[None, None, None]:
    enabled = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = enabled
