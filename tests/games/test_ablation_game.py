"""The model's output when only a coalition of features keeps its values."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.ablation_game import AblationGame, affordable_variants
from torchattr.games.baselines import BaselineDistribution
from torchattr.games.sliding_windows import SlidingWindows

X = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
SOME = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])


def test_what_leaves_is_replaced():
    seen = []
    game = AblationGame(lambda x: seen.append(x) or x.sum(1), X, 100.0)
    assert game(SOME).tolist() == [[105, 140], [300, 300], [7, 56]]
    assert torch.cat(seen)[:2].tolist() == [[1, 100, 4], [8, 100, 32]]


def test_players_are_groups_of_the_mask():
    game = AblationGame(lambda x: x.sum(1), X, players=torch.tensor([[3, 0, 3]]))
    assert game.n_players == 2
    asked = torch.tensor([[True, False], [False, True]])
    assert game(asked).tolist() == [[2, 16], [5, 40]]


def test_players_of_another_kind():
    game = AblationGame(lambda x: x.sum(1), X, players=SlidingWindows((X,), (2,)))
    assert game.n_players == 2
    assert game(torch.tensor([[True, False]])).tolist() == [[1, 8]]


@given(seed=st.integers(0, 999), size=st.sampled_from([1, 2, 5, None]))
def test_values_do_not_depend_on_the_batches(seed, size):
    generator = torch.Generator().manual_seed(seed)
    asked = torch.rand(9, 3, generator=generator) < 0.5
    game = AblationGame(lambda x: x.cumprod(1), X, 0.5, perturbations_per_eval=size)
    expected = torch.where(asked[:, None], X, 0.5).cumprod(2)
    torch.testing.assert_close(game(asked), expected)


def test_samples_of_baselines_follow_their_mean():
    samples = BaselineDistribution(torch.tensor([[0.0, 0, 0], [10, 20, 30]]))
    for size in (None, 1, 2, 3, 7):
        game = AblationGame(lambda x: x.sum(1), X, samples, perturbations_per_eval=size)
        values = game(SOME)
        assert values.shape == (3, 1 + 2, 2)
        assert values[0].tolist() == [[15, 50], [5, 40], [25, 60]]
        assert torch.equal(values[:, 0], values[:, 1:].mean(1))


def test_an_answer_has_the_shapes_of_the_inputs():
    game = AblationGame(lambda x: x.cumsum(1)[:, :2], X)
    game(SOME)
    values = torch.arange(12.0, dtype=torch.float64).reshape(3, 2, 2)
    attributions, errors = game.answer(values, torch.zeros_like(values))
    assert attributions.shape == errors.shape == (2, 2, 3)
    assert attributions.dtype == errors.dtype == torch.float32
    assert attributions[1, 0].tolist() == [2, 6, 10]
    flat, _ = game.answer(values, torch.zeros_like(values), as_inputs=False)
    assert torch.equal(flat, attributions)


def test_a_tuple_is_answered_by_a_tuple():
    game = AblationGame(lambda x: x.sum(1), (X,))
    game(SOME)
    (attributions,), (errors,) = game.answer(torch.ones(3, 2), torch.zeros(3, 2))
    assert attributions.shape == errors.shape == (2, 3)


def test_the_spread_of_samples_joins_the_error():
    samples = BaselineDistribution(torch.zeros(4, 3))
    game = AblationGame(lambda x: x.sum(1), X, samples)
    game(SOME)
    values = torch.zeros(3, 1 + 4, 2, dtype=torch.float64)
    values[:, 1:] = torch.tensor([1.0, 2, 3, 4])[:, None]
    errors = torch.full_like(values, 3.0)
    _, total = game.answer(values, errors)
    expected = (9 + torch.tensor([1.0, 2, 3, 4]).var() / 4).sqrt()
    torch.testing.assert_close(total, expected.expand(2, 3))


def test_perturbed_inputs_are_shaped_like_the_inputs():
    game = AblationGame(lambda x: x.sum(1), X, -1.0)
    perturbed = game.perturbed(SOME)
    assert [x.tolist() for x in perturbed[:1]] == [[[1, -1, 4], [8, -1, 32]]]
    pairs = AblationGame(lambda a, b: a.sum(1), (X, X)).perturbed(
        torch.ones(2, 6, dtype=torch.bool)
    )
    assert all(torch.equal(part, X) for pair in pairs for part in pair)
    with pytest.raises(InputError, match="a distribution of 2"):
        AblationGame(torch.sum, X, BaselineDistribution(torch.zeros(2, 3))).perturbed(
            SOME
        )


def test_products_are_sums_over_the_elements_of_players():
    game = AblationGame(torch.sum, X, 2.0, players=torch.tensor([[0, 1, 0]]))
    xx, xb, bb = game.products()
    assert xx.tolist() == [[17, 4], [1088, 256]]
    assert xb.tolist() == [[10, 4], [80, 32]]
    assert bb.tolist() == [[8, 4], [8, 4]]
    windows = AblationGame(torch.sum, X, players=SlidingWindows((X,), (2,)))
    with pytest.raises(InputError, match="groups of features"):
        windows.products()


def test_futures_in_chunks_of_variants():
    sizes = []

    def forward(x):
        sizes.append(len(x))
        future = torch.futures.Future()
        future.set_result(x.sum(1))
        return future

    for size, expected in ((None, [2, 2, 2]), (1, [2, 2, 2]), (2, [4, 2]), (9, [6])):
        game = AblationGame(forward, X, perturbations_per_eval=size)
        sizes.clear()
        values = game.submit(SOME).wait()
        assert sizes == expected
        assert values.tolist() == [[5, 40], [0, 0], [7, 56]]


def test_groups_of_each_example_need_an_answer_for_each():
    mask = torch.tensor([[0, 0, 1], [0, 1, 1]])
    with pytest.raises(InputError, match="different masks for each example"):
        AblationGame(torch.sum, X, players=mask)(torch.ones(1, 2, dtype=torch.bool))


def test_an_empty_input_is_passed_on():
    empty = torch.zeros(0, 5)
    game = AblationGame(lambda x, e: x.sum(1) + e.numel(), (X, empty))
    assert game(SOME).tolist() == [[5, 40], [0, 0], [7, 56]]


@pytest.mark.parametrize("inputs", [[X], None, (), (X, None), torch.tensor(1.0)])
def test_what_are_no_inputs(inputs):
    with pytest.raises(InputError, match="inputs"):
        AblationGame(torch.sum, inputs)


@pytest.mark.parametrize(
    ("shape", "device", "variants"),
    [
        ((1, 10), "cpu", range(500, 2049)),
        ((16, 30), "cpu", range(31, 129)),
        ((5000, 2), "cpu", range(1, 2)),
        ((1, 3, 224, 224), "cpu", range(2, 64)),
        ((1, 10), "meta", range(10_000, 10**6)),
        ((1, 3, 224, 224), "meta", range(64, 2000)),
    ],
)
def test_default_batches_suit_the_device(shape, device, variants):
    assert affordable_variants((torch.empty(shape, device=device),), None) in variants


@pytest.mark.parametrize("size", [0, -3, 1.5, "2", True])
def test_what_is_no_size_of_a_batch(size):
    with pytest.raises(InputError, match="perturbations_per_eval"):
        affordable_variants((X,), size)


def summed(x, to):
    return x.sum(1).to(to)


def test_values_live_with_the_inputs(device):
    for to in ("cpu", device):
        game = AblationGame(partial(summed, to=to), X.to(device))
        assert game(SOME).device.type == device.type
