"""The sums of simplex noise, compiled with numba: the extra `fast`. Same fields as without it, to float32 rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def pack_gradients(choices: npt.NDArray[np.uint16], edges: Bytes, gradients: Bytes) -> None:
    """Choose an edge for each lattice point.

    Args:
        choices: 16 random bits for each plane and lattice point, (N, at least points).
        edges: components of the twelve edges plus 1, (12, 3).
        gradients: written to, (points, N); the components plus 1 are in bits 0-1, 2-3 and 4-5.
    """
    packed = edges[:, 0] | edges[:, 1] << 2 | edges[:, 2] << 4
    for point in range(len(gradients)):
        for plane in range(len(choices)):
            gradients[point, plane] = packed[np.uint32(choices[plane, point]) * len(edges) >> 16]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def sum_gradients(
    matrix: tuple[Integers, Floats, Integers], gradients: Bytes, width: int, cuts: Integers, planes: Floats
) -> None:
    """Fill planes with the weighted gradients of the lattice points around their pixels.

    All planes go through a pixel of the larger plane together: a point's gradients in all planes lie side by side.

    Args:
        matrix: rows, weights and starts. For each corner of each pixel of a larger plane, three rows of which the first
            is 3 p for lattice point p, and the weights of its gradient's components; where each pixel begins in both.
        gradients: of each lattice point in each plane, as `pack_gradients` makes them, (points, N).
        width: of the larger plane.
        cuts: the pixels (y, x) of the larger plane at which the planes begin, (N, 2).
        planes: written to, (N, h, w).
    """
    rows, weights, starts = matrix
    n, height, across = planes.shape
    line = np.empty((width, gradients.shape[1]), np.float32)
    for y in range((len(starts) - 1) // width):
        for x in range(width):
            _sum_pixel(rows, weights, starts[y * width + x], starts[y * width + x + 1], gradients, line[x])
        for i in range(n):
            if 0 <= y - cuts[i, 0] < height:
                planes[i, y - cuts[i, 0]] = line[cuts[i, 1] : cuts[i, 1] + across, i]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def _sum_pixel(rows: Integers, weights: Floats, start: int, stop: int, gradients: Bytes, sums: Floats) -> None:
    sums[:] = 0
    for k in range(start, stop, 3):
        along_x, along_y, along_z = weights[k], weights[k + 1], weights[k + 2]
        packed = gradients[rows[k] // 3]
        for i in range(len(sums)):
            g = np.int32(packed[i])
            sums[i] += (
                along_x * np.float32((g & 3) - 1)
                + along_y * np.float32((g >> 2 & 3) - 1)
                + along_z * np.float32((g >> 4) - 1)
            )
