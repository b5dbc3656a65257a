"""Sample sizes of delta-Shapley, from what is known about training by SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, final

from torchattr.errors import InputError
from torchattr.valuation.samplers.sample_sizes import SampleSizeStrategy

__all__ = ["DeltaShapleyNCSGDConfig", "DeltaShapleyNCSGDSampleSize"]


@dataclass(frozen=True)
class DeltaShapleyNCSGDConfig:
    r"""What bounds how much one example changes a non-convex model trained by SGD.

    Attributes:
        max_loss: Largest loss.
        lipschitz_loss: Lipschitz constant of the loss.
        lipschitz_grad: Lipschitz constant of its gradient.
        lr_factor: c, where the learning rate at step t is c/t.
        n_sgd_iter: Steps of SGD.
        n_val: Number of test examples.
        n_train: Number of training examples.
        eps: How far from the true value.
        delta: With what probability farther.
        version: ``"theorem7"``, the bound of the paper, or ``"code"``, that of the
            authors' code.

    Raises:
        InputError: If a number is not positive, or the version is unknown.

    Example:
        >>> DeltaShapleyNCSGDConfig(1.0, 1.0, 1.0, 0.1, 100, 50, 50).version
        'theorem7'
    """

    max_loss: float
    lipschitz_loss: float
    lipschitz_grad: float
    lr_factor: float
    n_sgd_iter: int
    n_val: int
    n_train: int
    eps: float = 0.01
    delta: float = 0.05
    version: Literal["theorem7", "code"] = "theorem7"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "version":
                if value not in {"theorem7", "code"}:
                    raise InputError(
                        f"version must be 'theorem7' or 'code', got {value!r}"
                    )
            elif not value > 0:
                raise InputError(f"{field.name} must be positive, got {value!r}")


@final
class DeltaShapleyNCSGDSampleSize(SampleSizeStrategy):
    r"""How many subsets of each size make delta-Shapley accurate, for non-convex SGD.

    A marginal contribution to a subset of size k is at most :math:`H \sim 1/k`, by the
    stability of SGD; Bernstein's inequality then says how many to take. The constants
    are hard to know: :class:`PowerLawSampleSize` with exponent -2 is of the same order.

    Args:
        config: The constants.
        lower_bound: The smallest size.
        upper_bound: The largest size.

    Example:
        >>> config = DeltaShapleyNCSGDConfig(1.0, 1.0, 1.0, 0.1, 100, 50, 50, eps=0.5)
        >>> DeltaShapleyNCSGDSampleSize(config, 2, 4).sample_sizes(9, probs=False)[:6]
        array([   0,    0, 1807,  567,  310,    0])

    References:
        Watson et al. (2023), *Accelerated Shapley value approximation for data
        evaluation*.
    """

    def __init__(
        self,
        config: DeltaShapleyNCSGDConfig,
        lower_bound: int | None = None,
        upper_bound: int | None = None,
    ) -> None:
        super().__init__(0, lower_bound, upper_bound)
        self.config = config

    def fun(self, n_indices: int, subset_len: int) -> float:
        """The bound on the number of subsets, rounded up."""
        known = self.config
        q = known.lipschitz_grad * known.lr_factor
        # The stability of SGD (Hardt, Recht and Singer 2016, theorem 3.12).
        stability = (
            (1 + 1 / q)
            / max(subset_len - 1, 1)
            * (known.max_loss * known.n_sgd_iter) ** (q / (q + 1))
            * (2 * known.lr_factor * known.lipschitz_loss**2) ** (1 / (q + 1))
        )
        if known.version == "code":
            spread = stability**2 / known.n_val
            spread += 2 * known.max_loss * known.eps / 3
        else:
            spread = 2 * stability**2 + 2 * known.max_loss * stability
            spread += 4 * known.max_loss * known.eps / 3
        confidence = 2 * math.log(2 * n_indices / known.delta)
        return float(math.ceil(confidence * spread / known.eps**2))
