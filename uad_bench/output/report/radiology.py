"""Volumes as radiologists look at them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_grey(image: NDArray[Any], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The patient's brain from black to white at its 0.5 and 99.8 percentile; both arrays of one shape."""
    inside = image[brain] if brain.any() else image.ravel()
    low, high = np.percentile(inside, (0.5, 99.8))
    shown = np.clip((image.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(image > 0, 20 + 235 * shown, 0).astype(np.uint8)


def turn(array: NDArray[Any]) -> NDArray[Any]:
    """(x, y, S) in RAS+ to (S, rows, columns): anterior on top, the patient's right on the left."""
    return array[::-1, ::-1].transpose(2, 1, 0)
