"""Is an attribution any good? Measures that need no model of their own.

They read values from tensors, arrays, or any result that has ``values`` and
``indices``; some retrain a learner, or ask a game, for what is true.
"""

from __future__ import annotations

from torchattr.metrics.brittleness import brittleness
from torchattr.metrics.faithfulness import faithfulness
from torchattr.metrics.leave_one_out_correlation import leave_one_out_correlation
from torchattr.metrics.linear_datamodeling_score import linear_datamodeling_score
from torchattr.metrics.mislabel_auroc import mislabel_auroc
from torchattr.metrics.rank_correlation import rank_correlation
from torchattr.metrics.removal_curve import RemovalCurve, removal_curve
from torchattr.metrics.self_influence import self_influence

__all__ = [
    "RemovalCurve",
    "brittleness",
    "faithfulness",
    "leave_one_out_correlation",
    "linear_datamodeling_score",
    "mislabel_auroc",
    "rank_correlation",
    "removal_curve",
    "self_influence",
]
