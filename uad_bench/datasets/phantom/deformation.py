"""Random anatomies: deformations from patient coordinates to atlas coordinates.

A deformation is a diffeomorphism composed of the flow of a smooth velocity field by scaling and squaring (Arsigny et
al. 2006), a local displacement for the mass effect of a tumour, and an affine map. It maps patient mm to atlas mm. The
template and the distribution of velocities are symmetric, so a brain and its mirror image are equally likely.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.grid import CENTRE, Grid, blend, linear_taps, random_field

LATTICE = Grid((31, 35, 31), (8.0, 8.0, 8.0))
SQUARINGS = 6
MNI_TO_ADULT = 0.92  # the volume of the MNI brain is about a quarter larger than that of a typical adult
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MassEffect:
    """Displacement of tissue around a centre.

    Attributes:
        centre: (3,) patient coordinates in mm.
        radius: distance in mm over which the displacement decays.
        strength: from 0 (none) to below 1 (tissue at the centre compressed to a point).
    """

    centre: NDArray[np.float64]
    radius: float
    strength: float


@dataclass(frozen=True, slots=True)
class Deformation:
    """Map from patient mm to atlas mm.

    Attributes:
        displacement: (3, A, B, C) mm on `LATTICE`.
        linear: (3, 3) matrix, about the centre of the brain.
    """

    displacement: NDArray[np.float32]
    linear: NDArray[np.float64]

    def on(self, grid: Grid) -> Points:
        """Atlas coordinates (3, X, Y, Z) in mm of every voxel of a grid."""
        taps = [linear_taps(_in_knots(grid.axis(axis), axis), LATTICE.shape[axis]) for axis in range(3)]
        moved = [
            blend(field, taps) + _broadcast(grid.axis(i) - CENTRE[i], i) for i, field in enumerate(self.displacement)
        ]
        return np.stack([sum(self.linear[i, j] * moved[j] for j in range(3)) + CENTRE[i] for i in range(3)]).astype(
            np.float32
        )

    def jacobian(self) -> NDArray[np.float64]:
        """Jacobian determinant (A, B, C) of the map on the lattice; positive everywhere."""
        gradients = np.stack([np.stack(np.gradient(d, *LATTICE.spacing)) for d in self.displacement])  # (3, 3, A, B, C)
        matrices = np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(3)
        return np.asarray(np.linalg.det(matrices) * np.linalg.det(self.linear))


def draw_deformation(rng: np.random.Generator, *, mass: MassEffect | None = None) -> Deformation:
    """Draw a random anatomy: smooth displacements of about 4 mm, size varied by 4 %, rotation by 4 degrees."""
    velocity = sum(_velocity(rng, length, size) for length, size in ((45.0, 3.5), (22.0, 1.6)))
    displacement = _flow(np.asarray(velocity, dtype=np.float32))
    return Deformation(displacement if mass is None else _compose(displacement, _push(mass)), _draw_linear(rng))


def _velocity(rng: np.random.Generator, length: float, size: float) -> NDArray[np.float32]:
    return np.float32(size) * np.stack([random_field(rng, LATTICE, length=length) for _ in range(3)])


def _flow(velocity: NDArray[np.float32]) -> NDArray[np.float32]:
    displacement = velocity / np.float32(2**SQUARINGS)
    for _ in range(SQUARINGS):
        displacement = _compose(displacement, displacement)
    return displacement


def _compose(outer: NDArray[np.float32], inner: NDArray[np.float32]) -> NDArray[np.float32]:
    """Displacement of x -> outer(inner(x))."""
    from scipy import ndimage

    identity = np.indices(LATTICE.shape, dtype=np.float32)
    where = identity + inner / np.float32(LATTICE.spacing[0])
    moved = np.stack([ndimage.map_coordinates(field, where, order=1, mode="nearest") for field in outer])
    return np.asarray(inner + moved, dtype=np.float32)


def _push(mass: MassEffect) -> NDArray[np.float32]:
    offset = [_broadcast(LATTICE.axis(i) - mass.centre[i], i) for i in range(3)]
    squared = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2
    pull = -mass.strength * np.exp(-squared / (2 * mass.radius**2))
    return np.stack([pull * axis for axis in offset]).astype(np.float32)


def _draw_linear(rng: np.random.Generator) -> NDArray[np.float64]:
    """Random scale (atlas mm per patient mm) and a small rotation."""
    tilts = rng.normal(0, np.deg2rad(4), 3)
    size = MNI_TO_ADULT * np.exp(rng.normal(0, 0.03) + rng.normal(0, 0.02, 3))
    return np.asarray(_rotation(tilts) @ np.diag(1 / size))


def _rotation(tilts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix about x, then y, then z, by angles in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(tilts), np.sin(tilts)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _in_knots(millimetres: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.asarray((millimetres - LATTICE.axis(axis)[0]) / LATTICE.spacing[axis], dtype=np.float64)


def _broadcast(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    shape = [1, 1, 1]
    shape[axis] = -1
    return values.reshape(shape)
