"""pyDVL's documented examples, with only their imports changed."""

# %% [markdown]
# # Code written for pyDVL
#
# Every part below is an example of pyDVL's documentation with `pydvl` replaced by
# `torchattr` in its imports, smaller numbers so that it takes seconds, and data that
# scikit-learn bundles in place of downloads.

# %%
from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch
from joblib import parallel_config
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn

from torchattr.metrics import mislabel_auroc
from torchattr.valuation import (
    DataOOBValuation,
    Dataset,
    DataUtilityLearning,
    ExactLeastCoreValuation,
    GroupedDataset,
    HistoryDeviation,
    IndicatorUtilityModel,
    KNNShapleyValuation,
    MaxUpdates,
    MinUpdates,
    ModelUtility,
    MonteCarloLeastCoreValuation,
    MSRBanzhafValuation,
    PermutationSampler,
    RelativeTruncation,
    Sample,
    ShapleyMode,
    ShapleyValuation,
    SkorchSupervisedScorer,
    SupervisedScorer,
    TMCShapleyValuation,
    TorchLearner,
    UniformSampler,
    combinatorial_exact_shapley,
    compute_shapley_values,
    permutation_montecarlo_shapley,
)

torch.set_num_threads(1)  # two workers keep two cores busy


def everything(utility: ModelUtility, data: Dataset) -> float:
    """What all examples are worth, beyond none."""
    bound = utility.with_dataset(data)
    return bound(Sample(None, data.indices)) - bound(None)


# %% [markdown]
# ## The README: iris and a support vector machine
#
# Fifteen flowers, valued by uniform sampling in two processes. The sum of the values
# estimates what all flowers are worth.

# %%
seed = 42
model = SVC(kernel="linear", random_state=seed)

train, val = Dataset.from_sklearn(load_iris(), train_size=0.1, random_state=24)
scorer = SupervisedScorer(model, val, default=0.0)
utility = ModelUtility(model, scorer, show_warnings=False)
sampler = UniformSampler(batch_size=2**6, seed=seed)
stopping = MinUpdates(200)
valuation = ShapleyValuation(utility, sampler, stopping, progress=False)

with parallel_config(n_jobs=2):
    valuation.fit(train)

result = valuation.result
df = result.to_dataframe(column="shapley")
print(f"iris: {len(df)} values from {result.counts.min()} updates each")

assert result.counts.min() >= 200
# Samples of different flowers are independent, and so are the errors of their values.
error = np.sqrt((result.stderr**2).sum())
assert abs(result.values.sum() - everything(utility, train)) < 5 * error

# %% [markdown]
# With permutations the sum is right exactly, for any number of them.

# %%
valuation = ShapleyValuation(utility, PermutationSampler(seed=seed), MinUpdates(3))
with parallel_config(n_jobs=2):
    result = valuation.fit(train).result
np.testing.assert_allclose(result.values.sum(), everything(utility, train), atol=1e-10)

# %% [markdown]
# ## The skorch notebook: a torch model
#
# Twenty digits and a convolutional network, wrapped for scikit-learn. It works, through
# joblib; but skorch trains one model at a time. The same network in a `TorchLearner`
# takes its place in the utility, and trains the models of all permutations at once.


# %%
class SimpleCNN(nn.Module):
    """One convolution and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the ten digits."""
        return self.layers(x)


digits = load_digits()
images = torch.tensor(digits.images[:220, None] / 16, dtype=torch.float32)
targets = torch.tensor(digits.target[:220])
train, test = Dataset.from_arrays(images, targets, train_size=20, random_state=seed)

skorch_model = NeuralNetClassifier(
    SimpleCNN,
    criterion=nn.CrossEntropyLoss,
    lr=0.01,
    max_epochs=10,
    batch_size=16,
    train_split=None,
    optimizer=torch.optim.Adam,
    verbose=False,
    torch_load_kwargs={"weights_only": False},
)
accuracy_over_test_set = SkorchSupervisedScorer(
    skorch_model, test_data=test, default=0.0, range=(0, 1)
)
utility = ModelUtility(model=skorch_model, scorer=accuracy_over_test_set)
valuation = TMCShapleyValuation(utility, is_done=MinUpdates(2), seed=seed)
began = time.perf_counter()
with parallel_config(n_jobs=2):
    valuation.fit(train)
slow = time.perf_counter() - began
assert valuation.result.counts.min() >= 2
assert np.isfinite(valuation.result.values).all()

learner = TorchLearner(
    SimpleCNN,
    nn.CrossEntropyLoss(),
    partial(torch.optim.Adam, lr=0.01),
    epochs=10,
    batch_size=16,
)
utility = ModelUtility(learner, SupervisedScorer("accuracy", test, default=0.0))
valuation = ShapleyValuation(utility, PermutationSampler(seed=seed), MinUpdates(50))
began = time.perf_counter()
result = valuation.fit(train).result
fast = time.perf_counter() - began
print(f"digits: 2 permutations by skorch {slow:.1f} s, 50 by TorchLearner {fast:.1f} s")
np.testing.assert_allclose(result.values.sum(), everything(utility, train), atol=1e-10)

