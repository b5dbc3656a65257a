"""Stopping rules that see what the caller will see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from torchattr.estimation.estimate import Estimate
from torchattr.estimation.stopping import StoppingRule
from torchattr.games.ablation_game import AblationGame, over_samples

__all__ = ["seen_by_caller"]


def seen_by_caller(
    rule: StoppingRule | None, game: AblationGame
) -> StoppingRule | None:
    """A rule for the answers of a game.

    With a distribution of baselines the game has a value for each sample; the caller
    gets their mean, whose standard error includes the spread between samples. That
    spread does not shrink with more evaluations: a tolerance below it is never met.

    Args:
        rule: What the user asked for.
        game: The game.

    Returns:
        The rule, asked about means over samples if there are any.
    """
    return _OverBaselines(rule) if rule is not None and game.is_distribution else rule


@final
@dataclass(frozen=True)
class _OverBaselines(StoppingRule):
    rule: StoppingRule

    def is_met(self, history: Sequence[Estimate]) -> bool:
        return self.rule.is_met([_mean(estimate) for estimate in history])

    @property
    def max_evaluations(self) -> float:
        return self.rule.max_evaluations


def _mean(estimate: Estimate) -> Estimate:
    values, errors = over_samples(estimate.values, estimate.standard_errors)
    return replace(estimate, values=values, standard_errors=errors)
