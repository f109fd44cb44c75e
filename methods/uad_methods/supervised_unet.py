"""A small U-Net that was shown the lesions: an upper bound for the others, which were not. Never ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.data.supervision import ANOMALY
from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.units import Rescale


@dataclass(kw_only=True)
class SupervisedUNet(NetworkMethod):
    """score = logit of anomaly, from slices of training patients and their anomaly masks.

    Attributes:
        source: the modality.
        unet: size of the network.
    """

    excused_checks: ClassVar[Mapping[str, str]] = {"polarity": "the check's slices hold no anomaly to learn from"}
    source: Modality = "flair"
    unet: UNetShape = SMALL
    rescale: Rescale = "never"  # a mask has no units, and nothing here adds noise of a given size

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source, ANOMALY), score=(self.source,))

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"segmenter": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("segmenter", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        return self.predict("segmenter", self.ready(batch).image)[:, 0]

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        """Cross-entropy inside the brain and soft Dice, in equal parts. Isensee et al. (2021), section Methods."""
        x, y = batch.image[:, :1], batch.image[:, 1:]
        logit, brain = self.networks_["segmenter"](x).float(), batch.brain_mask
        entropy = F.binary_cross_entropy_with_logits(logit, y, reduction="none")
        p = logit.sigmoid() * brain
        overlap = (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        loss: Tensor = (entropy * brain).sum() / brain.sum().clamp(min=1) + 1 - overlap
        return loss
