"""Whether two score maps are the same as far as a benchmark is concerned."""

from __future__ import annotations

import torch
from torch import Tensor

from uad_bench.testing.check import ContractViolation

CLOSE = 1e-4  # of the largest score: above the rounding of convolutions, below what moves a threshold


def are_close(found: Tensor, expected: Tensor) -> bool:
    """Whether no score differs by more than rounding does."""
    return _difference(found, expected) <= CLOSE


def require_equal(found: Tensor, expected: Tensor, sentence: str) -> None:
    """Raise with the sentence and the size of the difference, unless the scores agree."""
    if not are_close(found, expected):
        difference = _difference(found, expected)
        raise ContractViolation(f"{sentence} (scores differ by up to {difference:.2g} of the largest)")


def _difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, in units of the largest expected score."""
    scale = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    return float((found - expected).abs().max() / scale)
