"""Baseline: a slice against its mirror image.

Most lesions lie on one side, and a healthy brain looks much the same on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uad_bench.method import Modalities, SliceBatch
from uad_methods.intensity import Untrained
from uad_methods.residual import Residual, residual_map


@dataclass(kw_only=True)
class Symmetry(Untrained):
    """score = residual of x and x mirrored about the brain's mid-sagittal line; 0 where either is not brain.

    Slices are (left to right, back to front), so the first of their two axes is mirrored.

    Attributes:
        residual: how the mirror image is compared with the slice.
    """

    residual: Residual = "auto"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(), score=(self.source,))

    def score(self, batch: SliceBatch) -> Tensor:
        opposite = mirror(batch.brain_mask)  # (N, H)
        inside = (opposite >= 0) & (opposite < opposite.shape[1])
        rows = opposite.clamp(0, opposite.shape[1] - 1)[:, None, :, None].expand_as(batch.image)
        both = batch.brain_mask & batch.brain_mask.gather(2, rows) & inside[:, None, :, None]
        residual = residual_map(batch.image, batch.image.gather(2, rows), kind=self.residual, modality=self.source)
        return residual * both[:, 0]


def mirror(brain: Tensor) -> Tensor:
    """The row opposite to each row of masks (N, 1, H, W), (N, H): that reflection which lays most brain upon brain.

    Row r goes to c - r; with every whole c both rows and the lines between them can be the mid-sagittal line.
    """
    n, _, height, _ = brain.shape
    rows = torch.arange(height, device=brain.device)
    mask = brain[:, 0].float()
    meets = mask @ mask.transpose(1, 2)  # (N, H, H): columns in which rows r and s are both brain
    sums = (rows[:, None] + rows[None, :]).expand(n, -1, -1).flatten(1)
    overlap = meets.new_zeros(n, 2 * height - 1).scatter_add_(1, sums, meets.flatten(1))
    return overlap.argmax(dim=1)[:, None] - rows[None, :]
