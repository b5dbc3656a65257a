"""Games whose values are known in closed form.

They test estimators without any statistics, and show in examples what an estimate
should have been. Each has ``shapley_values()``; most have ``banzhaf_values()`` and some
``least_core_values()``.

Example:
    >>> ShoesGame(left=2, right=1).shapley_values()
    tensor([0.1667, 0.1667, 0.6667], dtype=torch.float64)
"""

from torchattr.games.synthetic.airport_game import AirportGame
from torchattr.games.synthetic.asymmetric_voting_game import AsymmetricVotingGame
from torchattr.games.synthetic.miner_game import MinerGame
from torchattr.games.synthetic.minimum_spanning_tree_game import MinimumSpanningTreeGame
from torchattr.games.synthetic.random_game import RandomGame
from torchattr.games.synthetic.shoes_game import ShoesGame
from torchattr.games.synthetic.symmetric_voting_game import SymmetricVotingGame

__all__ = [
    "AirportGame",
    "AsymmetricVotingGame",
    "MinerGame",
    "MinimumSpanningTreeGame",
    "RandomGame",
    "ShoesGame",
    "SymmetricVotingGame",
]
