"""The same seed gives captum 0.9's numbers, and leaves its random state."""

from __future__ import annotations

import captum.attr as captum
import pytest
import torch

from tests.attr.cases import (
    CASES,
    IMAGES,
    PAIR,
    TABULAR,
    Case,
    convolution,
    mlp,
    normal,
    product_of_two,
    seeded,
    segments,
)
from torchattr import attr

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:Feature mask is missing:UserWarning"),
]
by_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
# In test_batches.py answers do not depend on it: captum need not be asked for more.
by_batch = pytest.mark.parametrize("perturbations_per_eval", [3, None])


def answer(method, case, **arguments):
    """The attributions as a tuple, and what the global generator gives next."""
    torch.manual_seed(11)
    attributions = method(case.forward).attribute(
        case.inputs, **case.arguments, **arguments
    )
    assert isinstance(attributions, tuple) == isinstance(case.inputs, tuple)
    parts = attributions if isinstance(attributions, tuple) else (attributions,)
    return parts, torch.rand(3)


def compare(ours, theirs, *, same_random_state=True):
    for own, other in zip(ours[0], theirs[0], strict=True):
        own = own.reshape(other.shape)  # captum's ablation flattens several outputs
        torch.testing.assert_close(own.to(other.dtype), other, atol=1e-5, rtol=0)
    if same_random_state:
        assert torch.equal(ours[1], theirs[1])


@by_case
@by_batch
def test_shapley_value_sampling(case, perturbations_per_eval):
    options = {"perturbations_per_eval": perturbations_per_eval, "n_samples": 4}
    ours = answer(attr.ShapleyValueSampling, case, **options)
    theirs = answer(captum.ShapleyValueSampling, case, n_samples=4)
    compare(ours, theirs)
    # captum's sampling has one shape for outputs, which is ours
    assert [x.shape for x in ours[0]] == [x.shape for x in theirs[0]]


@by_batch
def test_shapley_value_sampling_of_49_segments(perturbations_per_eval):
    image, mask = normal(1, 3, 28, 28), segments(28, 4)
    pooled = torch.nn.AvgPool2d(7)
    case = Case(
        lambda x: pooled(x).flatten(1).tanh().cumprod(1), image, {"feature_mask": mask}
    )
    options = {"perturbations_per_eval": perturbations_per_eval, "n_samples": 2}
    compare(
        answer(attr.ShapleyValueSampling, case, target=3, **options),
        answer(captum.ShapleyValueSampling, case, target=3, n_samples=2),
    )


@by_case
def test_exact_shapley_values(case):
    theirs = answer(captum.ShapleyValues, case)
    for perturbations_per_eval in (1, 3, None):
        ours = answer(
            attr.ShapleyValues, case, perturbations_per_eval=perturbations_per_eval
        )
        compare(ours, theirs)
    count = 2**case.n_players
    for method, name in ((attr.KernelShap, "n_samples"), (attr.Shapley, "budget")):
        compare(answer(method, case, **{name: count}), theirs)


def test_shapley_values_of_six_features():
    case = Case(mlp(6, 2), normal(1, 6), {"target": 1})
    theirs = answer(captum.ShapleyValues, case, perturbations_per_eval=6)
    compare(answer(attr.ShapleyValues, case), theirs)


@by_case
@by_batch
def test_feature_ablation(case, perturbations_per_eval):
    ours = answer(
        attr.FeatureAblation, case, perturbations_per_eval=perturbations_per_eval
    )
    compare(ours, answer(captum.FeatureAblation, case))


WINDOWS = {
    "a sequence, strides that do not divide": Case(
        mlp(), TABULAR, {"target": 1, "sliding_window_shapes": (3,), "strides": (2,)}
    ),
    "the default strides": Case(
        mlp(), TABULAR, {"target": 1, "sliding_window_shapes": (2,)}
    ),
    "one stride for all dimensions": Case(
        convolution(),
        IMAGES,
        {"target": 0, "sliding_window_shapes": (3, 4, 4), "strides": 3},
    ),
    "one stride in a tuple": Case(
        convolution(),
        IMAGES,
        {"target": 0, "sliding_window_shapes": (3, 4, 4), "strides": (3,)},
    ),
    "images, strides that do not divide": Case(
        convolution(),
        IMAGES,
        {
            "target": [0, 2],
            "sliding_window_shapes": (2, 3, 5),
            "strides": (1, 2, 3),
            "baselines": 0.3,
        },
    ),
    "a window of everything": Case(
        mlp(), TABULAR, {"target": 1, "sliding_window_shapes": (5,), "strides": (9,)}
    ),
    "several inputs": Case(
        product_of_two,
        PAIR,
        {"sliding_window_shapes": ((2,), (1,)), "strides": ((2,), (1,))},
    ),
    "several outputs": Case(
        mlp(), TABULAR, {"sliding_window_shapes": (2,), "strides": (1,)}
    ),
    "a number for the batch": Case(
        lambda x: mlp()(x).sum(), TABULAR, {"sliding_window_shapes": (2,)}
    ),
    "integers": Case(
        lambda x: x.prod(1),
        torch.tensor([[1, 2, 3, 4], [2, 2, 1, 3]]),
        {"sliding_window_shapes": (3,), "baselines": 1},
    ),
}


