"""Reciprocals of a sum as sums of exponentials, which factor over its terms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["reciprocals_as_exponentials"]

_STEP = 0.28  # for 1 / x^2 the rule errs by about 500 exp(-pi^2 / step), here 3e-13
_TAIL = 1e-15  # relative size of what is cut off on either side


def reciprocals_as_exponentials(high: float) -> tuple[Tensor, Tensor]:
    r"""Rates and weights with :math:`x^{-p} \approx \sum_q \omega_{pq} e^{-t_q x}`.

    The trapezoid rule for :math:`x^{-p} = \int e^{p s - x e^s}\, ds`, ``p`` = 1 and 2,
    which converges exponentially fast. All that lies left of the first node is taken
    at its limit, a node with :math:`t = 0`.

    Args:
        high: The approximation holds for :math:`1 \le x \le` ``high``.

    Returns:
        Rates ``(Q,)``, and weights ``(2, Q)`` for :math:`1 / x` and :math:`1 / x^2`, in
        float64, with a relative error of 1e-12 at most.
        :math:`Q \approx 76 + 3.6 \ln(\mathrm{high})`.

    Example:
        >>> rates, weights = reciprocals_as_exponentials(high=100.0)
        >>> x = torch.tensor([1.0, 8.0, 100.0], dtype=torch.float64)
        >>> weights @ torch.outer(rates, -x).exp()
        tensor([[1.0000e+00, 1.2500e-01, 1.0000e-02],
                [1.0000e+00, 1.5625e-02, 1.0000e-04]], dtype=torch.float64)

    References:
        Beylkin and Monzón (2010), *Approximation by exponential sums revisited*.
    """
    # With a node at the limit, what is cut off on the left is of second order.
    start = math.log(_TAIL) / 2 - math.log(high)
    stop = math.log(-math.log(_TAIL) + 8)
    count = math.ceil((stop - start) / _STEP) + 1
    s = start + _STEP * torch.arange(count, dtype=torch.float64)
    power = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    weights = _STEP * (power * s).exp()
    limit = weights[:, :1] / (power * _STEP).expm1()
    return torch.cat([s.new_zeros(1), s.exp()]), torch.cat([limit, weights], 1)
