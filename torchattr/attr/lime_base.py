"""LIME with every part chosen by the user."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from torchattr.attr.interpretable_models import InterpretableModel, Lasso
from torchattr.errors import InputError
from torchattr.games.ablation_game import Inputs, affordable_variants, checked_inputs
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.forward import Forward
from torchattr.games.module_state import buffers_preserved
from torchattr.games.target import TargetLike

__all__ = ["LimeBase", "fitted", "perturbations", "similarities"]


class LimeBase(FeatureAttribution):
    r"""A simple model fitted to the model's outputs around one input.

    Samples are drawn by ``perturb_func``, either in the input space or in an
    interpretable space; the other representation is computed by a transform. The
    surrogate is fitted to :math:`(z_j, f(x_j))` with weights
    :math:`\pi_j = \mathrm{similarity}(x, x_j, z_j)`.

    Args:
        forward_func: What is explained; one number for each perturbed input.
        interpretable_model: The surrogate, with ``fit(dataloader)`` and
            ``representation()``.
        similarity_func: ``(original_input, perturbed_input, interpretable_sample,
            **kwargs)`` to the weight of a sample.
        perturb_func: ``(original_input, **kwargs)`` to one sample, or a generator
            function of samples.
        perturb_interpretable_space: Whether samples are interpretable ones.
        from_interp_rep_transform: ``(sample, original_input, **kwargs)`` to the input
            space; needed if samples are interpretable.
        to_interp_rep_transform: ``(sample, original_input, **kwargs)`` to the
            interpretable space, ``(1, n)``; needed if they are not.

    Raises:
        InputError: If the transform that is needed is missing.

    References:
        Ribeiro, Singh and Guestrin (2016), *"Why should I trust you?"*.
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        interpretable_model: InterpretableModel,
        similarity_func: Callable[..., Any],
        perturb_func: Callable[..., Any],
        perturb_interpretable_space: bool,
        from_interp_rep_transform: Callable[..., Any] | None,
        to_interp_rep_transform: Callable[..., Any] | None,
    ) -> None:
        super().__init__(forward_func)
        transforms = {
            "from_interp_rep_transform": from_interp_rep_transform,
            "to_interp_rep_transform": to_interp_rep_transform,
        }
        needed = "from" if perturb_interpretable_space else "to"
        if transforms[f"{needed}_interp_rep_transform"] is None:
            raise InputError(
                f"{needed}_interp_rep_transform must be given when "
                f"perturb_interpretable_space={perturb_interpretable_space}, got None"
            )
        self.interpretable_model = interpretable_model
        self.similarity_func = similarity_func
        self.perturb_func = perturb_func
        self.perturb_interpretable_space = perturb_interpretable_space
        self.from_interp_rep_transform = from_interp_rep_transform
        self.to_interp_rep_transform = to_interp_rep_transform

    @property
    def multiplies_by_inputs(self) -> bool:
        """The representation of a surrogate need not be."""
        return False

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        target: TargetLike = None,
        additional_forward_args: object = None,
        n_samples: int = 50,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The representation of the surrogate.

        Costs ``n_samples`` evaluations. Arguments not listed are shared by all methods:
        :class:`PerturbationAttribution`.

        Args:
            n_samples: Number of samples.
            show_progress: Accepted; the samples are the user's to make.
            **kwargs: Passed to the functions given to the constructor.

        Returns:
            What ``interpretable_model.representation()`` gives.

        Raises:
            InputError: If there is not one number for each sample, or an argument does
                not fit.

        Example:
            >>> from torchattr.attr import Lasso
            >>> lime = LimeBase(
            ...     lambda x: 3 * x[:, 0],
            ...     Lasso(alpha=0.0001),
            ...     similarity_func=lambda original, perturbed, sample: 1.0,
            ...     perturb_func=lambda original: original + torch.randn(1, 2),
            ...     perturb_interpretable_space=False,
            ...     from_interp_rep_transform=None,
            ...     to_interp_rep_transform=lambda sample, original: sample,
            ... )
            >>> lime.attribute(torch.ones(1, 2)).round().abs()
            tensor([3., 0.])
        """
        as_count("n_samples", n_samples)
        tensors = checked_inputs(inputs)
        samples, perturbed = self._drawn(inputs, n_samples, kwargs)
        weights = similarities(self.similarity_func, inputs, perturbed, samples, kwargs)
        forward = Forward(
            self.forward_func,
            tensors,
            target,
            additional_forward_args,
            most_variants=affordable_variants(tensors, perturbations_per_eval),
        )
        columns = zip(*map(checked_inputs, perturbed), strict=True)
        with buffers_preserved(self.forward_func):
            values = forward(tuple(map(torch.stack, columns)))
        if values.numel() != len(samples):
            raise InputError(
                "Number of outputs is not appropriate, must return one output per "
                f"perturbed input: forward_func returned {tuple(values.shape)} for "
                f"{len(samples)} perturbed inputs"
            )
        return fitted(
            self.interpretable_model, torch.cat(samples), values.flatten(), weights
        )

    def _drawn(
        self, inputs: Inputs, n_samples: int, kwargs: dict[str, Any]
    ) -> tuple[list[Tensor], list[Inputs]]:
        """Interpretable samples, and the perturbed inputs that belong to them."""
        drawn = perturbations(self.perturb_func, inputs, n_samples, kwargs)
        if self.from_interp_rep_transform is not None and (
            self.perturb_interpretable_space
        ):
            to_inputs = self.from_interp_rep_transform
            return drawn, [to_inputs(sample, inputs, **kwargs) for sample in drawn]
        transform = self.to_interp_rep_transform
        if transform is None:
            return drawn, drawn
        return [transform(sample, inputs, **kwargs) for sample in drawn], drawn


def perturbations(
    perturb_func: Callable[..., Any],
    inputs: Inputs,
    n_samples: int,
    kwargs: dict[str, Any],
) -> list[Any]:
    """Samples from a user's function, or generator function.

    Args:
        perturb_func: ``(inputs, **kwargs)`` to a sample, or to a generator of samples.
        inputs: What is perturbed.
        n_samples: Number of samples.
        kwargs: Further arguments of ``perturb_func``.

    Returns:
        The samples; fewer, with a warning, if a generator ends early.

    Raises:
        InputError: If there is no sample.
    """
    if inspect.isgeneratorfunction(perturb_func):
        stream: Iterator[Any] = perturb_func(inputs, **kwargs)
    else:
        stream = (perturb_func(inputs, **kwargs) for _ in range(n_samples))
    samples = list(islice(stream, n_samples))
    if not samples:
        raise InputError("perturb_func must yield at least one sample, got none")
    if len(samples) < n_samples:
        warnings.warn(
            "Generator completed prior to given n_samples iterations!", stacklevel=3
        )
    return samples


def similarities(
    similarity_func: Callable[..., Any],
    inputs: Inputs,
    perturbed: list[Inputs],
    samples: list[Tensor],
    kwargs: dict[str, Any],
) -> Tensor:
    """Weights of samples from a user's function.

    Args:
        similarity_func: ``(inputs, perturbed, sample, **kwargs)`` to a number.
        inputs: What is perturbed.
        perturbed: The perturbed inputs.
        samples: Their interpretable representations, ``(1, n)`` each.
        kwargs: Further arguments of ``similarity_func``.

    Returns:
        ``(C,)`` weights.
    """
    weights = [
        similarity_func(inputs, changed, sample, **kwargs)
        for changed, sample in zip(perturbed, samples, strict=True)
    ]
    return torch.stack([torch.as_tensor(weight).reshape(()) for weight in weights])


def fitted(
    model: InterpretableModel,
    samples: Tensor,
    outputs: Tensor,
    weights: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The representation of a surrogate that is fitted to samples.

    Args:
        model: The surrogate.
        samples: ``(C, n)``.
        outputs: ``(C,)``.
        weights: ``(C,)``.
        generator: Whatever is not ``None`` leaves PyTorch's global generator alone,
            from which a data loader draws a seed for its workers.

    Returns:
        What ``model.representation()`` gives.
    """
    columns = (samples, outputs, weights)
    # A user's surrogate may have float32 parameters, as captum's have; ours is exact.
    dtype = torch.float64 if isinstance(model, Lasso) else torch.float32
    data = TensorDataset(*(column.detach().cpu().to(dtype) for column in columns))
    seeds = None if generator is None else torch.Generator()
    model.fit(DataLoader(data, batch_size=len(data), generator=seeds))
    return model.representation()
