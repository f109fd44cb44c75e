"""From a fitted method and prepared slices to one score map per subject, checked before it is stored."""

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


def score_subject(
    method: Method, store: SliceStore, keys: Sequence[SliceKey], *, device: str, batch_size: int = BATCH
) -> NDArray[np.float32]:
    """Score one subject's slices in a fixed partition into batches.

    Returns:
        (N, H, W) float32 in the order of `keys`, on the grid the method works on.

    Raises:
        MethodError: the method returned something that is not a finite score per pixel.
    """
    if getattr(method, "whole_volume", False):
        batch_size = len(keys)
    parts = [
        _score_batch(method, store, keys[start : start + batch_size], device)
        for start in range(0, len(keys), batch_size)
    ]
    return np.concatenate(parts)


def _score_batch(method: Method, store: SliceStore, keys: Sequence[SliceKey], device: str) -> NDArray[np.float32]:
    """Score a batch; when a GPU has too little memory, halve the batch and go on."""
    import torch

    batch = store.batch(keys, method.modalities.score)
    try:
        return checked_scores(method.score(batch.to(device)), batch.image.shape, keys)
    except torch.OutOfMemoryError as error:
        if len(keys) == 1:
            raise MethodError("out of GPU memory on a single slice", reason="oom") from error
    torch.cuda.empty_cache()
    half = len(keys) // 2
    return np.concatenate([_score_batch(method, store, part, device) for part in (keys[:half], keys[half:])])


def checked_scores(scores: Tensor, image_shape: torch.Size, keys: Sequence[SliceKey]) -> NDArray[np.float32]:
    """A copy of the scores as float32 if they are (N, H, W), real and finite.

    Raises:
        MethodError: with reason `bad_output` or `nonfinite`, naming what was expected and what came.
    """
    import torch

    if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise MethodError(f"score returned {got}, expected a float32 tensor", reason="bad_output")
    expected = (image_shape[0], *image_shape[2:])
    if tuple(scores.shape) != expected:
        raise MethodError(f"score returned shape {tuple(scores.shape)}, expected {expected}", reason="bad_output")
    array = scores.detach().to("cpu", torch.float32, copy=True).numpy()
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        n, y, x = wrong[0]
        raise MethodError(
            f"score of {keys[n].subject_id}, slice {keys[n].z}, pixel ({y}, {x}) is "
            f"{array[n, y, x]}, and so are {len(wrong) - 1} more",
            reason="nonfinite",
        )
    return array
