"""The odd kernel against sums over all coalitions."""

from __future__ import annotations

import pytest
import torch

from torchattr.games.semivalues import banzhaf, beta_shapley, shapley
from torchattr.sampling.odd_kernel import OddKernel, Quadrature, size_features

N = 6
CPU = torch.device("cpu")
SEMIVALUES = {
    "shapley": (Quadrature.beta(N, 1.0, CPU), shapley),
    "banzhaf": (Quadrature.banzhaf(CPU), banzhaf),
    "beta": (Quadrature.beta(N, 3.0, CPU), beta_shapley(3, 3)),
}
each_semivalue = pytest.mark.parametrize(
    ("quadrature", "semivalue"), SEMIVALUES.values(), ids=SEMIVALUES
)


@pytest.fixture
def coalitions():
    return (torch.arange(2**N)[:, None] >> torch.arange(N)) & 1


@pytest.fixture
def kernel():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(2, 3, N, generator=generator, dtype=torch.float64)
    return OddKernel(rows[0] + 0.5, 0.8 * rows[1] + 0.05)


def semivalue_map(coalitions, semivalue):
    """``(n, 2^n)``: values of players as sums over values of coalitions."""
    p = torch.nn.functional.pad(semivalue(N), (1, 1))
    size = coalitions.sum(1)
    inside = coalitions.T.bool()
    return torch.where(inside, p[size], -p[size + 1])


def covariance(kernel, coalitions, interaction=0.0, size=0.0, main=1.0):
    signs = coalitions.double() * 2 - 1
    kernel = OddKernel(kernel.effects * main, kernel.couplings)
    ones = torch.ones(len(kernel.effects), dtype=torch.float64)
    return kernel.covariance(
        signs, kernel.products(signs), interaction=ones * interaction, size=ones * size
    )


def test_covariances_are_odd_and_of_unit_variance(kernel, coalitions):
    joint = covariance(kernel, coalitions, interaction=1.0, main=0.0)
    assert torch.allclose(joint.diagonal(dim1=1, dim2=2), torch.ones(3, 2**N).double())
    # The complement of the coalition with number k has the number 2^n - 1 - k.
    assert torch.allclose(joint.flip(1), -joint)


def test_interactions_are_products_of_three_and_more_signs(kernel, coalitions):
    signs = coalitions.double() * 2 - 1
    joint = covariance(kernel, coalitions, interaction=1.0, main=0.0)[0]
    rho = kernel.couplings[0]
    expected = torch.zeros_like(joint)
    for members in coalitions[coalitions.sum(1) % 2 == 1].bool():
        if members.sum() >= 3:
            column = signs[:, members].prod(1)
            expected += rho[members].prod() * torch.outer(column, column)
    assert torch.allclose(joint, expected / expected[0, 0], atol=1e-12)


@each_semivalue
def test_the_readout_is_the_semivalue_of_the_covariance(
    kernel, coalitions, quadrature, semivalue
):
    signs = coalitions.double() * 2 - 1
    linear, joint = kernel.readout(signs, quadrature)
    to_players = semivalue_map(coalitions, semivalue)
    main = covariance(kernel, coalitions)
    both = covariance(kernel, coalitions, interaction=0.7)
    assert torch.allclose(linear, to_players @ main, atol=1e-12)
    assert torch.allclose(linear + 0.7 * joint, to_players @ both, atol=1e-12)


@each_semivalue
def test_prior_variances(kernel, coalitions, quadrature, semivalue):
    linear, joint = kernel.variances(quadrature)
    to_players = semivalue_map(coalitions, semivalue)
    both = covariance(kernel, coalitions, interaction=0.7)
    expected = (to_players @ both @ to_players.T).diagonal(dim1=1, dim2=2)
    assert torch.allclose(linear + 0.7 * joint, expected, atol=1e-12)


@each_semivalue
def test_the_law_of_sizes(quadrature, semivalue):
    binomials = torch.tensor([1, 5, 10, 10, 5, 1])
    assert torch.allclose(quadrature.by_size(N), binomials * semivalue(N))


def test_size_features_are_odd_and_vanish_at_the_ends():
    features = size_features(9)
    assert torch.allclose(features.flip(0), -features, atol=1e-12)
    assert bool((features[0] == 0).all())


def test_few_players_have_no_interactions():
    for n in (1, 2):
        ones = torch.ones(1, n, dtype=torch.float64)
        kernel = OddKernel(ones, ones / 2)
        linear, joint = kernel.readout(ones, Quadrature.beta(n, 1.0, CPU))
        assert bool(linear.isfinite().all())
        assert bool((joint == 0).all())


def test_many_players_stay_finite():
    n = 1000
    ones = torch.ones(1, n, dtype=torch.float64)
    kernel = OddKernel(ones, ones * 8 / n)
    quadrature = Quadrature.beta(n, 1.0, CPU)
    assert bool(kernel.variances(quadrature)[1].isfinite().all())
    assert bool((kernel.variances(quadrature)[1] > 0).all())
