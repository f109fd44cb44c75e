"""Resampling matrices along one axis: several ways to downsample, and linear interpolation to upsample."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

Weights = npt.NDArray[np.float32]

_BLAS_LOCK = Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Context in which BLAS uses one thread, since the last bits of a matrix product depend on the number of threads.

    The limit applies to the whole process, so only one Python thread can enter at a time.
    """
    with _BLAS_LOCK, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    # NumPy has loaded its BLAS by now. Finding the libraries takes longer than most products.
    return ThreadpoolController()


def area_weights(length: int, start: float, stop: float, size: int) -> Weights:
    """Weights that average the voxels under each of `size` equal pixels tiling [start, stop), in voxel edges.

    Voxels outside 0..length are absent, so a row sums to the fraction of its pixel that the image covers.

    Returns:
        (size, length) float32.
    """
    edges = np.linspace(start, stop, size + 1)
    voxels = np.arange(length)
    low = np.maximum(edges[:-1, None], voxels)
    high = np.minimum(edges[1:, None], voxels + 1)
    return np.asarray(np.clip(high - low, 0, None) * size / (stop - start), np.float32)


def adaptive_weights(length: int, start: float, stop: float, size: int) -> Weights:
    """Weights that average all voxels which a pixel touches, each alike, as torch's adaptive average pooling does.

    Neighbouring pixels share the voxels between them. Arguments and shape as in `area_weights`.
    """
    edges = start + np.arange(size + 1) * (stop - start) / size
    low, high = np.floor(edges[:-1, None]), np.ceil(edges[1:, None])
    voxels = np.arange(length)
    return np.asarray(((voxels >= low) & (voxels < high)) / (high - low), np.float32)


def bilinear_weights(length: int, start: float, stop: float, size: int) -> Weights:
    """Weights of linear interpolation between voxel centres at pixel centres, without smoothing before.

    Arguments and shape as in `area_weights`.
    """
    pixels = size / (stop - start)  # per voxel
    return linear_weights(size, -start * pixels, (length - start) * pixels, length).astype(np.float32)


RESAMPLING: dict[str, Callable[[int, float, float, int], Weights]] = {
    "area": area_weights,
    "adaptive": adaptive_weights,
    "bilinear": bilinear_weights,
}


def linear_weights(length: int, start: float, stop: float, size: int) -> npt.NDArray[np.float64]:
    """Weights of linear interpolation between the centres of `size` pixels tiling [start, stop), at voxel centres.

    Beyond the outermost pixel centres the nearest pixel is used; voxels outside [start, stop) have rows of zeros.

    Returns:
        (length, size) float64, so that a constant image remains exactly constant after rounding to float32.
    """
    centres = np.arange(length) + 0.5
    place = np.clip((centres - start) * size / (stop - start) - 0.5, 0, size - 1)
    weights = np.clip(1 - np.abs(place[:, None] - np.arange(size)), 0, None)
    weights[(centres < start) | (centres > stop)] = 0
    return np.asarray(weights)
