"""LIME: weighted least squares where the penalty is small, captum's with functions."""

from __future__ import annotations

import captum.attr as captum
import pytest
import torch
from captum._utils.models.linear_model import SkLearnLasso
from captum.attr._core import lime as captum_lime

from tests.attr.cases import TABULAR, Recorder, mlp, normal, seeded
from torchattr import attr
from torchattr.errors import InputError

NO_PENALTY = 1e-9


def by_hand(forward, x, baselines, n_samples, seed):
    """Weighted least squares on the same coins, in float64."""
    coins = torch.bernoulli(
        torch.full((n_samples, x.shape[1]), 0.5), generator=seeded(seed)
    )
    coefficients = []
    for row in x:
        variants = torch.where(coins.bool(), row, baselines)
        cosine = torch.cosine_similarity(variants.double(), row.double()[None])
        root = torch.exp(-((1 - cosine) ** 2) / 4)[:, None]
        design = torch.cat([coins.double(), torch.ones(n_samples, 1)], 1)
        outputs = forward(variants).double()
        solved = torch.linalg.lstsq(design * root, outputs * root).solution
        coefficients.append(solved[:-1].T)
    return torch.stack(coefficients)


@pytest.mark.parametrize("baselines", [0.0, 0.7])
def test_the_surrogate_is_a_weighted_regression(baselines):
    lime = attr.Lime(mlp(), attr.Lasso(NO_PENALTY))
    found = lime.attribute(TABULAR, baselines, n_samples=60, generator=seeded(1))
    baseline = torch.full((5,), baselines)
    expected = by_hand(mlp(), TABULAR, baseline, 60, seed=1)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-3)


def test_additive_models_are_exact_whatever_the_weights():
    lime = attr.Lime(lambda x: x @ torch.arange(1.0, 6), attr.Lasso(NO_PENALTY))
    values = lime.attribute(TABULAR, n_samples=40, generator=seeded())
    expected = TABULAR * torch.arange(1.0, 6)
    torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-3)


def test_examples_and_outputs_share_one_evaluation_of_the_samples():
    forward = Recorder(mlp())
    attr.Lime(forward).attribute(TABULAR, n_samples=30)
    assert forward.n_rows == 4 * 30


def test_the_jackknife_is_that_of_tenths():
    options = {"n_samples": 40, "generator": seeded(2), "return_standard_error": True}
    lime = attr.Lime(mlp(), attr.Lasso(1e-4))
    values, errors = lime.attribute(TABULAR[:1], target=1, **options)
    coins = torch.bernoulli(torch.full((40, 5), 0.5), generator=seeded(2))
    deletions = []
    for group in range(10):
        kept = coins[torch.arange(40) % 10 != group]

        def replay(original, kept=kept, **kwargs):
            yield from kept[:, None]

        alone = attr.Lime(mlp(), attr.Lasso(1e-4), perturb_func=replay)
        deletions.append(alone.attribute(TABULAR[:1], target=1, n_samples=36))
    scatter = torch.stack(deletions).var(0, correction=0) * 9
    torch.testing.assert_close(errors, scatter.sqrt(), atol=1e-6, rtol=1e-4)
    assert values.shape == errors.shape


@pytest.mark.parametrize("n_samples", [1, 2, 5])
def test_few_samples(n_samples):
    values, errors = attr.Lime(mlp()).attribute(
        TABULAR, n_samples=n_samples, return_standard_error=True
    )
    assert not bool(values.isnan().any())
    assert bool(errors.isnan().all()) == (n_samples == 1)


def test_a_generator_of_too_few_samples_is_warned_of():
    def two(original, num_interp_features, **kwargs):
        yield torch.ones(1, num_interp_features)
        yield torch.zeros(1, num_interp_features)

    with pytest.warns(UserWarning, match="completed prior to given n_samples"):
        attr.Lime(mlp(), perturb_func=two).attribute(TABULAR[:1], n_samples=9)


def test_no_sample_at_all():
    def none(original, **kwargs):
        yield from ()

    with pytest.raises(InputError, match="perturb_func must yield at least one"):
        attr.Lime(mlp(), perturb_func=none).attribute(TABULAR[:1])


