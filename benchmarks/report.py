"""Tables of measurements, as files that are committed."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One measurement: what, how much, what was wanted, and in what terms."""

    what: str
    measured: float
    target: float
    detail: str = ""
    at_least: float | None = None

    def __str__(self) -> str:
        wanted = f"<= {self.target:g}"
        reached = self.measured <= self.target
        if self.at_least is not None and math.isinf(self.target):
            wanted = f">= {self.at_least:g}"
            reached = self.measured >= self.at_least
        elif self.at_least is not None:
            wanted = f"{self.at_least:g} to {self.target:g}"
            reached = self.at_least <= self.measured <= self.target
        verdict = "yes" if reached else "**no**"
        return (
            f"| {self.what} | {self.measured:.3g} | {wanted} | {verdict} "
            f"| {self.detail} |"
        )


def machine() -> str:
    """The machine and the libraries, in a line."""
    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    )
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {torch.get_num_threads()} "
        f"threads, {device}, Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )


def write_table(
    name: str, title: str, command: str, rows: list[Row], notes: str = ""
) -> None:
    """Print a table, with notes below it, and write it to ``results/name.md``."""
    lines = [
        f"# {title}",
        "",
        f"Made by `{command}` on {machine()}.",
        "",
        "| what | measured | target | reached | in terms of |",
        "|---|---|---|---|---|",
        *map(str, rows),
        "",
        *([notes, ""] if notes else []),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
