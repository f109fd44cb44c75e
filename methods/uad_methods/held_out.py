"""Training slices set aside, on which a method measures what it has learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from uad_bench.method import Modality, SliceBatch, SliceDataset


@dataclass(frozen=True, slots=True)
class Part:
    """Some slices of a training set, themselves a training set."""

    whole: SliceDataset
    indices: range

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Channel order of the images."""
        return self.whole.modalities

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.whole[self.indices[index]]

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """The slices at these indices as one batch, in this order."""
        return self.whole.take([self.indices[i] for i in indices])

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[SliceBatch]:
        """Endless batches of exactly `batch_size` slices; each epoch is a new permutation."""
        waiting: list[int] = []
        while True:
            while len(waiting) < batch_size:
                waiting += torch.randperm(len(self), generator=generator).tolist()
            yield self.take(waiting[:batch_size])
            del waiting[:batch_size]


def hold_out(train: SliceDataset, share: float) -> tuple[Part, Part]:
    """The slices to learn from and the last `share` of them, at least one, to measure on.

    The harness gives slices patient by patient, so that all patients but one are wholly on one side.
    """
    n = len(train)
    first = n - max(1, round(share * n))
    return Part(train, range(max(1, first))), Part(train, range(first, n))
