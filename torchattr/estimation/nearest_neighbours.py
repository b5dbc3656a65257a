r"""Shapley values of nearest-neighbour games, in closed form.

A player is a training example, a test example ranks the players by distance, and only
the :math:`K` nearest of a coalition count. Two players :math:`i` and :math:`i + 1` that
follow each other in rank differ in value only by the coalitions where fewer than
:math:`K` players stand before them, so differences of values are simple, and values
are their reverse cumulative sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["squared_error_shapley", "vote_shapley"]


def vote_shapley(votes: Tensor, n_neighbours: int) -> Tensor:
    r"""Values of :math:`v(S) = \frac1K \sum_{j \in \mathrm{top}_K(S)} b_j`.

    With :math:`b_j = 1[y_j = y]` it is the share of the neighbours that are right. It
    is divided by :math:`K` also where there are fewer neighbours, so that
    :math:`v(\emptyset) = 0`. With :math:`r` the rank from 1,

    .. math:: \phi_r - \phi_{r+1} = \frac{b_r - b_{r+1}}{K} \, \frac{\min(K, r)}{r},
        \qquad \phi_n = \frac{b_n}{K} \, \frac{\min(K, n)}{n}.

    Args:
        votes: ``(*batch, n)`` floats, what each player adds, nearest first.
        n_neighbours: :math:`K`, possibly more than ``n``.

    Returns:
        ``(*batch, n)``, in the order of ``votes``. Costs O(n).

    Example:
        >>> vote_shapley(torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64), 5)
        tensor([0.0000, 0.2000, 0.2000], dtype=torch.float64)

    References:
        Jia et al. (2019), *Efficient task-specific data valuation for nearest neighbor
        algorithms*, theorem 1.
    """
    rank = _ranks(votes)
    shares = rank.clamp(max=n_neighbours) / rank / n_neighbours
    steps = (votes[..., :-1] - votes[..., 1:]) * shares[:-1]
    return _from_steps(steps, votes[..., -1:] * shares[-1:])


def squared_error_shapley(
    answers: Tensor, targets: Tensor, n_neighbours: int
) -> Tensor:
    r"""Values of :math:`v(S) = -(\frac1K \sum_{j \in \mathrm{top}_K(S)} y_j - y)^2`.

    Here :math:`v(\emptyset) = -y^2`. With :math:`r` the rank from 1,

    .. math::
        \phi_r - \phi_{r+1} &= \frac{y_r - y_{r+1}}{K} \Bigl[ \Bigl(2 y -
        \frac{y_r + y_{r+1}}{K}\Bigr) \frac{\min(K, r)}{r} - \frac{2 E_r}{K} \Bigr], \\
        E_r &= \frac{m (m - 1)}{2 r (r - 1)} \sum_{l < r} y_l + \sum_{l > r + 1}
        \frac{m_l (m_l + 1)}{2 (l - 1)(l - 2)} y_l,

    where :math:`m = \min(K, r)` and :math:`m_l = \min(K - 1, l - 2)`; :math:`E_r` is
    the expected sum of the other neighbours. The last value, :math:`\phi_n`, is the
    same bracket with :math:`y_{r+1} = 0`.

    Args:
        answers: ``(*batch, n)`` floats, the target of each player, nearest first.
        targets: ``(*batch,)`` floats, the true answer.
        n_neighbours: :math:`K`, possibly more than ``n``.

    Returns:
        ``(*batch, n)``, in the order of ``answers``. Costs O(n).

    Example:
        >>> answers = torch.tensor([2.0, 0.0], dtype=torch.float64)
        >>> squared_error_shapley(answers, torch.tensor(2.0), n_neighbours=1)
        tensor([4., 0.], dtype=torch.float64)

    References:
        Jia et al. (2019), *Efficient task-specific data valuation for nearest neighbor
        algorithms*, theorem 6, here also for K > n.
    """
    k, rank = n_neighbours, _ranks(answers)
    following = torch.nn.functional.pad(answers[..., 1:], (0, 1))
    near = rank.clamp(max=k)
    slope = (2 * targets[..., None] - (answers + following) / k) * (near / rank)
    slope -= 2 * _other_neighbours(answers, k) / k
    terms = (answers - following) / k * slope
    return _from_steps(terms[..., :-1], terms[..., -1:])


def _other_neighbours(answers: Tensor, k: int) -> Tensor:
    """Expected sum of the others, given that this one or the next is a neighbour."""
    rank = _ranks(answers)
    near = rank.clamp(max=k)
    # The first has nobody before it, whatever that is multiplied by.
    before = near * (near - 1) / (2 * rank * (rank - 1).clamp(min=1))
    rank = rank[2:]
    near = (rank - 2).clamp(max=k - 1)
    after = near * (near + 1) / (2 * (rank - 1) * (rank - 2))
    farther = _reverse_cumsum(answers[..., 2:] * after)
    sums = before * (answers.cumsum(-1) - answers)
    sums[..., : farther.shape[-1]] += farther
    return sums


def _ranks(rows: Tensor) -> Tensor:
    return torch.arange(1, rows.shape[-1] + 1, dtype=rows.dtype, device=rows.device)


def _reverse_cumsum(rows: Tensor) -> Tensor:
    return rows.flip(-1).cumsum(-1).flip(-1)


def _from_steps(steps: Tensor, last: Tensor) -> Tensor:
    """The ``n`` values with these ``n - 1`` differences and this last one."""
    return torch.cat([_reverse_cumsum(steps) + last, last], -1)
