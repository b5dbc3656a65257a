"""Pictures of results: figures are returned, never shown.

Every figure is a plain :class:`matplotlib.figure.Figure`: save it, or end a notebook
cell with it. ``import torchattr`` does not import this package, nor matplotlib.
"""

from __future__ import annotations

from torchattr.visualization.feature_bars import feature_bars
from torchattr.visualization.image_heatmap import image_heatmap
from torchattr.visualization.rank_plot import rank_plot
from torchattr.visualization.ranked_examples import ranked_examples
from torchattr.visualization.removal_plot import removal_plot
from torchattr.visualization.value_histogram import value_histogram
from torchattr.visualization.visualize_image_attr import (
    visualize_image_attr,
    visualize_image_attr_multiple,
)

__all__ = [
    "feature_bars",
    "image_heatmap",
    "rank_plot",
    "ranked_examples",
    "removal_plot",
    "value_histogram",
    "visualize_image_attr",
    "visualize_image_attr_multiple",
]
