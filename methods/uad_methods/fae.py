"""FAE: an auto-encoder of features. Meissen et al. (2022), arXiv 2208.10992.

Residuals of intensities overlook what is no brighter or darker than its reconstruction; those of features see texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.features import FeatureMethod, Features, resize
from uad_methods.networks import Size
from uad_methods.nn.feature_autoencoder import FeatureAutoEncoder
from uad_methods.residual import dissimilarity


@dataclass(kw_only=True)
class FAE(FeatureMethod):
    """score = structural dissimilarity of a slice's features and their reconstruction, mean over channels.

    Attributes:
        widths: channels of the auto-encoder's stages, each of half the resolution of the one before.
        dropout: of whole channels, while training.
        window: of the dissimilarity, in places of the features.
    """

    widths: tuple[int, ...] = (100, 150, 200, 300)
    dropout: float = 0.1
    window: int = 5

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        features = Features(self.levels, self.enlarge)
        channels = sum(features.channels)
        return {
            "features": features,
            "autoencoder": FeatureAutoEncoder(channels, widths=self.widths, dropout=self.dropout),
        }

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("autoencoder", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        x = self.ready(batch).image
        features = self.predict("features", x)
        return resize(self._dissimilarity(features, self.predict("autoencoder", features)), x)[:, 0]

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        features = self.networks_["features"](batch.image)
        return self._dissimilarity(features, self.networks_["autoencoder"](features)).mean()

    def _dissimilarity(self, features: Tensor, rebuilt: Tensor) -> Tensor:
        return dissimilarity(features.float(), rebuilt.float(), window=self.window).mean(dim=1, keepdim=True)
