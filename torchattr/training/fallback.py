"""When many models cannot be trained at once."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["MODEL_ERRORS", "FallbackWarning", "batched_quietly"]

#: What a model, a loss or an optimizer may raise when it is given stacked tensors that
#: it cannot handle. The plain loop then shows whether the error is the user's own.
MODEL_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)


class FallbackWarning(UserWarning):
    """Models are trained one after another, or their outputs computed so.

    Said once for each learner, with the reason. Results are the same, and take the time
    that a plain loop takes.

    Example:
        >>> import torch, warnings
        >>> from torchattr.training import TorchLearner
        >>> learner = TorchLearner(
        ...     torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1)),
        ...     torch.nn.MSELoss(),
        ...     lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        ...     epochs=1,
        ... )
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     coalitions = torch.ones(3, 2, dtype=bool)
        ...     _ = learner.fit_many((torch.eye(2), torch.ones(2, 1)), coalitions)
        >>> [w.category.__name__ for w in caught]
        ['FallbackWarning']
    """


@contextmanager
def batched_quietly() -> Generator[None, None, None]:
    """Silence PyTorch where it has no batched form of a function and loops over models.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield
