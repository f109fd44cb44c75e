"""Auto-encoder: what a code learned on healthy slices cannot rebuild is an anomaly.

Baur et al. (2021), "Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative study".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.autoencoder import AutoEncoder
from uad_methods.residual import Residual, residual_map


@dataclass(kw_only=True)
class AE(NetworkMethod):
    """score = residual of x and its reconstruction from a short code.

    Attributes:
        source: the modality.
        latent: length of the code.
        dropout: while training.
        residual: how the reconstruction is compared with the slice.
    """

    source: Modality = "flair"
    latent: int = 128
    dropout: float = 0.2
    residual: Residual = "positive"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    def build(self, size: Size) -> dict[str, nn.Module]:
        return {"autoencoder": AutoEncoder(1, size, latent=self.latent, dropout=self.dropout)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("autoencoder", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        x = self.ready(batch).image
        x, x_hat = self.in_task_units(x, self.predict("autoencoder", x))
        return residual_map(x, x_hat, kind=self.residual, modality=self.source)

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        return F.l1_loss(self.networks_["autoencoder"](batch.image), batch.image)
