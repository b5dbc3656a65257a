"""Games: what can be removed, and what the rest is worth.

Whatever can be removed is a player; a game gives a value to every coalition of players
that stay. :class:`AblationGame` is the game of feature attribution; wrappers such as
:class:`Cached` change one thing about any game; :mod:`torchattr.games.synthetic` has
games whose answers are known.

Example:
    >>> import torch
    >>> from torchattr.games import AdditiveGame, Counted
    >>> game = Counted(AdditiveGame(torch.tensor([1.0, 2.0])))
    >>> game(torch.tensor([[True, True]])), game.n_evaluations
    (tensor([3.]), 1)
"""

from torchattr.games import synthetic
from torchattr.games.ablation_game import AblationGame
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.attribution import Attribution, PerturbationAttribution
from torchattr.games.baselines import Baseline, BaselineDistribution
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.evaluation_log import EvaluationLog
from torchattr.games.fingerprint import fingerprint
from torchattr.games.forward import Forward
from torchattr.games.function_game import FunctionGame
from torchattr.games.game import Game
from torchattr.games.grouped import Grouped
from torchattr.games.players import FeatureGroups, Players
from torchattr.games.semivalues import (
    Semivalue,
    banzhaf,
    beta_shapley,
    leave_one_out,
    shapley,
    weighted_banzhaf,
)
from torchattr.games.sliding_windows import SlidingWindows
from torchattr.games.target import Target

__all__ = [
    "AblationGame",
    "AdditiveGame",
    "Attribution",
    "Baseline",
    "BaselineDistribution",
    "Cached",
    "Counted",
    "EvaluationLog",
    "FeatureGroups",
    "Forward",
    "FunctionGame",
    "Game",
    "Grouped",
    "PerturbationAttribution",
    "Players",
    "Semivalue",
    "SlidingWindows",
    "Target",
    "banzhaf",
    "beta_shapley",
    "fingerprint",
    "leave_one_out",
    "shapley",
    "synthetic",
    "weighted_banzhaf",
]
