"""Scores and reconstructs prepared slices with a fitted method, and checks the result for each subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from uad_bench.errors import MethodError
from uad_bench.method import Method, Modality, Precision, SliceBatch, SliceKey

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from uad_bench.data.store import SliceStore

Outputs = Mapping[str, "Tensor"]
"""What a method computed for one batch, each (N, H, W), by the name of the member that returns it."""
BATCH = {"cpu": 16, "cuda": 256}
"""Slices that a method receives at once; on a GPU all of a patient's, so that it can fill its network calls."""
RECONSTRUCT = "reconstruct"
CONSTANT = "constant"
ROUNDED = "distinct float64 scores became equal in float32"


class Slices(Protocol):
    """Slices by key: those of a `SliceStore`, or the same with implants."""

    def batch(self, keys: Sequence[SliceKey], modalities: Sequence[Modality] | None = None) -> SliceBatch: ...


def score_subject(
    method: Method, store: Slices, keys: Sequence[SliceKey], *, device: str, batch_size: int | None = None
) -> tuple[NDArray[np.float32], list[str]]:
    """Score one subject's slices, in a fixed partition into batches.

    Returns:
        (N, H, W) float32 in the order of `keys`, on the method's working grid; and remarks on scores that are valid but
        unusual.

    Raises:
        MethodError: the method did not return one finite score per pixel.
    """
    found, remarks = _in_batches(lambda batch: {"score": method.score(batch)}, method, store, keys, device, batch_size)
    return found["score"], _remarks(found["score"], remarks)


def reconstruct_subject(
    method: Any, store: SliceStore, keys: Sequence[SliceKey], *, device: str
) -> NDArray[np.float32]:
    """Pseudo-healthy images (N, H, W) float32 of one subject's slices.

    Raises:
        MethodError: the method did not return one finite value per pixel.
    """
    found, _ = _in_batches(lambda batch: {RECONSTRUCT: method.reconstruct(batch)}, method, store, keys, device)
    return found[RECONSTRUCT]


