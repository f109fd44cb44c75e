"""Auto-encoder: what a code learned on healthy slices cannot rebuild is an anomaly.

Baur et al. (2021), "Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative study".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.networks import Size
from uad_methods.nn.autoencoder import AutoEncoder
from uad_methods.reconstructing import ResidualMethod
from uad_methods.residual import Residual


@dataclass(kw_only=True)
class AE(ResidualMethod):
    """score = residual of x and its reconstruction from a short code.

    Attributes:
        latent: length of the code.
        dropout: while training.
        residual: how the reconstruction is compared with the slice.
    """

    latent: int = 128
    dropout: float = 0.2
    residual: Residual = "positive"

    def build(self, size: Size) -> dict[str, nn.Module]:
        return {"autoencoder": AutoEncoder(1, size, latent=self.latent, dropout=self.dropout)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("autoencoder", self._loss, train, budget)
        return self

    def restore(self, batch: SliceBatch) -> Tensor:
        return self.predict("autoencoder", batch.image)

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        return F.l1_loss(self.networks_["autoencoder"](batch.image), batch.image)
