"""The plain loop: one model, trained as anybody would."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from torchattr.games.examples import Examples
from torchattr.games.rewriting import Rewriting
from torchattr.training.counter_random import CounterRandom, coalition_keys, step_keys
from torchattr.training.random_functions import random_rewriters
from torchattr.training.recipe import Recipe
from torchattr.training.shuffles import order

__all__ = ["generators_kept", "train_alone"]


@contextmanager
def generators_kept(device: torch.device) -> Generator[None, None, None]:
    """Leave the global generators of the CPU and of a device as they were.

    Args:
        device: Where random numbers may be drawn, besides the CPU.

    Yields:
        Nothing.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield


def _seed(seed: int, device: torch.device) -> None:
    # torch.manual_seed would seed devices that nobody asked about.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@torch.inference_mode(mode=False)
@torch.enable_grad()
def train_alone(recipe: Recipe, examples: Examples, coalition: Tensor) -> nn.Module:
    """Train one model on a coalition.

    Args:
        recipe: How.
        examples: The whole training set, on the model's device.
        coalition: ``(n,)`` booleans, which of them stay.

    Returns:
        The trained model, in evaluation mode.

    Example:
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
    batch_size = recipe.batch_size or size
    n_steps = -(-size // batch_size)
    key = coalition_keys(coalition[None], recipe.seed)
    with generators_kept(coalition.device):
        for epoch in range(recipe.epochs):
            visits = order(recipe.seed, epoch, len(examples)).to(coalition.device)
            keys = step_keys(key, epoch, n_steps)[0]
            seeds = keys[:, 0, 0].tolist()
            batches = torch.split(visits[coalition[visits]], batch_size)
            for step, batch in enumerate(batches):
                minibatch = examples.take(batch)
                optimizer.zero_grad()
                # Dropout and its like count by the keys; all else draws by the seed.
                _seed(seeds[step], coalition.device)
                with Rewriting(random_rewriters(CounterRandom(keys[step]))):
                    loss = recipe.minibatch_loss(
                        model, minibatch.inputs, minibatch.targets
                    )
                torch.autograd.backward(loss)
                optimizer.step()
            if scheduler is not None:
                scheduler.step()
    return model.eval()
