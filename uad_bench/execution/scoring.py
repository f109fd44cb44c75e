"""Scores prepared slices with a fitted method, and checks the scores of each subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from uad_bench.errors import MethodError
from uad_bench.method import Method, SliceKey

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from uad_bench.data.store import SliceStore

BATCH = 16
CONSTANT = "constant"
ROUNDED = "distinct float64 scores became equal in float32"


def score_subject(
    method: Method, store: SliceStore, keys: Sequence[SliceKey], *, device: str, batch_size: int = BATCH
) -> tuple[NDArray[np.float32], list[str]]:
    """Score one subject's slices, in a fixed partition into batches.

    Returns:
        (N, H, W) float32 in the order of `keys`, on the method's working grid; and remarks on scores that are valid but
        unusual.

    Raises:
        MethodError: the method did not return one finite score per pixel.
    """
    if getattr(method, "whole_volume", False):
        batch_size = len(keys)
    parts = [
        _score_batch(method, store, keys[start : start + batch_size], device)
        for start in range(0, len(keys), batch_size)
    ]
    scores = np.concatenate([part for part, _ in parts])
    remarks = {remark for _, found in parts for remark in found}
    return scores, sorted(remarks | ({CONSTANT} if scores.min() == scores.max() else set()))


def _score_batch(
    method: Method, store: SliceStore, keys: Sequence[SliceKey], device: str
) -> tuple[NDArray[np.float32], set[str]]:
    """Score a batch; if the GPU runs out of memory, score the two halves separately."""
    import torch

    batch = store.batch(keys, method.modalities.score)  # a copy, because the method may write into it
    expected = batch.image[:, 0].shape
    try:
        return checked_scores(method.score(batch.to(device)), expected, keys)
    except torch.OutOfMemoryError as error:
        if len(keys) == 1:
            raise MethodError("out of GPU memory on a single slice", reason="oom") from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(keys) // 2
    parts = [_score_batch(method, store, part, device) for part in (keys[:half], keys[half:])]
    return np.concatenate([part for part, _ in parts]), parts[0][1] | parts[1][1]


def checked_scores(
    scores: Tensor, expected: torch.Size, keys: Sequence[SliceKey]
) -> tuple[NDArray[np.float32], set[str]]:
    """Check that scores are real, finite and of the expected shape (N, H, W); returns a float32 copy and remarks.

    Raises:
        MethodError: a check failed; the reason is `bad_output` or `nonfinite`.
    """
    import torch

    if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise MethodError(f"score returned {got}, expected a float32 tensor", reason="bad_output")
    if tuple(scores.shape) != tuple(expected):
        raise MethodError(
            f"score returned shape {tuple(scores.shape)}, expected {tuple(expected)}", reason="bad_output"
        )
    array = scores.detach().to("cpu", torch.float32, copy=True).numpy()
    _require_finite(array, keys)
    lost = scores.dtype == torch.float64 and len(np.unique(array)) < len(np.unique(scores.detach().cpu().numpy()))
    return array, {ROUNDED} if lost else set()


def _require_finite(array: NDArray[np.float32], keys: Sequence[SliceKey]) -> None:
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        n, y, x = wrong[0]
        raise MethodError(
            f"score of {keys[n].subject_id}, slice {keys[n].z}, pixel ({y}, {x}) is {array[n, y, x]}; "
            f"{len(wrong) - 1} more are not finite",
            reason="nonfinite",
        )
