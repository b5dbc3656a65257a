"""The trace of an operator of which the largest eigenvectors are known."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.influence.curvature.curvature import LinearOperator

__all__ = ["deflated_trace"]

#: Probes of what the basis leaves out: in one product, so more cost no pass over data.
_PROBES = 32


def deflated_trace(operator: LinearOperator, basis: Tensor, *, seed: int) -> float:
    r"""The trace: exact within a subspace, estimated by random signs outside.

    .. math:: \mathrm{tr}\, C \approx \mathrm{tr}(V^\top C V) + \frac1m \sum_{k=1}^m
        s_k^\top (I - V V^\top) C (I - V V^\top) s_k, \qquad s_k \in \{-1, 1\}^P.

    The variance is that of what is outside alone (Hutch++,
    `Meyer et al., 2021 <https://arxiv.org/abs/2010.09649>`_).

    Args:
        operator: :math:`C`, ``(P, P)``.
        basis: :math:`V`, ``(P, r)`` with orthonormal columns.
        seed: Of the signs.

    Returns:
        The estimate; exact if ``r`` is ``P``. One product.

    Example:
        >>> matrix = torch.diag(torch.tensor([5.0, 0.5]))
        >>> deflated_trace(matrix, torch.eye(2)[:, :1], seed=0)
        5.5
    """
    size, rank = basis.shape
    n_probes = _PROBES if rank < size else 0
    generator = torch.Generator().manual_seed(seed)
    signs = 2.0 * torch.randint(2, (size, n_probes), generator=generator) - 1
    probes = signs.to(basis.device, basis.dtype)
    probes -= basis @ (basis.T @ probes)
    columns = torch.cat([basis, probes], 1)
    products = (columns * (operator @ columns.to(operator.dtype))).sum(
        0, dtype=torch.float64
    )
    return float(products[:rank].sum() + products[rank:].sum() / max(n_probes, 1))
