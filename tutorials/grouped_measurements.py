"""Ten groups instead of thirty columns, and patients instead of an average baseline."""

# %% [markdown]
# # Exact values for groups, against a distribution of baselines
#
# The breast cancer data hold each of ten measurements three times: its mean, its
# standard error and its worst value over the cells of an image. Asking what the "mean
# radius" is worth when the "worst radius" stays is rarely the question. With a feature
# mask the three are one player, and ten players have exact Shapley values for
# 2^10 = 1,024 evaluations.

# %%
from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_breast_cancer
from trained_networks import breast_cancer_network

from torchattr.attr import BaselineDistribution, ShapleyValues
from torchattr.visualization import feature_bars

torch.set_num_threads(1)  # networks this small keep one core busy at most
output = Path(__file__).parent.parent / "demo_output"
output.mkdir(exist_ok=True)

cancer = breast_cancer_network()
measurements = [
    name.removeprefix("mean ") for name in load_breast_cancer().feature_names[:10]
]
groups = torch.arange(10).repeat(3)[None]  # ten means, ten errors, ten worst values


def log_odds(x: torch.Tensor) -> torch.Tensor:
    benign, malignant = cancer.network(x).T
    return malignant - benign


patient = cancer.x_test[log_odds(cancer.x_test).sub(3).abs().argmin()][None]

# %% [markdown]
# An average patient has measurements that no patient has together. A
# `BaselineDistribution` replaces removed groups by those of real patients, here 200 of
# the training set, and averages. The values are exact for these 200; the standard error
# says how much another 200 would change them.

# %%
patients = cancer.x_train[:200]
values, errors = ShapleyValues(log_odds).attribute(
    patient,
    baselines=BaselineDistribution(patients),
    feature_mask=groups,
    return_standard_error=True,
)
feature_bars(
    values[:, :10],  # every column of a group holds the group's value
    names=measurements,
    standard_errors=errors[:, :10],
    degrees_of_freedom=len(patients) - 1,
    title="One patient's log odds of malignancy, against 200 others",
    label="change of the log odds",
).savefig(output / "grouped_measurements.png", dpi=130)

for i in values[0, :10].abs().argsort(descending=True):
    print(f"{measurements[i]:18} {values[0, i]:+.3f} +- {errors[0, i]:.3f}")

# %% [markdown]
# ## What was claimed
#
# What would break it: groups that follow the model's weaknesses instead of the reader's
# question. The values of other groups are answers to other questions, each exact.

# %%
assert values.shape == patient.shape
assert torch.equal(values[:, :10], values[:, 20:])

# The ten values share out the distance to the mean output over the 200 patients.
distance = log_odds(patient) - log_odds(patients).mean()
torch.testing.assert_close(values[:, :10].sum(1), distance, atol=1e-3, rtol=0)

# Two halves of the patients differ by no more than the standard errors say: of the
# difference it is twice that of the whole, and four of those are a wide margin.
halves = [
    ShapleyValues(log_odds).attribute(
        patient, baselines=BaselineDistribution(half), feature_mask=groups
    )
    for half in patients.split(100)
]
gap = (halves[0] - halves[1])[:, :10].abs()
assert (gap < 4 * 2 * errors[:, :10]).all()
