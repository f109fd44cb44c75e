"""Anomalies made of healthy slices, by which a setting can be chosen where lesions must not be looked at.

Foreign patch interpolation: Tan et al. (2020), "Detecting outliers with foreign patch interpolation".
"""

from __future__ import annotations

import torch
from torch import Tensor

from uad_bench.method import SliceBatch

RADII = 0.08, 0.25  # of an ellipse's half axes, as shares of the slice's shorter side
SHARE = 0.3, 0.9  # of the foreign slice within the ellipse


def foreign_patches(batch: SliceBatch, generator: torch.Generator) -> tuple[SliceBatch, Tensor]:
    """Blend an ellipse of another slice into each slice of a batch, all on the CPU.

    Returns:
        The slices, and which pixels were changed, (N, H, W) bool: brain within the ellipse.
    """
    n = len(batch)
    ellipses = torch.stack([_ellipse(mask[0], generator) for mask in batch.brain_mask])[:, None]
    changed = ellipses & batch.brain_mask
    low, high = SHARE
    share = low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)
    blended = torch.lerp(batch.image, batch.image.roll(1, dims=0), share)
    return SliceBatch(torch.where(changed, blended, batch.image), batch.brain_mask, batch.keys), changed[:, 0]


def _ellipse(brain: Tensor, generator: torch.Generator) -> Tensor:
    """An ellipse (H, W) around a random pixel of the brain (H, W)."""
    places = brain.nonzero()
    centre = places[int(torch.randint(max(1, len(places)), (1,), generator=generator))] if len(places) else places
    low, high = RADII
    radii = (low + (high - low) * torch.rand(2, generator=generator)) * min(brain.shape)
    grid = torch.stack(torch.meshgrid(*map(torch.arange, brain.shape), indexing="ij"), dim=-1)  # (H, W, 2)
    if not len(places):
        return torch.zeros_like(brain)
    return ((grid - centre) / radii).square().sum(dim=-1) <= 1
