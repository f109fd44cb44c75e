"""Cyclic U-Net: translate X -> Y -> X with two plain networks; what does not come back is an anomaly.

Liang et al. (2023), "Modality Cycles with Masked Conditional Diffusion", their baseline without diffusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.networks import Size, share
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.reconstructing import ResidualMethod


@dataclass(kw_only=True)
class CycleOnly(ResidualMethod):
    """score = residual of x and g(f(x)), with f: X -> Y and g: Y -> X trained apart on healthy slices.

    Attributes:
        target: modality Y, needed for training.
        unet: size of each network.
    """

    target: Modality = "t2"
    unet: UNetShape = SMALL

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source, self.target), score=(self.source,))

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"forward": UNet(1, shape=self.unet), "backward": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        forward, backward = share(budget, 0.5)
        x, y = self.source.upper(), self.target.upper()
        self.learn("forward", self._forward_loss, train, forward, stage=f"training {x} to {y} (1/2)")
        self.learn("backward", self._backward_loss, train, backward, stage=f"training {y} to {x} (2/2)")
        return self

    def restore(self, batch: SliceBatch) -> Tensor:
        return self.predict("backward", self.predict("forward", batch.image))

    def _forward_loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        x, y = batch.image[:, :1], batch.image[:, 1:]
        return F.mse_loss(self.networks_["forward"](x), y)

    def _backward_loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        x, y = batch.image[:, :1], batch.image[:, 1:]
        return F.mse_loss(self.networks_["backward"](y), x)
