"""Data valuation: which training examples made the model."""

from __future__ import annotations

__all__: list[str] = []
