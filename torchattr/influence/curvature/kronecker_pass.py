"""Passes over training examples that go backwards once for each label."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import vjp, vmap

from torchattr.errors import InputError
from torchattr.games.examples import Examples, Inputs, map_inputs
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.batched_gradients import batched_gradients
from torchattr.influence.curvature.chunk_sizes import example_chunks
from torchattr.influence.curvature.kronecker_layer import KroneckerLayer
from torchattr.influence.curvature.kronecker_layers import ModelLayers
from torchattr.influence.curvature.output_fisher_roots import output_fisher_roots
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters
from torchattr.influence.gradients.layer_calls import recorded_layers

__all__ = ["LabelledExamples", "labelled_examples"]

#: Numbers in outputs and gradients that are held at once: 128 MB in double precision.
_ELEMENTS = 2**24


class LabelledExamples:
    """Some examples after a forward pass, ready to go backwards from every label.

    Args:
        risk: The model, the loss and the parameters.
        layers: Those of the model.
        examples: ``B`` examples.

    Attributes:
        n_examples: ``B``.

    Example:
        >>> from torchattr.influence.curvature.kronecker_layers import found_layers
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss())
        >>> examples = risk.examples(torch.ones(5, 3), torch.zeros(5, dtype=torch.long))
        >>> layers = found_layers(risk, examples)
        >>> labelled = LabelledExamples(risk, layers, examples)
        >>> labelled.rows(layers.kronecker[0]).shape
        torch.Size([1, 5, 1, 4])
        >>> [part[0].shape for part in labelled.gradients(layers.kronecker)]
        [torch.Size([1, 2, 5, 1, 2])]
    """

    def __init__(
        self, risk: EmpiricalRisk, layers: ModelLayers, examples: Examples
    ) -> None:
        self.n_examples = len(examples)
        self._risk = risk
        self._inputs = examples.inputs
        self._outputs, calls = recorded_layers(risk, risk.parameters(), examples.inputs)
        self._calls = {
            layer.weight: [call for call in calls if call.weight == layer.weight]
            for layer in layers.kronecker
        }
        for name, uses in self._calls.items():
            if any(len(call.output) != self.n_examples for call in uses):
                raise InputError(
                    f"the layer of {name} has a row for each example in the first "
                    "batch, not in another; freeze it (requires_grad=False), or use "
                    "CgInfluence with SecondOrderMode.GAUSS_NEWTON"
                )
        roots = output_fisher_roots(risk, self._outputs, examples.targets)
        at_once = max(1, _ELEMENTS // (self.n_examples * layers.n_held))
        self._roots = roots.split(at_once)  # type: ignore[no-untyped-call]  # torch's

    def rows(self, layer: KroneckerLayer) -> Tensor:
        """Inputs of a layer, ``(groups, B, T, i)``, which no label changes."""
        return layer.rows(self._calls[layer.weight])

    def gradients(self, layers: tuple[KroneckerLayer, ...]) -> Iterator[list[Tensor]]:
        """Gradients in the outputs of layers, some labels at a time.

        Args:
            layers: Which.

        Yields:
            ``(groups, K, B, T, o)`` for each layer: those of the square roots of the
            Fisher matrix in the model's outputs, so that sums of outer products over
            ``K`` are expectations over labels drawn from the model.
        """
        uses = [self._calls[layer.weight] for layer in layers]
        outputs = [call.output for calls in uses for call in calls]
        for roots in self._roots if layers else ():
            found = iter(batched_gradients(self._outputs, outputs, roots))
            yield [
                layer.gradients(calls, [next(found) for _ in calls])
                for layer, calls in zip(layers, uses, strict=True)
            ]

    def dense(self, groups: tuple[tuple[str, ...], ...]) -> Iterator[list[Tensor]]:
        """Gradients in any parameters, some examples at a time.

        Args:
            groups: Names of parameters, ``n`` numbers in each group.

        Yields:
            ``(K * b, n)`` for each group.
        """
        if not groups:
            return
        risk = self._risk
        own = risk.restricted([name for names in groups for name in names])
        parameters = own.parameters()

        def pulled(inputs: Inputs, roots: Tensor) -> dict[str, Tensor]:
            one = map_inputs(lambda tensor: tensor.unsqueeze(0), inputs)

            def output(varied: Parameters) -> Tensor:
                return risk.outputs(varied, one).squeeze(0)  # type: ignore[no-any-return]  # a tensor, found_layers says

            _, pull = vjp(output, parameters)  # type: ignore[misc]  # has_aux=False
            return vmap(pull)(roots)[0]  # type: ignore[no-any-return]  # in their structure

        roots = torch.cat(self._roots)
        step = max(1, _ELEMENTS // (len(roots) * own.n_parameters))
        for start in range(0, self.n_examples, step):
            chunk = slice(start, start + step)
            inputs = map_inputs(lambda tensor, c=chunk: tensor[c], self._inputs)  # type: ignore[misc]  # a default binds the loop's value
            gradients = vmap(pulled, in_dims=(0, 1))(inputs, roots[:, chunk])
            yield [
                risk.restricted(names).flatten(gradients).flatten(0, 1)
                for names in groups
            ]


def labelled_examples(
    risk: EmpiricalRisk, layers: ModelLayers, batches: Batches
) -> Iterator[LabelledExamples]:
    """One pass over training examples, as many at a time as memory suggests.

    Args:
        risk: The model, the loss and the parameters.
        layers: Those of the model.
        batches: The training examples.

    Yields:
        Consecutive examples.
    """
    at_once = max(1, _ELEMENTS // (layers.n_outputs * layers.n_held))
    for examples in batches:
        for chunk in example_chunks(examples, at_once):
            yield LabelledExamples(risk, layers, chunk)
