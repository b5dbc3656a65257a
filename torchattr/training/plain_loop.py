"""The plain loop: one model, trained as anybody would."""

from __future__ import annotations

from torch import Tensor, nn

from torchattr.training.examples import Examples
from torchattr.training.recipe import Recipe
from torchattr.training.shuffles import order

__all__ = ["train_alone"]


def train_alone(recipe: Recipe, examples: Examples, coalition: Tensor) -> nn.Module:
    """Train one model on a coalition.

    Args:
        recipe: How.
        examples: The whole training set, on the model's device.
        coalition: ``(n,)`` booleans, which of them stay.

    Returns:
        The trained model, in evaluation mode.

    Example:
        >>> import torch
        >>> descent = lambda parameters: torch.optim.SGD(parameters, lr=1.0)
        >>> model = nn.Linear(1, 1, bias=False)
        >>> recipe = Recipe(model, nn.MSELoss(), descent, None, 1, None, 0, None)
        >>> examples = Examples(torch.ones(2, 1), torch.ones(2, 1))
        >>> before = model.weight.item()
        >>> after = train_alone(recipe, examples, torch.tensor([True, False])).weight
        >>> torch.isclose(after, torch.tensor(2 - before)).item()
        True
    """
    model = recipe.fresh_model()
    size = int(coalition.sum())
    if size == 0:
        return model.eval()
    optimizer, scheduler = recipe.make_optimizer(model.parameters())
    for epoch in range(recipe.epochs):
        visits = order(recipe.seed, epoch, len(examples)).to(coalition.device)
        for batch in visits[coalition[visits]].split(recipe.batch_size or size):
            minibatch = examples.take(batch)
            optimizer.zero_grad()
            recipe.minibatch_loss(model, minibatch.inputs, minibatch.targets).backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return model.eval()
