"""A bar lives as long as its block, also when that fails."""

from __future__ import annotations

import pytest
import torch
import tqdm.auto

from torchattr.games.additive_game import AdditiveGame
from torchattr.games.progress import reporting


@pytest.fixture
def game():
    return AdditiveGame(torch.ones(3))


def test_nothing_is_shown_unless_asked_for(game, capsys):
    with reporting(game, "Label", 2, show=False):
        assert game.progress is None
        game(game.ends())
    assert capsys.readouterr().err == ""


def test_the_bar_counts_evaluations(game, capsys):
    with reporting(game, "Label", 2, show=True):
        assert isinstance(game.progress, tqdm.auto.tqdm)
        game(game.ends())
    assert game.progress is None
    shown = capsys.readouterr().err
    assert "Label: 100%" in shown
    assert "2/2" in shown


def test_the_bar_is_taken_away_after_an_error(game, capsys):
    with pytest.raises(KeyError), reporting(game, "Label", 2, show=True):
        raise KeyError
    assert game.progress is None
    assert "0/2" in capsys.readouterr().err
