"""Preprocessing of a patient's volumes into the slices passed to methods."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from uad_bench.config import Centre, Resample, Task
from uad_bench.data.facts import Triple
from uad_bench.data.geometry import SliceGeometry, Span
from uad_bench.data.inspection import bounding_box, inside
from uad_bench.data.resampling import RESAMPLING, one_thread
from uad_bench.data.scaling import Scaling, scale_for
from uad_bench.digests import digest_json
from uad_bench.errors import DataError
from uad_bench.method import Modality

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

VERSION = 1  # increase it when prepared slices change, so that cached entries are recomputed
BRAIN_SHARE = {"area": 0.5, "adaptive": 0.0, "bilinear": 0.0}  # of a working pixel in the brain mask, at least
LATER: Mapping[str, Any] = {"centre": "brain", "resample": "area"}  # settings that are in the digest only if changed


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing settings.

    Attributes:
        modalities: channels, in this order.
        scaling: key of `uad_bench.data.scaling.SCALINGS`.
        size: height and width in pixels of a working slice; None keeps the scan's own grid.
        field_of_view: side in mm of a working slice, a square.
        centre: of this square: `brain`, the centre of the brain's bounding box, or `image`.
        resample: key of `uad_bench.data.resampling.RESAMPLING`.
    """

    modalities: tuple[Modality, ...]
    scaling: str = "p90"
    size: int | None = None
    field_of_view: float = 192.0
    centre: Centre = "brain"
    resample: Resample = "area"

    @classmethod
    def of(cls, task: Task, modalities: tuple[Modality, ...], *, native: bool = False) -> Self:
        """The task's settings for these modalities, at its working size or on the scan's own grid."""
        size = None if native else task.size
        return cls(modalities, task.scaling, size, task.field_of_view, task.centre, task.resample)

    @property
    def digest(self) -> str:
        """SHA-256 of all settings, including the order of channels, and of the preprocessing version."""
        choices = asdict(self) if self.size else {**asdict(self), "field_of_view": None, **LATER}
        kept = {name: value for name, value in choices.items() if LATER.get(name, ...) != value}
        return digest_json({"version": VERSION, **kept})


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSlices:
    """All slices of one patient.

    Attributes:
        images: (bz, C, h, w), one per z of the geometry's depth; float16 at working size, float32 for native slices.
        brain: (bz, h, w) bool. Native slices are cropped to the box: h, w = bx, by.
        geometry: geometry of the slices relative to the scan.
    """

    images: Array
    brain: Mask
    geometry: SliceGeometry


def prepare_slices(
    volumes: Mapping[Modality, Array],
    brain: Mask,
    spacing: Sequence[float],
    preprocessing: Preprocessing,
    *,
    scaled_as: Mapping[Modality, Array] | None = None,
) -> PreparedSlices:
    """Scale the intensities of each volume, mask the background, and resample to the working size if there is one.

    Args:
        volumes: (X, Y, Z) each, at least the preprocessing's modalities.
        brain: (X, Y, Z) bool, not empty.
        spacing: mm along X, Y, Z.
        preprocessing: the choices.
        scaled_as: volumes from which the scaling is estimated; by default the volumes themselves.

    Raises:
        DataError: a modality that cannot be scaled.
    """
    box = bounding_box(brain)
    mask = inside(brain, box)
    scalings = {
        m: _scaling(preprocessing.scaling, m, (scaled_as or volumes)[m], brain) for m in preprocessing.modalities
    }
    geometry = SliceGeometry(
        shape=(brain.shape[0], brain.shape[1], brain.shape[2]),
        box=box,
        field=_field(box, brain.shape, spacing, preprocessing),
        size=preprocessing.size,
        brain=mask,
        background=tuple(scaling.background for scaling in scalings.values()),
    )
    kind, size = np.float16 if preprocessing.size else np.float32, preprocessing.size
    images = np.empty((mask.shape[2], len(scalings), *((size, size) if size else mask.shape[:2])), kind)
    for channel, (modality, scaling) in enumerate(scalings.items()):
        above = np.where(mask, scaling(inside(volumes[modality], box)) - np.float32(scaling.background), 0)
        with np.errstate(over="ignore"):  # checked below
            images[:, channel] = shrink(above, geometry, preprocessing.resample) + np.float32(scaling.background)
        if not np.isfinite(images[:, channel]).all():
            raise DataError(
                f"{modality}: scaling {preprocessing.scaling} leaves the range of {np.dtype(kind)}; choose another, or "
                "leave the patient out"
            )
    coverage = shrink(mask.astype(np.float32), geometry, preprocessing.resample)
    return PreparedSlices(images, coverage > BRAIN_SHARE[preprocessing.resample], geometry)


def _scaling(name: str, modality: Modality, volume: Array, brain: Mask) -> Scaling:
    try:
        return scale_for(name, volume, brain)
    except DataError as error:
        raise DataError(f"{modality}: {error}; leave the patient out") from error


def _field(
    box: tuple[Triple, Triple], shape: Sequence[int], spacing: Sequence[float], choice: Preprocessing
) -> tuple[Span, Span] | None:
    """The square centred on the brain's bounding box or on the image, in voxel edges."""
    if choice.size is None:
        return None
    (x0, y0, _), (x1, y1, _) = box if choice.centre == "brain" else ((0, 0, 0), shape)
    x, y, half = (x0 + x1) / 2, (y0 + y1) / 2, [choice.field_of_view / mm / 2 for mm in spacing]
    return (x - half[0], x + half[0]), (y - half[1], y + half[1])


def shrink(
    volume: npt.NDArray[np.float32], geometry: SliceGeometry, resample: Resample = "area"
) -> npt.NDArray[np.float32]:
    """Resample (bx, by, bz) -> (bz, h, w) to the working pixels; voxels outside the volume count as 0.

    It runs on one thread, since the last bits of a matrix product depend on the number of threads.
    """
    if geometry.field is None or geometry.size is None:
        return volume.transpose(2, 0, 1)
    low, high = geometry.box
    weights = RESAMPLING[resample]
    across, along = (weights(geometry.shape[i], *geometry.field[i], geometry.size) for i in (0, 1))
    with one_thread():
        rows = np.tensordot(across[:, low[0] : high[0]], volume, axes=1)  # (h, by, bz)
        small = np.tensordot(rows, along[:, low[1] : high[1]], axes=(1, 1))  # (h, bz, w)
    return small.transpose(1, 0, 2)
