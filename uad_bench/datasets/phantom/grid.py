"""Regular voxel grids in MNI millimetres, and smooth random fields on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CENTRE = (0.0, -18.0, 6.0)  # mm, approximately the centre of the brain
WHOLE = (slice(None),) * 3
FIELD_OF_VIEW = 300.0  # mm; random fields always cover it, so that they do not depend on the resolution of the grid


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxel grid centred on the brain, axes (X, Y, Z) towards right, anterior and superior."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    def axis(self, axis: int) -> NDArray[np.float64]:
        """Coordinates (n,) of the voxel centres along one axis, in mm."""
        n, step = self.shape[axis], self.spacing[axis]
        return np.asarray((np.arange(n) - (n - 1) / 2) * step + CENTRE[axis], dtype=np.float64)

    def refined(self, factors: tuple[int, int, int]) -> "Grid":
        """The grid with each voxel divided into smaller voxels."""
        shape = (self.shape[0] * factors[0], self.shape[1] * factors[1], self.shape[2] * factors[2])
        spacing = (self.spacing[0] / factors[0], self.spacing[1] / factors[1], self.spacing[2] / factors[2])
        return Grid(shape, spacing)

    def coarsened(self, factors: tuple[int, int, int]) -> "Grid":
        """The inverse of `refined`."""
        shape = (self.shape[0] // factors[0], self.shape[1] // factors[1], self.shape[2] // factors[2])
        spacing = (self.spacing[0] * factors[0], self.spacing[1] * factors[1], self.spacing[2] * factors[2])
        return Grid(shape, spacing)

    def affine(self) -> NDArray[np.float64]:
        """Affine (4, 4), voxel -> mm, RAS+."""
        matrix = np.diag([*self.spacing, 1.0])
        matrix[:3, 3] = [self.axis(axis)[0] for axis in range(3)]
        return matrix


@dataclass(frozen=True, slots=True)
class Taps:
    """Interpolation weights of n positions along one axis of a lattice.

    Attributes:
        first: (n,) index of the first knot.
        weights: (n, k) weights of the first knot and the following ones.
    """

    first: NDArray[np.intp]
    weights: NDArray[np.float32]


def random_field(
    rng: np.random.Generator, grid: Grid, *, length: float, box: tuple[slice, ...] = WHOLE
) -> NDArray[np.float32]:
    """Smooth Gaussian random field (X, Y, Z) of zero mean and unit variance everywhere.

    White noise on a lattice with a spacing of `length` mm, interpolated by cubic B-splines with weights of unit norm.

    Args:
        rng: the lattice is drawn for the whole field of view, whatever the box.
        box: the part of the grid that is returned.
    """
    knots = int(FIELD_OF_VIEW / length) + 4
    lattice = rng.standard_normal((knots, knots, knots), dtype=np.float32)
    positions = [grid.axis(axis)[part] - CENTRE[axis] for axis, part in enumerate(box)]
    return blend(lattice, [_spline_taps(along, knots, length) for along in positions])


def blend(lattice: NDArray[np.float32], taps: list[Taps]) -> NDArray[np.float32]:
    """Separable interpolation of a lattice (A, B, C) to (X, Y, Z).

    Uses sums in a fixed order instead of matrix products, so the result does not depend on the number of threads.
    """
    for axis in (2, 1, 0):  # (A, B, Z), (A, Y, Z), (X, Y, Z)
        lattice = _along(axis, lattice, taps[axis])
    return lattice


def linear_taps(positions: NDArray[np.float64], knots: int) -> Taps:
    """Weights of linear interpolation at positions in units of knots, constant beyond the ends."""
    inside = np.clip(positions, 0, knots - 1)
    first = np.minimum(inside.astype(np.intp), knots - 2)
    rest = inside - first
    return Taps(first, np.stack([1 - rest, rest], axis=1).astype(np.float32))


def _spline_taps(millimetres: NDArray[np.float64], knots: int, length: float) -> Taps:
    positions = millimetres / length + (knots - 1) / 2
    first = np.floor(positions).astype(np.intp) - 1
    u = positions - np.floor(positions)
    spline = np.stack([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], axis=1)
    return Taps(first, (spline / np.linalg.norm(spline, axis=1, keepdims=True)).astype(np.float32))


def _along(axis: int, lattice: NDArray[np.float32], taps: Taps) -> NDArray[np.float32]:
    """Interpolate along one axis, in place and in the order of the memory."""
    columns = taps.weights.T.reshape(-1, len(taps.first), *[1] * (2 - axis))
    total = lattice.take(taps.first, axis)
    total *= columns[0]
    part = np.empty_like(total)
    for step, column in enumerate(columns[1:], start=1):
        lattice.take(taps.first + step, axis, out=part, mode="clip")  # other modes take `out` through a buffer
        part *= column
        total += part
    return total
