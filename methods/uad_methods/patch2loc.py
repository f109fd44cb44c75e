"""Patch2Loc: learning to localise patches. Baker and Brockmeier (2025), arXiv 2506.22504.

A network learns from healthy slices where in a slice a small patch lies. A patch that it misplaces, or is unsure of, is
like none that it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset, SliceKey
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.locator import PatchLocator, surround


@dataclass(kw_only=True)
class Patch2Loc(NetworkMethod):
    """score = log(squared error + least) of a patch's place + mean logarithm of its predicted variance.

    Places are rows and columns in percent of the slice.

    Attributes:
        source: the modality.
        patch: side of a patch as a share of the slice.
        patches: drawn for a training step, from all its slices together.
        min_brain: share of a training patch that is brain at least.
        width: channels of the network's first convolution.
        latent: length of a patch's code.
        beta: how much errors count whose predicted variance is large, from 0 to 1.
        least: added to the squared error, so that its logarithm is finite.
    """

    source: Modality = "flair"
    patch: float = 0.125
    patches: int = 8096
    min_brain: float = 0.2
    width: int = 16
    latent: int = 128
    beta: float = 0.5
    least: float = 1e-10
    heights_: Tensor = field(init=False, repr=False, compare=False)  # lowest and highest z that was learned from

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    def build(self, size: Size) -> dict[str, nn.Module]:
        return {"locator": PatchLocator(self._side(size), width=self.width, latent=self.latent)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        measured = self.start(train, compute)
        z = [key.z for key in measured.keys]
        self.heights_ = torch.tensor([min(z), max(z)])
        self.learn("locator", self._loss, train, budget)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), "heights": self.heights_}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.heights_ = state["heights"]
        return super().load_state_dict(state, compute=compute)

    def score(self, batch: SliceBatch) -> Tensor:
        batch = self.ready(batch)
        x = surround(batch.image, self._side(self.size_))
        mean, log_variance = self.predict("locator", x, self._heights(batch.keys, x.device)).chunk(2, dim=1)
        size = batch.image.shape[-2:]
        places = torch.stack(
            torch.meshgrid(*(_percent(torch.arange(n, device=x.device), n) for n in size), indexing="ij")
        )
        error = (mean - places).square().sum(dim=1)
        return (error + self.least).log() + log_variance.mean(dim=1)

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """beta-NLL of the places of random patches. Seitzer et al. (2022), Eq. 5."""
        patches, places = self._draw(batch, generator)
        heights = self._heights(batch.keys, patches.device).repeat_interleave(len(patches) // len(batch))
        mean, log_variance = self.networks_["locator"](patches, heights)[:, :, 0, 0].chunk(2, dim=1)
        variance = log_variance.exp()
        nll = ((places - mean).square() / variance + log_variance) / 2
        loss: Tensor = (variance.detach() ** self.beta * nll).sum(dim=1).mean()
        return loss

    def _draw(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Patches (K, 1, side, side), equally many of each slice in order, and their places (K, 2)."""
        (n, _, height, width), side = batch.image.shape, self._side(self.size_)
        brain = F.avg_pool2d(surround(batch.brain_mask.float(), side), side, stride=1)
        odds = (brain >= self.min_brain).flatten(1).float() + torch.finfo(torch.float32).tiny
        pixel = torch.multinomial(odds, max(1, self.patches // n), replacement=True, generator=generator)
        row, column = (pixel // width).flatten(), (pixel % width).flatten()  # (K,)
        which = torch.arange(n, device=pixel.device).repeat_interleave(pixel.shape[1])
        span = torch.arange(side, device=pixel.device)
        rows, columns = row[:, None, None] + span[:, None], column[:, None, None] + span
        patches = surround(batch.image, side)[which[:, None, None], 0, rows, columns]
        places = torch.stack([_percent(row, height), _percent(column, width)], dim=1)
        return patches[:, None], places

    def _side(self, size: Size) -> int:
        return max(5, round(self.patch * min(size)))

    def _heights(self, keys: Sequence[SliceKey], device: torch.device) -> Tensor:
        """Where slices lie between the lowest and the highest that were learned from, in percent, (N,)."""
        lowest, highest = self.heights_.tolist()
        heights = torch.tensor([100.0 * (key.z - lowest) / max(1, highest - lowest) for key in keys])
        return heights.to(device, non_blocking=True)


def _percent(index: Tensor, length: int) -> Tensor:
    return 100 * index / length
