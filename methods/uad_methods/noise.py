"""Coarse noise (Kascenas et al., 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def coarse_noise(shape: Sequence[int], *, grid: int, generator: torch.Generator) -> Tensor:
    """Normal noise (N, C, H, W) from a grid x grid lattice, enlarged bilinearly and shifted in a circle at random."""
    n, channels, height, width = shape
    device = generator.device
    lattice = torch.randn(n, channels, grid, grid, generator=generator, device=device)
    noise = F.interpolate(lattice, (height, width), mode="bilinear")
    down = torch.randint(height, (n,), generator=generator, device=device).tolist()
    right = torch.randint(width, (n,), generator=generator, device=device).tolist()
    return torch.stack([torch.roll(noise[i], (down[i], right[i]), dims=(1, 2)) for i in range(n)])
