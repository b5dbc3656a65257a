"""Samplers: which subsets of the training data are evaluated.

A sampler yields samples ``(index, subset)``; a method of valuation weighs the marginal
contribution of the index to the subset by its own weights over the probability that the
sampler declares, so that any sampler serves any semivalue. What is drawn depends on the
seed and the number of the draw only.

Example:
    >>> import numpy as np
    >>> from torchattr.valuation.samplers import PermutationSampler
    >>> next(PermutationSampler(seed=1).generate(np.arange(4))).subset.shape
    (4,)
"""

from __future__ import annotations

from torchattr.estimation.truncation import (
    BootstrapTruncation,
    DeviationTruncation,
    FixedTruncation,
    NoTruncation,
    RelativeTruncation,
    TruncationPolicy,
)
from torchattr.valuation.samplers.antithetic_owen_sampler import AntitheticOwenSampler
from torchattr.valuation.samplers.antithetic_permutation_sampler import (
    AntitheticPermutationSampler,
)
from torchattr.valuation.samplers.antithetic_sampler import AntitheticSampler
from torchattr.valuation.samplers.classwise_sampler import ClasswiseSampler
from torchattr.valuation.samplers.delta_shapley_sizes import (
    DeltaShapleyNCSGDConfig,
    DeltaShapleyNCSGDSampleSize,
)
from torchattr.valuation.samplers.deterministic_permutation_sampler import (
    DeterministicPermutationSampler,
)
from torchattr.valuation.samplers.deterministic_uniform_sampler import (
    DeterministicUniformSampler,
)
from torchattr.valuation.samplers.index_iterations import (
    FiniteNoIndexIteration,
    FiniteRandomIndexIteration,
    FiniteSequentialIndexIteration,
    IndexIteration,
    NoIndexIteration,
    RandomIndexIteration,
    SequentialIndexIteration,
)
from torchattr.valuation.samplers.index_sampler import IndexSampler
from torchattr.valuation.samplers.loo_sampler import LOOSampler
from torchattr.valuation.samplers.msr_sampler import MSRSampler
from torchattr.valuation.samplers.owen_sampler import OwenSampler
from torchattr.valuation.samplers.owen_strategies import (
    GridOwenStrategy,
    OwenStrategy,
    UniformOwenStrategy,
)
from torchattr.valuation.samplers.permutation_sampler import PermutationSampler
from torchattr.valuation.samplers.permutation_sampler_base import PermutationSamplerBase
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.sample_sizes import (
    ConstantSampleSize,
    GroupTestingSampleSize,
    HarmonicSampleSize,
    LinearSampleSize,
    PowerLawSampleSize,
    SampleSizeStrategy,
)
from torchattr.valuation.samplers.size_iterations import (
    FiniteSequentialSizeIteration,
    RandomSizeIteration,
    RoundRobinIteration,
    RoundRobinSizeIteration,
    SampleSizeIteration,
)
from torchattr.valuation.samplers.stratified_permutation_sampler import (
    StratifiedPermutationSampler,
)
from torchattr.valuation.samplers.stratified_sampler import StratifiedSampler
from torchattr.valuation.samplers.uniform_sampler import UniformSampler
from torchattr.valuation.samplers.vrds_sampler import VRDSSampler

__all__ = [
    "AntitheticOwenSampler",
    "AntitheticPermutationSampler",
    "AntitheticSampler",
    "BootstrapTruncation",
    "ClasswiseSampler",
    "ConstantSampleSize",
    "DeltaShapleyNCSGDConfig",
    "DeltaShapleyNCSGDSampleSize",
    "DeterministicPermutationSampler",
    "DeterministicUniformSampler",
    "DeviationTruncation",
    "FiniteNoIndexIteration",
    "FiniteRandomIndexIteration",
    "FiniteSequentialIndexIteration",
    "FiniteSequentialSizeIteration",
    "FixedTruncation",
    "GridOwenStrategy",
    "GroupTestingSampleSize",
    "HarmonicSampleSize",
    "IndexIteration",
    "IndexSampler",
    "LOOSampler",
    "LinearSampleSize",
    "MSRSampler",
    "NoIndexIteration",
    "NoTruncation",
    "OwenSampler",
    "OwenStrategy",
    "PermutationSampler",
    "PermutationSamplerBase",
    "PowerLawSampleSize",
    "PowersetSampler",
    "RandomIndexIteration",
    "RandomSizeIteration",
    "RelativeTruncation",
    "RoundRobinIteration",
    "RoundRobinSizeIteration",
    "SampleSizeIteration",
    "SampleSizeStrategy",
    "SequentialIndexIteration",
    "StratifiedPermutationSampler",
    "StratifiedSampler",
    "TruncationPolicy",
    "UniformOwenStrategy",
    "UniformSampler",
    "VRDSSampler",
]
