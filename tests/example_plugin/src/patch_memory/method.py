"""The nearest of many healthy patches. After PatchCore, Roth et al. (2022), section 3, with features made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from patch_memory.features import describe
from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, Modalities, Modality, Progress, SliceBatch, SliceDataset
from uad_bench.seeding import generator


@dataclass(kw_only=True)
class PatchMemory:
    """score = distance to the nearest remembered feature vector, in healthy standard deviations; 0 outside the brain.

    Attributes:
        source: the modality.
        memory: vectors that are remembered.
        candidates: vectors of a slice that may be.
    """

    source: Modality = "flair"
    memory: int = 1024
    candidates: int = 200
    memory_: Tensor = field(init=False, repr=False, compare=False)  # (M, F), standardised
    mean_: Tensor = field(init=False, repr=False, compare=False)  # (F,)
    std_: Tensor = field(init=False, repr=False, compare=False)  # (F,)

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        draw, seen = generator(compute.seed, "patch-memory"), []
        for i in range(len(train)):
            one = train[i]
            vectors = describe(one.image, one.brain_mask).movedim(1, -1)[one.brain_mask[:, 0]]  # (pixels, F)
            seen.append(vectors[torch.randperm(len(vectors), generator=draw)[: self.candidates]])
            compute.report(Progress("remember", i + 1, len(train)))
        vectors = torch.cat(seen)
        self.mean_, self.std_ = vectors.mean(0), vectors.std(0).clamp(min=1e-6)
        chosen = torch.randperm(len(vectors), generator=draw)[: self.memory]
        self.memory_ = ((vectors - self.mean_) / self.std_)[chosen]
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        if not hasattr(self, "memory_"):
            raise NotFittedError("PatchMemory scores only after fit or load_state_dict")
        brain = batch.brain_mask[:, 0]
        vectors = describe(batch.image, batch.brain_mask).movedim(1, -1)[brain]  # (pixels, F)
        scores = torch.zeros_like(batch.image[:, 0])
        scores[brain] = self._distance((vectors - self.mean_.to(vectors)) / self.std_.to(vectors))
        return scores

    def state_dict(self) -> dict[str, Tensor]:
        return {"memory": self.memory_, "mean": self.mean_, "std": self.std_}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.memory_, self.mean_, self.std_ = state["memory"], state["mean"], state["std"]
        return self

    def _distance(self, vectors: Tensor) -> Tensor:
        """To the nearest of the memory, (pixels,)."""
        memory = self.memory_.to(vectors)
        parts = [torch.cdist(part, memory).amin(1) for part in vectors.split(4096)]
        return torch.cat(parts) if parts else vectors.new_zeros(0)
