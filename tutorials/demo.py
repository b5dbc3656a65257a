"""Explain two small networks, value the examples of a third: ``make demo``."""

# %% [markdown]
# # What made these predictions, and how sure are we?
#
# Two small networks are trained on data that scikit-learn bundles and then explained:
# a convolutional network that reads digits, and one that tells malignant from benign
# tumours by 30 measurements. Then the question is turned around: which training
# examples made a network, which of them have a wrong label, and which of them made one
# prediction? Run it with `make demo`. Pictures and tables are left in `demo_output/`;
# the claims made on the way are asserted.

# %%
from __future__ import annotations

import runpy
import time
from functools import partial
from pathlib import Path

import torch
from comparison import Explained, explain
from matplotlib.figure import Figure
from mislabelled_digits import mislabelled_digits
from scipy.stats import t
from sklearn.datasets import load_breast_cancer
from tables import markdown, save
from torch import nn
from trained_networks import breast_cancer_network, digits_network

from torchattr.attr import (
    FeatureAblation,
    KernelShap,
    Occlusion,
    Shapley,
    ShapleyValues,
    ShapleyValueSampling,
)
from torchattr.estimation.stopping import StandardErrorBelow
from torchattr.games import AblationGame
from torchattr.metrics import (
    RemovalCurve,
    faithfulness,
    mislabel_auroc,
    removal_curve,
)
from torchattr.valuation import DataShapley, RelativeTruncation, TorchLearner
from torchattr.visualization import (
    feature_bars,
    image_heatmap,
    rank_plot,
    removal_plot,
    value_histogram,
)

began = time.process_time()  # a busy machine is not what is measured
torch.set_num_threads(1)  # networks this small keep one core busy at most
output = Path(__file__).parent.parent / "demo_output"
output.mkdir(exist_ok=True)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# %% [markdown]
# ## Digits in 16 patches: every method against the truth
#
# A player is a patch of 2 x 2 pixels. A removed patch shows the mean training digit, so
# that missing ink counts as evidence too. Explained is the logit of the predicted class
# of four digits: three that the network is sure of, and the one it doubts most.
#
# With 16 players the exact Shapley values cost 65,536 evaluations, which is affordable
# once. The others make do with some hundred, or stop when all standard errors are
# small enough.

# %%
digits = digits_network()
logits = digits.network(digits.x_test)
best_two = logits.topk(2, dim=1).values
doubtful = (best_two[:, 0] - best_two[:, 1]).argmin()
sure = [(digits.y_test == label).nonzero()[0, 0] for label in (0, 3, 7)]
chosen = torch.stack([*sure, doubtful])

x = digits.x_test[chosen]
predicted = logits[chosen].argmax(1)
mean_digit = digits.x_train.mean(0, keepdim=True)
patches = torch.arange(16).reshape(4, 4).kron(torch.ones(2, 2, dtype=torch.long))
patch_names = [f"patch {row},{column}" for row in range(4) for column in range(4)]
task = {"baselines": mean_digit, "target": predicted}
grouped = {**task, "feature_mask": patches}


def per_patch(elements: torch.Tensor) -> torch.Tensor:
    return elements[:, 0, ::2, ::2].flatten(1)


def on_patches(label: str, method: type, **arguments: object) -> Explained:
    return explain(label, method, digits.network, x, per_patch, **arguments)


exact = on_patches("ShapleyValues (exact)", ShapleyValues, **grouped)
permutations = on_patches(
    "ShapleyValueSampling, 20 permutations",
    ShapleyValueSampling,
    n_samples=20,
    generator=seeded(),
    **grouped,
)
antithetic = on_patches(
    "ShapleyValueSampling, antithetic, until 0.1",
    ShapleyValueSampling,
    n_samples=2000,
    sampling="antithetic",
    stopping=StandardErrorBelow(0.1),
    generator=seeded(),
    **grouped,
)
budgeted = on_patches(
    "Shapley, budget 160", Shapley, budget=160, generator=seeded(), **grouped
)
kernel = on_patches(
    "KernelShap, 160 samples", KernelShap, n_samples=160, generator=seeded(), **grouped
)
ablation = on_patches("FeatureAblation", FeatureAblation, **grouped)
occlusion = on_patches(
    "Occlusion, 2 x 2 windows, stride 2",
    Occlusion,
    sliding_window_shapes=(1, 2, 2),
    strides=(1, 2, 2),
    **task,
)