# %% [markdown]
# ## Songs and artists: groups of examples
#
# The notebook on songs values artists, not songs. Here the patients of the diabetes
# data are grouped by age.

# %%
diabetes = load_diabetes(as_frame=True, scaled=False)
table, progression = diabetes.data[:200], diabetes.target[:200]
train = Dataset(
    table[:120],
    progression[:120],
    feature_names=table.columns,
    target_names=["progression"],
)
val = Dataset(table[120:], progression[120:])
decades = (table[:120]["age"] // 10).astype(int)
decade_to_gid = {decade: i for i, decade in enumerate(decades.unique())}
grouped = GroupedDataset.from_dataset(
    train,
    data_groups=[decade_to_gid[decade] for decade in decades],
    group_names=[f"age {decade}0 to {decade}9" for decade in decade_to_gid],
)
utility = ModelUtility(
    model=GradientBoostingRegressor(n_estimators=3, random_state=24),
    scorer=SupervisedScorer("neg_mean_absolute_error", test_data=val, default=-150.0),
    show_warnings=False,
)
valuation = ShapleyValuation(
    utility=utility,
    sampler=PermutationSampler(truncation=RelativeTruncation(rtol=0.01), seed=24),
    is_done=MinUpdates(20) & (HistoryDeviation(n_steps=10, rtol=0.05) | MaxUpdates(50)),
    progress=False,
)
with parallel_config(n_jobs=2):
    valuation.fit(grouped)
df = valuation.result.sort(key="value").to_dataframe(column="value", use_names=True)
print(df[["value", "value_stderr"]].round(2).to_string())
assert list(df.index) != list(grouped.names)
assert sorted(df.index) == sorted(grouped.names)
assert df["value"].is_monotonic_increasing

# %% [markdown]
# ## Nearest neighbours, out-of-bag, Banzhaf, least core
#
# Forty of 200 digits get another label.

# %%
x, y = digits.data[:600], digits.target[:600].copy()
flipped = np.arange(200) % 5 == 0
y[:200][flipped] = (y[:200][flipped] + 3) % 10
train, test = Dataset(x[:200], y[:200]), Dataset(x[200:], y[200:])

knn = KNNShapleyValuation(KNeighborsClassifier(n_neighbors=5), test, progress=False)
neighbours = knn.fit(train).result

forest = RandomForestClassifier(n_estimators=200, random_state=seed)
forest.fit(*train.data())
out_of_bag = DataOOBValuation(forest).fit(train).result
print(
    f"AUROC of wrong labels: neighbours {mislabel_auroc(neighbours, flipped):.3f}, "
    f"out of bag {mislabel_auroc(out_of_bag, flipped):.3f}"
)
assert mislabel_auroc(neighbours, flipped) > 0.9
assert mislabel_auroc(out_of_bag, flipped) > 0.85

# %%
few, val = Dataset.from_sklearn(load_iris(), train_size=6, random_state=seed)
utility = ModelUtility(
    LogisticRegression(),
    SupervisedScorer("accuracy", val, default=0.0, range=(0, 1)),
    show_warnings=False,
)
banzhaf = MSRBanzhafValuation(utility, MinUpdates(50), seed=seed).fit(few).result
assert banzhaf.counts.min() >= 50

exact = ExactLeastCoreValuation(utility=utility, progress=False).fit(few).result
sampled = MonteCarloLeastCoreValuation(
    utility=utility, n_samples=40, seed=seed, progress=False
)
sampled.fit(few)
for core in (exact, sampled.result):
    whole = utility.with_dataset(few)(Sample(None, few.indices))
    np.testing.assert_allclose(core.values.sum(), whole, atol=1e-6)
# With fewer coalitions that could object, the subsidy cannot be larger.
assert sampled.result.subsidy <= exact.subsidy + 1e-8

# %% [markdown]
# ## Learning the utility
#
# The first evaluations train the model; the others ask a regression on them.

# %%
learned = DataUtilityLearning(
    utility, 40, IndicatorUtilityModel(LinearRegression(), len(few))
)
valuation = ShapleyValuation(learned, PermutationSampler(seed=seed), MinUpdates(30))
assert np.isfinite(valuation.fit(few).result.values).all()

# %% [markdown]
# ## The functional interface
#
# The older functions take a utility that holds its data.

# %%
bound = utility.with_dataset(few)
exact_values = combinatorial_exact_shapley(bound, progress=False)
np.testing.assert_allclose(
    exact_values.values.sum(), everything(utility, few), atol=1e-10
)
sampled_values = permutation_montecarlo_shapley(
    bound, done=MaxUpdates(200), n_jobs=2, seed=seed
)
by_mode = compute_shapley_values(
    bound,
    done=MaxUpdates(200),
    mode=ShapleyMode.PermutationMontecarlo,
    n_jobs=1,
    seed=seed,
)
assert sampled_values == by_mode  # whatever the number of jobs
gap = np.abs(sampled_values.values - exact_values.values)
assert (gap <= 5 * sampled_values.stderr + 1e-10).all()
print("All claims hold.")
