"""IterMask2: iterative masking in space and frequency. Liang et al. (2024), arXiv 2406.02422.

A network sees the edges of a slice (its high frequencies) and what is not masked of it, and fills in the rest. The
mask starts large and loses, pass by pass, what was rebuilt well; what cannot be rebuilt even with all its surroundings
in sight stays masked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset, SliceKey
from uad_bench.seeding import generator, slice_noise
from uad_methods.frequencies import high_frequencies
from uad_methods.held_out import hold_out
from uad_methods.networks import Size, share
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.random_masks import random_masks
from uad_methods.reconstructing import ResidualMethod
from uad_methods.units import spread_out


@dataclass(kw_only=True)
class IterMask2(ResidualMethod):
    """score = residual of x and its reconstruction under the last mask.

    Attributes:
        unet: size of each network.
        radius: of the low frequencies that are hidden, in cycles per slice.
        first_share: part of the budget that trains the network for the first mask.
        first_mask: share of the brain, the worst rebuilt from its edges, that is masked at first.
        above: share of the masked voxels of healthy slices whose error lies above the threshold tau.
        least_change: a mask that shrinks by less than this share is the last.
        held_out: share of the training slices from which tau is measured instead.
    """

    unet: UNetShape = SMALL
    radius: float = 15.0
    first_share: float = 0.5
    first_mask: float = 0.6
    above: float = 0.2
    least_change: float = 0.01
    held_out: float = 0.1
    tau_: float = field(init=False, repr=False, compare=False)

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"first": UNet(1, shape=self.unet), "masked": UNet(2, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        learned, held_out = hold_out(train, self.held_out)
        self.start(learned, compute)
        first, masked = share(budget, self.first_share)
        self.learn("first", self._first_loss, learned, first, stage="training reconstruction (1/2)")
        self.learn("masked", self._masked_loss, learned, masked, stage="training masked reconstruction (2/2)")
        self.tau_ = self._calibrate(held_out)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), "tau": torch.tensor(self.tau_)}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.tau_ = float(state["tau"])
        return super().load_state_dict(state, compute=compute)

    def _first_loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        edges = high_frequencies(batch.image, self.radius)
        return F.mse_loss(self.networks_["first"](edges), batch.image)

    def _masked_loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Squared error over the whole slice, masked or not."""
        x = batch.image
        mask = random_masks(batch.brain_mask, generator)
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        return F.mse_loss(self.networks_["masked"](self._masked(x, mask, noise)), x)

    def _calibrate(self, healthy: SliceDataset) -> float:
        """tau, from masks as in training over slices that were not learned from."""
        batch = spread_out(healthy)
        mask = random_masks(batch.brain_mask, generator(self.compute_.seed, "masks"))
        batch = self.ready(batch)
        mask = mask.to(batch.image.device)
        error = (batch.image - self._rebuild(batch.image, mask, batch.keys, "calibration")).square()
        return float(upper_quantile(error[mask], self.above))

    def restore(self, batch: SliceBatch) -> Tensor:
        """The reconstruction (N, 1, H, W) of each slice under its last mask."""
        x, brain = batch.image, batch.brain_mask
        x_hat = self.predict("first", high_frequencies(x, self.radius)).clone()
        mask, n = worst(x_hat - x, brain, self.first_mask), 0
        going = brain.flatten(1).any(dim=1)
        while going.any():
            left = going.nonzero()[:, 0]
            x_hat[left] = self._rebuild(x[left], mask[left], [batch.keys[i] for i in left.tolist()], n)
            smaller = mask & ((x - x_hat).square() > self.tau_)
            before, after = (m.flatten(1).sum(dim=1) for m in (mask, smaller))
            going &= (before > 0) & (before - after >= self.least_change * before)
            mask, n = torch.where(going[:, None, None, None], smaller, mask), n + 1
        return x_hat

    def _rebuild(self, x: Tensor, mask: Tensor, keys: Sequence[SliceKey], n: int | str) -> Tensor:
        """What the network makes of slices x (N, 1, H, W) without what the mask hides."""
        noise = slice_noise(keys, x.shape[1:], "mask", n, seed=self.compute_.seed, device=x.device)
        return self.predict("masked", self._masked(x, mask, noise))

    def _masked(self, x: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        """The network's two channels: the slice with noise under the mask, and its high frequencies."""
        return torch.cat([torch.where(mask, noise, x), high_frequencies(x, self.radius)], dim=1)


def worst(error: Tensor, brain: Tensor, part: float) -> Tensor:
    """Masks (N, 1, H, W) of that part of each brain where the error is farthest from zero."""
    masks = [b & (e.abs() > upper_quantile(e[b].abs(), part)) for e, b in zip(error, brain, strict=True)]
    return torch.stack(masks)


def upper_quantile(values: Tensor, above: float) -> Tensor:
    """The value (of K) that this share of them exceeds; minus infinity where all of them do."""
    rank = math.floor(len(values) * (1 - above) + 1e-9)
    return values.sort().values[rank - 1] if rank else values.new_tensor(-math.inf)
