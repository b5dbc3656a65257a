"""A game: what every coalition of players that stay is worth."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.memory import in_parts

__all__ = ["WHOLE_CALL", "Game"]

#: The ``chunk_size`` of a wrapper that hands a call on whole: what it wraps splits it,
#: and is alone to try again in smaller chunks when the memory does not suffice.
WHOLE_CALL: Final = sys.maxsize


class Game(ABC):
    r"""A function of coalitions, :math:`v : 2^N \to \mathbb{R}^{*value}`.

    A coalition is a row of ``n_players`` booleans: the players that stay. A subclass
    sets ``n_players`` and writes :meth:`evaluate`; calling the game checks what goes in
    and what comes out, splits the coalitions into chunks, and reports progress.
    How the coalitions are split changes speed and memory only.

    Attributes:
        n_players: Number of players, at least one.
        device: Where coalitions are expected and values live.
        chunk_size: The most coalitions handed to one call of :meth:`evaluate`. Halved,
            for the rest of the game's life, when a chunk does not fit in memory.
        n_wasted: Evaluations that were spent beyond those asked for.
        progress: A progress bar (anything with ``update(n)``) that is advanced by one
            for each coalition, or ``None``.

    Example:
        >>> class Squares(Game):
        ...     n_players = 3
        ...
        ...     def evaluate(self, coalitions):
        ...         return coalitions.sum(1) ** 2
        >>> Squares()(torch.tensor([[True, False, True], [True, True, True]]))
        tensor([4, 9])
    """

    n_players: int
    device: torch.device = torch.device("cpu")
    chunk_size: int = 1024
    n_wasted: int = 0
    progress: Any = None

    _SHOWN_PLAYERS: ClassVar[int] = 12  # enough to find the coalition, short to read

    @abstractmethod
    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Values of one chunk of coalitions; what a subclass writes.

        Args:
            coalitions: ``(C, n_players)`` booleans on :attr:`device`, ``C >= 1``.

        Returns:
            ``(C, *value)``: the value of each coalition, in the order given.
        """

    @final
    @torch.no_grad()
    def __call__(self, coalitions: Tensor) -> Tensor:
        """Values of any number of coalitions.

        Args:
            coalitions: ``(C, n_players)`` booleans, ``C >= 1``.

        Returns:
            ``(C, *value)``, on :attr:`device`.

        Raises:
            InputError: If the coalitions have another type or shape, or if a value is
                NaN or infinite (the message names the coalition).
        """
        coalitions = self._checked(coalitions)
        if self.chunk_size == WHOLE_CALL:
            values = self._chunk(coalitions)
        else:
            values, self.chunk_size = in_parts(
                lambda start, stop: self._chunk(coalitions[start:stop]),
                count=coalitions.shape[0],
                size=self.chunk_size,
            )
        self._refuse_non_finite(values, coalitions)
        return values

    def ends(self) -> Tensor:
        """The coalitions that every estimate needs: ``(2, n)``, empty and full."""
        ends = torch.zeros(2, self.n_players, dtype=torch.bool, device=self.device)
        ends[1] = True
        return ends

    def _checked(self, coalitions: Tensor) -> Tensor:
        if (
            coalitions.dtype != torch.bool
            or coalitions.ndim != 2
            or coalitions.shape[1] != self.n_players
            or len(coalitions) == 0
        ):
            raise InputError(
                f"coalitions must be bool with shape (C, {self.n_players}), C >= 1; "
                f"got {coalitions.dtype} {tuple(coalitions.shape)}. "
                "Did you group the players, or forget to?"
            )
        return coalitions.to(self.device)

    def _chunk(self, chunk: Tensor) -> Tensor:
        values, size = self.evaluate(chunk), chunk.shape[0]
        if values.ndim == 0 or values.shape[0] != size:
            raise InputError(
                f"{type(self).__name__}.evaluate must return one value for each of "
                f"the {size} coalitions along its first dimension; "
                f"got shape {tuple(values.shape)}"
            )
        if self.progress is not None:
            self.progress.update(size)
        return values

    def _refuse_non_finite(self, values: Tensor, coalitions: Tensor) -> None:
        if values.is_meta or not (values.is_floating_point() or values.is_complex()):
            return  # a meta tensor has a shape and no values
        finite = torch.isfinite(values)
        if bool(finite.all()):
            return
        bad = int((~finite.reshape(len(values), -1).all(1)).nonzero()[0])
        stay = coalitions[bad].nonzero().flatten().tolist()
        shown = ", ".join(map(str, stay[: self._SHOWN_PLAYERS]))
        more = ", ..." if len(stay) > self._SHOWN_PLAYERS else ""
        raise InputError(
            "the value of a coalition (forward_func, a score) must be finite; got NaN "
            f"or infinity for the coalition in which players {{{shown}{more}}} "
            f"({len(stay)} of {self.n_players}) stay. "
            "Check the inputs and the baselines for values that the model cannot take, "
            "and a training for divergence."
        )
