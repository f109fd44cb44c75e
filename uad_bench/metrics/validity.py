"""Validation of score maps before any metric is computed."""

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import MethodError


def require_scores(scores: NDArray[np.float32], *, shape: tuple[int, ...], name: str) -> None:
    """Check that scores are finite float32 of the expected shape.

    NaN sorts above every number, so some libraries give a perfect metric for NaN in the tumour.

    Args:
        scores: returned by the method.
        shape: expected shape; nothing is broadcast.

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
