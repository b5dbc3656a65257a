"""Futures: the same answer, in whatever order the forward's answers arrive."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch.futures import Future

from tests.attr.cases import CASES, TABULAR, mlp
from torchattr import attr
from torchattr.errors import InputError

METHODS = {
    "FeatureAblation": (attr.FeatureAblation, {}),
    "FeaturePermutation": (attr.FeaturePermutation, {}),
    "ShapleyValueSampling": (attr.ShapleyValueSampling, {"n_samples": 3}),
    "ShapleyValues": (attr.ShapleyValues, {}),
}
by_method = pytest.mark.parametrize(
    ("method", "options"), METHODS.values(), ids=METHODS
)
by_batch = pytest.mark.parametrize("perturbations_per_eval", [None, 1, 3])


class Later:
    """A forward whose futures are completed by hand, in any order."""

    def __init__(self, function):
        self.function = function
        self.pending = []

    def __call__(self, *inputs):
        future = Future()
        self.pending.append((future, self.function(*inputs)))
        return future

    def complete(self, order):
        for index in order:
            future, value = self.pending[index]
            future.set_result(value)


def at_once(function):
    def forward(*inputs):
        future = Future()
        future.set_result(function(*inputs))
        return future

    return forward


def parts(attributions):
    return attributions if isinstance(attributions, tuple) else (attributions,)


def same(ours, theirs):
    for one, other in zip(parts(ours), parts(theirs), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@by_method
@by_batch
@pytest.mark.parametrize("backwards", [True, False])
def test_answers_after_the_call_in_any_order(
    method, options, perturbations_per_eval, backwards
):
    forward = Later(mlp())
    torch.manual_seed(0)
    future = method(forward).attribute_future(
        TABULAR, perturbations_per_eval=perturbations_per_eval, **options
    )
    state = torch.get_rng_state()
    assert not future.done()
    n_calls = len(forward.pending)
    forward.complete(range(n_calls)[:: -1 if backwards else 1])
    torch.manual_seed(0)
    same(future.wait(), method(mlp()).attribute(TABULAR, **options))
    assert torch.equal(torch.get_rng_state(), state)


@by_method
def test_answers_from_threads(method, options):
    threads = []

    def forward(x):
        future = Future()
        delay = 0.004 if len(threads) % 2 == 0 else 0.0

        def work():
            time.sleep(delay)
            future.set_result(mlp()(x))

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return future

    torch.manual_seed(0)
    future = method(forward).attribute_future(TABULAR[:2], **options)
    answer = future.wait()
    for thread in threads:
        thread.join()
    torch.manual_seed(0)
    same(answer, method(mlp()).attribute(TABULAR[:2], **options))


@by_method
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_all_arguments_mean_the_same(method, options, case):
    arguments = dict(case.arguments)
    if method is attr.FeaturePermutation:
        arguments.pop("baselines", None)
    torch.manual_seed(0)
    future = method(at_once(case.forward)).attribute_future(
        case.inputs, **arguments, **options
    )
    torch.manual_seed(0)
    expected = method(case.forward).attribute(case.inputs, **arguments, **options)
    assert isinstance(future.wait(), tuple) == isinstance(case.inputs, tuple)
    same(future.wait(), expected)


@by_method
def test_calls_are_all_made_before_it_returns(method, options):
    forward = Later(mlp())
    method(forward).attribute_future(TABULAR, **options)
    n = 5
    expected = {
        attr.FeatureAblation: n + 1,
        attr.FeaturePermutation: n + 1,
        attr.ShapleyValueSampling: 3 * (n - 1) + 2,
        attr.ShapleyValues: 2**n,
    }
    assert len(forward.pending) == expected[method]


@by_method
def test_a_failure_of_the_forward_reaches_the_one_who_waits(method, options):
    forward = Later(mlp())
    future = method(forward).attribute_future(TABULAR, **options)
    for index, (pending, value) in enumerate(forward.pending):
        if index == 2:
            pending.set_exception(KeyError("lost connection"))
        else:
            pending.set_result(value)
    with pytest.raises(KeyError, match="lost connection"):
        future.wait()


@by_method
def test_a_forward_without_futures_is_refused(method, options):
    with pytest.raises(InputError, match="Future"):
        method(mlp()).attribute_future(TABULAR, **options)


@by_method
def test_aggregating_forwards_of_many_variants_are_refused(method, options):
    method = method(at_once(lambda x: x.sum()))
    future = method.attribute_future(TABULAR, perturbations_per_eval=3, **options)
    with pytest.raises(InputError, match="perturbations_per_eval=1"):
        future.wait()


@by_method
def test_a_value_that_is_not_finite_is_refused(method, options):
    method = method(at_once(lambda x: x.sum(1) / 0))
    future = method.attribute_future(TABULAR, **options)
    with pytest.raises(InputError, match="finite"):
        future.wait()


def test_counts_are_checked_at_once():
    method = attr.ShapleyValueSampling(at_once(mlp()))
    with pytest.raises(InputError, match="n_samples"):
        method.attribute_future(TABULAR, n_samples=0)
    with pytest.raises(InputError, match=r"2\*\*5 = 32"):
        attr.ShapleyValues(at_once(mlp())).attribute_future(TABULAR, max_evaluations=31)


@pytest.mark.parametrize("method", [attr.FeatureAblation, attr.ShapleyValues])
def test_one_feature(method):
    future = method(at_once(lambda x: x.sum(1))).attribute_future(torch.ones(2, 1))
    assert future.wait().tolist() == [[1.0], [1.0]]


def test_a_custom_permutation_generator_is_used():
    method = attr.ShapleyValueSampling(at_once(lambda x: x.prod(1)))
    method.permutation_generator = lambda n, k: [[2, 0, 1]] * k
    future = method.attribute_future(torch.tensor([[2.0, 3.0, 5.0]]), n_samples=3)
    assert future.wait().tolist() == [[0.0, 30.0, 0.0]]


def test_the_answer_is_on_the_device_of_the_inputs(device):
    x = TABULAR.to(device)
    for method, options in METHODS.values():
        future = method(at_once(lambda x: x.prod(1))).attribute_future(x, **options)
        assert future.wait().device.type == device.type


@by_method
def test_an_error_is_raised_by_the_one_who_waits_and_no_other(method, options):
    forward = Later(mlp())
    future = method(forward).attribute_future(TABULAR, target=9, **options)
    forward.complete(range(len(forward.pending)))
    with pytest.raises(InputError, match="target must lie in"):
        future.wait()
