"""Influences of Dask arrays, which may be larger than memory, on a cluster or not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch

from torchattr.errors import InputError
from torchattr.influence.calculators.dask_chunks import (
    ChunkedExamples,
    ThreadSafetyViolationError,
    aligned_chunks,
    chunk_key,
    chunk_sizes,
)
from torchattr.influence.calculators.dask_modules import (
    dask_array,
    dask_module,
    distributed,
    highlevel_graph,
)
from torchattr.influence.calculators.dask_tasks import (
    Reading,
    factors_of_chunk,
    gradients_of_chunk,
    perturbations_of_chunk,
    scores_of_chunk,
)
from torchattr.influence.calculators.torch_numpy_converter import NumpyConverter
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode, checked_mode

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client

__all__ = ["DaskInfluenceCalculator", "DisableClientSingleThreadCheck"]


class DisableClientSingleThreadCheck:
    """Passed in place of a client, where Dask's local schedulers do the work.

    The threads of one process then take turns: torch uses several threads for each
    turn anyway.

    Example:
        >>> DisableClientSingleThreadCheck.__name__
        'DisableClientSingleThreadCheck'
    """


class DaskInfluenceCalculator:
    """Influences of Dask arrays, lazily, chunk by chunk.

    The fitted object goes to the workers once. Each chunk of the test side is solved
    once, and the gradients of each chunk of the training side are computed once.
    Arrays are cut along their first dimension only, inputs and targets in the same
    places. Results have the model's dtype, whatever that of ``x`` (which may be tokens,
    integers).

    Args:
        influence_function_model: A fitted influence object; it must survive a pickle
            round trip to reach workers in other processes.
        converter: Between arrays and tensors: ``TorchNumpyConverter(device)``.
        client: A ``distributed.Client`` whose workers have one thread each, or
            :class:`DisableClientSingleThreadCheck`.

    Attributes:
        n_parameters: ``P``: how many numbers vary.

    Raises:
        ThreadSafetyViolationError: If a worker has several threads.
        InputError: If the object is not fitted or no influence object, or the client is
            neither of these.
        MissingExtraError: If dask is not installed.

    Example:
        >>> import dask.array as da
        >>> from torchattr.influence import DirectInfluence, TorchNumpyConverter
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(0.0)
        >>> batch = torch.tensor([[1.0], [2.0]]), torch.ones(2, 1)
        >>> influence = DirectInfluence(model, torch.nn.MSELoss()).fit([batch])
        >>> calculator = DaskInfluenceCalculator(
        ...     influence, TorchNumpyConverter(), DisableClientSingleThreadCheck
        ... )
        >>> x, y = (da.from_array(part.numpy(), chunks=(1, 1)) for part in batch)
        >>> calculator.influences(x, y).compute(scheduler="synchronous")
        array([[0.8, 1.6],
               [1.6, 3.2]], dtype=float32)
    """

    def __init__(
        self,
        influence_function_model: Influence,
        converter: NumpyConverter,
        client: Client | type[DisableClientSingleThreadCheck],
    ) -> None:
        if not isinstance(influence_function_model, Influence):
            raise InputError(
                "expected an influence object such as DirectInfluence(...).fit(loader);"
                f" got {type(influence_function_model).__name__}"
            )
        if not influence_function_model.is_fitted:
            raise InputError(
                f"the {type(influence_function_model).__name__} goes to the workers as "
                "it is, but knows no training data yet; call its fit(loader) first"
            )
        self.n_parameters = influence_function_model.n_parameters
        self._converter = converter
        none = torch.empty(0, dtype=influence_function_model.dtype)
        self._dtype = converter.to_numpy(none).dtype
        self._influence = _sent(influence_function_model, client)

    def influence_factors(self, x: Any, y: da.Array) -> da.Array:
        """Preconditioned gradients.

        Args:
            x: Inputs of ``M`` examples: an array, or a tuple, list or dict of arrays.
            y: Their targets.

        Returns:
            ``(M, P)``, cut like ``y``.

        Raises:
            InvalidDimensionChunksError: If an array is cut along another dimension than
                its first.
            UnalignedChunksError: If inputs and targets are cut in different places.
        """
        return self._factors(aligned_chunks(x, y, ""))

    def influences(
        self,
        x_test: Any,
        y_test: da.Array,
        x: Any = None,
        y: da.Array | None = None,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> da.Array:
        """Influences of training examples on the losses of test examples.

        Args:
            x_test: Inputs of ``M`` test examples.
            y_test: Their targets.
            x: Inputs of ``N`` training examples; the test examples if ``None``.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            ``(M, N)`` for ``Up``, ``(M, N, *x.shape[1:])`` for ``Perturbation``; cut
            like ``y_test`` and ``y``.

        Raises:
            InputError: If arrays are cut otherwise than :meth:`influence_factors`
                wants, only one of ``x`` and ``y`` is given, or features of several
                inputs are to be perturbed.
        """
        if (x is None) != (y is None):
            raise InputError("pass both x and y of the training examples, or neither")
        test = aligned_chunks(x_test, y_test, "_test")
        train = test if y is None else aligned_chunks(x, y, "")
        return self._influences(self._factors(test), train, mode)

    def influences_from_factors(
        self,
        z_test_factors: da.Array,
        x: Any,
        y: da.Array,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> da.Array:
        """:meth:`influences`, where the test side has been solved for already.

        Args:
            z_test_factors: ``(M, P)``, from :meth:`influence_factors`, or from a store.
            x: Inputs of ``N`` training examples.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            As :meth:`influences`.

        Raises:
            InputError: If factors have another shape, or arrays are cut otherwise than
                :meth:`influence_factors` wants.
        """
        chunk_sizes(z_test_factors, "z_test_factors")
        if z_test_factors.ndim != 2 or z_test_factors.shape[1] != self.n_parameters:
            raise InputError(
                f"z_test_factors must have shape (M, {self.n_parameters}), as from "
                f"influence_factors; got {z_test_factors.shape}"
            )
        return self._influences(z_test_factors, aligned_chunks(x, y, ""), mode)

    def _factors(self, examples: ChunkedExamples) -> da.Array:
        task = partial(factors_of_chunk, reading=self._reading(examples))
        blocks = {
            (i, 0): (task, self._influence.key, examples.keys(i))
            for i in range(len(examples.sizes))
        }
        chunks = (examples.sizes, (self.n_parameters,))
        return self._array("influence-factors", blocks, chunks, examples.arrays)

    def _influences(
        self, factors: da.Array, train: ChunkedExamples, mode: InfluenceMode
    ) -> da.Array:
        reading = self._reading(train)
        features: tuple[tuple[int, ...], ...] = ()
        if checked_mode(mode) is InfluenceMode.Up:
            task: Any = partial(scores_of_chunk, reading=reading)
            gradients = self._gradients(train, reading)
            needed = [factors, gradients]
            sides: list[Any] = [
                chunk_key(gradients, j) for j in range(len(train.sizes))
            ]
        else:
            features = _features(train)
            task = partial(perturbations_of_chunk, reading=reading)
            needed = [factors, *train.arrays]
            sides = [train.keys(j) for j in range(len(train.sizes))]
        blocks = {
            (i, j, *[0] * len(features)): (
                task,
                self._influence.key,
                chunk_key(factors, i),
                side,
            )
            for i in range(len(factors.chunks[0]))
            for j, side in enumerate(sides)
        }
        chunks = (factors.chunks[0], train.sizes, *features)
        return self._array("influences", blocks, chunks, needed)

    def _gradients(self, train: ChunkedExamples, reading: Reading) -> da.Array:
        # A step of its own, which every chunk of factors shares. It is an array to the
        # scheduler only: its chunks are lists.
        task = partial(gradients_of_chunk, reading=reading)
        blocks = {
            (j,): (task, self._influence.key, train.keys(j))
            for j in range(len(train.sizes))
        }
        return self._array("gradients", blocks, (train.sizes,), train.arrays)

    def _reading(self, examples: ChunkedExamples) -> Reading:
        return Reading(self._converter, examples.structure)

    def _array(
        self,
        label: str,
        blocks: Mapping[Any, tuple[Any, ...]],
        chunks: tuple[tuple[int, ...], ...],
        arrays: list[da.Array],
    ) -> da.Array:
        """An array whose chunks are computed from chunks of others, and the object."""
        name = f"{label}-{uuid4().hex}"
        graph = highlevel_graph().HighLevelGraph.from_collections(
            name,
            {(name, *place): task for place, task in blocks.items()},
            dependencies=[self._influence, *arrays],
        )
        meta = np.empty((0,) * len(chunks), self._dtype)
        array: da.Array = dask_array().Array(graph, name, chunks, meta=meta)
        return array


def _sent(influence: Influence, client: Any) -> Any:
    """What stands for the object in tasks; it goes to each worker once."""
    if client is DisableClientSingleThreadCheck or isinstance(
        client, DisableClientSingleThreadCheck
    ):
        return dask_module().delayed(influence, pure=False, traverse=False)
    if not isinstance(client, distributed().Client):
        raise InputError(
            "client must be a distributed.Client, or, for Dask's local schedulers, "
            f"DisableClientSingleThreadCheck; got {type(client).__name__}"
        )
    threads = client.nthreads()
    several = {worker: n for worker, n in threads.items() if n > 1}
    if several and not influence.is_thread_safe:
        raise ThreadSafetyViolationError(
            "workers must have one thread each, since threads would share the model; "
            f"got {several}. Start the cluster with threads_per_worker=1"
        )
    future = client.scatter(influence, broadcast=True, hash=False)
    return dask_module().delayed(future)


def _features(train: ChunkedExamples) -> tuple[tuple[int, ...], ...]:
    if train.structure is not None:
        raise InputError(
            "influences of the features of several inputs are several arrays; use "
            "SequentialInfluenceCalculator, or InfluenceMode.Up"
        )
    (x,) = train.inputs
    if not np.issubdtype(x.dtype, np.floating):
        raise InputError(
            "mode=InfluenceMode.Perturbation needs floating inputs; x has dtype "
            f"{x.dtype}, which has no derivative"
        )
    return tuple((size,) for size in x.shape[1:])
