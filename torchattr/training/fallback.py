"""When many models cannot be trained at once."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager

__all__ = [
    "MODEL_ERRORS",
    "FallbackNotice",
    "FallbackWarning",
    "batched_quietly",
    "first_line",
]

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


class FallbackNotice:
    """The one warning of a learner."""

    def __init__(self) -> None:
        self._given = False

    def give(self, what: str, reason: str, stacklevel: int) -> None:
        """Warn, the first time.

        Args:
            what: What is done one after another.
            reason: Why, as the end of a sentence.
            stacklevel: Frames between the caller of this and the user.
        """
        if self._given:
            return
        self._given = True
        warnings.warn(
            f"{what} one after another, because {reason}. Results are the same; many "
            "models take as long as a plain loop over them, where small ones at once "
            "take a tenth of that",
            FallbackWarning,
            stacklevel=stacklevel + 1,
        )


@contextmanager
def batched_quietly() -> Generator[None, None, None]:
    """Silence PyTorch where it has no batched form of a function and loops over models.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def first_line(error: BaseException) -> str:
    """What an error says, in a line without its full stop."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
