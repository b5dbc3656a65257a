"""The methods that remove features of an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.futures import Future

from torchattr.games.ablation_game import AblationGame, FeatureMask, Inputs
from torchattr.games.attribution import PerturbationAttribution, Solution
from torchattr.games.baselines import Baseline, Baselines
from torchattr.games.futures import chained
from torchattr.games.game import Game
from torchattr.games.module_state import buffers_preserved
from torchattr.games.players import Players
from torchattr.games.target import TargetLike

__all__ = ["FeatureAttribution"]


class FeatureAttribution(PerturbationAttribution):
    """A method whose players are features, or groups of them given by a mask.

    A subclass writes ``attribute``: it makes the game of its arguments, chooses an
    estimator, and leaves to this class how the game is run and how its values become an
    answer in the shapes of the inputs.
    """

    def _game(
        self,
        inputs: Inputs,
        baselines: Baselines | Baseline,
        target: TargetLike,
        additional_forward_args: object,
        players: FeatureMask | Players,
        perturbations_per_eval: int | None,
    ) -> AblationGame:
        """The game of what the user passed."""
        return AblationGame(
            self.forward_func,
            inputs,
            baselines,
            target=target,
            additional_forward_args=additional_forward_args,
            players=players,
            perturbations_per_eval=perturbations_per_eval,
        )

    def _explained(
        self,
        game: AblationGame,
        solve: Callable[[Game], Solution],
        *,
        n_evaluations: int,
        show_progress: bool,
        return_standard_error: bool,
        as_inputs: bool = True,
    ) -> Any:
        """Run an estimator on a game, and answer as the caller asked."""
        with buffers_preserved(self.forward_func):
            solution = self._solved(
                game, solve, n_evaluations=n_evaluations, show_progress=show_progress
            )
        attributions, errors = game.answer(
            solution.values, solution.standard_errors, as_inputs=as_inputs
        )
        return (attributions, errors) if return_standard_error else attributions

    @staticmethod
    def _explained_later(
        game: AblationGame, coalitions: Tensor, solve: Callable[[Game], Solution]
    ) -> Future[Any]:
        """The future of an answer; ``solve`` asks for ``coalitions`` in their order."""

        def answer(values: Tensor) -> Any:
            solution = solve(_Recorded(values, game))
            return game.answer(solution.values, solution.standard_errors)[0]

        return chained(game.submit(coalitions), answer)


class _Recorded(Game):
    """A game whose values are known, to be asked for in the recorded order."""

    def __init__(self, values: Tensor, game: Game) -> None:
        self.n_players = game.n_players
        self.device = game.device
        self._values = values
        self._next = 0

    def evaluate(self, coalitions: Tensor) -> Tensor:
        start = self._next
        self._next += len(coalitions)
        return self._values[start : self._next]
