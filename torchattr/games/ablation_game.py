"""The game of feature attribution: removed features are replaced by baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, final

import torch
from torch import Tensor
from torch.futures import Future, collect_all

from torchattr.errors import InputError
from torchattr.games.baselines import Baseline, Baselines
from torchattr.games.counts import as_count
from torchattr.games.forward import Forward
from torchattr.games.futures import chained
from torchattr.games.game import Game
from torchattr.games.players import FeatureGroups, Players
from torchattr.games.target import TargetLike

__all__ = ["AblationGame", "FeatureMask", "Inputs"]

#: A tensor, or a tuple of tensors, with the examples along the first dimension.
Inputs: TypeAlias = "Tensor | tuple[Tensor, ...]"
#: See :class:`torchattr.games.FeatureGroups`.
FeatureMask: TypeAlias = "Tensor | tuple[Tensor, ...] | None"

# Rows of a batch that stay in a CPU's cache: a small network was measured 2 to 6 times
# slower per row with larger batches. An accelerator wants far more to be busy.
_CPU_ROWS, _CPU_ELEMENTS = 2048, 2**22
_ACCELERATOR_ROWS, _ACCELERATOR_ELEMENTS = 2**16, 2**27


@final
class AblationGame(Game):
    r"""The model's output when only a coalition of features keeps its values.

    :math:`v(S) = f(\mathrm{where}(S, x, b))` for all examples and outputs at once. With
    a :class:`~torchattr.games.BaselineDistribution` of ``D`` samples the value is
    computed for each sample.

    Args:
        forward_func: The model: inputs, then additional arguments, to a tensor with one
            row for each example, or to one answer for the whole batch.
        inputs: What is explained.
        baselines: What removed features are replaced by, see
            :class:`~torchattr.games.Baseline`.
        target: Which output is explained, see :class:`~torchattr.games.Target`.
        additional_forward_args: Further arguments of ``forward_func``.
        players: What can be removed: masks as for
            :class:`~torchattr.games.FeatureGroups`, or any
            :class:`~torchattr.games.Players`.
        perturbations_per_eval: The most variants of an example in one call of the
            model; ``None`` chooses by memory and cache.

    Attributes:
        players: The players.
        is_distribution: Whether values have the samples of a baseline distribution as
            their first dimension, after their mean.

    Raises:
        InputError: If an argument does not fit the inputs.

    Example:
        >>> game = AblationGame(lambda x: x.prod(1), torch.tensor([[2.0, 3.0]]), 1.0)
        >>> game(torch.tensor([[False, False], [True, False], [True, True]]))
        tensor([[1.],
                [2.],
                [6.]])
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        inputs: Inputs,
        baselines: Baselines | Baseline = None,
        *,
        target: TargetLike = None,
        additional_forward_args: object = None,
        players: FeatureMask | Players = None,
        perturbations_per_eval: int | None = None,
    ) -> None:
        tensors = checked_inputs(inputs)
        self._answers_with_tuple = isinstance(inputs, tuple)
        self.device = tensors[0].device
        self.players = (
            players if isinstance(players, Players) else FeatureGroups(tensors, players)
        )
        self.n_players = self.players.n_players
        if isinstance(baselines, Baseline):
            baseline = baselines
        else:
            baseline = Baseline.of(baselines, tensors)
        self._inputs = tuple(x[None, None] for x in baseline.inputs)
        self._replacements = tuple(b[None] for b in baseline.replacements)
        self._n_samples = baseline.n_samples
        self.is_distribution = baseline.is_distribution
        self._most_variants = affordable_variants(tensors, perturbations_per_eval)
        self._forward = Forward(
            forward_func,
            baseline.inputs,
            target,
            additional_forward_args,
            most_variants=self._most_variants,
        )
        self._chooses = perturbations_per_eval is None
        self.chunk_size = max(1, self._most_variants // self._n_samples)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Outputs of the model for each coalition.

        Args:
            coalitions: ``(C, n)`` booleans.

        Returns:
            ``(C, *output_shape)``; ``(C, 1 + D, *output_shape)`` for a distribution of
            ``D`` baselines, the mean over the samples first.
        """
        outputs = self._forward(self._variants(coalitions))
        self.n_wasted = self._forward.n_wasted
        return self._values(outputs, len(coalitions))

    def submit(self, coalitions: Tensor) -> Future[Tensor]:
        """Values of coalitions from a ``forward_func`` that returns futures.

        All calls are issued before this returns, one variant in each unless
        ``perturbations_per_eval`` allows more; the answers may come in any order.

        Args:
            coalitions: ``(C, n)`` booleans.

        Returns:
            A future of what calling the game returns.
        """
        # Nothing can be tried before it is sent, so only what was asked for is joined.
        alone = self._chooses or self._forward.n_probes > 0
        most = 1 if alone else self._most_variants
        with torch.no_grad():
            # The first answer alone tells the shape, as in the synchronous path.
            pending: list[Future[Tensor]] = []
            for coalition in torch.split(coalitions, max(1, most // self._n_samples)):
                variants = self._variants(coalition)
                pending += [
                    self._forward.submit(tuple(x[k : k + most] for x in variants))
                    for k in range(0, len(variants[0]), most)
                ]

        def values(done: list[Future[Tensor]]) -> Tensor:
            outputs = torch.cat([future.value() for future in done])
            return self._values(outputs, len(coalitions))

        return chained(collect_all(pending), values)

    def answer(
        self, values: Tensor, standard_errors: Tensor, *, as_inputs: bool = True
    ) -> tuple[Any, Any]:
        """Values of players in the caller's shapes and type.

        Args:
            values: ``(n, *value)``.
            standard_errors: ``(n, *value)``.
            as_inputs: Whether to answer in the shapes of the inputs.

        Returns:
            The attributions and their standard errors, each a tensor or a tuple of
            tensors, as the inputs were: ``(*output_shape, *feat)``, in the floating
            type of the model's output (PyTorch's default for a model of integers).
            Without ``as_inputs`` each is a tensor ``(*output_shape, n)``.

        Raises:
            InputError: If the outputs are complex and the values are not.
        """
        if self.dtype.is_complex and not values.is_complex():
            raise InputError(
                f"forward_func must return real numbers here, got {self.dtype}; "
                "explain the absolute value, or torch.view_as_real of the output"
            )
        if self.is_distribution:
            values, standard_errors = over_samples(values, standard_errors)
        floating = self.dtype if self.dtype.is_floating_point else None
        floating = floating or torch.get_default_dtype()
        if values.is_floating_point():
            values = values.to(floating)
        answers = (values.movedim(0, -1), standard_errors.to(floating).movedim(0, -1))
        if not as_inputs:
            return answers
        gathered = [self.players.gather(part) for part in answers]
        if self._answers_with_tuple:
            return gathered[0], gathered[1]
        return gathered[0][0], gathered[1][0]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the model's output; meaningful after the first evaluation."""
        return self._forward.dtype or torch.get_default_dtype()

    @property
    def aggregates(self) -> bool:
        """Whether one answer is for the whole batch; known after an evaluation."""
        return self._forward.aggregates

    @property
    def n_probes(self) -> int:
        """Evaluations of each example beyond those asked for, before a run begins."""
        return self._forward.n_probes

    def perturbed(self, coalitions: Tensor) -> list[Any]:
        """The inputs of each coalition.

        Args:
            coalitions: ``(C, n)`` booleans.

        Returns:
            ``C`` tensors, or tuples of tensors, shaped like the inputs.

        Raises:
            InputError: If there is a distribution of baselines.
        """
        if self._n_samples > 1:
            raise InputError(
                "functions of perturbed inputs need one baseline for each feature, got "
                f"a distribution of {self._n_samples}"
            )
        variants = list(zip(*self._variants(coalitions), strict=True))
        return variants if self._answers_with_tuple else [x for (x,) in variants]

    def products(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sums over each player's elements: ``x * x``, ``x * b`` and ``b * b``.

        Returns:
            Three ``(B, n)`` float64 tensors; means over a distribution of baselines.

        Raises:
            InputError: If the players are not groups, or a sum is not finite.
        """
        if not isinstance(self.players, FeatureGroups):
            raise InputError("products need players that are groups of features")
        x = tuple(part[0, 0].double() for part in self._inputs)
        b = tuple(part[0].double() for part in self._replacements)
        products = (
            self.players.totals(tuple(part * part for part in x)),
            self.players.totals(
                tuple((p * q).mean(0) for p, q in zip(x, b, strict=True))
            ),
            self.players.totals(
                tuple((q * q).mean(0).expand_as(p) for p, q in zip(x, b, strict=True))
            ),
        )
        if not all(bool(torch.isfinite(part).all()) for part in products):
            raise InputError(
                "inputs and baselines must be finite for the default similarity_func; "
                "pass one that can take NaN or infinity"
            )
        return products

    def _variants(self, coalitions: Tensor) -> tuple[Tensor, ...]:
        """For each input, ``(C * D, B, *feat)``; the samples vary fastest."""
        variants = []
        masks = self.players.spread(coalitions)
        for mask, x, b in zip(masks, self._inputs, self._replacements, strict=True):
            if x.numel() == 0:  # an empty input has nothing to remove
                mixed = x[0].expand(mask.shape[0], self._n_samples, *x.shape[2:])
            else:
                mixed = torch.where(mask.unsqueeze(1), x, b)
                if mixed.shape[1] < self._n_samples:  # other inputs have the samples
                    mixed = mixed.expand(-1, self._n_samples, *mixed.shape[2:])
            count = mask.shape[0] * self._n_samples
            variants.append(mixed.reshape(count, *x.shape[2:]))
        return tuple(variants)

    def _values(self, outputs: Tensor, n_coalitions: int) -> Tensor:
        if self._forward.aggregates and self.players.differ_by_example:
            raise InputError(
                "Cannot provide different masks for each example when forward_func "
                "returns one answer for the batch: feature_mask must have 1 as its "
                "first dimension"
            )
        values = outputs.to(self.device)
        if not self.is_distribution:
            return values
        values = values.reshape(n_coalitions, self._n_samples, *values.shape[1:])
        # A mean of half precision numbers is none, and its differences need the digits.
        values = values if values.is_complex() else values.double()
        return torch.cat([values.mean(1, keepdim=True), values], dim=1)


def over_samples(values: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over samples of baselines, with their spread in its standard error.

    Args:
        values: ``(n, 1 + D, *out)``, the value of the mean, then of each sample.
        errors: Standard errors of the same shape, from sampling coalitions.

    Returns:
        The values of the mean and their standard errors, ``(n, *out)``; NaN for one
        sample, which says nothing about the spread.
    """
    samples = values[:, 1:]
    count = samples.shape[1]
    if count == 1:  # one sample says nothing about the spread
        return values[:, 0], torch.full_like(errors[:, 0], torch.nan)
    spread = samples.var(1) / count
    return values[:, 0], (errors[:, 0].square() + spread).sqrt()


def checked_inputs(inputs: Inputs) -> tuple[Tensor, ...]:
    """The inputs as a tuple of tensors.

    Args:
        inputs: A tensor or a tuple of tensors.

    Returns:
        The tuple.

    Raises:
        InputError: If they are anything else, have no batch dimension, or no example.
    """
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    if not tensors or any(not isinstance(x, Tensor) for x in tensors):
        raise InputError(
            "`inputs` must be a torch.Tensor or a tuple[torch.Tensor] but found: "
            f"{type(inputs)}"
        )
    if any(x.ndim == 0 for x in tensors) or len(tensors[0]) == 0:
        raise InputError(
            "inputs must have a batch dimension with at least one example; got shapes "
            f"{[tuple(x.shape) for x in tensors]}"
        )
    return tensors


def affordable_variants(
    inputs: tuple[Tensor, ...], perturbations_per_eval: int | None
) -> int:
    """How many variants of the examples go in one call of the model.

    Args:
        inputs: The examples.
        perturbations_per_eval: What the user asked for; ``None`` chooses by the rows
            and elements that stay in cache (on a CPU) or keep an accelerator busy.

    Returns:
        A positive number.

    Raises:
        InputError: If the user's number is not a positive int.
    """
    if perturbations_per_eval is None:
        on_cpu = inputs[0].device.type == "cpu"
        rows = _CPU_ROWS if on_cpu else _ACCELERATOR_ROWS
        elements = _CPU_ELEMENTS if on_cpu else _ACCELERATOR_ELEMENTS
        batch = sum(x.numel() for x in inputs)
        return max(1, min(rows // len(inputs[0]), elements // max(batch, 1)))
    return as_count("perturbations_per_eval", perturbations_per_eval)
