"""Training noise with large structures: coarse, and of many resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from uad_bench.seeding import host_generator


def coarse_noise(shape: Sequence[int], *, grid: int, generator: torch.Generator) -> Tensor:
    """Normal noise (N, C, H, W) from a grid x grid lattice, enlarged bilinearly and shifted in a circle at random.

    As the denoising auto-encoder has it (Kascenas et al., 2022).
    """
    n, channels, height, width = shape
    device = generator.device
    lattice = torch.randn(n, channels, grid, grid, generator=generator, device=device)
    noise = F.interpolate(lattice, (height, width), mode="bilinear")
    by = [torch.randint(length, (n,), generator=generator, device=device) for length in (height, width)]
    return roll(noise, torch.stack(by, dim=1))


def roll(image: Tensor, by: Tensor) -> Tensor:
    """Each slice (N, C, H, W) shifted in a circle by its own (down, right), (N, 2) whole pixels."""
    height, width = image.shape[-2:]
    y = (torch.arange(height, device=image.device) - by[:, :1]) % height  # (N, H)
    x = (torch.arange(width, device=image.device) - by[:, 1:]) % width
    places = (width * y[:, :, None] + x[:, None]).flatten(1)[:, None].expand(-1, image.shape[1], -1)
    return image.flatten(2).gather(2, places).view(image.shape)


def pyramid_noise(shape: Sequence[int], *, discount: float, generator: torch.Generator) -> Tensor:
    """Normal noise (N, C, H, W) of many resolutions, scaled to a standard deviation of one.

    Level i is drawn on a grid 2^i to 4^i times coarser than that of level i - 1, at random, enlarged, and weighed by
    discount^i, until the grid is one pixel; level 0 counts twice. As ANDi has it (Frotscher et al., 2023).
    """
    n, channels, height, width = shape
    device, factors = generator.device, host_generator(generator)
    noise, size, i = torch.randn(*shape, generator=generator, device=device), (height, width), 0
    while True:
        level = torch.randn(n, channels, *size, generator=generator, device=device)
        noise += discount**i * F.interpolate(level, (height, width), mode="bilinear")
        if min(size) == 1:
            return noise / noise.std()
        i += 1
        coarser = float(2 + 2 * torch.rand(1, generator=factors)) ** i
        size = (max(1, int(size[0] / coarser)), max(1, int(size[1] / coarser)))
