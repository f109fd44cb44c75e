"""The student of reverse distillation (Deng and Li, 2022): from a bottleneck of the teacher's features back to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Student(nn.Module):
    """Features of several levels, each half as fine as the one before, to a code half as fine as the last, and back.

    Args:
        channels: of the levels, finest first.
        width: channels of the code.
    """

    def __init__(self, channels: Sequence[int], *, width: int) -> None:
        super().__init__()
        coarser = [
            nn.Sequential(*(_layer(c, c, stride=2) for _ in range(len(channels) - 1 - i)))
            for i, c in enumerate(channels)
        ]
        self.coarser = nn.ModuleList(coarser)
        self.bottleneck = nn.Sequential(_layer(sum(channels), width, stride=2), _layer(width, width))
        self.finer = nn.ModuleList(
            nn.Sequential(_layer(before, after), nn.Conv2d(after, after, 3, padding=1))
            for before, after in pairwise([width, *channels[::-1]])
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What it takes the maps for, in their order."""
        gathered = [network(one) for network, one in zip(self.coarser, maps, strict=True)]
        h = self.bottleneck(torch.cat(gathered, dim=1))
        answers = []
        for network, one in zip(self.finer, maps[::-1], strict=True):
            h = network(F.interpolate(h, one.shape[-2:], mode="nearest"))
            answers.append(h)
        return answers[::-1]


def _layer(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())
