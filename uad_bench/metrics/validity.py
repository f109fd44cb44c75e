"""The gate that every score map passes before any metric sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import MethodError


def require_scores(scores: NDArray[np.float32], *, shape: tuple[int, ...], name: str) -> None:
    """Refuse scores that a metric would turn into a wrong number.

    A NaN sorts above every number, so that in some libraries a NaN on the tumour gives a perfect score.

    Args:
        scores: whatever the method returned.
        shape: what it has to be; nothing is broadcast.
        name: patient as the user knows it.

    Raises:
        MethodError: reason `bad_output` for another shape or type, `nonfinite` for NaN or infinity.
    """
    if scores.shape != shape:
        raise MethodError(f"{name}: scores are {scores.shape}, expected {shape}", reason="bad_output")
    if scores.dtype != np.float32:
        raise MethodError(f"{name}: scores are {scores.dtype}, expected float32", reason="bad_output")
    finite = np.isfinite(scores)
    if not finite.all():
        index = tuple(map(int, np.argwhere(~finite)[0]))
        raise MethodError(f"{name}: score at {index} is {scores[index]}, expected a finite number", reason="nonfinite")
