r"""The covariance of the odd part of a game, and of it with the values of players.

In signs :math:`x \in \{-1, +1\}^n` (:math:`x_i = +1` iff player i is in), the odd
part :math:`g(S) = (v(S) - v(N \setminus S)) / 2` is given a Gaussian prior with

.. math::

    k(x, y) = \frac1n \sum_i h_i^2 x_i y_i
    + \frac{r}{c} \Bigl[ \mathrm{odd} \prod_i (1 + \rho_i x_i y_i)
      - \sum_i \rho_i x_i y_i \Bigr] + w\, z(|x|, |y|),

main effects of size :math:`h_i`, interactions of three and more players that involve
player i with weight :math:`\rho_i` (:math:`c` makes their variance one), and a smooth
function of the size of the coalition. A symmetric semivalue is linear in :math:`g`, so
its covariance with :math:`g` is closed: an integral over the probability
:math:`(1 + t) / 2` with which players are in, done by Gauss quadrature in :math:`t`.

A *batch* of kernels, leading dimension ``B``, is evaluated at once; all is in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["OddKernel", "Quadrature"]

_SIZE_LENGTH = 0.2  # correlation length of the size effect, as a share of the players
_MAX_NODES = 32  # beyond: below 1e-12, as products of many small factors are smooth


@dataclass(frozen=True)
class Quadrature:
    r"""Nodes and weights of the law of :math:`t`, which a symmetric semivalue is.

    Attributes:
        nodes: ``(Q,)`` in [-1, 1].
        weights: ``(Q,)``, summing to one.
        ignores_sizes: Whether effects of the size of a coalition are nobody's value
            but the equal split (true for Shapley, by efficiency).
    """

    nodes: Tensor
    weights: Tensor
    ignores_sizes: bool

    @classmethod
    def beta(cls, n_players: int, a: float, device: torch.device) -> Quadrature:
        """The quadrature of Beta(a, a) Shapley values; ``a = 1`` is Shapley.

        Args:
            n_players: Number of players.
            a: Positive parameter of the law.
            device: Where the tensors live.

        Returns:
            Gauss-Jacobi nodes and weights.
        """
        from scipy.special import roots_jacobi  # slow to import, and rarely needed

        nodes, weights = roots_jacobi(min(n_players // 2 + 1, _MAX_NODES), a - 1, a - 1)
        return cls(
            torch.as_tensor(nodes, device=device),
            torch.as_tensor(weights / weights.sum(), device=device),
            ignores_sizes=a == 1,
        )

    @classmethod
    def banzhaf(cls, device: torch.device) -> Quadrature:
        """The quadrature of Banzhaf values: every player is in with probability 1/2.

        Args:
            device: Where the tensors live.

        Returns:
            One node.
        """
        node = torch.zeros(1, dtype=torch.float64, device=device)
        return cls(node, node + 1, ignores_sizes=False)


@dataclass(frozen=True)
class OddKernel:
    r"""A batch of kernels of the odd part of a game.

    Attributes:
        effects: ``(B, n)``, the scales :math:`h` of main effects.
        couplings: ``(B, n)``, the weights :math:`\rho` in (0, 1) of interactions.
    """

    effects: Tensor
    couplings: Tensor

    @property
    def normaliser(self) -> Tensor:
        """``(B,)``: the constant c; infinite where interactions cannot exist."""
        up, down = torch.log1p(self.couplings), torch.log1p(-self.couplings)
        odd = (up.sum(-1).exp() - down.sum(-1).exp()) / 2
        c = odd - self.couplings.sum(-1)
        return c.where(c > 1e-14, torch.inf)

    def linear(self, x: Tensor, y: Tensor) -> Tensor:
        """Covariance of main effects.

        Args:
            x: ``(p, n)`` signs.
            y: ``(q, n)`` signs.

        Returns:
            ``(B, p, q)``.
        """
        return (x * self.effects[:, None] ** 2) @ y.T / x.shape[1]

    def interactions(self, x: Tensor, y: Tensor) -> Tensor:
        """Covariance of interactions, of unit variance.

        Args:
            x: ``(p, n)`` signs.
            y: ``(q, n)`` signs.

        Returns:
            ``(B, p, q)``.
        """
        rho = self.couplings[:, None]
        amplitude = (0.5 * torch.log1p(-(rho**2)).sum(-1, keepdim=True)).exp()
        product = ((x * torch.atanh(rho)) @ y.T).sinh_().mul_(amplitude)
        return product.sub_((x * rho) @ y.T).div_(self.normaliser[:, None, None])

    def readout(self, x: Tensor, quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        """Covariance of the values of players with the odd part.

        Args:
            x: ``(p, n)`` signs.
            quadrature: The semivalue.

        Returns:
            Of main effects, and of interactions of unit variance: ``(B, n, p)`` each.
        """
        linear = 2 / x.shape[1] * self.effects[:, :, None] ** 2 * x.T
        t, rho = quadrature.nodes[:, None], self.couplings[:, None]
        tilted = rho * t  # (B, Q, n)
        shrink = 1 / (1 - tilted**2)
        # The product over all players, then without player i: 1 / (1 + a x) is
        # (1 - a x) / (1 - a^2) for a sign x.
        products = torch.atanh(tilted) @ x.T - 0.5 * shrink.log().sum(-1, keepdim=True)
        weighted = quadrature.weights[:, None] * products.exp()  # (B, Q, p)
        even = shrink.mT @ weighted
        odd = (shrink * tilted).mT @ weighted
        joint = 2 * rho.mT * (x.T * (even - 1) - odd)
        return linear, joint / self.normaliser[:, None, None]

    def variances(self, quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        """Prior variances of the values of players.

        Args:
            quadrature: The semivalue.

        Returns:
            Of main effects, and of interactions of unit variance: ``(B, n)`` each.
        """
        linear = 4 / self.effects.shape[-1] * self.effects**2
        weights = torch.outer(quadrature.weights, quadrature.weights).flatten()
        tau = torch.outer(quadrature.nodes, quadrature.nodes).flatten()[:, None]
        factors = 1 + self.couplings[:, None] * tau  # (B, Q * Q, n)
        products = factors.log().sum(-1, keepdim=True).exp()
        joint = (weights[:, None] * products / factors).sum(1)
        scale = 4 * self.couplings / self.normaliser[:, None]
        return linear, scale * (joint - 1)


def size_covariance(sizes: Tensor, others: Tensor, n_players: int) -> Tensor:
    """Covariance of the odd, smooth function of the size; none at sizes 0 and n.

    Args:
        sizes: ``(p,)``.
        others: ``(q,)``.
        n_players: Number of players.

    Returns:
        ``(p, q)``.
    """
    s, t = sizes[:, None] / n_players, others / n_players

    def bell(distance: Tensor) -> Tensor:
        return (-0.5 * (distance / _SIZE_LENGTH) ** 2).exp()

    inner = (s > 0) & (s < 1) & (t > 0) & (t < 1)
    return 0.5 * (bell(s - t) - bell(s + t - 1)) * inner
