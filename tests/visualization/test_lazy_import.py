"""The core does not pay for pictures."""

from __future__ import annotations

import subprocess
import sys

# One interpreter answers both: most of a test in another one is importing torch.
CODE = """
import sys, torchattr
print("matplotlib" in sys.modules)
import torch
from torchattr.visualization import image_heatmap
image_heatmap(torch.ones(2, 2))
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""


def test_matplotlib_comes_with_the_first_drawing_and_pyplot_not_at_all():
    run = subprocess.run(
        [sys.executable, "-c", CODE], check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["False", "True", "False"]
