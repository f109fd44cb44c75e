"""The unified auto-encoder of Baur et al. (2021), dense bottleneck, plain or variational."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIRST, LAST = 32, 128  # channels: 32 after the first convolution, doubled per stage up to 128, and back
GRID = 8  # pixels of the shortest side at the bottleneck
SQUEEZE = 8  # the bottleneck's 1 x 1 convolution divides channels by this
SLOPE = 0.3  # of leaky ReLU


@dataclass(frozen=True, slots=True)
class Code:
    """A normal distribution over codes: mean and logarithm of the standard deviation, both (N, latent)."""

    mean: Tensor
    log_std: Tensor

    def divergence(self) -> Tensor:
        """KL from this distribution to N(0, I), (N,). Kingma and Welling (2014), appendix B."""
        return 0.5 * (self.mean**2 + (2 * self.log_std).exp() - 1 - 2 * self.log_std).sum(dim=1)


class AutoEncoder(nn.Module):
    """Slice to code to slice.

    Args:
        channels: of the slices.
        size: their (height, width); inside, both are filled up to what can be halved at every stage.
        latent: length of the code.
        dropout: on the code while training; where variational, also on its spread and on what the code is unfolded to.
        variational: also predict the spread of the code.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], *, latent: int, dropout: float, variational: bool = False
    ) -> None:
        super().__init__()
        widths = _widths(size)
        narrowing = [max(FIRST, LAST // 2**i) for i in range(len(widths))]
        self.size = size
        grid = [-(-length // 2 ** len(widths)) for length in size]
        self.filled = [length * 2 ** len(widths) for length in grid]
        squeezed = widths[-1] // SQUEEZE
        self.encoder = nn.Sequential(*_encoder([channels, *widths]), nn.Conv2d(widths[-1], squeezed, 1), nn.Flatten())
        self.mean = nn.Linear(squeezed * math.prod(grid), latent)
        self.log_std = nn.Linear(squeezed * math.prod(grid), latent) if variational else None
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Sequential(
            nn.Linear(latent, squeezed * math.prod(grid)),
            nn.Dropout(dropout if variational else 0.0),
            nn.Unflatten(1, (squeezed, *grid)),
            nn.Conv2d(squeezed, widths[-1], 1),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
            *_decoder([widths[-1], *narrowing]),
            nn.Conv2d(narrowing[-1], channels, 1),
        )

    def forward(self, x: Tensor, eps: Tensor | None = None) -> Any:
        """The reconstruction from the most likely code, (N, C, H, W).

        With standard normal noise eps (N, latent) instead the reconstruction from a drawn code, and the code's mean and
        logarithm of the standard deviation.
        """
        code = self.encode(x)
        if eps is None:
            return self.decode(code.mean)
        return self.decode(code.mean + code.log_std.exp() * eps), code.mean, code.log_std

    def encode(self, x: Tensor) -> Code:
        bottom, right = (full - length for full, length in zip(self.filled, self.size, strict=True))
        h = self.encoder(F.pad(x, (0, right, 0, bottom), mode="replicate"))
        mean: Tensor = self.dropout(self.mean(h))
        log_std = torch.zeros_like(mean) if self.log_std is None else self.dropout(self.log_std(h))
        return Code(mean.float(), log_std.float())

    def decode(self, z: Tensor) -> Tensor:
        x_hat: Tensor = self.decoder(z)
        height, width = self.size
        return x_hat[..., :height, :width].float()


def _widths(size: tuple[int, int]) -> list[int]:
    """Channels of each halving: 32, 64, 128, 128 ... until the grid is 8 pixels."""
    stages = max(1, round(math.log2(min(size) / GRID)))
    return [min(LAST, FIRST * 2**i) for i in range(stages)]


def _encoder(widths: list[int]) -> list[nn.Module]:
    pairs = pairwise(widths)
    return [
        part
        for before, after in pairs
        for part in (nn.Conv2d(before, after, 5, stride=2, padding=2), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE))
    ]


def _decoder(widths: list[int]) -> list[nn.Module]:
    pairs = pairwise(widths)
    return [
        part
        for before, after in pairs
        for part in (
            nn.ConvTranspose2d(before, after, 5, stride=2, padding=2, output_padding=1),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(SLOPE),
        )
    ]
