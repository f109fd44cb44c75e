"""A small U-Net that was shown the lesions: an upper bound for the others, which were not. Never ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from uad_bench.data.supervision import ANOMALY
from uad_bench.method import Modalities, SliceBatch
from uad_methods.segmentation import Segmenter
from uad_methods.units import Rescale


@dataclass(kw_only=True)
class SupervisedUNet(Segmenter):
    """score = logit of anomaly, from slices of training patients and their anomaly masks."""

    excused_checks: ClassVar[Mapping[str, str]] = {"polarity": "the check's slices hold no anomaly to learn from"}
    prior: ClassVar[float] = 0.5
    rescale: Rescale = "never"  # a mask has no units, and nothing here adds noise of a given size

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source, ANOMALY), score=(self.source,))

    def examples(self, batch: SliceBatch, _: torch.Generator) -> tuple[Tensor, Tensor]:
        return batch.image[:, :1], batch.image[:, 1:]
