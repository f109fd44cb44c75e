"""The contract between the harness and every method, built in or a stranger's.

A method learns from healthy slices (`fit`) and marks what it has never seen (`score`). It is a dataclass whose
init fields are its hyperparameters; what it learns lives in fields with `init=False` whose names end in `_`.
Two field names are filled from the task unless set: `source` (the modality given at test) and `target` (the one
translated to). Torch is imported for type checking only, so that reading this file costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Modality = str


class SliceKey(NamedTuple):
    """Names one axial slice: the patient and its index along z (voxels) in canonical RAS+ orientation."""

    subject_id: str
    z: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Modalities:
    """What a method needs, and when.

    Attributes:
        fit: channels of the slices given to `fit`, in this order; empty for a method that learns nothing.
        score: channels of the slices given to `score`, in this order.
        native: ask for whole slices in the scan's own grid instead of the task's working size.
    """

    fit: tuple[Modality, ...]
    score: tuple[Modality, ...]
    native: bool = False


@dataclass(frozen=True, slots=True)
class SliceBatch:
    """Slices without any anomaly mask: a method cannot see one.

    Attributes:
        image: (N, C, H, W) float32, scaled as the task says (shipped ones: `p90`, that is background -3 and the 90th
            percentile of each volume's brain +3); C in the order asked for.
        brain_mask: (N, 1, H, W) bool.
        keys: (subject, z) of each of the N slices.
    """

    image: Tensor
    brain_mask: Tensor
    keys: tuple[SliceKey, ...]

    def to(self, device: torch.device | str) -> SliceBatch:
        """The same slices on another device."""
        image, brain_mask = (tensor.to(device, non_blocking=True) for tensor in (self.image, self.brain_mask))
        return SliceBatch(image, brain_mask, self.keys)

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a method may train: optimiser steps x slices per step; never time."""

    steps: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One report from a long loop.

    Attributes:
        stage: what is being done, for people, such as `"forward UNet"`.
        step: how many units are done; `total` of them make the stage.
        loss: current training loss, if any.
        slices_per_s: slices handled a second, if known.
    """

    stage: str
    step: int
    total: int
    loss: float | None = None
    slices_per_s: float | None = None


class Snapshots(Protocol):
    """Where a training loop may keep its state so that an interrupted run goes on where it stopped."""

    def save(self, name: str, state: Mapping[str, Tensor]) -> None: ...

    def load(self, name: str) -> dict[str, Tensor] | None: ...


def _ignore(_: Progress) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how a method computes.

    Attributes:
        device: `"cpu"` or `"cuda"` (or `"cuda:1"`).
        seed: the run's seed; all randomness derives from it (see `uad_bench.seeding`).
        mixed_precision: bfloat16 autocast where the hardware has it.
        report: receives `Progress`.
        snapshots: keeps training state; `None` means that nothing is kept.
    """

    device: str = "cpu"
    seed: int = 0
    mixed_precision: bool = False
    report: Callable[[Progress], None] = field(default=_ignore, compare=False)
    snapshots: Snapshots | None = field(default=None, compare=False)


class SliceDataset(Protocol):
    """Healthy-looking training slices, a sized sequence of one-slice batches."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Channel order of the images."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> SliceBatch: ...

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """The slices at these indices as one batch, in this order."""
        ...

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[SliceBatch]:
        """Endless batches of exactly `batch_size` slices; each epoch is a new permutation drawn from `generator`."""
        ...


@runtime_checkable
class Method(Protocol):
    """Learns from healthy slices, scores unseen ones; higher = more anomalous.

    A method may set the class attribute `whole_volume = True`: every batch given to its `score` then holds all slices
    of one subject, in order of z. Without it a batch holds some slices of one subject.
    `deterministic = False` says that two runs on one machine may store other bytes; else `--check-determinism` holds it
    to the claim.
    """

    @property
    def modalities(self) -> Modalities:
        """What `fit` and `score` need."""
        ...

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        """Learn from healthy slices only, within the budget, and return self.

        A second call forgets the first.
        """
        ...

    def score(self, batch: SliceBatch) -> Tensor:
        """Score maps (N, H, W) float32, finite, from images (N, C, H, W).

        Scores must be comparable across all slices of a run (no per-slice or test-set rescaling) and must not
        depend on the batch: draw noise per slice key with `uad_bench.seeding.slice_noise`.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Everything learned, as named tensors; safetensors keeps it."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        """Restore what `state_dict` returned and return self, ready to score."""
        ...
