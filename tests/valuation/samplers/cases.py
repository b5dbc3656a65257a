"""Every sampler, in the forms that differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torchattr.sampling.random_words import RandomWords
from torchattr.valuation.samplers import (
    AntitheticOwenSampler,
    AntitheticPermutationSampler,
    AntitheticSampler,
    ConstantSampleSize,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    FiniteRandomIndexIteration,
    FiniteSequentialIndexIteration,
    GridOwenStrategy,
    GroupTestingSampleSize,
    HarmonicSampleSize,
    IndexSampler,
    LOOSampler,
    MSRSampler,
    NoIndexIteration,
    OwenSampler,
    PermutationSampler,
    PermutationSamplerBase,
    PowerLawSampleSize,
    PowersetSampler,
    RandomIndexIteration,
    RandomSizeIteration,
    RoundRobinSizeIteration,
    SequentialIndexIteration,
    StratifiedPermutationSampler,
    StratifiedSampler,
    UniformOwenStrategy,
    UniformSampler,
    VRDSSampler,
)
from torchattr.valuation.types import Sample


class Singles(PowersetSampler):
    """A user's: one other index, at random, from numbers of its own."""

    def __init__(self, seed, index_iteration=SequentialIndexIteration):
        super().__init__(index_iteration=index_iteration)
        self.seed = seed

    def generate(self, indices):
        random = np.random.default_rng(self.seed)
        for idx in self.index_iterable(indices):
            yield Sample(idx, random.choice(indices[indices != idx], 1))

    def log_weight(self, n, subset_len):
        return -np.log(self.complement_size(n)) if subset_len == 1 else -np.inf

    def sample_limit(self, indices):
        return self.index_iteration.length(len(indices))


class Shuffles(PermutationSamplerBase):
    """A user's permutations."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def generate(self, indices):
        random = np.random.default_rng(self.seed)
        while True:
            yield Sample(None, random.permutation(indices))

    def sample_limit(self, indices):
        return None


class Bare(IndexSampler):
    """A user's that is neither: the empty set, three times for each index."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def generate(self, indices):
        for idx in indices.repeat(3):
            yield Sample(int(idx), indices[:0])

    def log_weight(self, n, subset_len):
        return 0.0 if subset_len == 0 else -np.inf

    def sample_limit(self, indices):
        return 3 * len(indices)


@dataclass(frozen=True)
class Case:
    """One form of a sampler.

    ``limit`` maps the number of indices to that of samples, ``copies`` says how many
    samples share a replicate.
    """

    make: Callable[[int], IndexSampler]
    limit: Callable[[int], int] | None = None
    copies: int = 1


def case(cls, *args, limit=None, copies=1, **kwargs):
    return Case(lambda seed: cls(*args, seed=seed, **kwargs), limit, copies)


def unseeded(cls, *args, limit, **kwargs):
    return Case(lambda _: cls(*args, **kwargs), limit)


FINITE = {"index_iteration": FiniteSequentialIndexIteration}
RANDOM = {"index_iteration": RandomIndexIteration}
WHOLE = {"index_iteration": NoIndexIteration}
ENDLESS = {"index_iteration": SequentialIndexIteration}
THREE = GridOwenStrategy(3)

POWERSET = {
    "uniform": case(UniformSampler),
    "uniform, finite": case(UniformSampler, **FINITE, limit=lambda n: n),
    "uniform, random": case(UniformSampler, **RANDOM),
    "uniform, whole": case(UniformSampler, **WHOLE),
    "antithetic": case(AntitheticSampler, copies=2),
    "antithetic, whole": case(AntitheticSampler, **WHOLE, copies=2),
    "loo": case(LOOSampler, limit=lambda n: n),
    "loo, random": case(
        LOOSampler, index_iteration=FiniteRandomIndexIteration, limit=lambda n: n
    ),
    "msr": case(MSRSampler),
    "all": unseeded(DeterministicUniformSampler, limit=lambda n: n * 2 ** (n - 1)),
    "all, whole": unseeded(
        DeterministicUniformSampler,
        index_iteration=FiniteNoIndexIteration,
        limit=lambda n: 2**n,
    ),
    "all, endless": Case(lambda _: DeterministicUniformSampler(**ENDLESS)),
    "owen, grid": case(OwenSampler, THREE, limit=lambda n: 6 * n),
    "owen, uniform": case(
        OwenSampler, UniformOwenStrategy(3), 4, copies=4, limit=lambda n: 12 * n
    ),
    "owen, endless": case(OwenSampler, UniformOwenStrategy(2), **ENDLESS, copies=2),
    "owen, random": case(OwenSampler, UniformOwenStrategy(1), **RANDOM, copies=2),
    "owen, whole": case(OwenSampler, UniformOwenStrategy(1), 1, **WHOLE),
    "antithetic owen, grid": case(
        AntitheticOwenSampler, THREE, limit=lambda n: 12 * n, copies=2
    ),
    "antithetic owen, uniform": case(
        AntitheticOwenSampler, UniformOwenStrategy(2, seed=5), 1, **ENDLESS, copies=2
    ),
    "stratified": case(
        StratifiedSampler, HarmonicSampleSize(12), limit=lambda n: 12 * n
    ),
    "stratified, turns": case(
        StratifiedSampler,
        HarmonicSampleSize(12),
        RoundRobinSizeIteration,
        limit=lambda n: 12 * n,
    ),
    "stratified, endless": case(
        StratifiedSampler, ConstantSampleSize(lower_bound=1), **ENDLESS
    ),
    "stratified, random sizes": case(
        StratifiedSampler, PowerLawSampleSize(-0.5), RandomSizeIteration, **ENDLESS
    ),
    "stratified, whole": case(
        StratifiedSampler, GroupTestingSampleSize(), RandomSizeIteration, **WHOLE
    ),
    "vrds": case(VRDSSampler, 20, limit=lambda n: 20 * n),
}
PERMUTATIONS = {
    "permutations": case(PermutationSampler),
    "antithetic permutations": case(AntitheticPermutationSampler, copies=2),
    "all permutations": unseeded(
        DeterministicPermutationSampler,
        limit=lambda n: int(np.prod(np.arange(1, n + 1))),
    ),
    "sized permutations": case(
        StratifiedPermutationSampler, ConstantSampleSize(lower_bound=1, upper_bound=2)
    ),
}
USERS = {
    "a user's": case(Singles),
    "a user's, finite": case(Singles, **FINITE, limit=lambda n: n),
    "a user's permutations": case(Shuffles),
    "a user's own": case(Bare, limit=lambda n: 3 * n),
}
OURS = POWERSET | PERMUTATIONS
ALL = OURS | USERS


def random_indices(n, seed=0):
    """Indices with gaps, in no order."""
    return np.argsort(RandomWords(seed, "indices").between(0, n + 40))[:n]
