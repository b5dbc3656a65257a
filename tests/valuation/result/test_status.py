"""Statuses combine by the tables that pyDVL documents."""

from __future__ import annotations

import operator

import pytest

from torchattr.valuation.result import Status

P, C, F = Status.Pending, Status.Converged, Status.Failed


@pytest.mark.parametrize(
    ("combine", "table"),
    [
        (operator.or_, [[P, C, P], [C, C, C], [P, C, F]]),
        (operator.and_, [[P, P, F], [P, C, F], [F, F, F]]),
    ],
)
def test_two_statuses_combine(combine, table):
    assert [[combine(a, b) for b in (P, C, F)] for a in (P, C, F)] == table


def test_not_pending_is_converged_and_not_converged_is_failed():
    assert [~P, ~C, ~F] == [C, F, C]


def test_a_status_is_true_where_a_run_ends():
    assert [bool(status) for status in (P, C, F)] == [False, True, True]


@pytest.mark.parametrize("combine", [operator.or_, operator.and_])
def test_a_status_combines_with_nothing_else(combine):
    with pytest.raises(TypeError):
        combine(P, True)
