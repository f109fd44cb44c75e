"""Healthy anatomy of one patient: tissue fractions of every fine voxel of the brain."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.deformation import Deformation
from uad_bench.datasets.phantom.grid import Grid, random_field

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


Flat = NDArray[np.float32]
TRUNCATE = 4.0  # standard deviations at which a Gaussian filter ends
SHARPNESS = 2.2  # the template averages 152 brains; a single brain has sharper borders


@dataclass(frozen=True, slots=True)
class Brain:
    """The voxels of a brain and their tissue fractions.

    Attributes:
        inside: (X, Y, Z) bool brain mask; flat arrays hold its N voxels.
        atlas_points: (3, N) atlas coordinates in mm.
        share: fraction of each tissue, (N,) each; they sum to one.
        ventricle: CSF of the lateral ventricles and their surroundings, (N,) in [0, 1].
        box: bounding box of `inside`; what lies outside is not computed.
    """

    grid: Grid
    inside: NDArray[np.bool_]
    atlas_points: Flat
    share: dict[str, Flat]
    ventricle: Flat
    box: tuple[slice, ...] = field(init=False)

    def __post_init__(self) -> None:
        from scipy import ndimage

        object.__setattr__(self, "box", ndimage.find_objects(self.inside.astype(np.int8))[0])

    def field(self, rng: np.random.Generator, *, length: float) -> Flat:
        """Smooth random field (N,) at the voxels of the brain."""
        return random_field(rng, self.grid, length=length, box=self.box)[self.inside[self.box]]

    def position(self) -> Flat:
        """Patient coordinates (3, N) of the voxels in mm."""
        indices = np.nonzero(self.inside)
        return np.stack([self.grid.axis(axis)[index] for axis, index in enumerate(indices)]).astype(np.float32)

    def blurred(self, values: Flat, *, sigma: float) -> Flat:
        """Values (N,) smoothed by a Gaussian with a standard deviation of `sigma` mm."""
        from scipy import ndimage

        widths = [sigma / step for step in self.grid.spacing]
        reaches = [int(TRUNCATE * width + 0.5) for width in widths]
        around = tuple(
            slice(max(0, part.start - reach), part.stop + reach) for part, reach in zip(self.box, reaches, strict=True)
        )
        volume = self.volume(values)[around]
        return np.asarray(ndimage.gaussian_filter(volume, widths, truncate=TRUNCATE)[self.inside[around]])

    def volume(self, values: Flat) -> NDArray[np.float32]:
        """Flat values (N,) as a volume (X, Y, Z), zero outside the brain."""
        volume = np.zeros(self.grid.shape, dtype=np.float32)
        volume[self.inside] = values
        return volume

    def overlay(self, name: str, amount: Flat) -> None:
        """Replace the fraction `amount` (N,) in [0, 1] of every tissue by one tissue."""
        for tissue in self.share:
            self.share[tissue] = self.share[tissue] * (1 - amount)
        self.share[name] = self.share.get(name, np.float32(0)) + amount


def grow_brain(rng: np.random.Generator, grid: Grid, deformation: Deformation) -> Brain:
    """Draw grey matter, white matter, CSF, and healthy structures as bright as lesions."""
    atlas, points = load_atlas(), deformation.on(grid)
    support = atlas.sample(atlas.support, points)
    inside = support > 0.5
    flat = points[:, inside]
    brain = Brain(grid, inside, flat, {}, np.zeros(flat.shape[1:], dtype=np.float32))
    brain.share.update(_sharpen(rng, brain, atlas.sample(atlas.grey, flat), atlas.sample(atlas.white, flat)))
    brain.ventricle[:] = brain.blurred(brain.share["csf"], sigma=1.5) * _near_ventricles(flat)
    depth = brain.blurred(support[inside], sigma=4.0)  # about 0.5 at the surface, 1 deep inside
    _paint_gliosis(rng, brain)
    _paint_choroid(rng, brain)
    _paint_vessels(rng, brain, depth)
    _paint_meninges(rng, brain, depth)
    return brain


def _sharpen(rng: np.random.Generator, brain: Brain, grey: Flat, white: Flat) -> dict[str, Flat]:
    """Draw one brain from the averaged maps: sharper, with individual folds and amount of CSF."""
    csf = np.clip(1 - grey - white, 0, 1)
    folds = 0.7 * brain.field(rng, length=5.0) + 0.5 * brain.field(rng, length=12.0)
    atrophy = rng.normal(0.6, 0.5)
    odds = {
        "grey": (grey + 0.01) ** SHARPNESS,
        "white": (white + 0.01) ** SHARPNESS * np.exp(0.4 * brain.field(rng, length=6.0)),
        "csf": (csf + 0.01) ** SHARPNESS * np.exp(atrophy + folds),
    }
    total = sum(odds.values())
    share = {name: np.asarray(value / total, dtype=np.float32) for name, value in odds.items()}
    share["nuclei"] = share["grey"] * _deep(brain.atlas_points)
    share["grey"] = share["grey"] - share["nuclei"]
    return share


def _near_ventricles(points: Flat) -> Flat:
    """1 around the lateral ventricles of the atlas, falling to 0 towards the cortex."""
    x, y, z = points
    distance = np.sqrt((x / 32) ** 2 + ((y + 22) / 48) ** 2 + ((z - 12) / 24) ** 2)
    return _step(1 - distance, 0.08)


def _deep(points: Flat) -> Flat:
    """1 in the basal ganglia and thalami, whose iron shortens T2, 0 in the cortex."""
    x, y, z = points
    distance = np.sqrt((x / 32) ** 2 + ((y + 4) / 32) ** 2 + ((z - 5) / 17) ** 2)
    return _step(1 - distance, 0.08)


def _paint_gliosis(rng: np.random.Generator, brain: Brain) -> None:
    """Age-related periventricular caps and rims, and white-matter spots; they count as healthy."""
    load = rng.beta(1.2, 2.5)
    near = np.clip(brain.blurred(brain.ventricle, sigma=3.0) * 4, 0, 1)
    caps = near * _step(brain.field(rng, length=9.0) + 2.5 * load - 0.8, 0.4)
    spots = 0.8 * _step(brain.field(rng, length=4.0) + 1.5 * load - 3.4, 0.15)
    brain.overlay(
        "gliosis", (0.9 * np.maximum(caps, spots) * brain.share["white"] * (0.3 + 0.7 * load)).astype(np.float32)
    )


def _paint_choroid(rng: np.random.Generator, brain: Brain) -> None:
    plexus = _step(brain.field(rng, length=5.0) - 1.1, 0.2) * (brain.atlas_points[1] < 5)
    brain.overlay("choroid", (plexus * brain.share["csf"] * np.clip(2 * brain.ventricle, 0, 1)).astype(np.float32))


def _paint_vessels(rng: np.random.Generator, brain: Brain, depth: Flat) -> None:
    """Thin curves at the intersection of two random surfaces, mostly in the sulci, and the sagittal sinus."""
    x, y, _ = brain.atlas_points
    width = 0.07 + 0.50 * brain.blurred(brain.share["csf"], sigma=2.0)
    first, second = brain.field(rng, length=11.0), brain.field(rng, length=11.0)
    curves = np.exp(-(first**2 + second**2) / (2 * width**2))
    sinus = np.exp(-((x / 4) ** 2)) * _step(0.66 - depth, 0.04) * (np.abs(y + 18) > 10)
    brain.overlay("vessel", np.clip(np.maximum(curves, 0.8 * sinus), 0, 1).astype(np.float32))


def _paint_meninges(rng: np.random.Generator, brain: Brain, depth: Flat) -> None:
    """Remnants of skull stripping at the surface: a dark film of dura, and patches of a thin bright rim."""
    brain.overlay("dura", _step(0.56 - depth + 0.02 * brain.field(rng, length=10.0), 0.02))
    patches = _step(brain.field(rng, length=18.0) + rng.normal(-1.1, 0.5), 0.3)
    brain.overlay("meninges", (patches * _step(0.58 - depth, 0.03)).astype(np.float32))


def _step(value: Flat, width: float) -> Flat:
    """A soft step from 0 to 1 at zero."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value / width, -30, 30))), dtype=np.float32)
