r"""Influence functions: which training examples made a prediction, without retraining."""
