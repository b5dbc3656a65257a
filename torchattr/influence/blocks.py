"""Blocks: which parameters have curvature in common, and the rest has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TypeAlias

from torch import nn

from torchattr.errors import InputError

__all__ = ["BlockMode", "BlockStructure", "blocks_of"]


class BlockMode(Enum):
    """How parameters are divided into blocks of a block-diagonal curvature.

    Attributes:
        FULL: One block of all parameters.
        LAYER_WISE: One for each module that owns parameters.
        PARAMETER_WISE: One for each parameter.

    Example:
        >>> BlockMode("layer_wise")
        <BlockMode.LAYER_WISE: 'layer_wise'>
    """

    FULL = "full"
    LAYER_WISE = "layer_wise"
    PARAMETER_WISE = "parameter_wise"


BlockStructure: TypeAlias = "BlockMode | Mapping[str, Sequence[str]]"


def blocks_of(model: nn.Module, structure: BlockStructure) -> dict[str, list[str]]:
    """Names of the trainable parameters of each block.

    Args:
        model: The module.
        structure: A mode, or the names of the parameters of each block.

    Returns:
        Block name to names of parameters, in the order of ``named_parameters()``. The
        block of a module is called like the module, that of the outermost module's own
        parameters ``""``, and the single block of ``FULL`` ``"full"``. Parameters in no
        block take no part.

    Raises:
        InputError: If a name is unknown, frozen or in two blocks, or a block is empty.

    Example:
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
        >>> blocks_of(model, BlockMode.LAYER_WISE)
        {'0': ['0.weight', '0.bias'], '2': ['2.weight', '2.bias']}
    """
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    if isinstance(structure, Mapping):
        strings = [name for name, own in structure.items() if isinstance(own, str)]
        if strings or not structure:
            raise InputError(
                "block_structure must be a dict of block name -> list of parameter "
                "names, with at least one block; got "
                + (f"a string for {strings}" if strings else "an empty dict")
            )
        blocks = {str(name): list(members) for name, members in structure.items()}
        _check(blocks, names)
        return {name: sorted(block, key=names.index) for name, block in blocks.items()}
    if not isinstance(structure, BlockMode):
        raise InputError(
            "block_structure must be a BlockMode, or a dict of block name -> list of "
            f"parameter names; got {structure!r}"
        )
    if structure is BlockMode.FULL:
        return {"full": names}
    if structure is BlockMode.PARAMETER_WISE:
        return {name: [name] for name in names}
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return layers


def _check(blocks: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    members = [member for block in blocks.values() for member in block]
    unknown = sorted(set(members) - set(names))
    twice = sorted(name for name, count in Counter(members).items() if count > 1)
    empty = [name for name, block in blocks.items() if not block]
    problems = [
        f"{what}: {', '.join(map(repr, which))}"
        for what, which in (
            ("not trainable parameters", unknown),
            ("in two blocks", twice),
            ("empty blocks", empty),
        )
        if which
    ]
    if problems:
        raise InputError(
            "block_structure must put trainable parameters in one block each; "
            + "; ".join(problems)
        )
