"""Semivalues by sampling: any sampler, any weights by size."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, final

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import LogCoefficient
from torchattr.valuation.methods.points import Points
from torchattr.valuation.methods.sampled_run import SampledRun
from torchattr.valuation.methods.valuation import Valuation
from torchattr.valuation.progress_bar import Show, progress_bar
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import IndexSampler
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

if TYPE_CHECKING:
    from typing_extensions import Self

    from torchattr.valuation.dataset import Dataset

__all__ = ["SemivalueValuation"]


class SemivalueValuation(Valuation):
    r"""Weighted means of marginal contributions, estimated from samples.

    .. math:: \phi_i = \sum_{S \subseteq N \setminus i} w(n, |S|)\,
        [u(S \cup i) - u(S)]

    A contribution that the sampler draws with probability :math:`P(S)` counts
    :math:`w / P` times, so any sampler serves any semivalue without bias. To write your
    own semivalue, subclass this class and return :math:`\log w` from
    :attr:`log_coefficient`.

    The standard error of each value comes from independent replicates (an antithetic
    pair is one) and is 0 where an exhaustive sampler came to its end. Every coalition
    is evaluated once. What is found depends on the sampler's seed, not on the number of
    jobs, and ``fit(data, continue_from=result)`` finds what one longer run would have.
    The result has the extras ``n_evaluations`` (of different coalitions),
    ``n_failures`` (coalitions on which no model could be trained) and ``n_rounds``.

    Args:
        utility: What a coalition of the data is worth, or a game, whose players are
            then valued without data.
        sampler: Draws the coalitions. A finite one stops by itself; see
            :class:`~torchattr.valuation.NoStopping`.
        is_done: When to stop.
        skip_converged: Whether points that ``is_done`` calls converged are not updated
            any more. They still take part in the coalitions of the others.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar, or the arguments of one.

    Raises:
        InputError: If an argument is of another kind.

    Example:
        >>> import numpy as np
        >>> from torchattr.games.synthetic import ShoesGame
        >>> from torchattr.valuation.samplers import PermutationSampler
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> class First(SemivalueValuation):  # only what points add to nothing
        ...     @property
        ...     def log_coefficient(self):
        ...         return lambda n, k: np.where(np.asarray(k) == 0, 0.0, -np.inf)
        >>> first = First(ShoesGame(2, 1), PermutationSampler(seed=0), MinUpdates(5))
        >>> first.fit().result.values
        array([0., 0., 0.])
    """

    #: Name of the method in its results.
    algorithm_name: ClassVar[str] = "Semivalue"

    def __init__(
        self,
        utility: UtilityBase | Game,
        sampler: IndexSampler,
        is_done: StoppingCriterion,
        skip_converged: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        show_warnings: bool = True,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
    ) -> None:
        expected: list[tuple[str, object, tuple[type, ...]]] = [
            ("utility", utility, (UtilityBase, Game)),
            ("sampler", sampler, (IndexSampler,)),
            ("is_done", is_done, (StoppingCriterion,)),
        ]
        for name, given, kinds in expected:
            if not isinstance(given, kinds):
                wanted = " or ".join(kind.__name__ for kind in kinds)
                raise InputError(f"{name} must be of type {wanted}; got {given!r}")
        self.utility = utility
        self.sampler = sampler
        self.is_done = is_done
        self.skip_converged = skip_converged
        self.show_warnings = show_warnings
        self.progress = progress

    @property
    @abstractmethod
    def log_coefficient(self) -> LogCoefficient:
        r"""``(n, k) ->`` :math:`\log w(n, k)` for :math:`k` points joined of ``n``."""

    @final
    def fit(
        self, data: Dataset | None = None, continue_from: ValuationResult | None = None
    ) -> Self:
        """Estimate the values.

        Args:
            data: The points to value; ``None`` where the utility is a
                :class:`~torchattr.games.Game`, or has data already.
            continue_from: A result of the same method, sampler and data: the run goes
                on after its last round. It stays as it is.

        Returns:
            The method itself, with its ``result``.

        Raises:
            InputError: If data is missing, ``continue_from`` is of something else, or
                nothing would ever stop the run.
        """
        points = Points.of(self.utility, data)
        bar = progress_bar(self.progress, self.algorithm_name, 100)
        with self._warnings(), bar:
            run = SampledRun(
                points, self.sampler, self.log_coefficient, self.algorithm_name
            )
            if continue_from is not None:
                run.continue_from(continue_from)
            self._result = run.until(
                self.is_done, skip_converged=self.skip_converged, bar=bar
            )
        return self

    @contextmanager
    def _warnings(self) -> Generator[None, None, None]:
        with warnings.catch_warnings():
            if not self.show_warnings:
                warnings.simplefilter("ignore", RuntimeWarning)
            yield
