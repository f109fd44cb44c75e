"""What all segmenting methods share: one network, slices and their masks to learn from, a logit for a score."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape


@dataclass(kw_only=True)
class Segmenter(NetworkMethod):
    """score = logit of anomaly.

    Attributes:
        prior: share of pixels that an untrained network takes for anomalous, as Lin et al. (2017), section 3.3; without
            it the first steps teach that all is healthy, and bright tissue most of all.
        outputs: kinds of anomaly, K, that the network tells apart.
        source: the modality.
        unet: size of the network.
    """

    prior: ClassVar[float] = 0.05
    outputs: ClassVar[int] = 1
    source: Modality = "flair"
    unet: UNetShape = SMALL

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    @abstractmethod
    def examples(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Slices to learn from (N, 1, H, W), and how anomalous each pixel is, (N, K, H, W), 0 to 1."""

    def loss(self, logit: Tensor, y: Tensor, brain: Tensor) -> Tensor:
        """Cross-entropy inside the brain and soft Dice, in equal parts. Isensee et al. (2021), section Methods."""
        entropy = F.binary_cross_entropy_with_logits(logit, y, reduction="none")
        p = logit.sigmoid() * brain
        overlap = (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        return (entropy * brain).sum() / brain.sum().clamp(min=1) + 1 - overlap

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        unet = UNet(1, self.outputs, shape=self.unet)
        assert unet.last.bias is not None
        nn.init.constant_(unet.last.bias, math.log(self.prior / (1 - self.prior)))
        return {"segmenter": unet}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("segmenter", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        return self.logits(batch)[:, 0]

    def logits(self, batch: SliceBatch) -> Tensor:
        """What the network says of each kind of anomaly, (N, K, H, W)."""
        return self.predict("segmenter", self.ready(batch).image)

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        x, y = self.examples(batch, generator)
        return self.loss(self.networks_["segmenter"](x).float(), y, batch.brain_mask)
