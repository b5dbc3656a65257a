"""The inverse of a block-diagonal curvature, with something added to its diagonal."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.regularization import Regularization, automatic, by_block
from torchattr.influence.solvers.solver import Solver

__all__ = ["BlockInverse"]


class BlockInverse:
    r"""Solves :math:`(C_b + \lambda_b I) z_b = g_b` for each block of parameters.

    Args:
        risks: The risk of each block, as a function of its parameters.
        regularization: A number, ``"auto"``, or these by block.
        positive: Whether a regularization of 0 is refused.

    Attributes:
        risks: The same.
        solvers: One for each block once :meth:`fitted`, none before.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> BlockInverse({"full": risk}, 0.1, positive=False).amounts()
        {'full': 0.1}
    """

    def __init__(
        self,
        risks: Mapping[str, EmpiricalRisk],
        regularization: Regularization,
        *,
        positive: bool,
    ) -> None:
        self.risks = dict(risks)
        self.solvers: dict[str, Solver] = {}
        self._positive = positive
        self.regularize(regularization)

    def regularize(self, regularization: Regularization) -> None:
        """Change what is added to the diagonals.

        Args:
            regularization: As for the constructor.
        """
        self._amounts = by_block(regularization, self.risks, positive=self._positive)
        self._resolved: dict[str, float] = {}

    def fitted(self, solvers: Mapping[str, Solver]) -> None:
        """Take the solvers of a fit.

        Args:
            solvers: One for each block.
        """
        self.solvers = dict(solvers)
        self._resolved = {}

    def amounts(self) -> dict[str, float]:
        """What is added to the diagonal of each block.

        Returns:
            Numbers by block.

        Raises:
            InputError: If one is ``"auto"``, and nothing is fitted.
        """
        return {block: self._amount(block) for block in self.risks}

    def split(self, vectors: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Vectors of all parameters by block.

        Args:
            vectors: ``(R, P)``, or already by block.

        Returns:
            ``(R, P_block)`` by block.

        Raises:
            InputError: If they have another shape.
        """
        sizes = [risk.n_parameters for risk in self.risks.values()]
        if isinstance(vectors, Mapping):
            shapes = {name: tuple(part.shape[1:]) for name, part in vectors.items()}
            if shapes != {b: (n,) for b, n in zip(self.risks, sizes, strict=True)}:
                raise InputError(
                    "factors by block must be as from influence_factors_by_block; got "
                    f"{shapes}"
                )
            return dict(vectors)
        if not isinstance(vectors, Tensor):
            raise InputError(
                "factors must be a tensor, as from influence_factors, or a dict of "
                f"them by block; got {type(vectors).__name__}"
            )
        if vectors.ndim != 2 or vectors.shape[1] != sum(sizes):
            raise InputError(
                f"factors must have shape (M, {sum(sizes)}), as from influence_factors;"
                f" got {tuple(vectors.shape)}"
            )
        return dict(zip(self.risks, torch.split(vectors, sizes, 1), strict=True))

    def solved(self, gradients: Tensor) -> OrderedDict[str, Tensor]:
        """Solutions by block.

        Args:
            gradients: ``(R, P)``: right-hand sides.

        Returns:
            ``(R, P_block)`` by block.
        """
        return OrderedDict(
            (block, self.solvers[block].solve(side, self._amount(block)).vectors)
            for block, side in self.split(gradients).items()
        )

    def relative_residuals(self, gradients: Tensor) -> Tensor:
        """What is missing from the right-hand sides when they are solved for.

        Args:
            gradients: ``(R, P)``: right-hand sides.

        Returns:
            ``(R,)``, over all blocks together; 0 for a right-hand side of 0.
        """
        squares = gradients.new_zeros(len(gradients))
        for block, side in self.split(gradients).items():
            solver, amount = self.solvers[block], self._amount(block)
            solution = solver.solve(side, amount).vectors
            columns = solution.T.to(solver.curvature.dtype)
            reached = (solver.curvature @ columns).T + amount * solution
            squares += (reached - side).square().sum(1)
        sizes = torch.linalg.vector_norm(gradients, dim=1)
        return torch.where(squares == 0, squares, squares.sqrt() / sizes)

    def to(self, device: torch.device | str) -> None:
        """Move what the solvers hold.

        Args:
            device: Where to.
        """
        for solver in self.solvers.values():
            solver.to(device)

    def _amount(self, block: str) -> float:
        amount = self._amounts[block]
        if amount != "auto":
            return amount
        if block not in self.solvers:
            raise InputError(
                'regularization="auto" is known after fit(loader); call it first'
            )
        # Kept, since an estimated trace costs passes over the training data.
        if block not in self._resolved:
            self._resolved[block] = automatic(self.solvers[block])
        return self._resolved[block]