# %% [markdown]
# The last column is a measure that needs no truth: if the values are right, and the
# model is not all interaction, a coalition is worth about the sum of its members.
# It is the correlation of that sum with the model on 1,000 fresh coalitions.

# %%
digit_methods = [
    exact, permutations, antithetic, budgeted, kernel, ablation, occlusion
]  # fmt: skip
digit_game = AblationGame(
    digits.network, x, mean_digit, target=predicted, players=patches
)


def rmse(explained: Explained, truth: Explained) -> float:
    return (explained.values - truth.values).square().mean().sqrt().item()


def row(
    explained: Explained, truth: Explained, game: AblationGame, names: list[str]
) -> dict[str, str]:
    top = [names[i] for i in explained.values[0].abs().topk(2).indices]
    described = faithfulness(game, explained.values, n_coalitions=1000)
    return {
        "method": explained.method,
        "evaluations": f"{explained.evaluations:,}",
        "seconds": f"{explained.seconds:.2f}",
        "largest standard error": f"{explained.errors.max():.3f}",
        "RMSE to Shapley values": f"{rmse(explained, truth):.3f}",
        "faithfulness": f"{described.mean():.3f}",
        "top features": "; ".join(top),
    }


digit_table = [row(e, exact, digit_game, patch_names) for e in digit_methods]
save(digit_table, output / "digits_methods")
print(f"Digits: {digits.accuracy:.1%} of the test set are read correctly.")
print("Logit of the predicted class, 4 digits, 16 patches; top features: of the 0.\n")
print(markdown(digit_table))

# %% [markdown]
# ## The same digits pixel by pixel
#
# With 64 players only sampling is left: here 12 antithetic pairs of permutations. A
# pixel is hatched where its 95% interval has both signs; more samples would tell.

# %%
n_pairs = 12
pixels, pixel_errors = ShapleyValueSampling(digits.network).attribute(
    x,
    n_samples=2 * n_pairs,
    sampling="antithetic",
    generator=seeded(),
    return_standard_error=True,
    **task,
)
windows = Occlusion(digits.network).attribute(x, (1, 3, 3), **task)

figure = Figure(figsize=(15, 13.5), layout="constrained")
figure.get_layout_engine().set(hspace=0.06)
grid = figure.subplots(len(x), 4)
for i, (digit, axes) in enumerate(zip(x, grid, strict=True)):
    probability = logits[chosen[i]].softmax(0)[predicted[i]]
    axes[0].imshow(digit[0], cmap="gray_r", vmin=0, vmax=1)
    axes[0].set(xticks=[], yticks=[], xlabel=f"P = {probability:.3f}")
    axes[0].set_title(f"a {digits.y_test[chosen[i]]}, read as {predicted[i]}")
    logit = f"change of the logit of {predicted[i]}"
    drawing = {"image": digit, "overlay": "outline", "label": logit}
    image_heatmap(
        pixels[i],
        standard_errors=pixel_errors[i],
        degrees_of_freedom=n_pairs - 1,
        title="Shapley values of pixels",
        axes=axes[1],
        **drawing,
    )
    image_heatmap(
        exact.values[i][patches],
        feature_mask=patches,
        title="Shapley values of patches (exact)",
        axes=axes[2],
        **drawing,
    )
    image_heatmap(windows[i], title="Occlusion by 3 x 3", axes=axes[3], **drawing)
figure.savefig(output / "digits.png", dpi=110)

# %% [markdown]
# ## One patient, 30 measurements
#
# Explained are the log odds of malignancy of the patient nearest to a clear but not
# extreme verdict; a removed measurement is that of an average patient. 2^30 evaluations
# are out of reach, so 20,000 permutations stand in for the truth.

# %%
cancer = breast_cancer_network()


def log_odds(measurements: torch.Tensor) -> torch.Tensor:
    benign, malignant = cancer.network(measurements).T
    return malignant - benign


test_odds = log_odds(cancer.x_test)
patient = cancer.x_test[(test_odds - 3).abs().argmin()][None]
names = [
    f"{name} ({deviations:+.1f} sd)"
    for name, deviations in zip(
        load_breast_cancer().feature_names, patient[0].tolist(), strict=True
    )
]


def on_patient(label: str, method: type, **arguments: object) -> Explained:
    return explain(label, method, log_odds, patient, **arguments)


