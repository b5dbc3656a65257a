"""Warnings of solvers point to the user's line, whichever way a solver was reached."""

from __future__ import annotations

import pytest
import torch

from tests.influence.cases import softmax_regression
from torchattr.influence import (
    Arnoldi,
    CgInfluence,
    ConvergenceWarning,
    LissaInfluence,
    SequentialInfluenceCalculator,
)


def questions(influence, batch):
    calculator = SequentialInfluenceCalculator(influence)
    return [
        lambda: influence.influences(*batch),
        lambda: influence.relative_residuals(*batch),
        lambda: calculator.influences([batch], [batch]).compute(),
    ]


@pytest.mark.parametrize(
    "hurried",
    [
        lambda case: CgInfluence(case.model, case.loss, 1e-3, maxiter=1, rtol=1e-9),
        lambda case: LissaInfluence(case.model, case.loss, 1e-3, maxiter=1),
    ],
)
def test_a_question_that_stops_short_warns_where_it_was_asked(hurried):
    case = softmax_regression()
    batch = (case.x[:2], case.y[:2])
    influence = hurried(case).fit([(case.x, case.y)])
    for ask in questions(influence, batch):
        with pytest.warns(ConvergenceWarning) as caught:
            ask()
        assert {warning.filename for warning in caught} == {__file__}


def test_a_decomposition_that_stops_short_warns_where_it_was_made():
    with pytest.warns(ConvergenceWarning) as caught:
        Arnoldi(torch.diag(torch.linspace(1.0, 2.0, 300)), rank=5, max_iter=1)
    assert {warning.filename for warning in caught} == {__file__}
