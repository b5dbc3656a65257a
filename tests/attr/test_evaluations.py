"""How many rows the model sees is a contract; so are replicates and stopping."""

from __future__ import annotations

import pytest
import torch

from tests.attr.cases import TABULAR, Recorder, mlp, normal, seeded
from torchattr import attr
from torchattr.errors import InputError
from torchattr.estimation.stopping import (
    MaxEvaluations,
    RankStable,
    RelativeErrorBelow,
    StandardErrorBelow,
)

B, N = TABULAR.shape
by_batch = pytest.mark.parametrize("perturbations_per_eval", [None, 1, 3])


def rows(method, x=TABULAR, **arguments):
    """Rows that the model sees."""
    forward = Recorder(mlp())
    method(forward).attribute(x, **arguments)
    return forward.n_rows


def sampled(x=TABULAR, forward=None, **arguments):
    method = attr.ShapleyValueSampling(forward or mlp())
    return method.attribute(x, return_standard_error=True, **arguments)


@by_batch
@pytest.mark.parametrize("n_samples", [1, 2, 7])
def test_permutations(perturbations_per_eval, n_samples):
    seen = rows(
        attr.ShapleyValueSampling,
        n_samples=n_samples,
        perturbations_per_eval=perturbations_per_eval,
    )
    assert seen == B * (n_samples * (N - 1) + 2)


@pytest.mark.parametrize(
    ("sampling", "n_samples", "n_permutations"),
    [
        ("permutation", 5, 5),
        ("antithetic", 4, 4),
        ("antithetic", 5, 6),
        ("antithetic", 1, 2),
        ("orthogonal", 1, 8),
        ("orthogonal", 8, 8),
        ("orthogonal", 9, 16),
    ],
)
def test_samples_are_rounded_up_to_replicates(sampling, n_samples, n_permutations):
    seen = rows(attr.ShapleyValueSampling, n_samples=n_samples, sampling=sampling)
    assert seen == B * (n_permutations * (N - 1) + 2)


@by_batch
def test_exact_values(perturbations_per_eval):
    seen = rows(attr.ShapleyValues, perturbations_per_eval=perturbations_per_eval)
    assert seen == B * 2**N


def test_seven_features_need_128_rows():
    forward = Recorder(mlp(7, 2))
    attr.ShapleyValues(forward).attribute(normal(1, 7))
    assert forward.n_rows == 128


@by_batch
def test_ablation(perturbations_per_eval):
    options = {"perturbations_per_eval": perturbations_per_eval}
    assert rows(attr.FeatureAblation, **options) == B * (N + 1)
    assert rows(attr.FeaturePermutation, **options) == B * (N + 1)
    assert rows(attr.Occlusion, sliding_window_shapes=(2,), **options) == B * 5


@by_batch
def test_groups_count_and_gaps_do_not(perturbations_per_eval):
    options = {
        "feature_mask": torch.tensor([[7, 0, 0, 3, 7]]),
        "perturbations_per_eval": perturbations_per_eval,
    }
    assert rows(attr.FeatureAblation, **options) == B * 4
    assert rows(attr.ShapleyValues, **options) == B * 8
    assert rows(attr.ShapleyValueSampling, n_samples=3, **options) == B * (3 * 2 + 2)


def test_repeated_shuffles_and_lime():
    assert rows(attr.FeaturePermutation, n_samples=3) == B * (N + 1) * 3
    assert rows(attr.Lime, n_samples=9) == B * 9


@by_batch
@pytest.mark.parametrize("count", [2, 3, 8, 20, 31, 32, 33, 99])
def test_a_budget_is_used_and_never_exceeded(perturbations_per_eval, count):
    options = {"perturbations_per_eval": perturbations_per_eval}
    most = min(count - count % 2, 2**N)
    assert rows(attr.Shapley, budget=count, **options) == B * most
    assert rows(attr.KernelShap, n_samples=count, **options) == B * most


@by_batch
@pytest.mark.parametrize("count", [2, 4, 5, 7, 20, 31, 32, 34, 35, 36])
def test_a_budget_counts_what_finding_out_about_tensors_costs(
    perturbations_per_eval, count
):
    forward = Recorder(lambda x, scale: mlp()(x) * scale[:, None])
    _, errors = attr.Shapley(forward).attribute(
        TABULAR,
        additional_forward_args=normal(B),
        budget=count,
        perturbations_per_eval=perturbations_per_eval,
        return_standard_error=True,
    )
    assert forward.n_rows <= B * count
    if count >= 2**N:
        assert not bool(errors.any())