reference = on_patient(
    "ShapleyValueSampling, 20,000 permutations",
    ShapleyValueSampling,
    n_samples=20_000,
    sampling="antithetic",
    generator=torch.Generator().manual_seed(1),
)
until = on_patient(
    "ShapleyValueSampling, antithetic, until 0.02",
    ShapleyValueSampling,
    n_samples=5000,
    sampling="antithetic",
    stopping=StandardErrorBelow(0.02),
    generator=seeded(),
)
patient_methods = [
    reference,
    until,
    on_patient("Shapley, budget 300", Shapley, budget=300, generator=seeded()),
    on_patient(
        "KernelShap, 300 samples", KernelShap, n_samples=300, generator=seeded()
    ),
    on_patient("FeatureAblation", FeatureAblation),
]
patient_game = AblationGame(log_odds, patient)
patient_table = [row(e, reference, patient_game, names) for e in patient_methods]
save(patient_table, output / "breast_cancer_methods")
print(f"\nBreast cancer: {cancer.accuracy:.1%} of the test set are told correctly.")
print(f"Log odds of malignancy of one patient, {log_odds(patient).item():+.2f}.\n")
print(markdown(patient_table))

# %%
until_pairs = (until.evaluations - 2) // (2 * (len(names) - 1))
feature_table = [
    {
        "feature": names[i],
        "Shapley value": f"{until.values[0, i]:+.3f}",
        "standard error": f"{until.errors[0, i]:.3f}",
        "reference": f"{reference.values[0, i]:+.3f}",
        "ablation": f"{patient_methods[-1].values[0, i]:+.3f}",
    }
    for i in until.values[0].abs().argsort(descending=True)
]
save(feature_table, output / "breast_cancer_features")
print(f"\nThe ten largest of the 30, from {until.evaluations:,} evaluations:\n")
print(markdown(feature_table[:10]))

average = log_odds(torch.zeros_like(patient)).item()
feature_bars(
    until.values,
    names=names,
    standard_errors=until.errors,
    degrees_of_freedom=until_pairs - 1,
    top_k=12,
    title="Why this patient's log odds of malignancy\n"
    f"are {log_odds(patient).item():+.2f}, not {average:+.2f} as for mean measurements",
    label="change of the log odds",
).savefig(output / "breast_cancer.png", dpi=130)

# %% [markdown]
# ## Which training examples made the network
#
# Two hundred digits are labelled, twenty of them wrongly. What each is worth to a small
# convolutional network is its Shapley value in a game in which training examples are
# the players: what it adds to the accuracy on 500 test digits, averaged over the
# orders in which examples may arrive. Every coalition asks for a training from scratch;
# some hundred are done at once, with stacked weights. Once an order is two fifths
# through and has come within a tenth of the accuracy of all examples, the rest of it
# is skipped.

# %%
labelled = mislabelled_digits(200, share=0.1)
learner = TorchLearner(
    lambda: nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
    ),
    nn.CrossEntropyLoss(),
    partial(torch.optim.Adam, lr=0.05),
    epochs=10,
)
valuation_began = time.process_time()
worth, worth_errors = DataShapley(learner, test=labelled.test).attribute(
    (labelled.x, labelled.y),
    n_samples=64,
    truncation=RelativeTruncation(rtol=0.1, burn_in_fraction=0.4),
    generator=seeded(),
    return_standard_error=True,
)
valuation_seconds = time.process_time() - valuation_began

# %% [markdown]
# Flagged are the twenty lowest: as many as an inspector has time for.

# %%
n_flagged = 20
flagged = worth.argsort()[:n_flagged]
hits = int(labelled.flipped[flagged].sum())
auroc = mislabel_auroc(worth, labelled.flipped)
flag_table = [
    {
        "digit": f"{i}",
        "given label": f"{labelled.y[i]}",
        "value": f"{worth[i]:+.4f} ± {1.96 * worth_errors[i]:.4f}",
        "wrong": f"yes, a {labelled.truth[i]}" if labelled.flipped[i] else "no",
    }
    for i in flagged.tolist()
]
save(flag_table, output / "digits_flagged")
print(f"\nData Shapley of 200 digits, {valuation_seconds:.0f} s of processor time.")
print(
    f"The {n_flagged} lowest, {hits} of which have a wrong label; AUROC {auroc:.3f}.\n"
)
print(markdown(flag_table))

