"""Orders in rounds: uniform, all of them, or some positions of them."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.sampling.orders import AllOrders, Orders, RandomOrders, SizedOrders


@given(
    n=st.integers(1, 9),
    start=st.integers(0, 40),
    count=st.integers(0, 5),
    seed=st.integers(0, 100),
    both=st.booleans(),
)
def test_any_rounds_are_what_all_have_there(n, start, count, seed, both):
    rounds = RandomOrders(seed, reversed_too=both)
    whole, part = rounds.orders(n, 0, 50), rounds.orders(n, start, count)
    each = 2 if both else 1
    there = slice(each * start, each * (start + count))
    assert torch.equal(part.orders, whole.orders[there])
    assert torch.equal(part.rounds, whole.rounds[there])
    assert torch.equal(
        part.orders.sort(1).values, torch.arange(n).expand_as(part.orders)
    )


def test_orders_are_uniform():
    orders = RandomOrders(1).orders(4, 0, 12_000).orders
    counts = (orders @ torch.tensor([64, 16, 4, 1])).unique(return_counts=True)[1]
    expected = 12_000 / factorial(4)
    chi_square = ((counts - expected).square() / expected).sum()
    assert len(counts) == 24
    assert abs(chi_square - 23) < 5 * (2 * 23) ** 0.5


def test_a_pair_is_an_order_and_its_reverse_and_one_replicate():
    pairs = RandomOrders(0, reversed_too=True).orders(5, 3, 2)
    assert torch.equal(pairs.orders[0], pairs.orders[1].flip(0))
    assert torch.equal(pairs.orders[2], pairs.orders[3].flip(0))
    assert pairs.replicates.tolist() == pairs.rounds.tolist() == [3, 3, 4, 4]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_all_orders_come_in_lexicographic_order(n):
    found = AllOrders().orders(n, 0, 10**6).orders.tolist()
    assert found == [list(order) for order in permutations(range(n))]


def test_many_players_have_a_first_order_all_the_same():
    found = AllOrders().orders(40, 1, 1).orders[0].tolist()
    assert found == [*range(38), 39, 38]


def test_no_order_is_left_after_the_last():
    assert len(AllOrders().orders(3, 5, 9)) == 1
    assert len(AllOrders().orders(3, 6, 9)) == len(AllOrders().orders(3, 99, 1)) == 0


def test_marginals_of_an_order_are_its_prefixes():
    orders = Orders(
        torch.tensor([[2, 0, 1], [1, 0, 2]]), *torch.tensor([[4, 4], [7, 8]])
    )
    marginals = orders.marginals()
    assert marginals.players.tolist() == [2, 0, 1, 1, 0, 2]
    assert marginals.rounds.tolist() == [4] * 6
    assert marginals.replicates.tolist() == [7] * 3 + [8] * 3
    sets = [row.nonzero()[:, 0].tolist() for row in marginals.subsets]
    assert sets == [[], [2], [0, 2], [], [1], [0, 1]]


def sized(counts, *, is_finite=True):
    return SizedOrders(RandomOrders(0), lambda n: np.array(counts), is_finite=is_finite)


@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
def test_a_cycle_keeps_each_size_as_often_as_asked(counts):
    orders = sized(counts).orders(len(counts), 0, 10**6)
    assert len(orders) == max(counts)
    assert orders.kept.sum(0).tolist() == counts
    # Evenly: after any number of orders, within one of the share.
    done = torch.arange(1, len(orders) + 1)[:, None]
    share = done * torch.tensor(counts) / max(counts)
    assert bool(((orders.kept.cumsum(0) - share).abs() < 1).all())


def test_endless_sized_orders_repeat_the_cycle():
    rounds = sized([1, 2, 0], is_finite=False)
    assert rounds.n_rounds(3) is None
    kept = rounds.orders(3, 0, 4).kept
    assert torch.equal(kept[:2], kept[2:])
    assert rounds.updates_per_round(3) == pytest.approx(0.5)


def test_only_kept_positions_are_marginals():
    marginals = sized([0, 1, 1]).marginals(3, 0, 1)
    assert marginals.sizes.tolist() == [1, 2]
