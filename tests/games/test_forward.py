"""What a forward is found out to take, at the price of how many rows."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.futures import Future

from torchattr.errors import InputError
from torchattr.games.forward import Forward

EXAMPLES = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
VARIANTS = torch.arange(30.0).reshape(5, 3, 2)  # five, of three examples


class Calls:
    """A function, and the rows of each of its calls."""

    def __init__(self, function):
        self.function = function
        self.sizes = []

    def __call__(self, x, *extra):
        self.sizes.append(len(x))
        return self.function(x, *extra)


def forwarded(function, **options):
    return Forward(function, (EXAMPLES,), **options)


def test_the_first_alone_then_two_then_all():
    calls = Calls(lambda x: x.sum(1))
    outputs = forwarded(calls)((VARIANTS,))
    assert torch.equal(outputs, VARIANTS.sum(2))
    assert calls.sizes == [3, 6, 6]


def test_what_is_known_is_not_found_out_again():
    calls = Calls(lambda x: x.sum(1))
    forward = forwarded(calls)
    forward((VARIANTS,))
    calls.sizes.clear()
    forward((VARIANTS,))
    assert calls.sizes == [15]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_variants(count):
    outputs = forwarded(lambda x: x.sum(1))((VARIANTS[:count],))
    assert torch.equal(outputs, VARIANTS[:count].sum(2))


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (torch.sum, (1,)),
        (lambda x: x.sum().item(), (1,)),
        (lambda x: int(x.sum()), (1,)),
        (lambda x: bool(x.sum() > 9), (1,)),
        (lambda x: x.sum(0), (2,)),
        (lambda x: x.sum()[None, None], (1, 1)),
    ],
)
def test_aggregates_are_told_from_the_first_without_waste(function, shape):
    calls = Calls(function)
    forward = forwarded(calls)
    assert forward((VARIANTS,)).shape == (5, *shape)
    assert calls.sizes == [3] * 5
    assert forward.aggregates


def test_a_fixed_number_of_rows_is_told_from_two():
    calls = Calls(lambda x: x[:3].sum(1))
    forward = forwarded(calls)
    assert torch.equal(forward((VARIANTS,)), VARIANTS.sum(2))
    assert calls.sizes == [3, 6, 3, 3, 3, 3]
    assert not forward.aggregates


def test_why_one_at_a_time_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="torchattr.games.forward"):
        forwarded(lambda x: x[:3].sum(1))((VARIANTS,))
    assert "one variant at a time" in caplog.text
    assert "InputError" in caplog.text


def test_a_forward_that_fails_on_two_is_given_one():
    def strict(x):
        if len(x) != 3:
            raise RuntimeError("a batch of 3, please")
        return x.sum(1)

    assert torch.equal(forwarded(strict)((VARIANTS,)), VARIANTS.sum(2))


def test_a_forward_that_fails_on_one_fails():
    with pytest.raises(ZeroDivisionError):
        forwarded(lambda x: 1 // 0)((VARIANTS,))


def test_running_out_of_memory_is_not_an_answer_about_the_forward():
    def greedy(x):
        if len(x) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return x.sum(1)

    forward = forwarded(greedy)
    assert torch.equal(forward((VARIANTS,)), VARIANTS.sum(2))


# Additional arguments


def test_tensors_of_the_examples_are_repeated_with_them():
    calls = Calls(lambda x, w: x.sum(1) * w)
    scale = torch.tensor([1.0, 10.0, 100.0])
    forward = forwarded(calls, additional_forward_args=scale)
    assert forward.n_probes == 3
    assert torch.equal(forward((VARIANTS,)), VARIANTS.sum(2) * scale)
    assert sum(calls.sizes) == (5 + 3) * 3
    assert forward.n_wasted == 0  # beyond what was asked for and the probes


def test_examples_that_were_evaluated_before_are_not_again():
    calls = Calls(lambda x, w: x.sum(1) * w)
    forward = forwarded(calls, additional_forward_args=torch.ones(3))
    forward((torch.cat([EXAMPLES[None], VARIANTS]),))
    assert sum(calls.sizes) == (6 + 2) * 3


def test_a_failed_trial_without_such_tensors_is_a_waste():
    forward = forwarded(lambda x: x[:3].sum(1))
    forward((VARIANTS,))
    assert (forward.n_probes, forward.n_wasted) == (0, 2)


def test_where_the_examples_saturate_a_variant_tells():
    shared = torch.ones(3)

    def confident(x, w):
        return torch.sigmoid(x.sum(1) * w.sum() - 3)

    forward = forwarded(confident, additional_forward_args=shared)
    variants = torch.stack([10 * EXAMPLES, 0.1 * EXAMPLES, 0.2 * EXAMPLES])
    expected = torch.stack([confident(x, shared) for x in variants])
    torch.testing.assert_close(forward((variants,)), expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: x.sum(1) * w.sum(),
        lambda x, w: x.prod(1) * w.sum(),
        lambda x, w: (x[:, :1] * w).sum(1),
        lambda x, w: x.sum(1) * w[-1],
    ],
)
def test_tensors_that_only_look_like_the_examples_are_not(function):
    shared = torch.tensor([1.0, 10.0, 100.0])
    forward = forwarded(function, additional_forward_args=(shared,))
    expected = torch.stack([function(x, shared) for x in VARIANTS])
    torch.testing.assert_close(forward((VARIANTS,)), expected)


def test_that_variants_are_worth_nothing_does_not_mislead():
    shared = torch.ones(3)
    forward = forwarded(
        lambda x, w: x.prod(1) * w.sum(), additional_forward_args=shared
    )
    variants = torch.stack([0 * EXAMPLES, 0 * EXAMPLES, 0 * EXAMPLES, EXAMPLES])
    assert forward((variants,))[3].tolist() == (3 * EXAMPLES.prod(1)).tolist()


@pytest.mark.parametrize("extra", [2, None, "max", [1, 2, 3], {"a": torch.ones(3)}])
def test_what_is_no_tensor_is_handed_on(extra):
    seen = []
    forward = forwarded(
        lambda x, a, b: seen.append((a, b)) or x.sum(1),
        additional_forward_args=(extra, torch.tensor(1.0)),
    )
    forward((VARIANTS,))
    assert all(a is extra and b.ndim == 0 for a, b in seen)


def test_a_single_argument_needs_no_tuple():
    forward = forwarded(lambda x, a: x.sum(1) ** a, additional_forward_args=2)
    assert torch.equal(forward((VARIANTS,)), VARIANTS.sum(2) ** 2)


# Modules, parameters, outputs


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(2), nn.SyncBatchNorm(2)])
def test_batch_statistics_couple_the_rows(layer):
    sizes = []
    layer.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    model = nn.Sequential(layer)
    if isinstance(layer, nn.SyncBatchNorm):
        model.eval()
        layer.track_running_stats = False
        layer.running_mean = layer.running_var = None
    forwarded(model)((VARIANTS,))
    assert set(sizes) == {3}


def test_functions_without_parameters_are_called_with_nothing():
    n_calls = []
    forward = forwarded(lambda: n_calls.append(1) or 2.0)
    assert forward((VARIANTS,)).tolist() == [[2.0]] * 5
    assert len(n_calls) == 5


def test_builtins_without_a_signature_take_the_inputs():
    assert forwarded(torch.relu)((VARIANTS,)).shape == (5, 3, 2)


@pytest.mark.parametrize("output", [None, "1", [1.0], (torch.ones(3),), {"y": 1}])
def test_what_is_no_output(output):
    with pytest.raises(InputError, match="the return of forward_func must be a tensor"):
        forwarded(lambda x: output)((VARIANTS,))


def test_outputs_keep_their_shape():
    sizes = iter((2, 3))
    with pytest.raises(InputError, match=r"one shape; got \(2,\), then \(3,\)"):
        forwarded(lambda x: torch.zeros(next(sizes)))((VARIANTS,))


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (lambda x: x.sum(1), torch.float32),
        (lambda x: x.double().sum(1), torch.float64),
        (lambda x: x.long().sum(1), torch.int64),
        (lambda x: x.sum().item(), torch.float32),
        (lambda x: 3, torch.int64),
        (lambda x: True, torch.bool),
    ],
)
def test_the_type_of_the_output_is_known_afterwards(function, dtype):
    forward = forwarded(function)
    assert forward.dtype is None
    forward((VARIANTS,))
    assert forward.dtype == dtype


def test_python_floats_keep_their_digits():
    forward = forwarded(lambda x: 1 + 2**-40)
    assert forward((VARIANTS,))[0, 0].item() == 1 + 2**-40


def test_several_inputs_go_in_their_order():
    other = 100 * torch.ones(5, 3, 1)
    forward = Forward(lambda a, b: a.sum(1) - b[:, 0], (EXAMPLES, other[0]))
    assert torch.equal(forward((VARIANTS, other)), VARIANTS.sum(2) - 100)


def test_a_variant_changed_in_place_is_sent_again_as_it_was():
    def impure(x, w):
        x += 1
        return x.sum(1) * w.sum()

    shared, before = torch.ones(3), (EXAMPLES.clone(), VARIANTS.clone())
    forward = forwarded(impure, additional_forward_args=shared)
    expected = (VARIANTS + 1).sum(2) * 3
    assert torch.equal(forward((VARIANTS.clone(),)), expected)
    assert torch.equal(EXAMPLES, before[0])


def test_nor_do_changes_in_place_reach_the_fall_back():
    forward = forwarded(lambda x: x.add_(1)[:3].sum(1))
    assert torch.equal(forward((VARIANTS.clone(),)), (VARIANTS + 1).sum(2))


def test_no_gradients():
    weight = torch.ones(2, requires_grad=True)
    assert not forwarded(lambda x: x @ weight)((VARIANTS,)).requires_grad


# Futures


def later(value):
    future = Future()
    future.set_result(value)
    return future


@pytest.mark.parametrize("count", [1, 2, 5])
def test_futures_are_split_into_variants(count):
    forward = forwarded(lambda x: later(x.sum(1)))
    found = forward.submit((VARIANTS[:count],)).wait()
    assert torch.equal(found, VARIANTS[:count].sum(2))


def test_a_future_of_too_few_rows():
    forward = forwarded(lambda x: later(x.sum()))
    assert forward.submit((VARIANTS[:1],)).wait().shape == (1, 1)
    with pytest.raises(InputError, match="set perturbations_per_eval=1"):
        forward.submit((VARIANTS,)).wait()


def test_futures_are_needed_where_they_are_asked_for():
    with pytest.raises(InputError, match="use attribute"):
        forwarded(lambda x: x.sum(1)).submit((VARIANTS,))
