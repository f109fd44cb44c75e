"""The sums of simplex noise, compiled with numba: the extra `fast`. Same fields as without it, to float32 rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]
FAST = {"contract", "reassoc", "nsz"}  # sums in any order; infinities stay infinities


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)  # type: ignore[untyped-decorator]
def sum_gradients(
    points: npt.NDArray[np.uint32],
    weights: Floats,
    gradients: npt.NDArray[np.uint8],
    cut: tuple[int, int],
    plane: Floats,
) -> None:
    """Fill a plane (h, w) with the weighted gradients of the lattice points around its pixels.

    Args:
        points: lattice points around each pixel of a larger plane, (H, corners, W).
        weights: of the components of their gradients, (H, corners, 3, W).
        gradients: of each lattice point; the components plus 1 are in bits 0-1, 2-3 and 4-5.
        cut: the pixel (y, x) of the larger plane at which the plane begins.
        plane: written to.
    """
    height, width = plane.shape
    for y in range(height):
        row, stop = plane[y], cut[1] + width
        row[:] = 0
        for k in range(points.shape[1]):
            corner = points[cut[0] + y, k, cut[1] : stop]
            along_x, along_y, along_z = (
                weights[cut[0] + y, k, 0, cut[1] : stop],
                weights[cut[0] + y, k, 1, cut[1] : stop],
                weights[cut[0] + y, k, 2, cut[1] : stop],
            )
            for x in range(width):
                g = gradients[corner[x]]
                row[x] += (
                    along_x[x] * np.float32((g & 3) - 1)
                    + along_y[x] * np.float32((g >> 2 & 3) - 1)
                    + along_z[x] * np.float32((g >> 4) - 1)
                )