@pytest.mark.parametrize("case", WINDOWS.values(), ids=WINDOWS)
@by_batch
def test_occlusion(case, perturbations_per_eval):
    ours = answer(attr.Occlusion, case, perturbations_per_eval=perturbations_per_eval)
    compare(ours, answer(captum.Occlusion, case))


def loss(x, y):
    return torch.nn.functional.cross_entropy(mlp()(x), y)


SHUFFLED = {
    name: Case(
        case.forward,
        case.inputs,
        {key: part for key, part in case.arguments.items() if key != "baselines"},
    )
    for name, case in CASES.items()
    if name
    not in {"one example", "groups that span two tensors", "a mask for each example"}
} | {
    "a loss": Case(
        loss, TABULAR, {"additional_forward_args": torch.tensor([0, 2, 1, 1])}
    ),
    "two rows, where half of the permutations are redrawn": Case(
        mlp(), TABULAR[:2], {"target": 1}
    ),
    "a mask for each example": Case(
        mlp(),
        TABULAR,
        {
            "target": 1,
            "feature_mask": torch.tensor([[0, 0, 1, 1, 2], [2, 1, 0, 0, 0]]).repeat(
                2, 1
            ),
        },
    ),
    "ids that do not come in order": Case(
        product_of_two,
        PAIR,
        {"feature_mask": (torch.tensor([[4, 2, 4]]), torch.tensor([[3, 0]]))},
    ),
}


@pytest.mark.parametrize("case", SHUFFLED.values(), ids=SHUFFLED)
@by_batch
def test_feature_permutation(case, perturbations_per_eval):
    ours = answer(
        attr.FeaturePermutation, case, perturbations_per_eval=perturbations_per_eval
    )
    compare(ours, answer(captum.FeaturePermutation, case))


def test_feature_permutation_by_a_function():
    def shifted(x, feature_mask):
        return torch.where(feature_mask, x.roll(1, 0), x)

    for case in SHUFFLED.values():
        ours = answer(lambda f: attr.FeaturePermutation(f, shifted), case)
        theirs = answer(lambda f: captum.FeaturePermutation(f, shifted), case)
        compare(ours, theirs)


ONE = {
    name: Case(case.forward, case.inputs[:1], case.arguments)
    for name, case in CASES.items()
    if name in {"tabular", "one example", "image with segments", "tokens"}
} | {
    name: CASES[name]
    for name in ("a number for the batch", "a Python number for the batch")
}


@pytest.mark.parametrize("case", ONE.values(), ids=ONE)
@pytest.mark.parametrize("return_input_shape", [True, False])
def test_lime_of_one_example(case, return_input_shape):
    options = {"n_samples": 40, "return_input_shape": return_input_shape}
    theirs = answer(captum.Lime, case, **options)
    # Captum's surrogate draws, and overwrites, weights of its own.
    compare(answer(attr.Lime, case, **options), theirs, same_random_state=False)


def thirds(original, num_interp_features, **kwargs):
    """Samples that do not depend on the state of a generator."""
    generator = seeded(5)
    while True:
        sample = torch.rand(1, num_interp_features, generator=generator)
        yield (sample < 1 / 3).long()


def test_lime_with_functions_of_ones_own():
    case = Case(mlp(), TABULAR, {"target": [0, 2, 1, 1], "n_samples": 30})
    similarity = attr.get_exp_kernel_similarity_function("euclidean", 2.0)
    ours = answer(lambda f: attr.Lime(f, None, similarity, thirds), case)
    with pytest.warns(UserWarning, match="multiple inputs"):
        theirs = answer(lambda f: captum.Lime(f, None, similarity, thirds), case)
    compare(ours, theirs, same_random_state=False)


def test_captums_gaps_are_warned_of_there_and_consume_the_stream_here():
    case = CASES["a mask with gaps"]
    with pytest.warns(UserWarning, match="missing some integers"):
        theirs = answer(captum.ShapleyValueSampling, case, n_samples=3)
    compare(answer(attr.ShapleyValueSampling, case, n_samples=3), theirs)
