"""Bounding boxes of masks."""

import numpy as np
from numpy.typing import NDArray


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around the true voxels of a mask of any dimension; empty slices for an empty mask."""
    return tuple(_extent(mask, axis) for axis in range(mask.ndim))


def _extent(mask: NDArray[np.bool_], axis: int) -> slice:
    others = tuple(other for other in range(mask.ndim) if other != axis)
    met = np.flatnonzero(mask.any(axis=others))
    return slice(int(met[0]), int(met[-1]) + 1) if met.size else slice(0, 0)
