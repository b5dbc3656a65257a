"""How few helpers have to go until a prediction changes?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.examples import Examples
from torchattr.metrics.as_game import check_learner_data
from torchattr.metrics.point_values import PointValues, as_numbers
from torchattr.training import RetrainingGame
from torchattr.training.learner import Learner
from torchattr.training.output_form import class_form

__all__ = ["brittleness"]


def brittleness(
    learner: Learner,
    attributions: PointValues,
    *,
    data: object,
    test: object,
    counts: Sequence[int] | None = None,
) -> Tensor:
    r"""Smallest number of an example's strongest helpers whose removal flips it.

    For a test example the training examples of the k highest attributions are left out,
    and the model is trained again, for every k of a grid. The smallest k at which it
    predicts another class than the model of all examples is the answer, whether or not
    that class was right; larger k are not asked to flip it too. Of two attributions the
    one with the smaller numbers has found better what predictions rest on.

    Args:
        learner: A :class:`~torchattr.training.TorchLearner` of a classifier.
        attributions: ``(n_test, n_train)``: the highest go first, of equal ones the
            earlier example.
        data: The ``n_train`` training examples.
        test: The ``(x, y)`` whose predictions are to flip. Of ``y`` only the form
            counts.
        counts: Numbers of examples to leave out, ascending, below ``n_train``; by
            default the powers of two up to half of them.

    Returns:
        ``(n_test,)``, float64: one of ``counts``, or infinity where none of them flips
        the prediction. The median of these tells of all examples, where the mean would
        be infinite. (Of several labels of one example any has to flip.)

    Raises:
        InputError: If shapes do not agree, ``counts`` is no such grid, or the outputs
            are no classes.

    Note:
        Trains ``n_test * len(counts) + 1`` models, as many at once as memory allows.
        The smallest number that there is may be smaller: the helpers that flip a
        prediction together need not be the strongest ones.

    Example:
        >>> from functools import partial
        >>> from torchattr.training import TorchLearner
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(1, 2),
        ...     torch.nn.CrossEntropyLoss(),
        ...     partial(torch.optim.SGD, lr=1.0),
        ...     epochs=20,
        ... )
        >>> x, y = torch.ones(6, 1), torch.tensor([1, 1, 1, 1, 0, 0])
        >>> helpers = [[4.0, 3.0, 2.0, 1.0, -1.0, -1.0]]
        >>> test = x[:1], y[:1]
        >>> brittleness(learner, helpers, data=(x, y), test=test, counts=[1, 3])
        tensor([3.], dtype=torch.float64)
    """
    if not isinstance(learner, Learner):
        raise InputError(
            "learner must be a learner such as TorchLearner, which trains again; got "
            f"{type(learner).__name__}."
        )
    check_learner_data(data, test)
    train, examples = learner.examples(data), learner.examples(test)
    n_train, n_test = len(train), len(examples)
    scores = as_numbers("attributions", attributions)
    if scores.shape != (n_test, n_train):
        raise InputError(
            "attributions must be (n_test, n_train), here "
            f"({n_test}, {n_train}); got shape {tuple(scores.shape)}."
        )
    removed = _grid(counts, n_train)
    order = scores.argsort(dim=1, descending=True, stable=True)
    position = order.argsort(dim=1).cpu()
    kept = position[:, None] >= removed[:, None]  # (n_test, counts, n_train)
    predicted = Examples(examples.inputs, _predictions(learner, train, examples))
    # Accuracy, where the targets are the first model's predictions: below 1 is a flip.
    game = RetrainingGame(learner, train, predicted, "accuracy", per_example=True)
    agreement = game(kept.flatten(0, 1).to(game.device))
    own = agreement.reshape(n_test, -1, n_test).diagonal(dim1=0, dim2=2)
    grid = removed.to(own)[:, None].expand_as(own)
    return torch.where(own < 1, grid, math.inf).amin(0)


def _grid(counts: Sequence[int] | None, n_train: int) -> Tensor:
    if counts is None:
        counts = [2**power for power in range(max(1, n_train // 2).bit_length())]
    grid = [as_count("counts", count) for count in counts]
    if not grid or sorted(set(grid)) != grid or grid[-1] >= n_train:
        raise InputError(
            "counts must be ascending whole numbers from 1 to "
            f"{n_train - 1}, one less than there are training examples; got {counts!r}."
        )
    return torch.tensor(grid)


def _predictions(learner: Learner, train: Examples, test: Examples) -> Tensor:
    """Labels that the model of all training examples predicts."""
    everyone = torch.ones(1, len(train), dtype=torch.bool, device=learner.device)
    with torch.enable_grad():  # whatever the caller does, training needs gradients
        models = learner.fit_many(train, everyone)
    with torch.no_grad():
        outputs = learner.outputs(models, test.inputs)
    form = class_form(tuple(outputs.shape[2:]), test.targets, learner.loss)
    if form is None:
        raise InputError(
            "brittleness needs a classifier, whose predictions can flip; got "
            f"outputs {tuple(outputs.shape[2:])} and {test.targets.dtype} targets "
            f"{tuple(test.targets.shape[1:])} for each example."
        )
    return form.predictions(outputs)[0]
