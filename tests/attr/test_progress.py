"""Progress bars: captum's label, a total in evaluations, and nothing if not asked."""

from __future__ import annotations

import pytest
import tqdm.auto

from tests.attr.cases import TABULAR, mlp, normal
from torchattr import attr
from torchattr.estimation.stopping import StandardErrorBelow

N = 5
COUNTED = {
    "FeatureAblation": (attr.FeatureAblation, {}, "Feature Ablation", N + 1),
    "FeaturePermutation": (attr.FeaturePermutation, {}, "Feature Permutation", N + 1),
    "FeaturePermutation, repeated": (
        attr.FeaturePermutation,
        {"n_samples": 3},
        "Feature Permutation",
        N + 1,
    ),
    "KernelShap": (attr.KernelShap, {"n_samples": 20}, "Kernel Shap", 20),
    "KernelShap, an odd number": (attr.KernelShap, {}, "Kernel Shap", 24),
    "KernelShap, exact": (attr.KernelShap, {"n_samples": 99}, "Kernel Shap", 2**N),
    "Lime": (attr.Lime, {"n_samples": 9}, "Lime", 9),
    "Shapley": (attr.Shapley, {"budget": 20}, "Shapley", 20),
    "Shapley, an odd number": (attr.Shapley, {"budget": 25}, "Shapley", 24),
    "Shapley, exact": (attr.Shapley, {"budget": 33}, "Shapley", 2**N),
    "Lime with functions": (
        lambda f: attr.Lime(f, None, lambda *a, **k: 1.0),
        {"n_samples": 9},
        "Lime",
        1 + 4 * 9,
    ),
    "Occlusion": (
        attr.Occlusion,
        {"sliding_window_shapes": (2,)},
        "Occlusion",
        N,
    ),
    "ShapleyValues": (attr.ShapleyValues, {}, "Shapley Values", 2**N),
    "ShapleyValueSampling": (
        attr.ShapleyValueSampling,
        {"n_samples": 3},
        "Shapley Value Sampling",
        3 * (N - 1) + 2,
    ),
    "antithetic": (
        attr.ShapleyValueSampling,
        {"n_samples": 3, "sampling": "antithetic"},
        "Shapley Value Sampling",
        4 * (N - 1) + 2,
    ),
    "orthogonal": (
        attr.ShapleyValueSampling,
        {"n_samples": 3, "sampling": "orthogonal"},
        "Shapley Value Sampling",
        8 * (N - 1) + 2,
    ),
}


@pytest.fixture
def bars(monkeypatch):
    """Every bar that was shown, as ``[label, total, done, closed]``."""
    shown = []

    class Bar:
        def __init__(self, total, desc):
            self.record = [desc, total, 0, False]
            shown.append(self.record)

        def update(self, n):
            self.record[2] += n

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.record[3] = True

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    return shown


@pytest.mark.parametrize(
    ("method", "options", "name", "total"), COUNTED.values(), ids=COUNTED
)
@pytest.mark.parametrize("perturbations_per_eval", [None, 1, 3])
def test_totals_are_reached(bars, method, options, name, total, perturbations_per_eval):
    method(mlp()).attribute(
        TABULAR,
        target=1,
        show_progress=True,
        perturbations_per_eval=perturbations_per_eval,
        **options,
    )
    assert bars == [[f"{name} attribution", total, total, True]]


@pytest.mark.parametrize(
    ("method", "options", "name", "total"), COUNTED.values(), ids=COUNTED
)
def test_no_bar_unless_asked_for(bars, method, options, name, total):
    method(mlp()).attribute(TABULAR, target=1, **options)
    assert bars == []


@pytest.mark.parametrize("samples", [1, 3])
def test_an_evaluation_is_a_coalition_whatever_the_baselines(bars, samples):
    attr.FeatureAblation(mlp()).attribute(
        TABULAR, attr.BaselineDistribution(normal(samples, N)), show_progress=True
    )
    assert bars == [["Feature Ablation attribution", N + 1, N + 1, True]]


def test_windows_are_counted_and_not_elements(bars):
    attr.Occlusion(lambda x: x.sum((1, 2))).attribute(
        normal(2, 8, 8), (4, 4), (4, 4), show_progress=True
    )
    assert bars == [["Occlusion attribution", 5, 5, True]]


def test_a_run_that_stops_early_does_not_pretend(bars):
    attr.ShapleyValueSampling(lambda x: x.sum(1)).attribute(
        TABULAR, n_samples=100, stopping=StandardErrorBelow(1.0), show_progress=True
    )
    assert bars == [["Shapley Value Sampling attribution", 402, 10, True]]


def test_the_bar_is_closed_after_an_error(bars):
    def forward(x):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        attr.FeatureAblation(forward).attribute(TABULAR, show_progress=True)
    assert [closed for *_, closed in bars] == [True]


def test_a_real_bar_goes_to_standard_error(capsys):
    attr.FeatureAblation(mlp()).attribute(TABULAR, show_progress=True)
    captured = capsys.readouterr()
    assert "Feature Ablation attribution: 100%" in captured.err
    assert "6/6" in captured.err
    assert not captured.out
