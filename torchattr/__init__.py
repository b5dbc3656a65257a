"""Which inputs, and which training examples, made a prediction."""

__version__ = "0.1.0"
