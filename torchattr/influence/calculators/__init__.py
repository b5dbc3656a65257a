"""Calculators: influences batch by batch, held, stored, or spread over workers."""

from torchattr.influence.calculators.dask_chunks import (
    InvalidDimensionChunksError,
    ThreadSafetyViolationError,
    UnalignedChunksError,
)
from torchattr.influence.calculators.dask_influence_calculator import (
    DaskInfluenceCalculator,
    DisableClientSingleThreadCheck,
)
from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence
from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
    NestedLazyChunkSequence,
)
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedListAggregator,
    NestedSequenceAggregator,
    NestedTorchCatAggregator,
)
from torchattr.influence.calculators.sequence_aggregator import (
    ListAggregator,
    SequenceAggregator,
    TorchCatAggregator,
)
from torchattr.influence.calculators.sequential_influence_calculator import (
    SequentialInfluenceCalculator,
)
from torchattr.influence.calculators.top_k import Ranked, TopInfluences
from torchattr.influence.calculators.torch_dataset_to_dask_array import (
    torch_dataset_to_dask_array,
)
from torchattr.influence.calculators.torch_numpy_converter import (
    NumpyConverter,
    TorchNumpyConverter,
)

__all__ = [
    "DaskInfluenceCalculator",
    "DisableClientSingleThreadCheck",
    "InvalidDimensionChunksError",
    "LazyChunkSequence",
    "ListAggregator",
    "NestedLazyChunkSequence",
    "NestedListAggregator",
    "NestedSequenceAggregator",
    "NestedTorchCatAggregator",
    "NumpyConverter",
    "Ranked",
    "SequenceAggregator",
    "SequentialInfluenceCalculator",
    "ThreadSafetyViolationError",
    "TopInfluences",
    "TorchCatAggregator",
    "TorchNumpyConverter",
    "UnalignedChunksError",
    "torch_dataset_to_dask_array",
]
