"""Resampling along one axis as a small matrix: area averages to shrink an image, linear interpolation to come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Weights = npt.NDArray[np.float32]


_ALONE = Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrix products inside have the same bytes on any machine's number of threads.

    How many share a product decides its last bits. The limit holds for the whole process, so one enters at a time.
    """
    with _ALONE, threadpool_limits(1, user_api="blas"):
        yield


def area_weights(length: int, start: float, stop: float, size: int) -> Weights:
    """Average the voxels under each of `size` equal pixels that tile [start, stop) in voxel edges.

    Voxels outside 0..length are absent, so a row sums to the share of its pixel that the image covers.

    Returns:
        (size, length) float32.
    """
    edges = np.linspace(start, stop, size + 1)
    voxels = np.arange(length)
    low = np.maximum(edges[:-1, None], voxels)
    high = np.minimum(edges[1:, None], voxels + 1)
    return np.asarray(np.clip(high - low, 0, None) * size / (stop - start), np.float32)


def linear_weights(length: int, start: float, stop: float, size: int) -> npt.NDArray[np.float64]:
    """Interpolate linearly between the centres of `size` pixels tiling [start, stop), at the voxel centres.

    Beyond the outermost centres the nearest pixel counts; voxels outside the field have rows of zeros.

    Returns:
        (length, size) float64, so that a constant comes back as the same constant after rounding to float32.
    """
    centres = np.arange(length) + 0.5
    place = np.clip((centres - start) * size / (stop - start) - 0.5, 0, size - 1)
    weights = np.clip(1 - np.abs(place[:, None] - np.arange(size)), 0, None)
    weights[(centres < start) | (centres > stop)] = 0
    return np.asarray(weights)
