"""When a valuation has done enough: criteria asked of its results as they come."""

from torchattr.valuation.result import Status
from torchattr.valuation.stopping.absolute_standard_error import AbsoluteStandardError
from torchattr.valuation.stopping.criterion import StoppingCriterion, as_criterion
from torchattr.valuation.stopping.history import History
from torchattr.valuation.stopping.history_deviation import HistoryDeviation
from torchattr.valuation.stopping.max_time import MaxTime
from torchattr.valuation.stopping.rank_correlation import RankCorrelation
from torchattr.valuation.stopping.sampler_progress import MaxSamples, NoStopping
from torchattr.valuation.stopping.update_counts import (
    MaxChecks,
    MaxUpdates,
    MinUpdates,
)

__all__ = [
    "AbsoluteStandardError",
    "History",
    "HistoryDeviation",
    "MaxChecks",
    "MaxSamples",
    "MaxTime",
    "MaxUpdates",
    "MinUpdates",
    "NoStopping",
    "RankCorrelation",
    "Status",
    "StoppingCriterion",
    "as_criterion",
]
