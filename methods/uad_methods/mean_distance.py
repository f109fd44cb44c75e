"""Baseline: distance of a voxel from the mean of healthy slices at the same height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_methods.heights import HeightSums


@dataclass(kw_only=True)
class MeanDistance:
    """score = |x - mean of healthy x at that height|.

    Attributes:
        source: the modality.
        smoothing: standard deviation, in slices, of the window along z over which heights are averaged.
    """

    source: Modality = "flair"
    smoothing: float = 2.0
    mean_: Tensor = field(init=False, repr=False, compare=False)  # (heights, H, W)
    lowest_: int = field(init=False, repr=False, compare=False)

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:  # noqa: ARG002
        self.learn(HeightSums.of(train))
        return self

    def learn(self, sums: HeightSums) -> None:
        """Keep what scoring needs."""
        self.lowest_ = int(sums.z[0])
        self.mean_ = sums.mean(sums.window(self.smoothing)).float()

    def score(self, batch: SliceBatch) -> Tensor:
        return (batch.image[:, 0] - self.reconstruct(batch)).abs()

    def reconstruct(self, batch: SliceBatch) -> Tensor:
        """The mean healthy slice at each slice's height, (N, H, W)."""
        if not hasattr(self, "mean_"):
            raise NotFittedError(f"{type(self).__name__} scores only after fit or load_state_dict")
        return self.at_heights(self.mean_, batch)

    def at_heights(self, planes: Tensor, batch: SliceBatch) -> Tensor:
        """Of planes (heights, H, W) those that the batch's slices lie at, (N, H, W); beyond the ends the nearest."""
        height = torch.tensor([key.z - self.lowest_ for key in batch.keys]).clamp(0, len(planes) - 1)
        return planes[height].to(batch.image.device)

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.mean_, "lowest": torch.tensor(self.lowest_)}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:  # noqa: ARG002
        self.mean_, self.lowest_ = state["mean"], int(state["lowest"])
        return self
