"""Gradients of single examples, by the factors of layers where there are such."""

from torchattr.influence.gradients.example_gradients import (
    ExampleGradients,
    example_gradients,
)

__all__ = ["ExampleGradients", "example_gradients"]
