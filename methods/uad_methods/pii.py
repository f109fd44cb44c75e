"""Poisson image interpolation: foreign patches whose edges are mixed in the gradients, so that no seam tells them.

Tan et al. (2021), "Detecting outliers with Poisson image interpolation".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uad_bench.method import SliceBatch
from uad_methods.corruption import partners, poisson_blend, uniform
from uad_methods.fpi import FPI


@dataclass(kw_only=True)
class PII(FPI):
    """As `FPI`, blended by Poisson's equation.

    Attributes:
        tolerance: smallest change that counts as foreign, in units of the scaled intensity.
    """

    core: float = 0.8
    tolerance: float = 6e-3

    def examples(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, other = batch.image, batch.image[partners(batch.keys, batch.image.device)]
        inside, share = self._patches(x, generator), uniform(len(x), self.shares, generator)
        low, high = (extreme(dim=(2, 3), keepdim=True) for extreme in (x.amin, x.amax))
        mixed = poisson_blend(x, other, inside.bool(), share).clamp(low, high)
        return mixed, share * inside * ((mixed - x).abs() > self.tolerance)
