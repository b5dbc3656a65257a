"""Sizes get their share of a budget; coalitions of a size are uniform."""

from __future__ import annotations

from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.semivalues import banzhaf, beta_shapley, leave_one_out, shapley
from torchattr.sampling.coalitions_by_size import (
    allocate_to_sizes,
    coalitions_of_sizes,
    random_coalitions_of_sizes,
)

SEMIVALUES = st.sampled_from([shapley, banzhaf, beta_shapley(16, 1), leave_one_out])


@given(n=st.integers(1, 40), extra=st.integers(0, 3000), semivalue=SEMIVALUES)
def test_a_budget_is_spent_exactly_and_no_size_gets_too_much(n, extra, semivalue):
    budget = max(2, 4 * n - 4) + extra
    counts = allocate_to_sizes(n, budget, semivalue=semivalue)
    pools = torch.tensor([comb(n, size) for size in range(n + 1)], dtype=torch.float64)
    assert int(counts.sum()) == min(budget, 2**n)
    assert (counts <= pools).all()
    assert (counts >= pools.clamp(max=2)).all()


@given(n=st.integers(2, 40), extra=st.integers(0, 3000))
def test_the_border_is_taken_whole(n, extra):
    counts = allocate_to_sizes(n, 4 * n - 4 + extra).tolist()
    assert counts[0] == counts[n] == 1
    assert counts[1] == counts[n - 1] == n


def test_shares_follow_the_semivalue():
    sizes = torch.arange(2, 29)
    share = allocate_to_sizes(30, 100_000)[2:29] * (sizes * (30 - sizes)).sqrt()
    middle = share[5:-5].double()  # the outer ones are complete
    assert float(middle.std() / middle.mean()) < 1e-3
    towards_the_middle = allocate_to_sizes(30, 1000, semivalue=banzhaf)
    assert int(towards_the_middle[15]) > 5 * int(towards_the_middle[8])


def test_too_small_a_budget_is_refused():
    with pytest.raises(InputError, match="at least 36"):
        allocate_to_sizes(10, 35)
    assert int(allocate_to_sizes(10, 36).sum()) == 36


@given(n=st.integers(1, 8), data=st.data())
def test_all_coalitions_of_some_sizes(n, data):
    sizes = data.draw(st.lists(st.integers(0, n), unique=True))
    coalitions = coalitions_of_sizes(n, sizes)
    assert len(coalitions.unique(dim=0)) == len(coalitions)
    expected = [size for size in sizes for _ in range(comb(n, size))]
    assert coalitions.sum(1).tolist() == expected


@given(n=st.integers(1, 12), data=st.data(), seed=st.integers(0, 99))
def test_random_coalitions_have_their_sizes_whatever_the_chunks(n, data, seed):
    sizes = torch.tensor(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=9)))

    def draw(*chunks):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([
            random_coalitions_of_sizes(n, c, generator=generator) for c in chunks
        ])

    assert torch.equal(draw(sizes).sum(1), sizes)
    assert torch.equal(draw(sizes), draw(sizes[:1], sizes[1:]))


def test_random_coalitions_of_a_size_are_uniform():
    generator = torch.Generator().manual_seed(0)
    n_draws = 6000
    drawn = random_coalitions_of_sizes(
        5, torch.full((n_draws,), 2), generator=generator
    )
    counts = drawn.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 10
    z = (counts - n_draws / 10) / (n_draws * 0.1 * 0.9) ** 0.5
    assert z.abs().max() < 5


def test_the_global_generator_serves_where_none_is_given():
    torch.manual_seed(0)
    first = random_coalitions_of_sizes(20, torch.tensor([10]))
    torch.manual_seed(0)
    assert torch.equal(first, random_coalitions_of_sizes(20, torch.tensor([10])))
