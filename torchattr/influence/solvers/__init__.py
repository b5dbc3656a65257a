"""Solvers: from gradients to preconditioned gradients, with any curvature."""
