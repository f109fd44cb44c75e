"""Masks for the training of IterMask2 (Liang et al., 2024): small squares, and a few larger ones, around one place.

Lengths are pixels of a slice of 240, scaled to others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REFERENCE = 240
WIDE, NARROW = 10.0, 2.5  # unit of length, of two masks in three and of the third
VARIANCE = 0.3, 10.0  # of the squares' places along each axis, in units squared
MANY, FEW = (100, 200), (5, 20)  # small squares of a wide and of a narrow mask, times the axes' standard deviations
SMALL, MIDDLE, LARGE = 4, 8, 16  # sides of the squares
MIDDLES, LARGES = (5, 10), (3, 10)  # how many; the upper ends are left out


def random_masks(brain: Tensor, generator: torch.Generator) -> Tensor:
    """A random part of each brain (N, 1, H, W), bool."""
    n, _, height, width = brain.shape
    scale = min(height, width) / REFERENCE

    def uniform(low: Tensor | float, high: Tensor | float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator, device=brain.device)

    narrow = uniform(0, 3) >= 2
    variance = uniform(*VARIANCE, 2)
    small = variance.prod(dim=1).sqrt() * torch.where(narrow, uniform(*FEW), uniform(*MANY))
    counts = {SMALL: small, MIDDLE: uniform(*MIDDLES), LARGE: uniform(*LARGES)}
    centre = _random_pixel(brain, generator)  # (N, 2)
    spread = variance.sqrt() * torch.where(narrow, NARROW, WIDE)[:, None] * scale
    mask = torch.zeros_like(brain)
    largest = (
        torch.stack([count.max() for count in counts.values()]).int().tolist()
    )  # read once: a GPU has to be waited for
    for (side, count), most in zip(counts.items(), largest, strict=True):
        offsets = torch.randn(n, most, 2, generator=generator, device=brain.device)
        corners = (centre[:, None] + spread[:, None] * offsets).round().long()
        drawn = torch.arange(most, device=brain.device) < count[:, None].floor()
        mask |= squares(corners, drawn, (height, width), side=max(1, round(side * scale)))
    return mask & brain


def squares(corners: Tensor, drawn: Tensor, size: tuple[int, int], *, side: int) -> Tensor:
    """Masks (N, 1, H, W) of squares of this side.

    Args:
        corners: first row and column of each, (N, K, 2).
        drawn: which of them count, (N, K).
        size: of the masks.
        side: of the squares, in pixels.
    """
    height, width = size
    row, column = corners.unbind(dim=2)
    drawn = drawn & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    index = torch.where(drawn, row * width + column, 0)
    hit = torch.zeros(len(corners), height * width, device=corners.device).scatter_add_(1, index, drawn.float())
    planes = F.pad(hit.view(-1, 1, height, width), (side - 1, 0, side - 1, 0))
    return F.max_pool2d(planes, side, stride=1) > 0


def _random_pixel(brain: Tensor, generator: torch.Generator) -> Tensor:
    """A row and a column (N, 2) of each brain."""
    odds = brain.flatten(1).float() + torch.finfo(torch.float32).tiny  # all pixels alike where there is no brain
    pixel = torch.multinomial(odds, 1, generator=generator)[:, 0]
    return torch.stack([pixel // brain.shape[-1], pixel % brain.shape[-1]], dim=1)
