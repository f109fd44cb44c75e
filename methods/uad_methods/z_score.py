"""Baseline: how many standard deviations a voxel lies from the mean of healthy slices at the same height.

Saase et al. (2020), "Simple statistical methods for unsupervised brain anomaly detection on MRI are competitive to deep
learning methods".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from torch import Tensor

from uad_bench.method import Compute, SliceBatch
from uad_methods.heights import HeightSums
from uad_methods.mean_distance import MeanDistance


@dataclass(kw_only=True)
class ZScore(MeanDistance):
    """score = |x - mean| / (sd + least) over healthy x at that height.

    Attributes:
        smoothing: standard deviation, in slices, of the window along z over which heights count; 0 as published.
        least: added to the standard deviation, in units of the scaled intensity.
    """

    least: float = 1e-7
    std_: Tensor = field(init=False, repr=False, compare=False)  # (heights, H, W)

    def learn(self, sums: HeightSums) -> None:
        super().learn(sums)
        self.std_ = sums.std(sums.window(self.smoothing)).float()

    def score(self, batch: SliceBatch) -> Tensor:
        return super().score(batch) / (self.at_heights(self.std_, batch) + self.least)

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), "std": self.std_}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.std_ = state["std"]
        return super().load_state_dict(state, compute=compute)
