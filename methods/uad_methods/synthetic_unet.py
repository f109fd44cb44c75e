"""A U-Net that segments synthetic anomalies: irregular ellipses of several textures, brighter and darker.

The idea is that of foreign patch interpolation (Tan et al., 2020) and of its successors in the MOOD challenges; shapes,
textures and loss are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from uad_bench.method import SliceBatch
from uad_methods.corruption import Range, blur, partners, rough_ellipses, signs, speckle, uniform
from uad_methods.residual import BRIGHT
from uad_methods.segmentation import Segmenter

UNEVEN = 0.3  # standard deviation of a shift within an anomaly, as a share of it


@dataclass(kw_only=True)
class SyntheticUNet(Segmenter):
    """score = logit of anomaly, from healthy slices into which anomalies were made.

    The network has an output for anomalies that are brighter than healthy tissue and one for darker ones.

    Attributes:
        anomalies: most of them in a slice; each after the first is there with odds of one half.
        healthy: share of slices that are left without.
        radii: smallest and largest half axis of an ellipse, as shares of the slice's shorter side.
        roughness: of its edge, in units of the squared radius.
        softness: largest standard deviation of the blur of its edge, in pixels.
        strength: least and largest shift of intensity, in units of the scaled intensity.
        sign: which anomalies are scored; "auto" takes the brighter where lesions are known to be bright, as
            `uad_methods.residual` does, and the likelier of both elsewhere.
    """

    outputs: ClassVar[int] = 2
    anomalies: int = 3
    healthy: float = 0.1
    radii: Range = (0.04, 0.25)
    roughness: float = 0.4
    softness: float = 1.0
    strength: Range = (0.5, 3.0)
    sign: Literal["auto", "brighter", "both"] = "auto"

    def score(self, batch: SliceBatch) -> Tensor:
        logits = self.logits(batch)
        brighter = self.sign == "brighter" or (self.sign == "auto" and self.source in BRIGHT)
        return logits[:, 0] if brighter else logits.amax(dim=1)

    def examples(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Masks have two channels: brighter and darker."""
        x, n = batch.image, len(batch)
        y = torch.zeros_like(x).repeat(1, 2, 1, 1)
        present = uniform(n, (0, 1), generator) >= self.healthy
        for _ in range(self.anomalies):
            shape = present * rough_ellipses(batch.brain_mask, generator, radii=self.radii, roughness=self.roughness)
            soft = blur(shape, uniform(n, (0, self.softness), generator).flatten()) * batch.brain_mask
            sign = signs(n, generator)
            x = torch.lerp(x, self._texture(x, sign, batch, generator), soft)
            new = torch.cat([shape * (sign > 0), shape * (sign < 0)], dim=1)
            y = torch.where(shape > 0, new, y)
            present = present & (uniform(n, (0, 1), generator) < 0.5)
        return x, y

    def _texture(self, x: Tensor, sign: Tensor, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """One of three for each slice, shifted: the tissue itself, speckle about its mean, another patient's slice."""
        n, brain = len(x), batch.brain_mask
        shift = sign * uniform(n, self.strength, generator)
        uneven = shift * (1 + UNEVEN * speckle(x, generator))
        mean = (batch.image * brain).sum(dim=(2, 3), keepdim=True) / brain.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        textures = torch.stack([x + uneven, mean + uneven, batch.image[partners(batch.keys, x.device)] + shift])
        chosen = torch.randint(len(textures), (n,), generator=generator, device=x.device)
        return textures[chosen, torch.arange(n, device=x.device)]
