"""The identity as a curvature."""

from __future__ import annotations

import torch

from tests.influence.cases import linear_regression, randn
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.curvature import LinearOperator, dense
from torchattr.influence.curvature.identity import Identity
from torchattr.influence.second_order_mode import chosen_curvature


def test_it_leaves_vectors_as_they_are():
    case = linear_regression()
    identity = chosen_curvature(Identity, case.risk, Batches(case.batches(), case.risk))
    assert isinstance(identity, LinearOperator)
    assert identity.dtype == torch.float64
    vectors = randn(8, 3)
    product = identity @ vectors
    assert torch.equal(product, vectors)
    product.zero_()  # is no view of them
    assert vectors.all()
    assert torch.equal(dense(identity), torch.eye(8, dtype=torch.float64))
