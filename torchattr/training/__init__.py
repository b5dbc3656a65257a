"""Training one model, or hundreds at once, on subsets of the data.

:class:`~torchattr.training.TorchLearner` holds a PyTorch model and how it is
trained. Its ``fit`` is the ordinary loop; its ``fit_many`` stacks the parameters of
many models and trains them side by side, to the same weights.

Example:
    >>> import torch
    >>> from torchattr.training import TorchLearner
    >>> learner = TorchLearner(
    ...     torch.nn.Linear(2, 1),
    ...     torch.nn.MSELoss(),
    ...     lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    ...     epochs=3,
    ... )
    >>> data = torch.eye(2), torch.ones(2, 1)
    >>> models = learner.fit_many(data, torch.tensor([[True, False], [True, True]]))
    >>> models["weight"].shape, learner.outputs(models, data[0]).shape
    (torch.Size([2, 1, 2]), torch.Size([2, 2, 1]))
"""

from torchattr.games.examples import Examples, as_examples
from torchattr.training.fallback import FallbackWarning
from torchattr.training.model_scores import as_model_score
from torchattr.training.retraining_game import RetrainingGame
from torchattr.training.torch_learner import TorchLearner

__all__ = [
    "Examples",
    "FallbackWarning",
    "RetrainingGame",
    "TorchLearner",
    "as_examples",
    "as_model_score",
]