def test_what_functions_of_ones_own_are_told():
    told = []

    def similarity(original, perturbed, sample, **kwargs):
        told.append((original.shape, perturbed.shape, sample.shape, kwargs))
        return 1.0

    mask = torch.tensor([[0, 0, 1, 1, 2]])
    attr.Lime(mlp(), None, similarity).attribute(
        TABULAR, 2, feature_mask=mask, n_samples=3
    )
    assert len(told) == 4 * 3
    for original, perturbed, sample, kwargs in told:
        assert (original, perturbed, sample) == ((1, 5), (1, 5), (1, 3))
        assert kwargs["baselines"] == 2
        assert torch.equal(kwargs["feature_mask"], mask)
        assert kwargs["num_interp_features"] == 3


def test_similarities_are_captums():
    pairs = [(normal(1, 5), normal(1, 5, seed=1)), (normal(1, 5), torch.zeros(1, 5))]
    pairs.append(((normal(1, 2), normal(1, 3)), (normal(1, 2, seed=1), normal(1, 3))))
    for mode in ("cosine", "euclidean"):
        for width in (0.5, 2.0):
            ours = attr.get_exp_kernel_similarity_function(mode, width)
            theirs = captum_lime.get_exp_kernel_similarity_function(mode, width)
            for one, other in pairs:
                expected = theirs(one, other, None)
                assert ours(one, other, None) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match="distance_mode"):
        attr.get_exp_kernel_similarity_function("manhattan")


# LimeBase


def lime_base(library, forward, *, interpretable, model=None):
    def samples(original, **kwargs):
        generator = seeded(7)
        while True:
            coins = torch.rand(1, 5, generator=generator) < 0.5
            yield coins.float() if interpretable else original * coins

    return library.LimeBase(
        forward,
        model or attr.Lasso(1e-4),
        lambda original, perturbed, sample, **kwargs: 1 / (1 + float(sample.sum())),
        samples,
        interpretable,
        (lambda sample, original, **kwargs: sample * original),
        (lambda sample, original, **kwargs: (sample != 0).float()),
    )


@pytest.mark.peer
@pytest.mark.parametrize("interpretable", [True, False])
@pytest.mark.parametrize("perturbations_per_eval", [1, 4, None])
def test_lime_base_is_captums(interpretable, perturbations_per_eval):
    ours = lime_base(attr, mlp(), interpretable=interpretable).attribute(
        TABULAR[:1],
        target=1,
        n_samples=40,
        perturbations_per_eval=perturbations_per_eval,
    )
    theirs = lime_base(captum, mlp(), interpretable=interpretable).attribute(
        TABULAR[:1], target=1, n_samples=40
    )
    torch.testing.assert_close(ours, theirs.reshape(ours.shape), atol=1e-5, rtol=1e-4)


@pytest.mark.peer
def test_captums_surrogates_fit():
    model = SkLearnLasso(alpha=1e-4)
    ours = lime_base(attr, mlp(), interpretable=True, model=model).attribute(
        TABULAR[:1], target=1
    )
    expected = lime_base(attr, mlp(), interpretable=True).attribute(
        TABULAR[:1], target=1
    )
    torch.testing.assert_close(ours.flatten(), expected, atol=1e-5, rtol=1e-4)


def test_lime_base_needs_one_number_for_each_sample():
    with pytest.raises(InputError, match="one output per perturbed input"):
        lime_base(attr, mlp(), interpretable=True).attribute(TABULAR[:1])


@pytest.mark.parametrize(("interpretable", "needed"), [(True, "from"), (False, "to")])
def test_lime_base_needs_the_transform_it_uses(interpretable, needed):
    with pytest.raises(
        InputError, match=f"{needed}_interp_rep_transform must be given"
    ):
        attr.LimeBase(mlp(), attr.Lasso(), None, None, interpretable, None, None)


def test_a_baseline_function_of_the_batch_is_asked_about_the_batch():
    def mean(x):
        return x.mean(0, keepdim=True)

    x = torch.tensor([[0.0, 4.0, 1.0], [4.0, 3.0, 5.0]])
    own = attr.Lime(
        lambda x: x.sum(1), attr.Lasso(1e-6), similarity_func=lambda *a, **k: 1.0
    )
    torch.manual_seed(0)
    found = own.attribute(x, mean, n_samples=60)
    torch.testing.assert_close(found, x - mean(x), atol=1e-3, rtol=1e-3)
