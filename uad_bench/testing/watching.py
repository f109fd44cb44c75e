"""Instrumented slices that record how they are used, and a recorder of opened files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from uad_bench.method import Modality, SliceBatch
from uad_bench.testing.slices import TinySlices, copy_of

BATCH_PARTS = {"image", "brain_mask", "keys", "to"}

_open_lists: list[list[str]] = []  # an audit hook cannot be removed, so one hook serves all active lists
_hooked: list[bool] = []


@dataclass
class CountedSlices:
    """Training slices that count how many were drawn."""

    slices: TinySlices
    drawn: int = 0

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Channel order of the images."""
        return self.slices.modalities

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([range(len(self))[index]])

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """As the contract says, counted."""
        self.drawn += len(indices)
        return self.hand_out(self.slices.take(indices))

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[SliceBatch]:
        """As the contract says, counted."""
        for batch in self.slices.batches(batch_size, generator):
            self.drawn += len(batch)
            yield self.hand_out(batch)

    def hand_out(self, batch: SliceBatch) -> SliceBatch:
        """Hook for subclasses: the batch to return."""
        return batch


@dataclass
class KeptSlices(CountedSlices):
    """Training slices that keep the batches they returned."""

    kept: list[tuple[SliceBatch, SliceBatch]] = field(default_factory=list)

    def hand_out(self, batch: SliceBatch) -> SliceBatch:
        """Keep the batch and a copy of it."""
        self.kept.append((batch, copy_of(batch)))
        return batch

    def changed(self) -> bool:
        """Whether any batch was modified."""
        return not all(
            torch.equal(given.image, copy.image) and torch.equal(given.brain_mask, copy.brain_mask)
            for given, copy in self.kept
        )


class WatchedBatch(SliceBatch):
    """A batch that records access to attributes that are not in the contract."""

    _asked: set[str]

    @classmethod
    def watch(cls, batch: SliceBatch, asked: set[str]) -> Self:
        """The same slices, recording into `asked`."""
        watched = cls(batch.image, batch.brain_mask, batch.keys)
        object.__setattr__(watched, "_asked", asked)
        return watched

    def __getattribute__(self, name: str) -> Any:
        if name not in BATCH_PARTS and not name.startswith("__") and name != "_asked":
            object.__getattribute__(self, "_asked").add(name)
        return object.__getattribute__(self, name)

    def to(self, device: torch.device | str) -> SliceBatch:
        """The same slices on another device, still watched."""
        return WatchedBatch.watch(SliceBatch.to(self, device), self._asked)


class WatchedSlices(CountedSlices):
    """Training slices that record access to attributes that are not in the contract."""

    def __init__(self, slices: TinySlices, asked: set[str]) -> None:
        super().__init__(slices)
        self._asked = asked

    def hand_out(self, batch: SliceBatch) -> SliceBatch:
        """A watched batch."""
        return WatchedBatch.watch(batch, self._asked)

    def __getattr__(self, name: str) -> Any:
        # Only called for names that do not exist.
        if not name.startswith("__"):
            self.__dict__["_asked"].add(name)
        raise AttributeError(name)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Record the paths of all files that Python opens in the body of a `with` statement."""
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked.append(True)
    paths: list[str] = []
    _open_lists.append(paths)
    try:
        yield paths
    finally:
        _open_lists.remove(paths)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _open_lists:
        for paths in _open_lists:
            paths.append(str(arguments[0]))
