"""The game of data valuation: what a model is worth after training on a coalition."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.fingerprint import fingerprint
from torchattr.games.game import Game
from torchattr.training.constant_predictor import constant_predictor_score
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike, as_model_score
from torchattr.training.training_memory import models_in_memory

__all__ = ["RetrainingGame"]


@final
class RetrainingGame(Game):
    r"""Training examples are players; a coalition is worth what its model scores.

    :math:`v(S)` is the score on the test examples of the model that the learner trains
    on the examples in :math:`S`. Models of many coalitions are trained at once. The
    empty coalition trains no model: it is worth what the best predictor scores that
    ignores its inputs (the shares of the classes, or the mean, of the training
    targets), or ``default``.

    Args:
        learner: A :class:`TorchLearner`, or anything else with its methods.
        train_data: The ``n`` training examples, as
            :func:`~torchattr.training.as_examples` takes them.
        test_data: The ``M`` examples that models are scored on.
        scorer: ``"accuracy"``, ``"log_likelihood"``, ``"neg_loss"``, ``"r2"``,
            ``"f1"``, the name of a scorer of scikit-learn, or a function
            ``(estimator, x, y) -> float``; see
            :func:`~torchattr.training.as_model_score`.
        per_example: Whether a coalition has one value for each test example.
        default: The value of the empty coalition, a number (or ``(M,)`` numbers by
            example); computed if ``None``.
        groups: ``(n,)`` integers, the group of each example; groups are then the
            players, in ascending order of these ids, among which there may be gaps.
        perturbations_per_eval: The most models trained at once; as many as memory
            suggests if ``None``. Changes speed and memory only.

    Attributes:
        n_players: Number of examples, or of groups.
        owners: ``(n,)``: the player that each training example belongs to.
        group_ids: ``(n_players,)``: the id of each player.
        default: The value of the empty coalition, ``()`` or ``(M,)``, float64.

    Raises:
        InputError: If the score does not suit the model and its targets, or if data,
            groups or default have another shape or type.

    Example:
        >>> from functools import partial
        >>> from torchattr.training import TorchLearner
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(1, 1),
        ...     torch.nn.MSELoss(),
        ...     partial(torch.optim.SGD, lr=0.1),
        ...     epochs=100,
        ... )
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> game = RetrainingGame(learner, (x, 2 * x), (x, 2 * x), scorer="r2")
        >>> game(game.ends()).round(decimals=3)
        tensor([0., 1.], dtype=torch.float64)
    """

    _MOST_AT_ONCE: ClassVar[int] = 256  # more models at once gain little on a CPU

    def __init__(
        self,
        learner: Learner,
        train_data: object,
        test_data: object,
        scorer: ScorerLike = "accuracy",
        *,
        per_example: bool = False,
        default: float | ArrayLike | Tensor | None = None,
        groups: ArrayLike | Tensor | None = None,
        perturbations_per_eval: int | None = None,
    ) -> None:
        self.learner = learner
        self.device = learner.device
        self.train = learner.examples(train_data)
        self.test = learner.examples(test_data)
        self.score = as_model_score(
            scorer,
            learner=learner,
            per_example=per_example,
            inputs=self.test.inputs,
        )
        self._scorer = scorer
        self._default_given = default
        self._groups_given = groups is not None
        self.group_ids, self.owners = _players(groups, len(self.train), self.device)
        self.n_players = len(self.group_ids)
        output = self._initial_output()
        self.default = self._checked_default(default, output)
        if perturbations_per_eval is None:
            fitting = models_in_memory(learner, self.train, len(self.test), output)
            self.chunk_size = min(self._MOST_AT_ONCE, fitting)
        else:
            self.chunk_size = as_count("perturbations_per_eval", perturbations_per_eval)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Scores of models trained on the coalitions.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)``, or ``(C, M)`` by example; float64.
        """
        values = self.default.repeat(len(coalitions), *(1,) * self.default.ndim)
        trained = coalitions.any(1)
        if bool(trained.any()):
            values[trained] = self._scores(coalitions[trained])
        return values

    @cached_property
    def identity(self) -> dict[str, str]:
        """Fingerprints of all that decides the values, by name."""
        parts: dict[str, object] = {
            "training data": (self.train.inputs, self.train.targets),
            "test data": (self.test.inputs, self.test.targets),
            "scorer": (self._scorer, self.score.per_example),
            "default": None if self._default_given is None else self.default,
            "groups": self.owners if self._groups_given else None,
            **self.learner.description(),
        }
        return {name: fingerprint(part) for name, part in parts.items()}

    def _scores(self, coalitions: Tensor) -> Tensor:
        with torch.enable_grad():  # a game is called without, and training needs them
            models = self.learner.fit_many(self.train, coalitions[:, self.owners])
        outputs = self.learner.outputs(models, self.test.inputs)
        return self.score(outputs, self.test.targets)

    def _initial_output(self) -> Tensor:
        """The initial model's output for the first test example."""
        model = self.learner.model
        tensors = (*model.named_parameters(), *model.named_buffers())
        stacked = {name: tensor.detach()[None] for name, tensor in tensors}
        # Twice, because a model that squeezes its output drops a batch of one.
        twice = self.test.take(torch.zeros(2, dtype=torch.int64, device=self.device))
        with torch.no_grad():
            return self.learner.outputs(stacked, twice.inputs)[0, 0]

    def _checked_default(
        self, default: float | ArrayLike | Tensor | None, output: Tensor
    ) -> Tensor:
        if default is None:
            computed = constant_predictor_score(
                self.score, output, self.train.targets, self.test.targets
            )
            return computed.to(self.device, torch.float64)
        given = torch.as_tensor(default, dtype=torch.float64, device=self.device)
        shape = (len(self.test),) if self.score.per_example else ()
        if given.shape not in {(), shape} or not bool(given.isfinite().all()):
            raise InputError(
                "default must be finite, one number"
                + (f" or {shape[0]}, one for each test example" if shape else "")
                + f"; got {default!r}"
            )
        return given.expand(shape).clone()


def _players(
    groups: ArrayLike | Tensor | None, n: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids of the players in ascending order, and the player of each example."""
    if groups is None:
        everyone = torch.arange(n, device=device)
        return everyone, everyone
    array = np.asarray(groups.cpu() if isinstance(groups, Tensor) else groups)
    if array.dtype.kind not in "iu":
        raise InputError(f"groups must be integers (feature_mask), got {array.dtype}")
    if array.shape != (n,):
        raise InputError(
            f"groups must have shape ({n},), one id for each training example "
            f"(feature_mask); got {array.shape}"
        )
    ids, owners = np.unique(array.astype(np.int64), return_inverse=True)
    return torch.tensor(ids, device=device), torch.tensor(owners, device=device)
