"""Translation error: how far the real Y is from the Y that X predicts. Needs both modalities at test.

What cycles through Y would show if Y could be seen; Liang et al. (2023) motivate their cycles with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.residual import Residual, residual_map


@dataclass(kw_only=True)
class Translate(NetworkMethod):
    """score = (f(x) - y)^2 with f: X -> Y trained on healthy slices.

    Attributes:
        source: modality X.
        target: modality Y.
        unet: size of the network.
        residual: how the translation is compared with Y.
    """

    source: Modality = "flair"
    target: Modality = "t2"
    unet: UNetShape = SMALL
    residual: Residual = "l2"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source, self.target), score=(self.source, self.target))

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"forward": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        stage = f"training {self.source.upper()} to {self.target.upper()}"
        self.learn("forward", self._loss, train, budget, stage=stage)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        x, y = _pair(self.ready(batch))
        y, y_hat = self.in_task_units(y, self.predict("forward", x), channel=1)
        return residual_map(y, y_hat, kind=self.residual, modality=self.target)

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        x, y = _pair(batch)
        return F.mse_loss(self.networks_["forward"](x), y)


def _pair(batch: SliceBatch) -> tuple[Tensor, Tensor]:
    return batch.image[:, :1], batch.image[:, 1:]
