"""Leave-one-out values of training examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.estimation.removal_effects import removal_effects
from torchattr.valuation.data_attribution import DataAttribution

__all__ = ["DataLOO"]


class DataLOO(DataAttribution):
    r"""What the score loses when one training example is left out.

    :math:`\phi_i = v(N) - v(N \setminus i)`: exact, and blind to what other examples
    can stand in for; an example that occurs twice is worth nothing.

    References:
        Cook (1977), *Detection of influential observation in linear regression*.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> from torchattr.training import TorchLearner
        >>> _ = torch.manual_seed(1)
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(1, 1),
        ...     torch.nn.MSELoss(),
        ...     partial(torch.optim.SGD, lr=0.1),
        ...     epochs=50,
        ... )
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> y = torch.tensor([[0.0], [1.0], [-9.0]])
        >>> loo = DataLOO(learner, test=(x[:2], y[:2]), scorer="r2")
        >>> loo.attribute((x, y)).argmin()
        tensor(2)
    """

    def attribute(
        self,
        data: object,
        *,
        feature_mask: ArrayLike | Tensor | None = None,
        perturbations_per_eval: int | None = None,
        return_standard_error: bool = False,
        log: str | Path | None = None,
        show_progress: bool = False,
    ) -> Any:
        """Values of the training examples.

        Trains ``n + 1`` models for ``n`` examples (or groups). The arguments are shared
        by all methods: :class:`DataAttribution`.

        Args:
            data: The training examples.
            feature_mask: Groups of examples.
            perturbations_per_eval: The most models trained at once.
            return_standard_error: Whether to return a pair.
            log: A file that keeps all scores.
            show_progress: Whether to show a bar.

        Returns:
            ``(n_train,)``, or ``(n_test, n_train)`` by test example, in float64; or a
            pair of these and their standard errors, which are 0.

        Raises:
            InputError: If an argument does not fit, or the log is of another run.
        """
        game = self._retraining(data, feature_mask, perturbations_per_eval)
        return self._valued(
            game,
            removal_effects,
            n_evaluations=game.n_players + 1,
            log=log,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )
