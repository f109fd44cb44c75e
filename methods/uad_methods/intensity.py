"""Baselines without training: the brightness of the slice itself, raw, coarse or equalised, and chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_bench.seeding import generator


@dataclass(kw_only=True)
class Untrained:
    """A score that learns nothing.

    Attributes:
        source: the modality given at test.
    """

    source: Modality = "flair"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(), score=(self.source,), native=True)

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:  # noqa: ARG002
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:  # noqa: ARG002
        return self


@dataclass(kw_only=True)
class Intensity(Untrained):
    """score = the scaled intensity."""

    def score(self, batch: SliceBatch) -> Tensor:
        return batch.image[:, 0]


@dataclass(kw_only=True)
class IntensityCoarse(Intensity):
    """score = the scaled intensity at the task's working size: all that a network sees, and nothing learned.

    Averaging alone makes a map better. What a network adds shows against this baseline, not against the fine one.
    """

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(), score=(self.source,))


@dataclass(kw_only=True)
class IntensityEqualised(Untrained):
    """score = the intensity after histogram equalisation inside the brain of each volume, in [0, 1].

    Meissen et al. (2021), "Challenging current semi-supervised anomaly segmentation methods for brain MRI".

    Attributes:
        bins: of the histogram.
    """

    whole_volume: ClassVar[bool] = True
    bins: int = 256

    def score(self, batch: SliceBatch) -> Tensor:
        image, brain = batch.image.cpu(), batch.brain_mask.cpu()  # NumPy equalises them
        scores = torch.zeros_like(image[:, 0])
        subjects = np.array([key.subject_id for key in batch.keys])
        for subject in np.unique(subjects):
            own = torch.from_numpy(subjects == subject)
            scores[own] = equalise(image[own, 0], brain[own, 0], bins=self.bins)
        return scores


def equalise(volume: Tensor, brain: Tensor, *, bins: int) -> Tensor:
    """Map intensities to their cumulative frequency inside the brain, linear within a bin; 0 outside. All (N, H, W)."""
    values = volume[brain].double().numpy()
    if not values.size:
        return torch.zeros_like(volume)
    counts, edges = np.histogram(values, bins=bins)
    frequency = np.concatenate([[0.0], counts.cumsum() / values.size])
    equalised = torch.zeros_like(volume)
    equalised[brain] = torch.from_numpy(np.interp(values, edges, frequency)).float()
    return equalised


@dataclass(kw_only=True)
class Random(Untrained):
    """score = uniform noise: what chance reaches."""

    excused_checks: ClassVar[Mapping[str, str]] = {"polarity": "chance does not look at the image"}
    seed_: int = field(init=False, repr=False, compare=False)

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:  # noqa: ARG002
        self.seed_ = compute.seed
        return self

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:  # noqa: ARG002
        self.seed_ = compute.seed
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        if not hasattr(self, "seed_"):
            raise NotFittedError("Random scores only after fit or load_state_dict, which give it the run's seed")
        size = batch.image.shape[-2:]
        maps = [torch.rand(size, generator=generator(self.seed_, "random score", *key)) for key in batch.keys]
        return torch.stack(maps)