def test_regression_stops_when_it_may():
    options = {"generator": seeded(), "n_samples": 120}
    forward, x = Recorder(mlp(10, 2)), normal(2, 10)
    attr.KernelShap(forward).attribute(x, stopping=MaxEvaluations(51), **options)
    assert forward.n_rows == 2 * 50
    forward.sizes.clear()
    _, errors = attr.KernelShap(forward).attribute(
        x, stopping=StandardErrorBelow(0.05), return_standard_error=True, **options
    )
    assert forward.n_rows < 2 * 120
    assert float(errors.max()) <= 0.05


def test_a_distribution_of_baselines_multiplies_the_rows():
    baselines = attr.BaselineDistribution(normal(6, N))
    assert rows(attr.FeatureAblation, baselines=baselines) == 6 * B * (N + 1)
    assert rows(attr.ShapleyValues, baselines=baselines) == 6 * B * 2**N


@pytest.mark.parametrize("perturbations_per_eval", [1, 2, 3, 7])
def test_no_call_is_larger_than_asked_for(perturbations_per_eval):
    forward, options = (
        Recorder(mlp()),
        {"perturbations_per_eval": perturbations_per_eval},
    )
    attr.ShapleyValues(forward).attribute(TABULAR, **options)
    assert max(forward.sizes) == perturbations_per_eval * B
    baselines = attr.BaselineDistribution(normal(5, N))
    attr.ShapleyValues(forward).attribute(TABULAR, baselines, **options)
    assert max(forward.sizes) == perturbations_per_eval * B  # in whole coalitions


def test_batches_reach_across_permutations():
    forward = Recorder(mlp())
    attr.ShapleyValueSampling(forward).attribute(TABULAR, n_samples=20)
    assert len(forward.sizes) <= 5


def test_refusals_come_before_any_work():
    forward = Recorder(mlp())
    with pytest.raises(InputError, match=r"2\*\*5 = 32 .*max_evaluations=31"):
        attr.ShapleyValues(forward).attribute(TABULAR, max_evaluations=31)
    with pytest.raises(InputError, match=r"2\*\*200 evaluations"):
        attr.ShapleyValues(forward).attribute(torch.ones(1, 200))
    with pytest.raises(InputError, match="MaxEvaluations"):
        sampled(forward=forward, stopping=MaxEvaluations(5))
    assert forward.sizes == []


@pytest.mark.parametrize(
    ("sampling", "n_samples"),
    [("permutation", 1), ("antithetic", 2), ("orthogonal", 8)],
)
def test_one_replicate_says_nothing_about_its_error(sampling, n_samples):
    _, errors = sampled(n_samples=n_samples, sampling=sampling)
    assert bool(errors.isnan().all())
    _, errors = sampled(n_samples=n_samples + 1, sampling=sampling)
    assert not bool(errors.isnan().any())


