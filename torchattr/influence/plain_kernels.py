"""Plain kernels: implementations of layers that can be differentiated in every way."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

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
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if any(isinstance(module, nn.RNNBase) for module in model.modules()):
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
