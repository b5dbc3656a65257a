"""Random values, to compare others with."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from torchattr.errors import InputError
from torchattr.sampling.random_words import RandomWords, Seed, entropy_of
from torchattr.valuation.methods.one_pass_valuation import OnePassValuation
from torchattr.valuation.result import Status, ValuationResult

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["RandomValuation"]


@final
class RandomValuation(OnePassValuation):
    """Independent values, uniform in [-1, 1]: what any method must do better than.

    Args:
        random_state: The seed; fitting again gives the same values.

    Example:
        >>> from torchattr.valuation.dataset import Dataset
        >>> data = Dataset(np.eye(3), np.arange(3))
        >>> bool((abs(RandomValuation(0).fit(data).result.values) <= 1).all())
        True
    """

    def __init__(self, random_state: Seed = None) -> None:
        self._entropy = entropy_of(random_state)

    def _valued(self, data: Dataset | None) -> ValuationResult:
        if data is None:
            raise InputError("fit(data) needs the points to value")
        uniform = RandomWords(self._entropy, "random values").uniform(0, 1, len(data))
        return ValuationResult(
            values=2 * uniform[0] - 1,
            variances=np.zeros(len(data)),
            indices=data.indices,
            data_names=data.names,
            algorithm="Random",
            status=Status.Converged,
        )
