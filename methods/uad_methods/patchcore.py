"""PatchCore: distance to the nearest of few remembered features. Roth et al. (2022), arXiv 2106.08265."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_bench.seeding import generator
from uad_methods.features import FeatureMethod, Features, resize
from uad_methods.networks import Size

CHUNK = 4096  # places whose distances are held at once


@dataclass(kw_only=True)
class PatchCore(FeatureMethod):
    """score = distance of the features around a place to the nearest in the memory.

    Attributes:
        neighbourhood: places per side over which features are averaged first.
        candidates: places of brain, drawn at random from healthy slices, of which the memory is chosen.
        coreset: share of them that is remembered.
    """

    neighbourhood: int = 3
    candidates: int = 50_000
    coreset: float = 0.01
    memory_: Tensor = field(init=False, repr=False, compare=False)  # (K, C)

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"features": Features(self.levels, self.enlarge)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:  # noqa: ARG002 - nothing is trained
        batch = self.start(train, compute)
        draws = generator(compute.seed, "memory")
        features = self._features(self.ready(batch).image)  # (N, C, h, w)
        brain = F.adaptive_max_pool2d(batch.brain_mask.float(), features.shape[-2:])[:, 0] > 0
        places = features.movedim(1, -1)[brain.to(features.device)]  # (places, C)
        drawn = torch.randperm(len(places), generator=draws)[: self.candidates]
        self.memory_ = greedy_coreset(places[drawn.to(places.device)], max(1, round(self.coreset * len(drawn))))
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), "memory": self.memory_}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.memory_ = state["memory"].to(compute.device)
        return super().load_state_dict(state, compute=compute)

    def score(self, batch: SliceBatch) -> Tensor:
        x = self.ready(batch).image
        features = self._features(x)
        n, channels, height, width = features.shape
        places = features.movedim(1, -1).reshape(-1, channels)
        nearest = torch.cat([_distances(part, self.memory_).amin(dim=1) for part in torch.split(places, CHUNK)])
        return resize(nearest.view(n, 1, height, width), x)[:, 0]

    def _features(self, x: Tensor) -> Tensor:
        margin = self.neighbourhood // 2
        padded = F.pad(self.predict("features", x), (margin, margin, margin, margin), mode="replicate")
        return F.avg_pool2d(padded, self.neighbourhood, stride=1)


def greedy_coreset(points: Tensor, n: int) -> Tensor:
    """The first of points (K, C) and n - 1 more, each the one that is farthest from all before. Roth et al., Alg. 1."""
    chosen = [points[:1]]
    distance = _distances(points, chosen[0])[:, 0]
    while len(chosen) < n:
        chosen.append(points[distance.argmax(keepdim=True)])  # read on the device: a GPU need not be waited for
        distance = torch.minimum(distance, _distances(points, chosen[-1])[:, 0])
    return torch.cat(chosen)


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances (N, K), each computed by itself, so that they do not depend on what else there is."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
