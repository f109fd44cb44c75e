"""Tiny synthetic brain slices in memory, healthy or with an anomaly, and slices that record how they are used."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from uad_bench.method import Modality, SliceBatch, SliceKey
from uad_bench.seeding import derive, generator

SIZE = (24, 24)
SLICES = 6  # per patient
BACKGROUND = -3.0  # as with scaling p90 of the shipped tasks, where bright brain is about 3
BRIGHTNESS = (1.5, 0.0, 2.5)  # brain, ventricle, cortex; permuted per modality
NOISE = 0.1
BLOB = 5.0  # added to the brain
BLOB_RADIUS = 0.25  # relative to half the slice


@dataclass(frozen=True, slots=True)
class TinySlices:
    """Slices in memory, with the interface that `fit` receives; every access returns fresh copies.

    Attributes:
        modalities: channel order of the images.
    """

    batch: SliceBatch
    modalities: tuple[Modality, ...]

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([range(len(self))[index]])

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """The slices at these indices as one batch, in this order."""
        return choose(self.batch, indices)

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[SliceBatch]:
        """Endless batches; each epoch is a new permutation."""
        waiting: list[int] = []
        while True:
            while len(waiting) < batch_size:
                waiting += torch.randperm(len(self), generator=generator).tolist()
            yield self.take(waiting[:batch_size])
            del waiting[:batch_size]


def choose(batch: SliceBatch, indices: Sequence[int]) -> SliceBatch:
    """Copies of these slices, in this order."""
    i = list(indices)
    return SliceBatch(batch.image[i].clone(), batch.brain_mask[i].clone(), tuple(batch.keys[k] for k in i))


def copy_of(batch: SliceBatch) -> SliceBatch:
    """A batch that shares no memory with this one."""
    return choose(batch, range(len(batch)))


def same(one: SliceBatch, other: SliceBatch) -> bool:
    """Whether two batches have equal images and brain masks."""
    return torch.equal(one.image, other.image) and torch.equal(one.brain_mask, other.brain_mask)


def healthy_slices(
    modalities: tuple[Modality, ...], *, patients: Sequence[str], size: tuple[int, int] = SIZE, seed: int = 0
) -> TinySlices:
    """All slices of healthy patients, by patient and in order of z."""
    keys = tuple(SliceKey(patient, z) for patient in patients for z in range(SLICES))
    if not keys:
        blank = torch.zeros(0, len(modalities), *size)
        return TinySlices(SliceBatch(blank, torch.zeros(0, 1, *size, dtype=torch.bool), ()), modalities)
    tissue = torch.stack([_tissue(key, size, seed) for key in keys])  # (N, H, W)
    image = torch.stack([_scan(tissue, keys, modality, seed) for modality in modalities], dim=1)
    return TinySlices(SliceBatch(image, (tissue > 0)[:, None], keys), modalities)


def with_blob(batch: SliceBatch) -> tuple[SliceBatch, Tensor]:
    """The slices with a bright disk inside the brain in every channel, and the mask of the disk (N, H, W)."""
    y, x = _grid((batch.image.shape[-2], batch.image.shape[-1]))
    disk = ((x - 0.3) ** 2 + (y + 0.3) ** 2 < BLOB_RADIUS**2) & batch.brain_mask[:, 0]
    return SliceBatch(batch.image + BLOB * disk[:, None], batch.brain_mask.clone(), batch.keys), disk


def with_noise(batch: SliceBatch, *, spread: float) -> SliceBatch:
    """The slices with white noise of this standard deviation inside the brain."""
    noise = torch.randn(batch.image.shape, generator=generator(7, "probe"))
    return SliceBatch(batch.image + spread * noise * batch.brain_mask, batch.brain_mask.clone(), batch.keys)


def without_brain(batch: SliceBatch) -> SliceBatch:
    """Slices of the same patient with background only."""
    return SliceBatch(torch.full_like(batch.image, BACKGROUND), torch.zeros_like(batch.brain_mask), batch.keys)


def _tissue(key: SliceKey, size: tuple[int, int], seed: int) -> Tensor:
    """0 background, 1 brain, 2 ventricle, 3 cortex; smaller towards both ends of z."""
    y, x = _grid(size)
    a, b, c = torch.rand(3, generator=generator(seed, "shape", *key)).mul(0.1).tolist()
    shrink = 1 - 0.03 * abs(key.z - SLICES / 2)
    distance: Tensor = (x / (0.8 + a)) ** 2 + (y / (0.85 + b)) ** 2
    ventricle = (x / 0.2) ** 2 + (y / (0.3 + c)) ** 2 < shrink
    brain = distance < shrink
    cortex: Tensor = brain & (distance > 0.8 * shrink)
    tissue: Tensor = brain.long() + (ventricle & brain).long() + 2 * cortex.long()
    return tissue.clamp(max=3)


def _scan(tissue: Tensor, keys: Sequence[SliceKey], modality: Modality, seed: int) -> Tensor:
    """One modality of (N, H, W) tissue; modalities differ in which tissue is bright."""
    turn = derive(0, modality) % 3
    levels = torch.tensor([BACKGROUND, *BRIGHTNESS[turn:], *BRIGHTNESS[:turn]])
    size = tissue.shape[1:]
    noise = torch.stack([torch.randn(size, generator=generator(seed, "scanner", modality, *key)) for key in keys])
    scan: Tensor = levels[tissue] + NOISE * noise * (tissue > 0)
    return scan


def _grid(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    return torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None, :]


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
        return not all(same(given, copy) for given, copy in self.kept)


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