def test_the_standard_error_is_that_of_independent_permutations():
    forward, x = (lambda x: x[:, 0] * x[:, 1] + x[:, 2]), torch.tensor([[2.0, 3, 5]])
    torch.manual_seed(0)
    values, errors = sampled(x, forward, n_samples=10)
    torch.manual_seed(0)
    gains = []
    for _ in range(10):
        order = torch.randperm(3).tolist()
        gains.append(6.0 if order.index(0) > order.index(1) else 0.0)
    gains = torch.tensor(gains)
    expected = torch.stack([gains.std(), gains.std(), torch.tensor(0.0)]) / 10**0.5
    torch.testing.assert_close(errors[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(values[0, 0], gains.mean())


def test_the_error_of_antithetic_samples_is_that_of_pairs():
    # Each pair is exact, whereas its halves are not: errors of halves would not be 0.
    forward, x = (lambda x: x[:, 0] * x[:, 1]), torch.tensor([[2.0, 3.0]])
    values, errors = sampled(x, forward, n_samples=8, sampling="antithetic")
    assert values.tolist() == [[3.0, 3.0]]
    assert errors.tolist() == [[0.0, 0.0]]


def test_exact_methods_have_no_error():
    exact = {
        attr.FeatureAblation: {},
        attr.KernelShap: {"n_samples": 2**N},
        attr.Shapley: {"budget": 2**N},
        attr.ShapleyValues: {},
    }
    for method, options in exact.items():
        _, errors = method(mlp()).attribute(
            TABULAR, return_standard_error=True, **options
        )
        assert not bool(errors.any())


@pytest.mark.parametrize("count", [2, 4, 6])
def test_too_few_pairs_say_nothing_about_the_error(count):
    for method, name in ((attr.KernelShap, "n_samples"), (attr.Shapley, "budget")):
        values, errors = method(mlp()).attribute(
            TABULAR, return_standard_error=True, **{name: count}
        )
        assert bool(errors.isnan().all())
        assert not bool(values.isnan().any())


RULES = {
    "error": StandardErrorBelow(0.01),
    "relative": RelativeErrorBelow(0.05),
    "rank": RankStable(0.9, n_checks=2),
    "both": StandardErrorBelow(0.01) & MaxEvaluations(10**6),
    "either": StandardErrorBelow(0.01) | MaxEvaluations(300),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("sampling", ["permutation", "antithetic", "orthogonal"])
def test_stopping_does_not_depend_on_the_batches(rule, sampling):
    counts, answers = set(), []
    for perturbations_per_eval in (1, 3, None):
        forward = Recorder(mlp())
        answers.append(
            attr.ShapleyValueSampling(forward).attribute(
                TABULAR,
                n_samples=300,
                perturbations_per_eval=perturbations_per_eval,
                sampling=sampling,
                stopping=rule,
                generator=seeded(),
            )
        )
        counts.add(forward.n_rows)
    assert len(counts) == 1
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("tolerance", [0.005, 0.01, 0.02])
@pytest.mark.parametrize("sampling", ["permutation", "antithetic"])
def test_the_tolerance_is_met_at_little_more_than_what_is_needed(tolerance, sampling):
    forward = Recorder(mlp())
    options = {"sampling": sampling, "n_samples": 4000}
    _, errors = sampled(
        forward=forward,
        stopping=StandardErrorBelow(tolerance),
        generator=seeded(),
        **options,
    )
    assert float(errors.max()) <= tolerance
    used = (forward.n_rows // B - 2) // (N - 1)
    step = 2 if sampling == "antithetic" else 1
    needed = next(
        n_samples
        for n_samples in range(2 * step, used + step, step)
        if float(
            sampled(sampling=sampling, n_samples=n_samples, generator=seeded())[1].max()
        )
        <= tolerance
    )
    assert used <= 1.5 * needed


def test_the_number_of_samples_is_the_maximum():
    forward = Recorder(mlp())
    _, errors = sampled(forward=forward, n_samples=6, stopping=StandardErrorBelow(1e-9))
    assert forward.n_rows == B * (6 * (N - 1) + 2)
    assert float(errors.max()) > 1e-9


@pytest.mark.parametrize(
    ("sampling", "limit", "used"),
    [
        ("permutation", 6, 6),
        ("permutation", 7, 6),
        ("permutation", 101, 98),
        ("antithetic", 10, 10),
        ("antithetic", 101, 98),
        ("orthogonal", 101, 98),
    ],
)
def test_the_most_evaluations_are_never_exceeded(sampling, limit, used):
    options = {"sampling": sampling, "stopping": MaxEvaluations(limit)}
    assert rows(attr.ShapleyValueSampling, n_samples=1000, **options) == B * used


def test_an_additive_model_stops_at_the_first_check():
    forward = Recorder(lambda x: x.sum(1))
    attr.ShapleyValueSampling(forward).attribute(
        TABULAR, n_samples=1000, stopping=StandardErrorBelow(1e-4)
    )
    assert forward.n_rows == B * (2 * (N - 1) + 2)


FORWARDS_OF_ONE_VARIANT = {
    "a number for one example": (lambda x: x.prod(1).sum().reshape(1), 1),
    "as many numbers as examples": (lambda x: x.cumprod(1).sum(0)[:2], 2),
}


@pytest.mark.parametrize(
    ("forward", "n_examples"),
    FORWARDS_OF_ONE_VARIANT.values(),
    ids=FORWARDS_OF_ONE_VARIANT,
)
@pytest.mark.parametrize("budget", [2, 3, 4, 5, 6, 7, 20, 40])
def test_a_trial_of_two_variants_is_within_the_budget(forward, n_examples, budget):
    recorder = Recorder(forward)
    x = torch.rand(n_examples, 10, generator=torch.Generator().manual_seed(0))
    attr.Shapley(recorder).attribute(x, budget=budget)
    assert sum(recorder.sizes) <= budget * n_examples


def test_rules_judge_the_mean_over_baselines_that_the_caller_gets():
    baselines = attr.BaselineDistribution(
        torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    )
    forward = Recorder(mlp())
    _, errors = sampled(
        forward=forward,
        baselines=baselines,
        n_samples=10_000,
        sampling="antithetic",
        stopping=StandardErrorBelow(0.2),
    )
    assert float(errors.max()) <= 0.2
    assert sum(forward.sizes) < B * 30 * 100  # each sample alone would take more
