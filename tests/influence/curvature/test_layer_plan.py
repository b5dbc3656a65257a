"""Which layers are taken by structure."""

from __future__ import annotations

from torch import nn

from tests.influence.cases import labels, randn, weighted
from tests.influence.curvature.models import KINDS
from torchattr.influence.curvature.layer_plan import layer_plan
from torchattr.influence.empirical_risk import EmpiricalRisk


def test_groups_and_weights_used_elsewhere_are_not():
    kind = KINDS["tied weight"]
    assert not layer_plan(kind.risk, kind.risk.examples(kind.x, kind.y)).slots
    grouped = nn.Sequential(nn.Conv2d(2, 4, 2, groups=2), nn.Flatten(), nn.Linear(4, 2))
    risk = EmpiricalRisk(weighted(grouped), nn.CrossEntropyLoss())
    plan = layer_plan(risk, risk.examples(randn(3, 2, 2, 2), labels(3, 2)))
    assert plan.names == (("2.weight", "2.bias"),)
    assert len(plan.remaining) == 20
