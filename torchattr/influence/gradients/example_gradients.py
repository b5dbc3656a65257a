"""Gradients of many examples, one for each, without forming them where layers allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.generic_gradients import generic_gradients
from torchattr.influence.gradients.parameter_gradients import (
    HeldGradients,
    OuterProducts,
    ParameterGradients,
)
from torchattr.influence.gradients.recorded_losses import (
    RecordedLosses,
    recorded_losses,
)
from torchattr.influence.model_check import refuse_inference_mode

__all__ = ["ExampleGradients", "example_gradients"]


class ExampleGradients:
    """Gradients of ``B`` examples in the ``P`` parameters of a risk.

    Args:
        gradients: By name of the parameter, in their flattened order.
        sizes: Numbers of elements of the parameters.
        n_examples: ``B``.

    Attributes:
        n_examples: ``B``.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss())
        >>> examples = risk.examples(torch.ones(5, 3), torch.zeros(5, dtype=torch.long))
        >>> gradients = example_gradients(risk, examples)
        >>> gradients.products(torch.ones(4, 8)).shape, gradients.dense().shape
        (torch.Size([4, 5]), torch.Size([5, 8]))
    """

    def __init__(
        self,
        gradients: Mapping[str, ParameterGradients],
        sizes: Sequence[int],
        n_examples: int,
    ) -> None:
        self.n_examples = n_examples
        self._gradients = gradients
        self._sizes = dict(zip(gradients, sizes, strict=True))

    def dense(self) -> Tensor:
        """All gradients, ``(B, P)``."""
        return torch.cat([part.dense() for part in self._gradients.values()], 1)

    def products(self, vectors: Tensor) -> Tensor:
        """Inner products with vectors, ``vectors @ G^T``.

        Args:
            vectors: ``(R, P)``.

        Returns:
            ``(R, B)``.
        """
        parts = vectors.split(list(self._sizes.values()), 1)  # type: ignore[no-untyped-call]  # torch's
        gradients = self._gradients.values()
        total = vectors.new_zeros(len(vectors), self.n_examples)
        for gradient, part in zip(gradients, parts, strict=True):
            total += gradient.products(part)
        return total

    def combined(self, weights: Tensor) -> Tensor:
        """Weighted sums of the gradients, ``weights @ G``.

        Args:
            weights: ``(R, B)``.

        Returns:
            ``(R, P)``.
        """
        return torch.cat([p.combined(weights) for p in self._gradients.values()], 1)

    def squared_norms(self) -> Tensor:
        """Of each gradient, ``(B,)``."""
        parts = [part.squared_norms() for part in self._gradients.values()]
        return torch.stack(parts).sum(0)

    def restricted(self, names: Sequence[str]) -> ExampleGradients:
        """The same gradients in fewer parameters; nothing is computed.

        Args:
            names: Of the parameters, in the order wanted.

        Returns:
            Gradients that share what is held.

        Raises:
            InputError: If there are none in a parameter of that name.
        """
        unknown = [name for name in names if name not in self._gradients]
        if unknown:
            raise InputError(
                f"there are no gradients in {unknown}; there are in "
                f"{list(self._gradients)}"
            )
        return ExampleGradients(
            {name: self._gradients[name] for name in names},
            [self._sizes[name] for name in names],
            self.n_examples,
        )


def example_gradients(risk: EmpiricalRisk, examples: Examples) -> ExampleGradients:
    r"""Gradients :math:`\nabla_\theta \ell_b` of the loss of each example.

    One forward and one backward pass of all examples give the gradients in the weights
    of linear and convolutional layers as factors, and in their biases. Those in other
    parameters are held whole, by ``torch.func.vmap``. The caller chooses how many
    examples there are at once.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.

    Returns:
        The gradients.

    Raises:
        InputError: Under ``torch.inference_mode()``, where nothing has a gradient.

    Note:
        See Goodfellow, "Efficient per-example gradient computations",
        arXiv:1510.01799 (2015), for the factors.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> examples = risk.examples(torch.eye(1), torch.eye(1))
        >>> example_gradients(risk, examples).n_examples
        1
    """
    refuse_inference_mode()
    with risk.evaluating(), torch.enable_grad():
        recorded = recorded_losses(risk, examples)
        held = generic_gradients(risk, examples, recorded.generic)
        gradients = {
            name: HeldGradients(held[name])
            if name in held
            else _of_layers(risk, name, recorded, len(examples))
            for name in risk.names
        }
    return ExampleGradients(gradients, risk.sizes, len(examples))


def _of_layers(
    risk: EmpiricalRisk, name: str, recorded: RecordedLosses, n_examples: int
) -> ParameterGradients:
    pairs = list(zip(recorded.calls, recorded.output_gradients, strict=True))
    as_weight = [pair for pair in pairs if pair[0].weight == name]
    if as_weight:
        calls, output_gradients = zip(*as_weight, strict=True)
        return OuterProducts(calls, output_gradients)
    as_bias = [
        call.positions(gradient).sum(1) for call, gradient in pairs if call.bias == name
    ]
    if as_bias:
        return HeldGradients(torch.stack(as_bias).sum(0))
    size = risk.sizes[risk.names.index(name)]
    zero = torch.zeros(1, size, dtype=risk.dtype, device=risk.device)
    return HeldGradients(zero.expand(n_examples, size))
