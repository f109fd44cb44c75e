"""Baseline: distance of a voxel from the mean of healthy slices at the same height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset


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
        totals, counts = _sum_by_height(train)
        self.lowest_, highest = min(totals), max(totals)
        known = torch.tensor(sorted(totals))
        weights = self._window(torch.arange(self.lowest_, highest + 1), known)  # (heights, known)
        total = torch.stack([totals[z] for z in known.tolist()])
        count = torch.tensor([counts[z] for z in known.tolist()], dtype=torch.float64)
        self.mean_ = (torch.tensordot(weights, total, 1) / (weights @ count)[:, None, None]).float()
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        if not hasattr(self, "mean_"):
            raise NotFittedError("MeanDistance scores only after fit or load_state_dict")
        height = torch.tensor([key.z - self.lowest_ for key in batch.keys]).clamp(0, len(self.mean_) - 1)
        return (batch.image[:, 0] - self.mean_[height].to(batch.image.device)).abs()

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.mean_, "lowest": torch.tensor(self.lowest_)}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:  # noqa: ARG002
        self.mean_, self.lowest_ = state["mean"], int(state["lowest"])
        return self

    def _window(self, heights: Tensor, known: Tensor) -> Tensor:
        distance = (heights[:, None] - known[None, :]).double()
        nearest = distance.abs().min(dim=1, keepdim=True).values  # a gap in z borrows from its nearest slices
        return torch.exp(-(distance**2 - nearest**2) / (2 * self.smoothing**2))


def _sum_by_height(train: SliceDataset) -> tuple[dict[int, Tensor], dict[int, int]]:
    totals: dict[int, Tensor] = {}
    counts: dict[int, int] = {}
    for i in range(len(train)):
        one = train[i]
        z, x = one.keys[0].z, one.image[0, 0].double()
        totals[z] = totals[z] + x if z in totals else x
        counts[z] = counts.get(z, 0) + 1
    return totals, counts
