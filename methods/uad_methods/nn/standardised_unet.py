"""The U-Net of Kascenas et al. (2022): weight-standardised convolutions, each before Swish and group normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_methods.nn.group_norm import GroupNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardisedShape:
    """Size of the network.

    Attributes:
        width: channels of the first level, doubled at each further one.
        levels: each but the first halves the resolution.
    """

    width: int = 64
    levels: int = 4


class StandardisedUNet(nn.Module):
    """Image in, image out, of the same height and width, whatever they are."""

    def __init__(self, channels: int, *, shape: StandardisedShape) -> None:
        super().__init__()
        widths = [shape.width * 2**level for level in range(shape.levels)]
        self.down = nn.ModuleList(_block(*pair) for pair in pairwise([channels, *widths]))
        risen = list(pairwise(reversed(widths)))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for below, above in risen)
        self.up = nn.ModuleList(_block(2 * above, above) for _, above in risen)
        self.last = nn.Conv2d(shape.width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        whole = 2 ** len(self.rise)
        h, skips = self.down[0](F.pad(x, (0, -width % whole, 0, -height % whole), mode="replicate")), []
        for block in self.down[1:]:
            skips.append(h)
            h = block(F.avg_pool2d(h, 2))
        for rise, block in zip(self.rise, self.up, strict=True):
            h = block(torch.cat([rise(h), skips.pop()], dim=1))
        y: Tensor = self.last(h)
        return y[..., :height, :width]


class StandardisedConv2d(nn.Conv2d):
    """Convolution whose weights have mean 0 and standard deviation 1 for each output channel (Qiao et al., 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        spread = centred.flatten(1).std(dim=1) + 1e-5
        y: Tensor = self._conv_forward(x, centred / spread[:, None, None, None], self.bias)
        return y


def _block(before: int, channels: int) -> nn.Sequential:
    """Two convolutions of 3 x 3 pixels at a reflected border."""
    layers: list[nn.Module] = []
    for source in (before, channels):
        convolution = StandardisedConv2d(source, channels, 3, padding=1, padding_mode="reflect")
        layers += [convolution, nn.SiLU(), GroupNorm(_groups(channels), channels)]
    return nn.Sequential(*layers)


def _groups(channels: int) -> int:
    """The upper median of the divisors: 8 groups of 64 channels, 16 of 128 and 256, 32 of 512."""
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    return divisors[len(divisors) // 2]
