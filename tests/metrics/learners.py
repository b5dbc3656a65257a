"""A small classifier, and data that it is retrained on."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from torchattr.training import TorchLearner


def classifier(n_train=8, n_test=3, seed=0):
    """A learner with weight decay, training examples, test examples."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_train + n_test, 2, generator=generator).double()
    y = (x.sum(1) > 0).long()
    torch.manual_seed(seed)
    learner = TorchLearner(
        nn.Linear(2, 2).double(),
        nn.CrossEntropyLoss(),
        partial(torch.optim.SGD, lr=1.0, weight_decay=0.05),
        epochs=8,
    )
    return learner, (x[:n_train], y[:n_train]), (x[n_train:], y[n_train:])
