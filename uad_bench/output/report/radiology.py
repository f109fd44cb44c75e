"""Display of volumes in radiological convention."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_grey(image: NDArray[Any], brain: NDArray[np.bool_], *, as_in: NDArray[Any] | None = None) -> NDArray[np.uint8]:
    """Grey values from the 0.5th to the 99.8th percentile of the brain; all arrays have the same shape.

    Args:
        image: intensities, 0 in the background.
        brain: where percentiles are taken.
        as_in: the image whose percentiles are used; by default the image itself.
    """
    measured = image if as_in is None else as_in
    inside = measured[brain] if brain.any() else measured.ravel()
    low, high = np.percentile(inside, (0.5, 99.8))
    shown = np.clip((image.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(image > 0, 20 + 235 * shown, 0).astype(np.uint8)


def turn(array: NDArray[Any]) -> NDArray[Any]:
    """(x, y, S) in RAS+ to (S, rows, columns), with anterior at the top and the patient's right on the left."""
    return array[::-1, ::-1].transpose(2, 1, 0)
