"""Is an attribution any good? Measures that need no model of their own.

They read values from tensors, arrays, or any result that has ``values`` and
``indices``.
"""

from __future__ import annotations

from torchattr.metrics.mislabel_auroc import mislabel_auroc
from torchattr.metrics.rank_correlation import rank_correlation
from torchattr.metrics.removal_curve import RemovalCurve, removal_curve

__all__ = ["RemovalCurve", "mislabel_auroc", "rank_correlation", "removal_curve"]