def score_and_reconstruct_subject(
    method: Any, store: SliceStore, keys: Sequence[SliceKey], *, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Scores, pseudo-healthy images and remarks, as `score_subject` and `reconstruct_subject` return them."""

    def compute(batch: SliceBatch) -> Outputs:
        return dict(zip(("score", RECONSTRUCT), method.score_and_reconstruct(batch), strict=True))

    found, remarks = _in_batches(compute, method, store, keys, device)
    return found["score"], found[RECONSTRUCT], _remarks(found["score"], remarks)


def _remarks(scores: NDArray[np.float32], found: set[str]) -> list[str]:
    return sorted(found | ({CONSTANT} if scores.min() == scores.max() else set()))


def _in_batches(
    compute: Callable[[SliceBatch], Outputs],
    method: Method,
    store: Slices,
    keys: Sequence[SliceKey],
    device: str,
    batch_size: int | None = None,
) -> tuple[dict[str, NDArray[np.float32]], set[str]]:
    """The outputs (N, H, W) of a method for one subject, by name, and remarks on the scores."""
    batch_size = len(keys) if getattr(method, "whole_volume", False) else batch_size or BATCH[device.partition(":")[0]]
    starts = range(0, len(keys), batch_size)
    return _joined([_one_batch(compute, method, store, keys[i : i + batch_size], device) for i in starts])


def _one_batch(
    compute: Callable[[SliceBatch], Outputs], method: Method, store: Slices, keys: Sequence[SliceKey], device: str
) -> tuple[dict[str, NDArray[np.float32]], set[str]]:
    """Compute a batch; if the GPU runs out of memory, compute the two halves separately."""
    import torch

    batch = store.batch(keys, method.modalities.score)  # a copy, because the method may write into it
    expected = batch.image[:, 0].shape
    try:
        outputs = compute(batch.to(device))
        found = {name: checked_scores(output, expected, keys, name=name) for name, output in outputs.items()}
        return {name: array for name, (array, _) in found.items()}, found.get("score", (None, set()))[1]
    except torch.OutOfMemoryError as error:
        if len(keys) == 1:
            raise MethodError("out of GPU memory on a single slice", reason="oom") from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(keys) // 2
    return _joined([_one_batch(compute, method, store, part, device) for part in (keys[:half], keys[half:])])


def _joined(
    parts: Sequence[tuple[dict[str, NDArray[np.float32]], set[str]]],
) -> tuple[dict[str, NDArray[np.float32]], set[str]]:
    names = parts[0][0]
    return {name: np.concatenate([part[name] for part, _ in parts]) for name in names}, set().union(
        *(remarks for _, remarks in parts)
    )


def checked_scores(
    scores: Tensor, expected: torch.Size, keys: Sequence[SliceKey], *, name: str = "score"
) -> tuple[NDArray[np.float32], set[str]]:
    """Check that an output is real, finite and of the expected shape (N, H, W); returns a float32 copy and remarks.

    Raises:
        MethodError: a check failed; the reason is `bad_output` or `nonfinite`.
    """
    import torch

    if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise MethodError(f"{name} returned {got}, expected a float32 tensor", reason="bad_output")
    if tuple(scores.shape) != tuple(expected):
        raise MethodError(
            f"{name} returned shape {tuple(scores.shape)}, expected {tuple(expected)}", reason="bad_output"
        )
    array = scores.detach().to("cpu", torch.float32, copy=True).numpy()
    _require_finite(array, keys, name)
    lost = scores.dtype == torch.float64 and len(np.unique(array)) < len(np.unique(scores.detach().cpu().numpy()))
    return array, {ROUNDED} if lost else set()


def _require_finite(array: NDArray[np.float32], keys: Sequence[SliceKey], name: str) -> None:
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        n, y, x = wrong[0]
        raise MethodError(
            f"{name} of {keys[n].subject_id}, slice {keys[n].z}, pixel ({y}, {x}) is {array[n, y, x]}; "
            f"{len(wrong) - 1} more are not finite",
            reason="nonfinite",
        )


SLICES = 4
CLOSE = 1e-4  # of the map's range: above float32 rounding of convolutions, too small to affect a threshold
CLOSE_IN_BFLOAT16 = {"cpu": 2.0**-8, "cuda": 2.0**-5}
"""One rounding of bfloat16 on processors, where differences of 0 were measured; eight on GPUs, whose kernels change
with the size of the batch and whose roundings add up over a network's layers and steps."""
DEPENDS = "scores depend on the batch or on other cases"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some slices of one patient, with their original scores.

    Attributes:
        keys: at most four, evenly spaced.
        scores: (n, h, w) float32, on the method's working grid.
        spread: range of the scores over all slices of the patient.
    """

    keys: tuple[SliceKey, ...]
    scores: NDArray[np.float32]
    spread: float

    @classmethod
    def of(cls, keys: Sequence[SliceKey], scores: NDArray[np.float32]) -> Self:
        """Select slices from all scores (N, h, w) of a patient."""
        chosen = np.unique(np.linspace(0, len(keys) - 1, SLICES).astype(int))
        return cls(tuple(keys[i] for i in chosen), scores[chosen], float(np.ptp(scores)))

    def remark(self, method: Method, store: SliceStore, *, device: str, precision: Precision = "auto") -> str | None:
        """Score the slices again; returns a remark if the scores differ by more than rounding.

        Raises:
            MethodError: the method did not return one finite score per pixel.
        """
        again, _ = score_subject(method, store, self.keys, device=device, batch_size=1)
        difference = float(np.abs(again - self.scores).max()) / max(self.spread, float(np.finfo(np.float32).tiny))
        if difference <= tolerance(device, precision):
            return None
        return f"{DEPENDS} (difference {difference:.2g} of the map's range)"


def tolerance(device: str, precision: Precision = "auto") -> float:
    """Largest difference due to rounding in the device's network precision, as a fraction of the map's range."""
    from uad_bench.precision import uses_bfloat16

    return CLOSE_IN_BFLOAT16[device.partition(":")[0]] if uses_bfloat16(precision, device) else CLOSE
