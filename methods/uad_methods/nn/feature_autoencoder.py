"""The auto-encoder of FAE (Meissen et al., 2022): large kernels, few stages, no skip."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class FeatureAutoEncoder(nn.Module):
    """Features (N, C, h, w) to themselves, of any height and width.

    Args:
        channels: of the features.
        widths: of the stages, each of half the resolution of the one before.
        dropout: of whole channels after each stage, while training.
    """

    def __init__(self, channels: int, *, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        pairs = list(pairwise([channels, *widths]))
        narrowing = [part for before, after in pairs for part in _stage(_narrow(before, after), after, dropout)]
        widening = [part for after, before in pairs[::-1] for part in _stage(_widen(before, after), after, dropout)]
        last = widths[-1]
        self.encoder = nn.Sequential(*narrowing, nn.Conv2d(last, last, 5, padding=2, bias=False))
        self.decoder = nn.Sequential(*widening, nn.Conv2d(channels, channels, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        rebuilt: Tensor = self.decoder(self.encoder(features))
        return rebuilt[..., :height, :width]


def _narrow(before: int, after: int) -> nn.Module:
    return nn.Conv2d(before, after, 5, stride=2, padding=2, bias=False)


def _widen(before: int, after: int) -> nn.Module:
    return nn.ConvTranspose2d(before, after, 6, stride=2, padding=2, bias=False)


def _stage(resample: nn.Module, channels: int, dropout: float) -> list[nn.Module]:
    return [resample, nn.BatchNorm2d(channels), nn.LeakyReLU(), nn.Dropout2d(dropout)]
