"""Units in which the healthy brain spreads by about one, as networks and noise of that size expect.

A task's scaling decides the units of its slices: under `p90` their standard deviation is 1.0 to 1.5, under `p98-clip`
0.13, and there noise of size one is all that a network sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor

from uad_bench.method import SliceBatch, SliceDataset

Rescale = Literal["auto", "never"]

NEAR_ONE = 0.5, 2.0  # a standard deviation between these is left alone
SAMPLE = 256  # training slices that are measured


def spread_out(slices: SliceDataset) -> SliceBatch:
    """All slices, or every n-th where there are more than enough to measure."""
    return slices.take(range(0, len(slices), max(1, len(slices) // SAMPLE)))


@dataclass(frozen=True, slots=True)
class Units:
    """Where zero lies and how long one is, by channel, both (C,); a single entry holds for any number of channels.

    Without arguments, the task's own units.
    """

    shift: Tensor = field(default_factory=lambda: torch.zeros(1))
    spread: Tensor = field(default_factory=lambda: torch.ones(1))

    @classmethod
    def of(cls, batch: SliceBatch) -> Self:
        """Mean and standard deviation inside the brain of those channels whose deviation is far from one."""
        values = batch.image.double().movedim(1, 0)[:, batch.brain_mask[:, 0]]  # (C, voxels)
        mean, std = values.mean(dim=1), values.std(dim=1)
        low, high = NEAR_ONE
        near = ((std >= low) & (std <= high)) | ~(std > 0)
        return cls(mean.masked_fill(near, 0).float(), std.masked_fill(near, 1).float())

    def to(self, device: torch.device | str) -> Units:
        """The same on a device."""
        return Units(self.shift.to(device), self.spread.to(device))

    def enter(self, image: Tensor) -> Tensor:
        """Slices (N, C, H, W) of the task in these units; there may be fewer channels than were measured."""
        n = image.shape[1]
        return (image - self.shift[:n, None, None]) / self.spread[:n, None, None]

    def leave(self, image: Tensor, channel: int = 0) -> Tensor:
        """Images of one channel, any shape, in the task's units again."""
        which = channel % len(self.spread)
        return image * self.spread[which] + self.shift[which]
