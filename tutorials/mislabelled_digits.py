"""Digits of which some have a wrong label, and we know which."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor


@dataclass(frozen=True)
class MislabelledDigits:
    """Training digits with some labels flipped, and test digits with none.

    Attributes:
        x: ``(n, 1, 8, 8)``, intensities in [0, 1].
        y: ``(n,)``, the labels that are given.
        truth: ``(n,)``, the labels that are right.
        flipped: ``(n,)``, where the two differ.
        test: Inputs and right labels of other digits.
        fresh: The same, of digits that nothing was tuned or valued on.
    """

    x: Tensor
    y: Tensor
    truth: Tensor
    flipped: Tensor
    test: tuple[Tensor, Tensor]
    fresh: tuple[Tensor, Tensor]


def mislabelled_digits(
    n: int, share: float, *, n_test: int = 500, seed: int = 0
) -> MislabelledDigits:
    """``n`` training digits of which a share got another label at random."""
    generator = torch.Generator().manual_seed(seed)
    digits = load_digits()
    rows = torch.randperm(len(digits.target), generator=generator)
    x = torch.tensor(digits.images[rows], dtype=torch.float32).unsqueeze(1) / 16
    truth = torch.tensor(digits.target[rows])
    wrong = torch.randperm(n, generator=generator)[: round(share * n)]
    y = truth[:n].clone()
    y[wrong] += torch.randint(1, 10, wrong.shape, generator=generator)
    y %= 10
    last = n + n_test
    return MislabelledDigits(
        x[:n],
        y,
        truth[:n],
        y != truth[:n],
        (x[n:last], truth[n:last]),
        (x[last:], truth[last:]),
    )
