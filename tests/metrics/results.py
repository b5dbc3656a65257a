"""A result of a valuation as the metrics and plots see it."""

from __future__ import annotations

import numpy as np


class SortedResult:
    """Values and their indices, read-only and in an order of their own."""

    def __init__(self, values, indices=None, stderr=None, names=None):
        self.values = np.asarray(values, dtype=float).copy()
        self.indices = np.arange(len(values)) if indices is None else np.array(indices)
        self.stderr = np.zeros(len(values)) if stderr is None else np.array(stderr)
        self.names = self.indices.astype(str) if names is None else np.array(names)
        self.values.flags.writeable = False

    def sorted(self, *, reverse=False):
        order = np.argsort(self.values)[:: -1 if reverse else 1]
        return SortedResult(
            self.values[order],
            self.indices[order],
            self.stderr[order],
            self.names[order],
        )
