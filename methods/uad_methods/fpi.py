"""Foreign patch interpolation: squares of another patient are blended in, and a network learns by how much.

Tan et al. (2020), "Detecting outliers with foreign patch interpolation".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from uad_bench.method import SliceBatch
from uad_methods.corruption import Range, partners, squares, uniform
from uad_methods.segmentation import Segmenter


@dataclass(kw_only=True)
class FPI(Segmenter):
    """score = logit of the foreign share of a pixel.

    Attributes:
        half_widths: of the squares, smallest and largest, as shares of the slice's side.
        core: part of each side, about its middle, in which squares have their centre.
        shares: smallest and largest share of the foreign slice in a square.
    """

    half_widths: Range = (0.05, 0.2)
    core: float = 0.5
    shares: Range = (0.05, 0.95)

    def examples(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, other = batch.image, batch.image[partners(batch.keys, batch.image.device)]
        inside, share = self._patches(x, generator), uniform(len(x), self.shares, generator)
        mixed = torch.lerp(x, other, share * inside)
        return mixed, share * inside * (x != other)

    def loss(self, logit: Tensor, y: Tensor, brain: Tensor) -> Tensor:  # noqa: ARG002 - background counts as well
        """Cross-entropy with the share as a soft label."""
        return F.binary_cross_entropy_with_logits(logit, y)

    def _patches(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A square for each slice, (N, 1, H, W)."""
        n, _, *size = x.shape
        centres = torch.cat([uniform(n, _middle(length, self.core), generator) for length in size], dim=1)[:, :, 0, 0]
        low, high = (side * min(size) for side in self.half_widths)
        half = uniform(n, (low, high), generator).round().view(n, 1).expand(n, 2)
        return squares(size, centres.floor(), half)


def _middle(length: int, core: float) -> Range:
    return (1 - core) / 2 * length, (1 + core) / 2 * length