rank_plot(
    worth,
    standard_errors=worth_errors,
    names=[f"{i}: “{y}”" for i, y in enumerate(labelled.y.tolist())],
    images=labelled.x,
    marked=labelled.flipped,
    marked_label="wrong label",
    title="What 200 training digits are worth to a network, with their given labels",
    label="Shapley value (accuracy)",
).savefig(output / "digits_values.png", dpi=110)

# %% [markdown]
# Does the ranking hold? The network is trained again without the lowest, without the
# highest, and without as many at random (the mean of ten orders), and scored on digits
# that the values have not seen. It withstands a tenth of wrong labels, so that throwing
# the lowest out gains little; but it can lose many of them, and few of the highest.

# %%
shares = torch.arange(13) / 20


def removed(values: torch.Tensor, first: str = "lowest") -> RemovalCurve:
    data = (labelled.x, labelled.y)
    return removal_curve(
        learner, values, data=data, test=labelled.fresh, first=first, fractions=shares
    )


at_random = [removed(order) for order in torch.rand(10, 200, generator=seeded())]
curves = {
    "lowest first": removed(worth),
    "at random": RemovalCurve(
        at_random[0].fractions, torch.stack([c.scores for c in at_random]).mean(0)
    ),
    "highest first": removed(worth, first="highest"),
}
figure = Figure(figsize=(11, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
value_histogram(
    worth,
    marked=labelled.flipped,
    marked_label="wrong label",
    label="Shapley value (accuracy)",
    axes=left,
)
removal_plot(curves, label="accuracy on fresh digits", axes=right)
figure.savefig(output / "digits_removal.png", dpi=110)

# %% [markdown]
# ## Which training examples made one prediction
#
# Values of examples took thousands of trainings. Influence functions need one, and
# speak of a single prediction: which digits misled a network that misreads another? It
# is a tutorial of its own, `misread_digit.py`, with claims of its own.

# %%
runpy.run_path(str(Path(__file__).with_name("misread_digit.py")))

# %% [markdown]
# ## What was claimed
#
# What would break it: a baseline that no data resemble (a black square in a medical
# scan) makes every number here an answer to another question, with the same small
# standard errors. They measure the sampling, not the question.


# %%
def coverage(explained: Explained, degrees_of_freedom: int) -> float:
    quantile = t.ppf(0.975, degrees_of_freedom)
    misses = (explained.values - exact.values).abs() > quantile * explained.errors
    return 1 - misses.float().mean().item()


assert min(digits.accuracy, cancer.accuracy) > 0.9

# Shapley values share out the whole change, f(x) - f(baseline).
change = logits[chosen] - digits.network(mean_digit)
change = change.gather(1, predicted[:, None])[:, 0]
for explained in (exact, permutations, antithetic, budgeted, kernel):
    assert (explained.values.sum(1) - change).abs().max() < 1e-3, explained.method
assert (pixels.sum((1, 2, 3)) - change).abs().max() < 1e-3

# The intervals cover the truth about as often as they say.
assert coverage(permutations, degrees_of_freedom=19) > 0.85

# A stopping rule stops in time, and a budget is kept.
assert antithetic.errors.max() <= 0.1
assert until.errors.max() <= 0.02
assert budgeted.evaluations <= 160

# With half the evaluations of 20 permutations, a budget buys more accuracy.
assert budgeted.evaluations < 0.6 * permutations.evaluations
assert rmse(budgeted, exact) < rmse(permutations, exact)

# Shapley values describe the game better than one-at-a-time removal, which windows
# that do not overlap repeat exactly.
for game, good, plain in (
    (digit_game, exact, ablation),
    (patient_game, reference, patient_methods[-1]),
):
    assert (faithfulness(game, good.values) > faithfulness(game, plain.values)).all()
torch.testing.assert_close(occlusion.values, ablation.values)

# Wrong labels have low values, and the network misses the highest most.
assert auroc > 0.8
assert hits >= n_flagged / 2
areas = {name: curve.area.item() for name, curve in curves.items()}
assert areas["highest first"] < areas["at random"] < areas["lowest first"] + 0.01
assert areas["highest first"] < areas["lowest first"] - 0.01

seconds = time.process_time() - began
assert valuation_seconds < 60
assert seconds < 120
print(
    f"\nAll claims hold, in {seconds:.0f} s of processor time. Pictures and tables: "
    f"{output}"
)
