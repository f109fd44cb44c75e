"""A regular voxel grid in MNI millimetres, and smooth random fields upon it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CENTRE = (0.0, -18.0, 6.0)  # mm, about the middle of the brain
FIELD_OF_VIEW = 300.0  # mm; random fields cover it whatever the grid, so that they do not depend on the resolution


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxel centres around the middle of the brain, axes (X, Y, Z) towards right, front and top.

    Attributes:
        shape: voxels.
        spacing: mm.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    def axis(self, axis: int) -> NDArray[np.float64]:
        """Coordinates (n,) of the voxel centres along one axis, mm."""
        n, step = self.shape[axis], self.spacing[axis]
        return (np.arange(n) - (n - 1) / 2) * step + CENTRE[axis]

    def refined(self, factors: tuple[int, int, int]) -> "Grid":
        """The same box cut into smaller voxels."""
        shape = (self.shape[0] * factors[0], self.shape[1] * factors[1], self.shape[2] * factors[2])
        spacing = (self.spacing[0] / factors[0], self.spacing[1] / factors[1], self.spacing[2] / factors[2])
        return Grid(shape, spacing)

    def affine(self) -> NDArray[np.float64]:
        """Voxel to mm (4, 4) of the array as axes (X, Y, Z) run here, RAS+."""
        matrix = np.diag([*self.spacing, 1.0])
        matrix[:3, 3] = [self.axis(axis)[0] for axis in range(3)]
        return matrix


def random_field(rng: np.random.Generator, grid: Grid, *, length: float) -> NDArray[np.float32]:
    """A smooth Gaussian random field (X, Y, Z) of zero mean and unit variance everywhere.

    White noise on a lattice `length` mm wide, blended by cubic B-splines whose weights are normalised to unit power.
    """
    knots = int(FIELD_OF_VIEW / length) + 4
    lattice = rng.standard_normal((knots, knots, knots), dtype=np.float32)
    return blend(lattice, [_spline_weights(grid.axis(axis) - CENTRE[axis], knots, length) for axis in range(3)])


def blend(lattice: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Separable interpolation of a lattice (A, B, C) by one weight matrix (n, knots) an axis."""
    by_x = np.tensordot(weights[0], lattice, axes=(1, 0))  # (X, B, C)
    by_xy = weights[1] @ by_x  # (X, Y, C)
    return np.asarray(by_xy @ weights[2].T)  # (X, Y, Z)


def hat_weights(positions: NDArray[np.float64], knots: int) -> NDArray[np.float32]:
    """Linear interpolation weights (n, knots) at positions counted in knots, constant beyond the ends."""
    inside = np.clip(positions, 0, knots - 1)
    return np.maximum(0, 1 - np.abs(inside[:, None] - np.arange(knots))).astype(np.float32)


def _spline_weights(millimetres: NDArray[np.float64], knots: int, length: float) -> NDArray[np.float32]:
    distance = np.abs(millimetres[:, None] / length + (knots - 1) / 2 - np.arange(knots))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
    spline = np.where(distance < 1, near, far)
    return (spline / np.linalg.norm(spline, axis=1, keepdims=True)).astype(np.float32)
