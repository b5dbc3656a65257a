"""Symmetric blocks by their eigenvectors, in whose basis they are easy to invert."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.kronecker_layer import KroneckerLayer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DenseBlock", "EigenBlock", "KroneckerBlock", "eigenbasis"]


class EigenBlock(ABC):
    r"""A block :math:`U \Lambda U^\top` of a symmetric matrix, :math:`\Lambda \ge 0`.

    Attributes:
        eigenvalues: :math:`\Lambda`, of any shape.

    Example:
        >>> issubclass(KroneckerBlock, EigenBlock), issubclass(DenseBlock, EigenBlock)
        (True, True)
    """

    eigenvalues: Tensor

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of its parameters."""

    @abstractmethod
    def applied(
        self, vectors: Mapping[str, Tensor], function: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        r"""Products with :math:`U f(\Lambda) U^\top`.

        Args:
            vectors: ``(R, *shape)`` for each parameter of the block, by name.
            function: :math:`f`, of the tensor of eigenvalues.

        Returns:
            The same shapes.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same block on a device.

        Args:
            device: Where to.

        Returns:
            A block.
        """


@dataclass(frozen=True, eq=False)
class KroneckerBlock(EigenBlock):
    r"""The block of a layer, in the basis :math:`U_G \otimes U_A`.

    Attributes:
        layer: The layer.
        output_basis: :math:`U_G`, ``(groups, o, o)``: eigenvectors in columns.
        input_basis: :math:`U_A`, ``(groups, i, i)``.
        eigenvalues: ``(groups, o, i)``.

    Example:
        >>> identity = torch.eye(2).unsqueeze(0)
        >>> layer = KroneckerLayer("weight", None, groups=1)
        >>> block = KroneckerBlock(layer, identity, identity, torch.ones(1, 2, 2))
        >>> block.applied({"weight": torch.ones(1, 2, 2)}, torch.neg)["weight"]
        tensor([[[-1., -1.],
                 [-1., -1.]]])
    """

    layer: KroneckerLayer
    output_basis: Tensor
    input_basis: Tensor
    eigenvalues: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """The weight, and the bias if there is one."""
        return self.layer.names

    def applied(
        self, vectors: Mapping[str, Tensor], function: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """In ``R * groups * o * i * (o + i)`` multiplications."""
        weight = vectors[self.layer.weight]
        groups, n_outputs, _ = self.eigenvalues.shape
        matrices = weight.reshape(len(weight), groups, n_outputs, -1)
        if self.layer.bias is not None:
            bias = vectors[self.layer.bias].reshape(len(weight), groups, n_outputs, 1)
            matrices = torch.cat([matrices, bias], -1)
        inside = self.output_basis.mT @ matrices @ self.input_basis
        inside *= function(self.eigenvalues)
        product = self.output_basis @ inside @ self.input_basis.mT
        if self.layer.bias is None:
            return {self.layer.weight: product.reshape(weight.shape)}
        return {
            self.layer.weight: product[..., :-1].reshape(weight.shape),
            self.layer.bias: product[..., -1].flatten(1),
        }

    def with_eigenvalues(self, eigenvalues: Tensor) -> Self:
        """The same basis with other eigenvalues; those that were 0 remain so.

        Args:
            eigenvalues: ``(groups, o, i)``.

        Returns:
            A block.
        """
        kept = eigenvalues.to(self.eigenvalues.dtype)
        return replace(self, eigenvalues=kept.where(self.eigenvalues > 0, 0.0))

    def to(self, device: torch.device | str) -> Self:
        """Its three tensors."""
        return replace(
            self,
            output_basis=self.output_basis.to(device),
            input_basis=self.input_basis.to(device),
            eigenvalues=self.eigenvalues.to(device),
        )


@dataclass(frozen=True, eq=False)
class DenseBlock(EigenBlock):
    """A block of parameters without more structure.

    Attributes:
        members: Names of the parameters, in their flattened order.
        basis: ``(n, n)``: eigenvectors in columns.
        eigenvalues: ``(n,)``.

    Example:
        >>> block = DenseBlock(("bias",), torch.eye(2), torch.tensor([1.0, 2.0]))
        >>> block.applied({"bias": torch.ones(1, 2)}, torch.square)
        {'bias': tensor([[1., 4.]])}
    """

    members: tuple[str, ...]
    basis: Tensor
    eigenvalues: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """The members."""
        return self.members

    def applied(
        self, vectors: Mapping[str, Tensor], function: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """In ``2 * R * n * n`` multiplications."""
        parts = [vectors[name] for name in self.members]
        flat = torch.cat([part.reshape(len(part), -1) for part in parts], 1)
        product = (flat @ self.basis * function(self.eigenvalues)) @ self.basis.T
        sizes = [part[0].numel() for part in parts]
        split = product.split(sizes, 1)  # type: ignore[no-untyped-call]  # torch's
        return {
            name: piece.reshape(part.shape)
            for name, piece, part in zip(self.members, split, parts, strict=True)
        }

    def to(self, device: torch.device | str) -> Self:
        """Its two tensors."""
        return replace(
            self, basis=self.basis.to(device), eigenvalues=self.eigenvalues.to(device)
        )


def eigenbasis(
    matrices: Tensor, dtype: torch.dtype, names: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of matrices that are nowhere negative.

    In double precision always: single-precision LAPACK cannot even say how much memory
    it needs for more than 2,895 rows. A decomposition that a device cannot do is done
    on the CPU.

    Args:
        matrices: ``(*lead, n, n)``, symmetric, in double precision.
        dtype: The precision of what they were computed from.
        names: Of the parameters, for the message of an error.

    Returns:
        ``(*lead, n)``, ascending, and ``(*lead, n, n)``, in columns, in double
        precision. Eigenvalues that ``dtype`` cannot tell from 0 are 0.

    Raises:
        InputError: If a matrix is not finite, or has no decomposition.

    Example:
        >>> matrix = torch.diag(torch.tensor([1e-9, 3.0], dtype=torch.float64))
        >>> eigenbasis(matrix, torch.float32, ("weight",))[0]
        tensor([0., 3.], dtype=torch.float64)
    """
    if not bool(torch.isfinite(matrices).all()):
        raise InputError(
            f"the curvature of {', '.join(names)} is not finite; look for nan or inf in"
            " the model's outputs, parameters and training data"
        )
    try:
        values, vectors = torch.linalg.eigh(matrices)
    except RuntimeError:  # no convergence, or no memory, on this device
        values, vectors = _on_cpu(matrices, names)
    noise = torch.finfo(dtype).eps * values.shape[-1] * values[..., -1:]
    return values.where(values > noise, 0.0), vectors


def _on_cpu(matrices: Tensor, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    try:
        values, vectors = torch.linalg.eigh(matrices.cpu())
    except RuntimeError as error:
        raise InputError(
            f"the curvature of {', '.join(names)}, {matrices.shape[-1]} rows, has no "
            f"eigendecomposition here ({error}). Freeze these parameters "
            "(requires_grad=False), or use CgInfluence"
        ) from error
    return values.to(matrices.device), vectors.to(matrices.device)
