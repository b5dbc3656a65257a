"""The answer of a valuation: values of points, and how sure they are."""

from torchattr.valuation.result.status import Status
from torchattr.valuation.result.stored import load_result, save_result
from torchattr.valuation.result.valuation_result import ValuationResult
from torchattr.valuation.result.value_item import ValueItem

__all__ = ["Status", "ValuationResult", "ValueItem", "load_result", "save_result"]
