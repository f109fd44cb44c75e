"""The first layers of EfficientNet-Lite0, without its classifier: features of many resolutions.

Tan and Le (2019), arXiv 1905.11946, in its version without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = {2: 16, 4: 24, 8: 40, 16: 112}  # of the features, by how much coarser than the image they are
STEM = 32
EPSILON = 1e-3  # of the batch normalisation


class _Row(NamedTuple):
    factor: int  # of its output against the image
    kernel: int
    stride: int
    expansion: int
    channels: int


BLOCKS = (
    _Row(2, 3, 1, 1, 16),
    *(_Row(4, 3, stride, 6, 24) for stride in (2, 1)),
    *(_Row(8, 5, stride, 6, 40) for stride in (2, 1)),
    *(_Row(16, 3, stride, 6, 80) for stride in (2, 1, 1)),
    *(_Row(16, 5, 1, 6, 112) for _ in range(3)),
)


class EfficientNetLite0(nn.Module):
    """Layers down to a resolution, which normalise by their stored statistics even while something else is trained.

    Args:
        deepest: how much coarser than the image the last features are, 2 .. 16.
    """

    def __init__(self, deepest: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_layer(3, STEM, kernel=3, stride=2))
        rows = tuple(takewhile(lambda row: row.factor <= deepest, BLOCKS))
        before = (STEM, *(row.channels for row in rows))
        self.blocks = nn.ModuleList(_Block(channels, row) for channels, row in zip(before, rows, strict=False))
        self.factors = [row.factor for row in rows]
        self.eval()

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """Features by factor, the last of each, from images (N, 3, H, W) in -1 .. 1."""
        found, h = {}, self.stem(image)
        for factor, block in zip(self.factors, self.blocks, strict=True):
            h = found[factor] = block(h)
        return found

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002 - see above
        return super().train(False)


class _Block(nn.Module):
    """Widen by 1 x 1, convolve every channel by itself, narrow by 1 x 1; and add the input where it fits."""

    def __init__(self, before: int, row: _Row) -> None:
        super().__init__()
        wide = before * row.expansion
        widen = _layer(before, wide, kernel=1) if row.expansion > 1 else []
        convolve = _layer(wide, wide, kernel=row.kernel, stride=row.stride, groups=wide)
        narrow = _layer(wide, row.channels, kernel=1)[:-1]
        self.layers = nn.Sequential(*widen, *convolve, *narrow)
        self.adds = row.stride == 1 and before == row.channels

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.layers(x)
        return x + h if self.adds else h


class _SameConv(nn.Conv2d):
    """Zero padding as TensorFlow's "SAME": what is left over goes below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        below, right = (self._missing(length) for length in x.shape[-2:])
        return super().forward(F.pad(x, (right // 2, right - right // 2, below // 2, below - below // 2)))

    def _missing(self, length: int) -> int:
        kernel, stride = self.kernel_size[0], self.stride[0]
        return max((-(-length // stride) - 1) * stride + kernel - length, 0)


def _layer(before: int, after: int, *, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = _SameConv(before, after, kernel, stride, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after, eps=EPSILON), nn.ReLU6()]
