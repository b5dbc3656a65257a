"""The user's model, called on many variants of the same examples."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.futures import Future

from torchattr.errors import InputError
from torchattr.games.futures import chained
from torchattr.games.memory import in_parts, is_out_of_memory
from torchattr.games.module_state import module_of
from torchattr.games.target import Target, TargetLike

__all__ = ["Forward"]

logger = logging.getLogger(__name__)


@final
class Forward:
    r"""A forward function, a target and additional arguments: variants to outputs.

    A *variant* is the whole batch of ``B`` examples with some features replaced. Many
    variants go through the model in one call, unless the model couples the rows of a
    batch. That is found out without a wasted evaluation where possible:

    1. The first variant is evaluated alone. An output that is one number, or whose
       first dimension is not ``B``, aggregates over the batch.
    2. The first call with several variants holds two. If it fails, or its output has
       not ``2 B`` rows, the model does not take several variants at once.
    3. Additional tensors whose first dimension is ``B`` are repeated with the examples,
       others are shared. Whether the ``B`` is a batch dimension cannot be seen, so
       that with such a tensor the examples and a variant are evaluated both alone and
       together, and compared: at most three evaluations more.

    A model that couples rows is called with one variant at a time, which is right and
    slow. Modules with batch normalisation in training mode are recognised, too; rows
    coupled in any other way, with an output for every row, cannot be told from
    independent ones.

    Args:
        function: Called with the inputs, then the additional arguments; with nothing if
            it has no parameters. Returns a tensor or a number.
        examples: For each input, ``(B, *feat)``.
        target: Which output is explained.
        additional_forward_args: One argument, or a tuple of arguments.
        most_variants: The most variants in one call; halved when they do not fit in
            memory.

    Attributes:
        n_wasted: Evaluations spent beyond those asked for and :attr:`n_probes`.
        dtype: Type of the output, known after the first call (PyTorch's default for a
            Python float).
        aggregates: Whether one call has one answer for the batch as a whole: an output
            whose first dimension is not ``B``.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> forward = Forward(lambda x: x.sum(1), examples=(x,))
        >>> forward((torch.stack([x, 10 * x]),))
        tensor([[ 3.,  7.],
                [30., 70.]])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        examples: tuple[Tensor, ...],
        target: TargetLike = None,
        additional_forward_args: object = None,
        *,
        most_variants: int = 2**30,
    ) -> None:
        self._function = function
        self._examples = examples
        self._n_examples = examples[0].shape[0]
        self._target = Target(target)
        if additional_forward_args is None:
            self._extra: tuple[object, ...] = ()
        elif isinstance(additional_forward_args, tuple):
            self._extra = additional_forward_args
        else:
            self._extra = (additional_forward_args,)
        self._takes_nothing = _takes_nothing(function)
        self._batches = False if _couples_rows(function) else None
        self._output_shape: torch.Size | None = None
        self._known: Tensor | None = None  # the output of the examples as they are
        self._most_variants = most_variants
        self.n_wasted = 0
        self.dtype: torch.dtype | None = None
        self.aggregates = False

    @torch.no_grad()
    def __call__(self, variants: tuple[Tensor, ...]) -> Tensor:
        """Outputs of all variants.

        Args:
            variants: For each input, ``(K, B, *feat)``.

        Returns:
            ``(K, *output_shape)``; a single number counts as shape ``(1,)``.

        Raises:
            InputError: If the output is not a tensor or a number, or changes its shape.
        """
        outputs, self._most_variants = in_parts(
            lambda start, stop: self._outputs(_some(variants, start, stop)),
            count=variants[0].shape[0],
            size=self._most_variants,
        )
        return outputs

    @property
    def n_probes(self) -> int:
        """The most evaluations that finding out about additional tensors takes."""
        return 3 if self._repeats_arguments() else 0

    def _outputs(self, variants: tuple[Tensor, ...]) -> Tensor:
        count = variants[0].shape[0]
        if self._output_shape is None:
            first = self._alone(variants, slice(0, 1))
            rest = _some(variants, 1)
            return torch.cat([first, self._outputs(rest)]) if count > 1 else first
        if count == 1:
            return self._alone(variants, slice(0, 1))
        if self._batches is None:
            start, rest = self._settle(_some(variants, 0, 2)), _some(variants, 2)
            return torch.cat([start, self._outputs(rest)]) if count > 2 else start
        if self._batches:
            return self._together(variants)
        return torch.cat([self._alone(variants, slice(k, k + 1)) for k in range(count)])

    def submit(self, variants: tuple[Tensor, ...]) -> Future[Tensor]:
        """Outputs of all variants from a function that returns a future.

        Args:
            variants: For each input, ``(K, B, *feat)``; sent in one call.

        Returns:
            A future of ``(K, *output_shape)``.

        Raises:
            InputError: If the function does not return a future.
        """
        count = variants[0].shape[0]
        answer = self._call(variants)
        if not isinstance(answer, Future):
            raise InputError(
                "attribute_future needs a forward_func that returns a "
                f"torch.futures.Future, got {type(answer).__name__}; use attribute"
            )

        def outputs(value: object) -> Tensor:
            output = self._parsed(value, count)
            if count == 1:
                return self._remembered(output)[None]
            return self._split(output, count)

        return chained(answer, outputs)

    def _alone(self, variants: tuple[Tensor, ...], chosen: slice) -> Tensor:
        variant = tuple(x[chosen].clone() for x in variants)  # it may be changed
        output = self._remembered(self._parsed(self._call(variant), 1))[None]
        if len({x.shape[1] for x in variants}) > 1:
            self._batches = False  # inputs that do not share a batch dimension
        if self._batches is None and self._repeats_arguments():
            pairs = zip(self._examples, variants, strict=True)
            if all(torch.equal(x, changed[chosen][0]) for x, changed in pairs):
                self._known = output
        return output

    def _remembered(self, output: Tensor) -> Tensor:
        """The output of one variant, whose shape must never change."""
        aggregates = output.ndim == 0 or output.shape[0] != self._n_examples
        output = output.reshape(1) if output.ndim == 0 else output
        if self._output_shape is None:
            self._output_shape = output.shape
            if aggregates:
                self._batches = False
                self.aggregates = True
        if output.shape != self._output_shape:
            raise InputError(
                "forward_func must return outputs of one shape; got "
                f"{tuple(self._output_shape)}, then {tuple(output.shape)}"
            )
        return output

    def _settle(self, two: tuple[Tensor, ...]) -> Tensor:
        """Evaluate two variants, and find out whether several go in one call."""
        ambiguous = self._repeats_arguments()
        # The examples as they are tell more than variants that may all be worth 0.
        tried = _before(self._examples, two) if ambiguous else two
        try:
            # A copy, as a model may change its input in place, and is asked again.
            outputs = self._together(tuple(x.clone() for x in tried))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            logger.info(
                "forward_func is called with one variant at a time: %s: %s",
                type(error).__name__,
                error,
            )
            self._batches = False
            self.n_wasted = max(0, 2 - self.n_probes)
            return self._outputs(two)
        if not ambiguous:
            self._batches = True
            return outputs
        if self._known is None:
            self._known = self._alone(tried, slice(0, 1))
        # A confident model saturates on the examples, a product is 0 on a variant.
        variant = self._alone(tried, slice(1, 2))
        alone = torch.cat([self._known, variant])
        self._batches = all(_close(*pair) for pair in zip(alone, outputs, strict=True))
        if not self._batches:
            logger.info(
                "forward_func is called with one variant at a time: "
                "additional_forward_args hold a tensor that is not per example"
            )
        return torch.cat([variant, self._outputs(_some(two, 1))])

    def _together(self, variants: tuple[Tensor, ...]) -> Tensor:
        count = variants[0].shape[0]
        return self._split(self._parsed(self._call(variants), count), count)

    def _split(self, output: Tensor, count: int) -> Tensor:
        """``(K, B, *out)`` from ``(K * B, *out)``."""
        rows = count * self._n_examples
        expected = () if self._output_shape is None else self._output_shape[1:]
        if (
            output.ndim == 0
            or output.shape[0] != rows
            or (self._output_shape is not None and output.shape[1:] != expected)
        ):
            raise InputError(
                f"forward_func must return {rows} rows for perturbations_per_eval="
                f"{count} variants of {self._n_examples} examples; got shape "
                f"{tuple(output.shape)}. If it aggregates over the batch, "
                "set perturbations_per_eval=1"
            )
        return output.reshape(count, self._n_examples, *output.shape[1:])

    def _call(self, variants: tuple[Tensor, ...]) -> Any:  # ruff: ignore[any-type] (the user's)
        if self._takes_nothing:
            return self._function()
        count = variants[0].shape[0]
        inputs = [x.reshape(count * x.shape[1], *x.shape[2:]) for x in variants]
        extra = [
            arg.repeat(count, *(1,) * (arg.ndim - 1))
            if isinstance(arg, Tensor) and count > 1 and self._is_per_example(arg)
            else arg
            for arg in self._extra
        ]
        return self._function(*inputs, *extra)

    def _parsed(self, output: Any, count: int) -> Tensor:  # ruff: ignore[any-type] (checked here)
        if isinstance(output, bool | int | float):
            self.dtype = self.dtype or torch.tensor(output).dtype
            # A Python float has double precision: keep it until the differences.
            wide = torch.float64 if isinstance(output, float) else None
            return torch.tensor(output, dtype=wide)
        if not isinstance(output, Tensor):
            raise InputError(
                "the return of forward_func must be a tensor, int, or float, received: "
                f"{type(output).__name__}; wrap the model in a function that returns "
                "the tensor to explain"
            )
        self.dtype = self.dtype or output.dtype
        return self._target.select(output, count)

    def _is_per_example(self, arg: Tensor) -> bool:
        return arg.ndim > 0 and arg.shape[0] == self._n_examples

    def _repeats_arguments(self) -> bool:
        return any(
            isinstance(a, Tensor) and self._is_per_example(a) for a in self._extra
        )


def _some(
    variants: tuple[Tensor, ...], start: int, stop: int | None = None
) -> tuple[Tensor, ...]:
    return tuple(x[start:stop] for x in variants)


def _before(
    examples: tuple[Tensor, ...], variants: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """The examples as they are, then the first variant."""
    return tuple(
        torch.cat([x[None], changed[:1]])
        for x, changed in zip(examples, variants, strict=True)
    )


def _close(one: Tensor, other: Tensor) -> bool:
    """Equal up to what another batch size does to floating point sums."""
    if not one.is_floating_point():
        return bool((one == other).all())
    slack = torch.finfo(one.dtype).eps ** (2 / 3)
    scale = one.abs().max()
    return bool(((one - other).abs() <= slack * scale).all())


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins without a signature take their inputs
        return False


def _couples_rows(function: Callable[..., Any]) -> bool:
    """Whether a module computes statistics over the batch."""
    owner = module_of(function)
    return owner is not None and any(
        isinstance(module, nn.modules.batchnorm._BatchNorm)
        and (module.training or not module.track_running_stats)
        for module in owner.modules()
    )
