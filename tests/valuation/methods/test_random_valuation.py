"""Random values."""

from __future__ import annotations

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.methods.random_valuation import RandomValuation


def test_values_are_uniform_and_depend_on_the_seed():
    data = Dataset(np.zeros((2000, 1)), np.zeros(2000))
    method = RandomValuation(random_state=1)
    values = method.fit(data).result.values
    assert values.min() > -1
    assert values.max() < 1
    assert abs(values.mean()) < 5 / np.sqrt(3 * 2000)
    assert method.fit(data).result == RandomValuation(1).fit(data).result
    assert not np.array_equal(values, RandomValuation(2).fit(data).result.values)


def test_values_have_the_names_of_the_points():
    data = Dataset(np.zeros((2, 1)), np.zeros(2), data_names=["one", "two"])
    assert RandomValuation(0).fit(data).result.names.tolist() == ["one", "two"]


def test_data_are_needed():
    with pytest.raises(InputError, match="needs the points"):
        RandomValuation(0).fit()
