"""Anomalies made of healthy slices, by which a setting can be chosen where lesions must not be looked at.

Foreign patch interpolation: Tan et al. (2020), "Detecting outliers with foreign patch interpolation".
"""

from __future__ import annotations

import torch
from torch import Tensor

from uad_bench.method import SliceBatch
from uad_methods.corruption import ellipses, uniform

RADII = 0.08, 0.25  # of an ellipse's half axes, as shares of the slice's shorter side
SHARE = 0.3, 0.9  # of the foreign slice within the ellipse


def foreign_patches(batch: SliceBatch, generator: torch.Generator) -> tuple[SliceBatch, Tensor]:
    """Blend an ellipse of another slice into each slice of a batch, all on the CPU.

    Returns:
        The slices, and which pixels were changed, (N, H, W) bool: brain within the ellipse.
    """
    n, size = len(batch), batch.image.shape[-2:]
    centres, radii = zip(*(_place(mask[0], generator) for mask in batch.brain_mask), strict=True)
    changed = (ellipses(size, torch.stack(centres), torch.stack(radii)) <= 1) & batch.brain_mask
    share = uniform(n, SHARE, generator)
    blended = torch.lerp(batch.image, batch.image.roll(1, dims=0), share)
    return SliceBatch(torch.where(changed, blended, batch.image), batch.brain_mask, batch.keys), changed[:, 0]


def _place(brain: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random pixel of the brain (H, W), if there is one, and two half axes, both (2,)."""
    places = brain.nonzero()
    centre = places[int(torch.randint(len(places), (1,), generator=generator))] if len(places) else places.new_zeros(2)
    low, high = RADII
    return centre, (low + (high - low) * torch.rand(2, generator=generator)) * min(brain.shape)
