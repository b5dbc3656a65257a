"""Fixtures of every test: devices, reproducible laws, and a check for leaks."""

from __future__ import annotations

import gc
import importlib.util
from pathlib import Path

import hypothesis
import pytest
import torch
from matplotlib import pyplot as plt

hypothesis.settings.register_profile(
    "torchattr",
    deadline=None,  # the first example of a law pays for torch's warm-up
    derandomize=True,  # a law holds or fails alike on every machine
    max_examples=15,
    print_blob=True,
)
hypothesis.settings.load_profile("torchattr")


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of every later garbage collection.

    They live to the end, and walking over them took a twelfth of the suite's time.
    """
    gc.collect()
    gc.freeze()


def declare_missing_torchvision_operators() -> torch.library.Library | None:
    """Declare two schemas that importing torchvision needs, where its binary fails.

    The wheel of PyPI carries CUDA operators. Beside a CPU-only torch they do not load,
    and the import stops at the first operator it looks up, although models and
    transforms are plain Python. Where the binary loads, it declares them itself.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        torch.ops.load_library(next(Path(spec.origin).parent.glob("_C*.*")))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float threshold) -> Tensor")
        library.define(
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
        return library
    return None


# A library undoes its declarations when it is collected, hence the name.
TORCHVISION_OPERATORS = declare_missing_torchvision_operators()


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason="this machine has no CUDA device"
            ),
        ),
    ]
)
def device(request) -> torch.device:
    """Every device there is."""
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def _no_leaks():
    """Fail a test after which torch or matplotlib is not as it was."""
    figures, dtype = plt.get_fignums(), torch.get_default_dtype()
    yield
    leaked = {
        "an open figure": plt.get_fignums() != figures,
        "gradients switched off": not torch.is_grad_enabled(),
        "another default dtype": torch.get_default_dtype() != dtype,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }
    plt.close("all")
    torch.set_grad_enabled(True)
    torch.set_default_dtype(dtype)
    assert not any(leaked.values()), [name for name, is_so in leaked.items() if is_so]
