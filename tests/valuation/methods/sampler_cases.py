"""Every sampler with an estimate of every semivalue it suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from torchattr.games import FunctionGame
from torchattr.games.synthetic import ShoesGame
from torchattr.valuation.methods import (
    BanzhafValuation,
    BetaShapleyValuation,
    ShapleyValuation,
)
from torchattr.valuation.samplers import (
    AntitheticOwenSampler,
    AntitheticPermutationSampler,
    AntitheticSampler,
    ConstantSampleSize,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    FiniteRandomIndexIteration,
    GridOwenStrategy,
    HarmonicSampleSize,
    MSRSampler,
    NoIndexIteration,
    OwenSampler,
    PermutationSampler,
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
from torchattr.valuation.stopping import MinUpdates, NoStopping

WEIGHTS = torch.tensor([5.0, 4, 3, 2, 2, 1, 1], dtype=torch.float64)
N = len(WEIGHTS)
VOTES = FunctionGame(lambda s: ((s.double() @ WEIGHTS) > 9).double(), N)
ROOT = FunctionGame(lambda s: (s.double() @ WEIGHTS).sqrt(), N)
SHOES = ShoesGame(2, N - 2)


@dataclass(frozen=True)
class Case:
    """A sampler from its seed; with many updates it is in effect a large sample."""

    make: Callable[[int], object]
    large: Callable[[int], object] | None = None

    def sampler(self, seed, *, large=False):
        return (self.large or self.make)(seed) if large else self.make(seed)


def owen(cls, strategy, inner):
    return lambda seed: cls(strategy(seed), n_samples_inner=inner, seed=seed)


def grid(q):
    return lambda _: GridOwenStrategy(q)


def uniform(q):
    return lambda seed: UniformOwenStrategy(q, seed=seed)


def sized(cls, sizes, **options):
    return lambda seed: cls(sizes, seed=seed, **options)


def of(cls, **options):
    return lambda seed: cls(seed=seed, **options)


CASES = {
    "permutations": Case(of(PermutationSampler)),
    "antithetic permutations": Case(of(AntitheticPermutationSampler)),
    "uniform": Case(of(UniformSampler)),
    "uniform, random index": Case(
        of(UniformSampler, index_iteration=RandomIndexIteration)
    ),
    "antithetic": Case(of(AntitheticSampler)),
    "MSR": Case(of(MSRSampler)),
    "uniform, no index": Case(of(UniformSampler, index_iteration=NoIndexIteration)),
    "antithetic, no index": Case(
        of(AntitheticSampler, index_iteration=NoIndexIteration)
    ),
    "Owen, grid": Case(owen(OwenSampler, grid(8), 4), owen(OwenSampler, grid(40), 20)),
    "Owen, fine grid": Case(owen(OwenSampler, grid(20), 1)),
    "Owen, uniform": Case(
        owen(OwenSampler, uniform(20), 2), owen(OwenSampler, uniform(400), 2)
    ),
    "antithetic Owen, grid": Case(
        owen(AntitheticOwenSampler, grid(8), 3),
        owen(AntitheticOwenSampler, grid(40), 10),
    ),
    "antithetic Owen, uniform": Case(
        owen(AntitheticOwenSampler, uniform(20), 2),
        owen(AntitheticOwenSampler, uniform(400), 2),
    ),
    "stratified": Case(
        sized(StratifiedSampler, ConstantSampleSize(n_samples=28)),
        sized(StratifiedSampler, ConstantSampleSize(n_samples=700)),
    ),
    "stratified, round robin": Case(
        sized(
            StratifiedSampler,
            HarmonicSampleSize(n_samples=30),
            sample_sizes_iteration=RoundRobinSizeIteration,
            index_iteration=FiniteRandomIndexIteration,
        ),
        sized(StratifiedSampler, HarmonicSampleSize(n_samples=700)),
    ),
    "stratified, again and again": Case(
        sized(
            StratifiedSampler,
            ConstantSampleSize(n_samples=N),
            index_iteration=SequentialIndexIteration,
        )
    ),
    "stratified, random sizes": Case(
        sized(
            StratifiedSampler,
            ConstantSampleSize(n_samples=N),
            sample_sizes_iteration=RandomSizeIteration,
            index_iteration=SequentialIndexIteration,
        )
    ),
    "VRDS": Case(
        lambda seed: VRDSSampler(60, seed=seed),
        lambda seed: VRDSSampler(900, seed=seed),
    ),
    "VRDS, few": Case(
        lambda seed: VRDSSampler(20, seed=seed),
        lambda seed: VRDSSampler(900, seed=seed),
    ),
    "stratified permutations": Case(
        sized(StratifiedPermutationSampler, HarmonicSampleSize(n_samples=30)),
        sized(StratifiedPermutationSampler, HarmonicSampleSize(n_samples=200)),
    ),
}
# Those whose scales are enormous for a semivalue of other sizes say nothing about it.
METHODS = {
    "Shapley": ShapleyValuation,
    "Banzhaf": BanzhafValuation,
    "Beta": lambda *arguments: BetaShapleyValuation(*arguments, alpha=2, beta=1),
}
EXACT = {
    "uniform": lambda: DeterministicUniformSampler(),
    "uniform, random order": lambda: DeterministicUniformSampler(
        index_iteration=FiniteRandomIndexIteration
    ),
    "all coalitions": lambda: DeterministicUniformSampler(
        index_iteration=FiniteNoIndexIteration
    ),
    "permutations": lambda: DeterministicPermutationSampler(),
}


def stop(sampler, n_updates, n=N):
    """The end of a finite sampler, else a number of updates."""
    finite = sampler.rounds.n_rounds(n) is not None
    return NoStopping(sampler) if finite else MinUpdates(n_updates)


def exact(method, game):
    sampler = DeterministicUniformSampler()
    return method(game, sampler, NoStopping(sampler)).fit().result.values
