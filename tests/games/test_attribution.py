"""The base of all methods: how an answer is made, and captum's members."""

from __future__ import annotations

import pytest
import torch

from torchattr.estimation.exact import exact
from torchattr.games.attribution import Attribution
from torchattr.games.feature_attribution import FeatureAttribution


class CarefulSum(FeatureAttribution):
    """A method in a few lines, as a user would write it."""

    def attribute(self, inputs, **options):
        game = self._game(inputs, 0.0, None, None, None, None)
        return self._explained(
            game,
            exact,
            n_evaluations=2**game.n_players,
            show_progress=options.get("show_progress", False),
            return_standard_error=options.get("return_standard_error", False),
            as_inputs=options.get("as_inputs", True),
        )


X = torch.tensor([[1.0, 2.0]])


def test_a_method_is_its_arguments_and_an_estimator(capsys):
    method = CarefulSum(lambda x: x.sum(1))
    assert method.attribute(X).tolist() == [[1, 2]]
    assert method.attribute((X,))[0].tolist() == [[1, 2]]
    values, errors = method.attribute(X, return_standard_error=True)
    assert (values.tolist(), errors.tolist()) == ([[1, 2]], [[0, 0]])
    method.attribute(X, show_progress=True)
    assert "Careful Sum attribution: 100%" in capsys.readouterr().err


def test_members_of_the_bases():
    method = CarefulSum(torch.sum)
    assert method.forward_func is torch.sum
    assert method.get_name() == CarefulSum.get_name() == "Careful Sum"
    assert method.multiplies_by_inputs
    assert method.has_convergence_delta() is False
    with pytest.raises(
        NotImplementedError, match="CarefulSum has no convergence delta"
    ):
        method.compute_convergence_delta()
    for arguments in ((), (X,)):
        with pytest.raises(NotImplementedError, match=r"attribute_future .*CarefulSum"):
            method.attribute_future(*arguments)


def test_an_attribution_need_not_multiply_by_inputs():
    class Gradient(Attribution):
        def attribute(self, inputs):
            return inputs

    assert Gradient(torch.sum).multiplies_by_inputs is False


def test_buffers_are_restored_around_the_run():
    model = torch.nn.BatchNorm1d(2)
    CarefulSum(model).attribute(torch.randn(3, 2))
    assert int(model.num_batches_tracked) == 0
