"""The core does not pay for pictures."""

from __future__ import annotations

import subprocess
import sys


def test_importing_torchattr_leaves_matplotlib_alone():
    code = "import sys, torchattr; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_drawing_needs_no_pyplot():
    code = (
        "import sys, torch; from torchattr.visualization import image_heatmap;"
        "image_heatmap(torch.ones(2, 2)); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
