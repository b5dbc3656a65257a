"""Counts are whole numbers, large enough."""

from __future__ import annotations

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.games.counts import as_count


def test_whole_numbers_of_any_kind_are_taken():
    assert as_count("n", np.int32(3)) == 3
    assert as_count("n", 0, at_least=0) == 0


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "3", None])
def test_anything_else_is_refused_by_name(bad):
    with pytest.raises(InputError, match="n_players"):
        as_count("n_players", bad)
