"""How long attributions take, as ratios in one run on one machine.

Each row compares two callables that do the same work, called in turn; what is reported
is the median of the ratios of neighbouring calls, so that a machine that slows down
slows both. ``python -m benchmarks.speed`` writes ``benchmarks/results/speed.md``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import captum.attr
import torch
from torch import Tensor, nn

import torchattr.attr
from benchmarks.report import Row, write_table


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], repetitions: int
) -> tuple[float, float, float]:
    """Median ratio of neighbouring calls, and the median time of each."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repetitions)]
    ratio = statistics.median(a / b for a, b in pairs)
    return ratio, *(statistics.median(times) for times in zip(*pairs, strict=True))


@dataclass
class Timed:
    """A forward function that knows how long it ran, and on how many rows."""

    function: Callable[[Tensor], Tensor]
    inside: float = 0.0
    rows: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The function's output."""
        began = time.perf_counter()
        output = self.function(x)
        self.inside += time.perf_counter() - began
        self.rows += len(x)
        return output


def network(n_features: int, hidden: int = 128) -> nn.Module:
    """A perceptron with two hidden layers and three outputs."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(n_features, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 3),
    ).eval()


def sampling_at_captums_best(device: str) -> Row:
    net, x = network(30).to(device), torch.randn(16, 30, device=device)
    ours = torchattr.attr.ShapleyValueSampling(net)
    theirs = captum.attr.ShapleyValueSampling(net)

    def captum_with(size: int) -> Callable[[], object]:
        return lambda: theirs.attribute(
            x, target=1, n_samples=100, perturbations_per_eval=size
        )

    best = min((5, 10, 15, 30), key=lambda size: seconds(captum_with(size)))
    ratio, a, b = interleaved(
        lambda: ours.attribute(x, target=1, n_samples=100), captum_with(best), 15
    )
    return Row(
        "`ShapleyValueSampling`, perceptron of 30 features, 16 examples, 100 "
        f"permutations, over captum at its best `perturbations_per_eval` ({best})",
        ratio,
        0.4,
        f"{a * 1e3:.0f} ms over {b * 1e3:.0f} ms",
    )


def sampling_over_forward(device: str) -> Row:
    net, x = network(30).to(device), torch.randn(16, 30, device=device)
    forward = Timed(net)
    ours = torchattr.attr.ShapleyValueSampling(forward)
    ratios = []
    for _ in range(31):
        forward.inside = 0.0
        whole = seconds(lambda: ours.attribute(x, target=1, n_samples=100))
        ratios.append(whole / forward.inside)
    return Row(
        "the same call over the time inside its forward function",
        statistics.median(ratios),
        1.6,
    )


def sampling_with_defaults(device: str) -> Row:
    net, x = network(30).to(device), torch.randn(16, 30, device=device)
    ours = torchattr.attr.ShapleyValueSampling(net)
    theirs = captum.attr.ShapleyValueSampling(net)
    ratio, a, b = interleaved(
        lambda: ours.attribute(x, target=1, n_samples=100),
        lambda: theirs.attribute(x, target=1, n_samples=100),
        5,
    )
    return Row(
        "the same with the defaults of both",
        ratio,
        0.02,
        f"{a * 1e3:.0f} ms over {b * 1e3:.0f} ms",
    )


def image_overhead(device: str) -> Row:
    x = torch.randn(1, 3, 224, 224, device=device)
    segments = torch.arange(49, device=device).reshape(7, 7)
    mask = segments.repeat_interleave(32, 0).repeat_interleave(32, 1)[None, None]

    def trivial(x: Tensor) -> Tensor:
        return x[:, 0, 0, 0]

    ours = torchattr.attr.ShapleyValueSampling(trivial)
    theirs = captum.attr.ShapleyValueSampling(trivial)
    best = min(
        (1, 7, 49),
        key=lambda size: seconds(
            lambda: theirs.attribute(
                x, feature_mask=mask, n_samples=2, perturbations_per_eval=size
            )
        ),
    )
    ratio, a, b = interleaved(
        lambda: ours.attribute(x, feature_mask=mask, n_samples=4),
        lambda: theirs.attribute(
            x, feature_mask=mask, n_samples=4, perturbations_per_eval=best
        ),
        7,
    )
    return Row(
        "overhead per permutation, 224x224 image in 49 segments, trivial model, over "
        f"captum at its best `perturbations_per_eval` ({best})",
        ratio,
        0.25,
        f"{a / 4 * 1e3:.1f} ms over {b / 4 * 1e3:.1f} ms",
    )


def exact_rows(device: str) -> Row:
    forward = Timed(network(7).to(device))
    x = torch.randn(16, 7, device=device)
    torchattr.attr.ShapleyValues(forward).attribute(x, target=1)
    return Row(
        "`ShapleyValues`, 7 features: rows for each example (captum: 35,281)",
        forward.rows / 16,
        2**7,
    )


def exact_over_forward(device: str) -> Row:
    net, x = network(16).to(device), torch.randn(1, 16, device=device)
    rows = torch.randn(2**16, 16, device=device)
    ours = torchattr.attr.ShapleyValues(net)

    def bare() -> None:
        with torch.no_grad():
            for chunk in rows.split(2048):
                net(chunk)

    ratio, a, b = interleaved(lambda: ours.attribute(x, target=1), bare, 15)
    return Row(
        "`ShapleyValues`, 16 features, over the bare forward passes on 65,536 rows",
        ratio,
        2.5,
        f"{a * 1e3:.0f} ms over {b * 1e3:.0f} ms",
    )


def exact_memory() -> Row:
    """Peak memory of a process that does nothing else, PyTorch included."""
    code = (
        "import resource, torch; from benchmarks.speed import network;"
        "from torchattr.attr import ShapleyValues;"
        "ShapleyValues(network(16)).attribute(torch.randn(1, 16), target=1);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return Row(
        "the same: peak memory of the process, GB",
        int(run.stdout) / 2**20,
        1.5,
    )


def import_time() -> Row:
    code = (
        "import time, torch; began = time.perf_counter(); import torchattr;"
        "print(time.perf_counter() - began)"
    )
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(5)
    ]
    return Row(
        "`import torchattr` beyond `import torch`, s", statistics.median(runs), 0.3
    )


def main(device: str | None = None) -> None:
    """Measure every row and write the table."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_device = (
        sampling_at_captums_best,
        sampling_over_forward,
        sampling_with_defaults,
        image_overhead,
        exact_rows,
        exact_over_forward,
    )
    rows = [measure(device) for measure in on_device] + [exact_memory(), import_time()]
    write_table("speed", "Speed", "python -m benchmarks.speed", rows)


if __name__ == "__main__":
    main()
