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
from functools import lru_cache

import torch
from torch import Tensor

from torchattr.games.semivalues import log_binomial

__all__ = ["OddKernel", "Quadrature", "size_features"]

_SIZE_LENGTH = 0.1  # correlation length of the size effect, as a share of the players
_MAX_NODES = 32  # beyond: below 1e-12, as products of many small factors are smooth


@dataclass(frozen=True)
class Quadrature:
    r"""Nodes and weights of the law of :math:`t`, which a symmetric semivalue is.

    Attributes:
        nodes: ``(Q,)`` in [-1, 1].
        weights: ``(Q,)``, summing to one.
        efficient: Whether values sum to the value of the full coalition minus that of
            the empty one (true for Shapley).

    Example:
        >>> import torch
        >>> Quadrature.beta(2, 1.0, torch.device("cpu")).weights
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    nodes: Tensor
    weights: Tensor
    efficient: bool

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
            efficient=a == 1,
        )

    def by_size(self, n_players: int) -> Tensor:
        r"""Law of the size of the coalition that a player joins, ``(n,)``.

        Args:
            n_players: Number of players.

        Returns:
            :math:`\binom{n-1}{s} p_s` for s = 0 to n - 1, a mixture of binomial laws.
        """
        others = n_players - 1
        size = torch.arange(n_players, device=self.nodes.device)
        in_, out = (1 + self.nodes[:, None]) / 2, (1 - self.nodes[:, None]) / 2
        log_law = size * in_.log() + (others - size) * out.log()
        log_law += log_binomial(others, size).to(size.device)
        return self.weights @ log_law.exp()

    @classmethod
    def banzhaf(cls, device: torch.device) -> Quadrature:
        """The quadrature of Banzhaf values: every player is in with probability 1/2.

        Args:
            device: Where the tensors live.

        Returns:
            One node.
        """
        node = torch.zeros(1, dtype=torch.float64, device=device)
        return cls(node, node + 1, efficient=False)


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

    def products(self, signs: Tensor) -> Tensor:
        r"""The part of the covariance that is a product over players, up to a factor.

        It is the costly one, and does not depend on variances.

        Args:
            signs: ``(p, n)``.

        Returns:
            :math:`\sinh \sum_i \mathrm{artanh}(\rho_i) x_i y_i`, ``(B, p, p)``.
        """
        return ((signs * torch.atanh(self.couplings[:, None])) @ signs.T).sinh_()

    def covariance(
        self, signs: Tensor, products: Tensor, *, interaction: Tensor, size: Tensor
    ) -> Tensor:
        """Covariance of the odd part, without noise.

        Args:
            signs: ``(p, n)``.
            products: ``(B, p, p)``, those of :meth:`products`; overwritten.
            interaction: ``(B,)`` variances of interactions.
            size: ``(B,)`` variances of size effects.

        Returns:
            ``(B, p, p)``.
        """
        n = signs.shape[1]
        gain = interaction / self.normaliser
        # exp(sum log sqrt(1 - rho^2)) turns products of cosh and sinh into those of
        # 1 + rho x y. Its linear part goes into the main effects, in one product.
        share = (0.5 * torch.log1p(-(self.couplings**2)).sum(-1)).exp()
        linear = self.effects**2 / n - gain[:, None] * self.couplings
        sizes = size_features(n).to(signs.device)[(signs > 0).sum(1)]
        left = torch.cat([signs * linear[:, None], sizes * size[:, None, None]], dim=-1)
        right = torch.cat([signs, sizes], dim=-1).T.expand(len(left), -1, -1)
        return products.mul_((gain * share)[:, None, None]).baddbmm_(left, right)

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


@lru_cache(maxsize=32)
def size_features(n_players: int) -> Tensor:
    r"""Odd, smooth functions of the size of a coalition, zero at 0 and n.

    Their inner products are a Gaussian kernel of the difference of sizes, minus that of
    one size and the complement's: :math:`z(s, t) = \frac12 [k(s - t) - k(s + t - n)]`.

    Args:
        n_players: Number of players.

    Returns:
        ``(n + 1, r)``, for sizes 0 to n; few functions matter.
    """
    share = torch.arange(1, n_players, dtype=torch.float64) / n_players
    bell = (-0.5 * ((share[:, None] - share) / _SIZE_LENGTH) ** 2).exp()
    values, vectors = torch.linalg.eigh((bell - bell.flip(1)) / 2)
    kept = values > 1e-12
    features = vectors[:, kept] * values[kept].sqrt()
    return torch.nn.functional.pad(features, (0, 0, 1, 1))
