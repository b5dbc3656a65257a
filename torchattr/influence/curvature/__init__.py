"""Curvatures: matrices that stand for the second derivative of the training loss."""
