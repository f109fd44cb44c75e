"""From a patient's volumes to the slices that methods see, and from their scores back to the scan's own grid."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from uad_bench.data.facts import Triple
from uad_bench.data.inspection import bounding_box, inside
from uad_bench.data.resampling import area_weights, linear_weights
from uad_bench.data.scaling import scale_for
from uad_bench.errors import DataError
from uad_bench.fingerprint import digest_json
from uad_bench.method import Modality

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Span = tuple[float, float]

VERSION = 1  # raise it when prepared slices change; old cache entries are then made anew
BRAIN_SHARE = 0.5  # of a working pixel that must be brain


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How slices are made.

    Attributes:
        modalities: channels, in this order.
        scaling: a name of `uad_bench.data.scaling.SCALINGS`.
        size: height and width in pixels of a working slice; None leaves the scan's own grid untouched.
        field_of_view: side in mm of the square around the middle of the brain's box that a working slice shows.
    """

    modalities: tuple[Modality, ...]
    scaling: str = "p90"
    size: int | None = None
    field_of_view: float = 192.0

    @property
    def digest(self) -> str:
        """SHA-256 of all choices and of the code's version; channels count in their order."""
        choices = asdict(self) if self.size else {**asdict(self), "field_of_view": None}
        return digest_json({"version": VERSION, **choices})


@dataclass(frozen=True, slots=True, eq=False)
class SliceGeometry:
    """Where prepared slices lie in the scan.

    Attributes:
        shape: of the canonical volume, (X, Y, Z) voxels.
        box: the brain's bounding box; slices outside its z range hold background only.
        field: the two sides of a working slice in voxel edges along X and Y; None for native slices.
        size: pixels along a side of a working slice; None for native slices.
        brain: (bx, by, bz) bool, the brain inside the box.
        background: value outside the brain, one a modality.
    """

    shape: Triple
    box: tuple[Triple, Triple]
    field: tuple[Span, Span] | None
    size: int | None
    brain: Mask
    background: tuple[float, ...]

    @property
    def depth(self) -> range:
        """The z indices that are stored."""
        return range(self.box[0][2], self.box[1][2])

    @property
    def seen(self) -> float:
        """Share of the brain's voxels that lie inside the field of view."""
        if self.field is None:
            return 1.0
        inside_x, inside_y = (weights.any(1) for weights in self.weights())
        return float(self.brain[inside_x][:, inside_y].sum() / self.brain.sum())

    def weights(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Matrices from working pixels to the box's voxels along X and Y: (bx, size) and (by, size)."""
        assert self.field is not None
        assert self.size is not None
        low, high = self.box
        x, y = (linear_weights(self.shape[i], *self.field[i], self.size)[low[i] : high[i]] for i in (0, 1))
        return x, y

    def to_json(self) -> dict[str, Any]:
        """Plain values, all but the brain."""
        return {"shape": self.shape, "box": self.box, "field": self.field, "size": self.size} | {
            "background": self.background
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], brain: Mask) -> Self:
        """Join what `to_json` gave and the brain."""
        low, high = (tuple(corner) for corner in values["box"])
        field = values["field"] and tuple(tuple(span) for span in values["field"])
        shape, background = tuple(values["shape"]), tuple(values["background"])
        return cls(shape, (low, high), field, values["size"], brain, background)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSlices:
    """All slices of one patient.

    Attributes:
        images: (bz, C, h, w), one entry for each z of the geometry's depth; float16 at working size, float32 natively.
        brain: (bz, h, w) bool. Native slices are cut to the box: h, w = bx, by.
        geometry: the way back.
    """

    images: Array
    brain: Mask
    geometry: SliceGeometry


