"""A network of sets that predicts what subsets are worth."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import Self

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.valuation.progress_bar import Show, progress_bar
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.utility_model import UtilityModel

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["DeepSetUtilityModel"]


@final
class DeepSetUtilityModel(UtilityModel):
    r"""Deep sets, :math:`\hat u(S) = \rho\bigl(\sum_{i \in S} \phi(x_i, y_i)\bigr)`.

    Both functions have one hidden layer. Inputs and targets are standardised (labels
    become one indicator each), utilities as well, and :math:`\phi` is computed once for
    all points in each step, so that a step costs a product of matrices.

    Args:
        data: The points.
        phi_hidden_dim: Width of the hidden layer of :math:`\phi`.
        phi_output_dim: Size of its output.
        rho_hidden_dim: Width of the hidden layer of :math:`\rho`.
        lr: Learning rate of Adam.
        lr_step_size: Epochs after which it is lowered.
        lr_gamma: The factor by which.
        batch_size: Subsets in each step.
        num_epochs: Passes over the known subsets.
        device: Where to learn.
        dtype: Of the network.
        progress: Whether to show a progress bar.
        seed: Of weights and of the order of the subsets.

    Raises:
        InputError: If a size or number is not positive.

    Example:
        >>> from torchattr.valuation.dataset import Dataset
        >>> data = Dataset(np.eye(4), np.arange(4) % 2)
        >>> model = DeepSetUtilityModel(
        ...     data, 8, 4, 8, num_epochs=200, lr=0.02, lr_gamma=1
        ... )
        >>> known = {Sample(None, np.arange(k)): float(k) for k in range(5)}
        >>> model.fit(known).predict([Sample(None, np.arange(3))]).round(0)
        array([3.])

    References:
        Zaheer et al. (2017), *Deep sets*; Wang et al. (2022), *Improving cooperative
        game theory-based data valuation via data utility learning*.
    """

    def __init__(
        self,
        data: Dataset,
        phi_hidden_dim: int,
        phi_output_dim: int,
        rho_hidden_dim: int,
        *,
        lr: float = 0.001,
        lr_step_size: int = 10,
        lr_gamma: float = 0.1,
        batch_size: int = 64,
        num_epochs: int = 20,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        progress: Show = False,
        seed: int = 0,
    ) -> None:
        self.data = data
        self._sizes = tuple(
            as_count(name, size)
            for name, size in {
                "phi_hidden_dim": phi_hidden_dim,
                "phi_output_dim": phi_output_dim,
                "rho_hidden_dim": rho_hidden_dim,
            }.items()
        )
        self._rates = (float(lr), as_count("lr_step_size", lr_step_size), lr_gamma)
        self._batch_size = as_count("batch_size", batch_size)
        self._num_epochs = as_count("num_epochs", num_epochs)
        self._progress = progress
        self._seed = seed
        self._points = _features(data).to(device, dtype)
        self._network: _DeepSet | None = None

    def fit(self, samples: Mapping[Sample, float]) -> Self:
        """See :meth:`UtilityModel.fit`."""
        members = self._members(samples)
        known = torch.tensor(list(samples.values()), dtype=torch.float64)
        centre, scale = float(known.mean()), float(known.std(correction=0)) or 1.0
        targets = ((known - centre) / scale).to(members)
        generator = torch.Generator().manual_seed(self._seed)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self._seed)
            network = _DeepSet(self._points.shape[1], *self._sizes).to(members)
            self._train(network, members, targets, generator)
        self._network = network
        self._centre, self._scale = centre, scale
        return self

    def predict(self, samples: Collection[Sample]) -> NDArray[np.float64]:
        """See :meth:`UtilityModel.predict`.

        Args:
            samples: The subsets.

        Returns:
            ``(len(samples),)``.

        Raises:
            InputError: If the model was not fitted.
        """
        if self._network is None:
            raise InputError("the model has learned nothing yet; call fit first")
        with torch.no_grad():
            said = self._network(self._points, self._members(samples))
        numbers: NDArray[np.float64] = said.cpu().double().numpy()
        return self._centre + self._scale * numbers

    def _train(
        self,
        network: _DeepSet,
        members: Tensor,
        targets: Tensor,
        generator: torch.Generator,
    ) -> None:
        lr, step, gamma = self._rates
        adam = torch.optim.Adam(network.parameters(), lr=lr)
        schedule = torch.optim.lr_scheduler.StepLR(adam, step, gamma)
        n_steps = math.ceil(len(targets) / self._batch_size)
        with progress_bar(self._progress, "Deep set", self._num_epochs) as bar:
            for _ in range(self._num_epochs):
                order = torch.randperm(len(targets), generator=generator)
                for rows in order.to(members.device).chunk(n_steps):
                    adam.zero_grad()
                    said = network(self._points, members[rows])
                    nn.functional.mse_loss(said, targets[rows]).backward()  # type: ignore[no-untyped-call]  # torch's
                    adam.step()
                schedule.step()
                bar.update(1)

    def _members(self, samples: Collection[Sample]) -> Tensor:
        """``(C, n_points)`` indicators."""
        rows = [np.isin(self.data.indices, sample.subset) for sample in samples]
        coalitions = torch.from_numpy(np.array(rows, np.bool_))
        return self.data.masks(coalitions.reshape(-1, len(self.data))).to(self._points)


class _DeepSet(nn.Module):
    def __init__(self, n_features: int, phi: int, out: int, rho: int) -> None:
        super().__init__()
        self.phi = nn.Sequential(
            nn.Linear(n_features, phi), nn.ReLU(), nn.Linear(phi, out)
        )
        self.rho = nn.Sequential(nn.Linear(out, rho), nn.ReLU(), nn.Linear(rho, 1))

    def forward(self, points: Tensor, members: Tensor) -> Tensor:
        """``(C,)`` from points ``(n, d)`` and members ``(C, n)``."""
        said: Tensor = self.rho(members @ self.phi(points))
        return said[:, 0]


def _features(data: Dataset) -> Tensor:
    """``(n_points, d)``: standardised inputs and targets, labels as indicators."""
    x, y = (torch.as_tensor(_numbers(part)) for part in data.data().cpu())
    x = x.reshape(len(x), -1).double()
    y = y.double().reshape(len(y), -1) if y.is_floating_point() else _one_hot(y)
    columns = torch.cat([x, y], 1)
    spread = columns.std(0, correction=0)
    return (columns - columns.mean(0)) / torch.where(spread > 0, spread, 1)


def _numbers(part: object) -> Tensor | NDArray[np.generic]:
    """Labels of any other kind become numbers."""
    if isinstance(part, Tensor):
        return part
    array = np.asarray(part)
    return (
        array
        if array.dtype.kind in "biuf"
        else np.unique(array, return_inverse=True)[1]
    )


def _one_hot(labels: Tensor) -> Tensor:
    rows = labels.reshape(len(labels), -1)
    codes = torch.unique(rows, return_inverse=True, dim=0)[1]
    return nn.functional.one_hot(codes).double()
