"""How long training on many subsets takes, over a plain PyTorch loop, in one run.

The plain loop is what a careful user writes: the subset is gathered once, and the
optimizer has PyTorch's defaults. Times are processor times on one thread, and both
sides train on the same coalitions. ``python -m benchmarks.training`` writes
``benchmarks/results/training.md``.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.report import Row, write_table
from torchattr.training import TorchLearner

N_MODELS = 256
N_EXAMPLES = 100
EPOCHS = 20
BATCH_SIZE = 32
REPETITIONS = 5
LONE_MODELS = 16  # of the plain loop, in each repetition: every sixteenth coalition

OPTIMIZER = partial(torch.optim.Adam, lr=1e-2)


def digits() -> tuple[Tensor, Tensor]:
    """A hundred digits of 64 pixels."""
    bunch = load_digits()
    x = torch.tensor(bunch.data[:N_EXAMPLES] / 16, dtype=torch.float32)
    return x, torch.tensor(bunch.target[:N_EXAMPLES])


def coalitions(sizes: Tensor) -> Tensor:
    """Random coalitions of given sizes."""
    ranks = torch.rand(len(sizes), N_EXAMPLES).argsort(1).argsort(1)
    return ranks < sizes[:, None]


def perceptron(dropout: float = 0.0) -> nn.Module:
    """64-32-10."""
    noise = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), *noise, nn.Linear(32, 10))


def convolutional() -> nn.Module:
    """Two convolutions of 8 and 16 channels on 8 x 8 pixels, and a linear layer."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def plain_loop(model: nn.Module, x: Tensor, y: Tensor, coalition: Tensor) -> nn.Module:
    """What a careful user writes."""
    model, loss = copy.deepcopy(model), nn.CrossEntropyLoss()
    optimizer = OPTIMIZER(model.parameters())
    x, y = x[coalition], y[coalition]
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH_SIZE):
            optimizer.zero_grad()
            loss(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model


def processor_seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def compare(what: str, model: nn.Module, masks: Tensor, target: float) -> Row:
    """The plain loop's time for a model over ours, medians of neighbouring calls."""
    x, y = digits()
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), OPTIMIZER, epochs=EPOCHS, batch_size=BATCH_SIZE
    )
    lone = masks[masks.sum(1).argsort()][:: N_MODELS // LONE_MODELS]

    def ours() -> object:
        return learner.fit_many((x, y), masks)

    def theirs() -> object:
        return [plain_loop(model, x, y, mask) for mask in lone]

    ours(), theirs()
    pairs = [
        (
            processor_seconds(theirs) / len(lone) * 1e3,
            processor_seconds(ours) / len(masks) * 1e3,
        )
        for _ in range(REPETITIONS)
    ]
    ratio = statistics.median(plain / mine for plain, mine in pairs)
    plain, mine = (statistics.median(times) for times in zip(*pairs, strict=True))
    return Row(
        what,
        ratio,
        float("inf"),
        f"{plain:.1f} ms over {mine:.2f} ms for each model",
        at_least=target,
    )


def main() -> None:
    """Measure every row and write the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random = coalitions(torch.randint(1, N_EXAMPLES + 1, (N_MODELS,)))
    equal = coalitions(torch.full((N_MODELS,), N_EXAMPLES // 2))
    mlp, dropout, cnn = perceptron(), perceptron(0.2), convolutional()
    common = "plain loop over `fit_many`, 256 models at once"
    rows = [
        compare(f"perceptron 64-32-10, random sizes: {common}", mlp, random, 9),
        compare("the same, coalitions of equal size", mlp, equal, 9),
        compare("the same with dropout, random sizes", dropout, random, 6),
        compare("small convolutional network, random sizes", cnn, random, 2),
    ]
    write_table(
        "training",
        "Training on many subsets, processor time on one thread",
        "OMP_NUM_THREADS=1 python -m benchmarks.training",
        rows,
    )


if __name__ == "__main__":
    main()