def prepare_slices(
    volumes: Mapping[Modality, Array], brain: Mask, spacing: Sequence[float], preprocessing: Preprocessing
) -> PreparedSlices:
    """Scale each volume by its brain, blank what is not brain, and resample to the working size if there is one.

    Args:
        volumes: (X, Y, Z) each, at least the preprocessing's modalities.
        brain: (X, Y, Z) bool, not empty.
        spacing: mm along X, Y, Z.
        preprocessing: the choices.
    """
    box = bounding_box(brain)
    mask = inside(brain, box)
    scalings = {m: scale_for(preprocessing.scaling, volumes[m], brain) for m in preprocessing.modalities}
    geometry = SliceGeometry(
        shape=_triple(brain.shape),
        box=box,
        field=_field(box, spacing, preprocessing),
        size=preprocessing.size,
        brain=mask,
        background=tuple(scaling.background for scaling in scalings.values()),
    )
    kind = np.float16 if preprocessing.size else np.float32
    images = np.empty((mask.shape[2], len(scalings), *_plane(geometry)), kind)
    for channel, (modality, scaling) in enumerate(scalings.items()):
        above = np.where(mask, scaling(inside(volumes[modality], box)) - np.float32(scaling.background), 0)
        images[:, channel] = _shrink(above, geometry) + np.float32(scaling.background)
    if not np.isfinite(images).all():
        raise DataError(f"scaling {preprocessing.scaling} leaves the range of {np.dtype(kind)}; choose another")
    return PreparedSlices(images, _shrink(mask.astype(np.float32), geometry) > BRAIN_SHARE, geometry)


def to_native(
    scores: npt.NDArray[np.float32], geometry: SliceGeometry, *, slices: Sequence[int] | None = None
) -> npt.NDArray[np.float32]:
    """Bring score maps back to the scan's grid, once, by linear interpolation.

    Args:
        scores: (N, h, w), whole native slices or working slices.
        geometry: of the patient.
        slices: the z of each score map; by default all of 0..Z-1.

    Returns:
        (X, Y, Z) float32. Voxels outside the brain, outside the field of view or in slices that were not scored get
        the lowest score that any brain voxel has.
    """
    places = range(geometry.shape[2]) if slices is None else slices
    if len(places) != len(scores):
        raise DataError(f"{len(scores)} score maps for {len(places)} slices")
    (x0, y0, z0), (x1, y1, _) = geometry.box
    native = np.full(geometry.brain.shape, np.nan, np.float32)
    for z, score in zip(places, scores, strict=True):
        if z in geometry.depth:
            native[:, :, z - z0] = _enlarge(score, geometry) if geometry.size else score[x0:x1, y0:y1]
    native[~geometry.brain] = np.nan
    lowest = np.float32(np.nanmin(native) if np.isfinite(native).any() else 0)
    whole = np.full(geometry.shape, lowest, np.float32)
    whole[x0:x1, y0:y1, z0 : z0 + native.shape[2]] = np.where(np.isnan(native), lowest, native)
    return whole


def _field(box: tuple[Triple, Triple], spacing: Sequence[float], choice: Preprocessing) -> tuple[Span, Span] | None:
    """The square around the middle of the brain's box, in voxel edges."""
    if choice.size is None:
        return None
    middle = [(box[0][i] + box[1][i]) / 2 for i in (0, 1)]
    half = [choice.field_of_view / spacing[i] / 2 for i in (0, 1)]
    return (middle[0] - half[0], middle[0] + half[0]), (middle[1] - half[1], middle[1] + half[1])


def _plane(geometry: SliceGeometry) -> tuple[int, int]:
    if geometry.size is not None:
        return geometry.size, geometry.size
    return geometry.brain.shape[0], geometry.brain.shape[1]


def _shrink(volume: npt.NDArray[np.float32], geometry: SliceGeometry) -> npt.NDArray[np.float32]:
    """Slices first: (bx, by, bz) -> (bz, h, w), averaged over each working pixel; what the field lacks counts 0."""
    if geometry.field is None or geometry.size is None:
        return volume.transpose(2, 0, 1)
    low, high = geometry.box
    across, along = (area_weights(geometry.shape[i], *geometry.field[i], geometry.size) for i in (0, 1))
    rows = np.tensordot(across[:, low[0] : high[0]], volume, axes=1)  # (h, by, bz)
    small = np.tensordot(rows, along[:, low[1] : high[1]], axes=(1, 1))  # (h, bz, w)
    return small.transpose(1, 0, 2)


def _enlarge(score: npt.NDArray[np.float32], geometry: SliceGeometry) -> npt.NDArray[np.float32]:
    """(h, w) -> (bx, by); NaN outside the field of view."""
    across, along = geometry.weights()
    enlarged: npt.NDArray[np.float32] = across @ score @ along.T
    enlarged[~across.any(1)] = np.nan
    enlarged[:, ~along.any(1)] = np.nan
    return enlarged


def _triple(shape: tuple[int, ...]) -> Triple:
    x, y, z = shape
    return x, y, z
