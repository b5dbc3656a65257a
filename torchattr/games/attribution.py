"""The classes that users meet: what can be removed, in; values in its shapes, out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from torch import Tensor

from torchattr.games.game import Game
from torchattr.games.progress import reporting

__all__ = ["Attribution", "PerturbationAttribution", "Solution"]


class Solution(Protocol):
    """What an estimator gives back: values of players and their standard errors."""

    @property
    def values(self) -> Tensor:
        """``(n, *value)``."""
        ...

    @property
    def standard_errors(self) -> Tensor:
        """``(n, *value)``."""
        ...


SolutionT = TypeVar("SolutionT", bound=Solution)


class Attribution(ABC):
    """A method that attributes the value of a function.

    The members are captum's, so that its wrappers (``NoiseTunnel``, layer and neuron
    ablation) work with these classes.

    Args:
        forward_func: What is explained: a model, or any function of the inputs; for
            values of training data, the learner that makes the models.

    Attributes:
        forward_func: The same; it may be rebound between calls.
    """

    def __init__(self, forward_func: Any) -> None:
        self.forward_func = forward_func

    @abstractmethod
    def attribute(self, *args: Any, **kwargs: Any) -> Any:
        """Attributions of some inputs; each method has its own arguments."""

    def attribute_future(self, *args: Any, **kwargs: Any) -> Any:
        """The same for a ``forward_func`` that returns a future, where supported.

        Args:
            *args: As for ``attribute``.
            **kwargs: As for ``attribute``.

        Raises:
            NotImplementedError: Always; methods that support it define their own.
        """
        raise NotImplementedError(
            f"attribute_future is not implemented for {type(self).__name__}"
        )

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether attributions include the size of the inputs."""
        return False

    def has_convergence_delta(self) -> bool:
        """Whether :meth:`compute_convergence_delta` is available: never here."""
        return False

    def compute_convergence_delta(self, *args: Any, **kwargs: Any) -> Tensor:
        """An approximation error, for methods that have one.

        Args:
            *args: Not used.
            **kwargs: Not used.

        Raises:
            NotImplementedError: Always; standard errors say how sure the values are.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no convergence delta; "
            "ask attribute for return_standard_error=True"
        )

    @classmethod
    def get_name(cls) -> str:
        """The class name as words, ``"Shapley Value Sampling"``."""
        return "".join(
            char if char.islower() or index == 0 else f" {char}"
            for index, char in enumerate(cls.__name__)
        )


class PerturbationAttribution(Attribution):
    r"""A method that removes something, and looks at what the rest is worth.

    A subclass turns its arguments into a game and chooses an estimator. What is removed
    are features of an input, or examples of the training data
    (:class:`~torchattr.valuation.DataShapley`).

    **Arguments shared by all methods that remove features**, in captum's order and with
    captum's meaning:

    ``inputs``
        What is explained: a tensor or a tuple of tensors of any type, with the ``B``
        examples along the first dimension.
    ``baselines``
        What removed features are replaced by: ``None`` (zero), a number, a tensor that
        broadcasts to its input, a tuple of these with one entry for each input, a
        function of the inputs that makes one of them, or a
        :class:`~torchattr.games.BaselineDistribution`.
    ``target``
        Which output is explained: ``None`` (all of them), an int or a tuple of ints for
        every example, or a list or tensor with one for each example; see
        :class:`~torchattr.games.Target`.
    ``additional_forward_args``
        One further argument of ``forward_func``, or a tuple of them. Tensors whose
        first dimension is ``B`` are repeated with the examples, if that proves right.
    ``feature_mask``
        Which features are removed together: integers that broadcast to the inputs,
        equal ones for one group; see :class:`~torchattr.games.FeatureGroups`. ``None``
        makes every element a feature.
    ``perturbations_per_eval``
        The most variants of each example in one call of ``forward_func``. It changes
        speed and memory only; ``None`` chooses. A function that takes a single variant
        (it aggregates over the batch, or has a fixed batch size) is given one.
    ``show_progress``
        Whether to show a progress bar, in evaluations of each example.
    ``generator``
        Source of randomness; ``None`` is PyTorch's global one.
    ``stopping``
        A rule of :mod:`torchattr.estimation.stopping` that ends the run early;
        ``n_samples`` is then the maximum.
    ``return_standard_error``
        Whether to return a pair: attributions and their standard errors, which are 0
        for exact values and NaN where a single replicate says nothing.

    **Attributions** have the shape ``(*output_shape, *feat)``, where ``feat`` is the
    shape of an input without the batch, in a tuple if the inputs were one. A function
    that returns one answer for the whole batch has the ``output_shape`` of that answer,
    ``(1,)`` for a number. Every element of a group gets the value of the group.
    """

    @property
    def multiplies_by_inputs(self) -> bool:
        """A removed feature is replaced as a whole, so its size counts."""
        return True

    def _solved(
        self,
        game: Game,
        solve: Callable[[Game], SolutionT],
        *,
        n_evaluations: int,
        show_progress: bool,
    ) -> SolutionT:
        """Run an estimator on a game, with a bar that counts evaluations."""
        label = f"{self.get_name()} attribution"
        with reporting(game, label, n_evaluations, show=show_progress):
            return solve(game)
