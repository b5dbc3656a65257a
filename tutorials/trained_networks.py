"""Small networks on the data that scikit-learn bundles, trained in seconds.

Tutorials share them. Each comes with its test set, in float32, and with its accuracy
there; the seed makes them the same in every run on one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, and the data it did and did not see."""

    network: nn.Module
    x_train: Tensor
    x_test: Tensor
    y_test: Tensor
    accuracy: float


def digits_network(*, epochs: int = 20, seed: int = 0) -> Trained:
    """Two convolutions for 8 x 8 digits with intensities in [0, 1]; ten logits."""
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    return _trained(
        lambda: nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        ),
        x,
        torch.tensor(digits.target),
        epochs=epochs,
        seed=seed,
        weight_decay=1e-3,
    )


def breast_cancer_network(*, epochs: int = 20, seed: int = 0) -> Trained:
    """Two hidden layers for 30 standardised measurements; logits benign, malignant."""
    data = load_breast_cancer()
    x = torch.tensor(data.data, dtype=torch.float32)
    malignant = torch.tensor(1 - data.target)  # scikit-learn calls malignant 0
    return _trained(
        lambda: nn.Sequential(
            nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)
        ),
        x,
        malignant,
        epochs=epochs,
        seed=seed,
        weight_decay=1e-2,
        standardise=True,
    )


def _trained(
    build: Callable[[], nn.Module],
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    seed: int,
    weight_decay: float,
    standardise: bool = False,
) -> Trained:
    train, test = train_test_split(
        torch.arange(len(x)), test_size=0.3, random_state=seed, stratify=y
    )
    if standardise:
        x = (x - x[train].mean(0)) / x[train].std(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        optimizer = torch.optim.Adam(
            network.parameters(), lr=5e-3, weight_decay=weight_decay
        )
        for _ in range(epochs):
            for rows in train[torch.randperm(len(train))].split(64):
                optimizer.zero_grad()
                cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
    network.eval().requires_grad_(requires_grad=False)
    accuracy = (network(x[test]).argmax(1) == y[test]).float().mean().item()
    return Trained(network, x[train], x[test], y[test], accuracy)
