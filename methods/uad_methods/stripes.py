"""Masks that hide a slice stripe by stripe, as MMCCD does. Lengths are pixels of a slice of 128, scaled to others."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

REFERENCE = 128


@lru_cache(maxsize=8)
def stripe_masks(
    size: tuple[int, int], *, width: int, stride: int, per_mask: int = 1, device: torch.device | str = "cpu"
) -> Tensor:
    """Bool masks (R, 1, H, W), True where hidden: stripes at 0, stride, 2 stride ... of columns, then of rows.

    With several stripes per mask, those of one direction that are farthest apart share one. A voxel away from the low
    border lies in about width / stride stripes of each direction, every voxel in at least one of each if
    stride <= width; stripes are cut at the high border.
    """
    height, breadth = size
    columns = _share(_intervals(breadth, width=width, stride=stride), per_mask)[:, None, None, :]
    rows = _share(_intervals(height, width=width, stride=stride), per_mask)[:, None, :, None]
    return torch.cat([columns.expand(-1, 1, height, -1), rows.expand(-1, 1, -1, breadth)]).to(device)


def random_stripes(n: int, size: tuple[int, int], *, width: int, generator: torch.Generator) -> Tensor:
    """Masks (n, 1, H, W), each drawn from the stripes that start at even pixels."""
    masks = stripe_masks(size, width=width, stride=2, device=generator.device)
    return masks[torch.randint(len(masks), (n,), generator=generator, device=generator.device)]


def _intervals(length: int, *, width: int, stride: int) -> Tensor:
    """Rows of a (count, length) bool matrix, each True on one interval."""
    scale = length / REFERENCE
    first = torch.arange(0, REFERENCE, stride)[:, None]
    place = torch.arange(length)[None, :]
    return (place >= (first * scale).round()) & (place < ((first + width) * scale).round())


def _share(intervals: Tensor, per_mask: int) -> Tensor:
    """Rows k, k + n, k + 2 n ... of a (count, length) matrix become row k of n = count / per_mask."""
    n = -(-len(intervals) // per_mask)
    return torch.stack([intervals[k::n].any(dim=0) for k in range(n)])
