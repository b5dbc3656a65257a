"""Which curvature stands for the second derivative of the risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeAlias, TypeGuard

import torch

from torchattr.errors import InputError
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = [
    "CurvatureChoice",
    "SecondOrderMode",
    "check_choice",
    "chosen_curvature",
    "chosen_curvatures",
]


class SecondOrderMode(Enum):
    r"""Which matrix stands for the second derivative of the risk.

    Attributes:
        HESSIAN: :math:`\frac1N \sum_i \nabla^2 \ell_i`; indefinite unless the risk is
            convex or at a minimum.
        GAUSS_NEWTON: :math:`\frac1N \sum_i J_i^\top H_i J_i`, with the Jacobian of the
            outputs and the Hessian of the loss in the outputs.
        EMPIRICAL_FISHER: :math:`\frac1N \sum_i g_i g_i^\top`, with the gradients at the
            given targets.

    Example:
        >>> SecondOrderMode("gauss_newton")
        <SecondOrderMode.GAUSS_NEWTON: 'gauss_newton'>
    """

    HESSIAN = "hessian"
    GAUSS_NEWTON = "gauss_newton"
    EMPIRICAL_FISHER = "empirical_fisher"


#: A mode; a class of curvature, or another function (risk, batches) -> operator; or an
#: operator, which is then taken as it is.
CurvatureChoice: TypeAlias = (
    "SecondOrderMode | Callable[[EmpiricalRisk, Batches], LinearOperator]"
    " | LinearOperator"
)

_CURVATURES: dict[SecondOrderMode, Callable[[EmpiricalRisk, Batches], LinearOperator]]
_CURVATURES = {
    SecondOrderMode.HESSIAN: Hessian,
    SecondOrderMode.GAUSS_NEWTON: GaussNewton,
    SecondOrderMode.EMPIRICAL_FISHER: EmpiricalFisher,
}


def check_choice(choice: object) -> None:
    """Refuse what is neither a mode, nor an operator, nor makes one.

    Args:
        choice: What the user passed.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> check_choice(SecondOrderMode.HESSIAN)
    """
    if not isinstance(choice, SecondOrderMode | LinearOperator) and not callable(
        choice
    ):
        raise InputError(
            "second_order_mode must be a SecondOrderMode, a curvature such as "
            "GaussNewton, or an operator with @, shape, dtype and device; got "
            f"{choice!r}"
        )


def chosen_curvature(
    choice: CurvatureChoice, risk: EmpiricalRisk, batches: Batches
) -> LinearOperator:
    """The curvature of a risk over training examples.

    Args:
        choice: A mode, a function that makes an operator, or an operator.
        risk: The risk.
        batches: The training examples.

    Returns:
        An operator of shape ``(P, P)``.

    Raises:
        InputError: If it is none, or of another shape.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> batches = Batches([(torch.ones(1, 1), torch.ones(1, 1))], risk)
        >>> chosen_curvature(torch.eye(2), risk, batches)
        tensor([[1., 0.],
                [0., 1.]])
    """
    if isinstance(choice, SecondOrderMode):
        return _CURVATURES[choice](risk, batches)
    # A class has the members of its objects: it is no operator itself.
    if isinstance(choice, type) or not isinstance(choice, LinearOperator):
        choice = choice(risk, batches)
    if not isinstance(choice, LinearOperator) or not isinstance(
        choice.dtype, torch.dtype
    ):
        raise InputError(
            "a curvature must be an operator of torch, with @, shape, dtype and device;"
            f" got {type(choice).__name__}. Of an array make a tensor by "
            "torch.as_tensor(...)"
        )
    if tuple(choice.shape) != (risk.n_parameters, risk.n_parameters):
        raise InputError(
            f"the curvature has shape {tuple(choice.shape)}, but {risk.n_parameters} "
            "parameters vary; an operator fits block_structure=BlockMode.FULL only"
        )
    # Answers carry no graph.
    return choice.detach() if isinstance(choice, torch.Tensor) else choice


def chosen_curvatures(
    choice: CurvatureChoice, risks: Mapping[str, EmpiricalRisk], batches: Batches
) -> dict[str, LinearOperator]:
    """The curvature of each block.

    Args:
        choice: As for :func:`chosen_curvature`.
        risks: The risk of each block.
        batches: The training examples.

    Returns:
        Operators by block. Those of :class:`KFAC` and :class:`EKFAC` come from the
        same passes over the data, others from passes of their own.

    Raises:
        InputError: As for :func:`chosen_curvature`.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> batches = Batches([(torch.ones(1, 1), torch.ones(1, 1))], risk)
        >>> list(chosen_curvatures(SecondOrderMode.HESSIAN, {"full": risk}, batches))
        ['full']
    """
    if _is_kronecker(choice):
        return {**choice.by_block(risks, batches)}
    return {
        block: chosen_curvature(choice, risk, batches.restricted(risk))
        for block, risk in risks.items()
    }


def _is_kronecker(choice: object) -> TypeGuard[type[KroneckerFisher]]:
    return isinstance(choice, type) and issubclass(choice, KroneckerFisher)
