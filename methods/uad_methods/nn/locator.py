"""A network that says of a patch where in its slice it lies, and how sure it is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchLocator(nn.Module):
    """Patches and the height of their slice in; row, column and the logarithms of their variances out.

    Convolutions without padding whose kernels add up to the patch: a patch gives one place, and a slice, padded by
    `surround`, gives the places of the patches around all its pixels, each seen by itself.

    Args:
        patch: pixels of its side, at least 5.
        width: channels of the first convolution; the second has twice as many.
        latent: length of a patch's code, to which the sines of the height are added.
        places: mean and spread, in percent of a slice, that are taken for granted before anything is learned.
    """

    def __init__(self, patch: int, *, width: int, latent: int, places: tuple[float, float] = (50.0, 25.0)) -> None:
        super().__init__()
        self.latent, self.places = latent, places
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3),
            nn.ReLU(),
            nn.Conv2d(2 * width, latent, patch - 4),
        )
        self.mean, self.log_variance = _branch(latent), _branch(latent)

    def forward(self, x: Tensor, height: Tensor) -> Tensor:
        """(N, 1, H, W) and heights in percent (N,) to (N, 4, H - patch + 1, W - patch + 1)."""
        code = self.encoder(x) + sines(height, self.latent)[:, :, None, None]
        centre, spread = self.places
        mean, log_variance = centre + spread * self.mean(code), self.log_variance(code) + 2 * math.log(spread)
        return torch.cat([mean, log_variance], dim=1).float()


def surround(x: Tensor, patch: int) -> Tensor:
    """Repeat the border of (N, C, H, W) so that there is a patch around every pixel."""
    before, after = patch // 2, patch - 1 - patch // 2
    return F.pad(x, (before, after, before, after), mode="replicate")


def sines(height: Tensor, length: int) -> Tensor:
    """Sines and cosines (N, length) of heights (N,), of many periods. Vaswani et al. (2017), section 3.5."""
    periods = torch.exp(-math.log(10_000) * torch.arange(0, length, 2, device=height.device) / length)
    angles = height[:, None] * periods
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :length]


def _branch(latent: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(latent, latent // 2, 1), nn.ReLU(), nn.Conv2d(latent // 2, 2, 1))
