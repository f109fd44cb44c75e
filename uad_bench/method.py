"""The interface between the benchmark and every method, built-in or third-party.

A method is trained on healthy slices (`fit`) and computes anomaly scores of unseen slices (`score`). It is a dataclass
whose init fields are its hyperparameters; learned state is kept in fields with `init=False` whose names end in `_`.
Two fields are filled from the task unless set: `source` (the input modality at test time) and `target` (the modality
it is translated to). Torch is imported for type checking only, so that importing this module is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Modality = str
Precision = Literal["auto", "float32", "bfloat16"]


class SliceKey(NamedTuple):
    """Identifies one axial slice: the patient and the slice index along z in canonical RAS+ orientation."""

    subject_id: str
    z: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Modalities:
    """Input modalities of a method.

    Attributes:
        fit: channels of the slices passed to `fit`, in this order; empty for a method without training.
        score: channels of the slices passed to `score`, in this order.
        native: request whole slices on the scan's own grid instead of the task's working size.
    """

    fit: tuple[Modality, ...]
    score: tuple[Modality, ...]
    native: bool = False


@dataclass(frozen=True, slots=True)
class SliceBatch:
    """A batch of slices; it never contains an anomaly mask.

    Attributes:
        image: (N, C, H, W) float32, scaled as the task specifies (shipped tasks use `p90`: background -3, 90th
            percentile of the volume's brain voxels +3); channels in the requested order.
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
    """Training budget: number of optimiser steps and slices per step, independent of time."""

    steps: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One progress report of a long loop.

    Attributes:
        stage: readable name of the stage, such as `"forward UNet"`.
        step: number of completed units, out of `total`.
        loss: current training loss, if any.
        slices_per_s: slices processed per second, if known.
    """

    stage: str
    step: int
    total: int
    loss: float | None = None
    slices_per_s: float | None = None


class Snapshots(Protocol):
    """Storage for the state of a training loop, from which an interrupted run resumes."""

    def save(self, name: str, state: Mapping[str, Tensor]) -> None: ...

    def load(self, name: str) -> dict[str, Tensor] | None: ...


class Selector(Protocol):
    """Measures a method during its last training, so that it ends with the weights of the best measurement."""

    def begin(self, name: str) -> int:
        """Steps between two measurements in the training of this name; 0 if another training follows it."""
        ...

    def measure(self) -> float:
        """A measure of the method with the weights that it has now; higher is better."""
        ...

    def keep(self, curve: Mapping[int, float]) -> None:
        """Receive the measurements by step, at the end of the last training."""
        ...


Report = Callable[[Progress], None]
"""Receives progress."""


def _ignore(_: Progress) -> None:
    """Discard the report."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Device, seed and precision of a computation.

    Attributes:
        device: `"cpu"` or `"cuda"` (or `"cuda:1"`).
        seed: the run's seed; all randomness derives from it (see `uad_bench.seeding`).
        mixed_precision: compute networks under bfloat16 autocast.
        report: called with `Progress`.
        snapshots: stores training state; `None` means that nothing is stored.
        selector: chooses the step whose weights are kept; `None` keeps those of the last step.
    """

    device: str = "cpu"
    seed: int = 0
    mixed_precision: bool = False
    report: Report = field(default=_ignore, compare=False)
    snapshots: Snapshots | None = field(default=None, compare=False)
    selector: Selector | None = field(default=None, compare=False)


class SliceDataset(Protocol):
    """Healthy training slices, a sized sequence of one-slice batches."""

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
        """Infinite batches of exactly `batch_size` slices; each epoch is a new permutation drawn from `generator`."""
        ...


@runtime_checkable
class Method(Protocol):
    """Trained on healthy slices, computes anomaly scores of unseen slices; higher = more anomalous.

    With the class attribute `whole_volume = True`, every batch passed to `score` holds all slices of one subject in
    order of z; otherwise a batch holds some slices of one subject. `deterministic = False` declares that two runs on
    the same machine may store different bytes; without it `--check-determinism` requires equal bytes.

    Two members are optional, for methods that compute pseudo-healthy images: what a slice would look like without
    anomaly. With `reconstruct(batch) -> Tensor`, `run --reconstructions` stores finite images (N, H, W) of the first
    modality of `score`, in the scale of `batch.image`. A method that needs the images for its scores can also offer
    `score_and_reconstruct(batch) -> (scores, images)`, so that they are computed once.
    """

    @property
    def modalities(self) -> Modalities:
        """Input modalities of `fit` and `score`."""
        ...

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        """Train from scratch on healthy slices within the budget, and return self."""
        ...

    def score(self, batch: SliceBatch) -> Tensor:
        """Compute finite score maps (N, H, W) float32 from images (N, C, H, W).

        Scores must be comparable across all slices of a run (no per-slice or test-set rescaling) and must not
        depend on the batch: draw noise per slice key with `uad_bench.seeding.slice_noise`.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """The learned state as named tensors; it is stored with safetensors."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        """Restore the state returned by `state_dict`, and return self, ready to score."""
        ...
