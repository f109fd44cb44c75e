"""Tissue probability maps of the ICBM152 2009a symmetric template, in MNI millimetres.

Fonov et al. (2009, 2011), Collins et al. (1999); notice and terms in NOTICE.
The array was created by `tests/datasets/phantom/build_atlas.py`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PATH = Path(__file__).with_name("atlas.npz")
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Atlas:
    """Half-brain maps (X/2, Y, Z) float32 in [0, 1]; the other half is the mirror image.

    Attributes:
        grey: probability of grey matter.
        white: probability of white matter.
        support: the brain with its inner and outer CSF.
        origin: coordinates of voxel (0, 0, 0) in mm, in the plane of symmetry.
        spacing: voxel size in mm.
    """

    grey: FloatArray
    white: FloatArray
    support: FloatArray
    origin: NDArray[np.float64]
    spacing: float

    def sample(self, volume: FloatArray, points: FloatArray) -> FloatArray:
        """Interpolate one of the maps linearly at points (3, ...) in mm; zero outside."""
        from scipy import ndimage

        voxels = [self._voxel(axis, coordinate) for axis, coordinate in enumerate(points)]
        return np.asarray(ndimage.map_coordinates(volume, voxels, order=1, output=np.float32))

    def _voxel(self, axis: int, coordinate: FloatArray) -> FloatArray:
        mirrored = np.abs(coordinate) if axis == 0 else coordinate
        return (mirrored - np.float32(self.origin[axis])) / np.float32(self.spacing)


@cache
def load_atlas() -> Atlas:
    """Load the shipped atlas."""
    with np.load(PATH, allow_pickle=False) as stored:
        levels = np.float32(stored["levels"])
        grey, white, support = (stored[name].astype(np.float32) / levels for name in ("grey", "white", "support"))
        return Atlas(grey, white, support, stored["origin"], float(stored["spacing"]))
