"""What the predictor that ignores its inputs scores: the value of no training data."""

from __future__ import annotations

from torch import Tensor

from torchattr.training.model_score import ModelScore

__all__ = ["constant_predictor_score"]


def constant_predictor_score(
    score: ModelScore, output: Tensor, train_targets: Tensor, test_targets: Tensor
) -> Tensor:
    r"""The score of the best output that is the same for every input.

    That is the share of each class among the training targets (its logarithm as a
    logit, the log-odds where there is one logit), a class that is absent counted as
    half an example; or the mean of the training targets.

    Args:
        score: The score.
        output: ``(*out)``: the output for one example, of which only the shape, the
            type and the device count.
        train_targets: ``(n, ...)``.
        test_targets: ``(M, ...)``.

    Returns:
        A number, or ``(M,)`` by example.

    Raises:
        InputError: If the score has no meaning for such outputs and targets.

    Example:
        >>> import torch
        >>> from torchattr.training.named_scores import R2Score
        >>> y_train, y_test = torch.tensor([2.0, 4.0]), torch.tensor([3.0, 5.0])
        >>> constant_predictor_score(R2Score(), torch.zeros(()), y_train, y_test)
        tensor(-1., dtype=torch.float64)
    """
    constant = score.form(output, train_targets).constant(train_targets).to(output)
    outputs = constant.expand(1, len(test_targets), *output.shape)
    return score(outputs, test_targets)[0]
