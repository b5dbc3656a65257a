"""The data to be valued: points, or groups of them, with indices and names."""

from torchattr.valuation.dataset.dataset import Dataset
from torchattr.valuation.dataset.grouped_dataset import GroupedDataset
from torchattr.valuation.dataset.raw_data import RawData

__all__ = ["Dataset", "GroupedDataset", "RawData"]
