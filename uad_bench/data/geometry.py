"""Geometry of prepared slices relative to the scan, and resampling of scores to the scan's grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from uad_bench.data.facts import Triple
from uad_bench.data.inspection import inside
from uad_bench.data.resampling import linear_weights, one_thread
from uad_bench.errors import DataError

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class SliceGeometry:
    """Geometry of a patient's prepared slices relative to the scan.

    Attributes:
        shape: shape of the canonical volume, (X, Y, Z) voxels.
        box: bounding box of the brain; slices outside its z range contain background only.
        field: extent of a working slice along X and Y, in voxel edges; None for native slices.
        size: height and width of a working slice in pixels; None for native slices.
        brain: (bx, by, bz) bool, the brain mask inside the box.
        background: value outside the brain, one per modality.
    """

    shape: Triple
    box: tuple[Triple, Triple]
    field: tuple[Span, Span] | None
    size: int | None
    brain: Mask
    background: tuple[float, ...]

    @property
    def depth(self) -> range:
        """The z indices of the stored slices."""
        return range(self.box[0][2], self.box[1][2])

    @property
    def seen(self) -> float:
        """Fraction of brain voxels inside the field of view."""
        if self.field is None:
            return 1.0
        inside_x, inside_y = (weights.any(1) for weights in self.weights())
        return float(self.brain[inside_x][:, inside_y].sum() / self.brain.sum())

    def weights(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Interpolation matrices from working pixels to the box's voxels along X and Y: (bx, size) and (by, size)."""
        assert self.field is not None
        assert self.size is not None
        low, high = self.box
        x, y = (linear_weights(self.shape[i], *self.field[i], self.size)[low[i] : high[i]] for i in (0, 1))
        return x, y

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable values of all fields except the brain mask."""
        return {"shape": self.shape, "box": self.box, "field": self.field, "size": self.size} | {
            "background": self.background
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], brain: Mask) -> Self:
        """Restore a geometry from the values of `to_json` and the brain mask."""
        low, high = (tuple(corner) for corner in values["box"])
        field = values["field"] and tuple(tuple(span) for span in values["field"])
        shape, background = tuple(values["shape"]), tuple(values["background"])
        return cls(shape, (low, high), field, values["size"], brain, background)


def to_native(
    scores: Scores, geometry: SliceGeometry, *, slices: Sequence[int] | None = None, outside: float | None = None
) -> Scores:
    """Resample score maps to the scan's grid by linear interpolation.

    Args:
        scores: (N, h, w), whole native slices or working slices.
        geometry: geometry of the patient's slices.
        slices: z index of each score map; by default 0 to Z-1.
        outside: value of voxels outside the brain, outside the field of view or in slices without scores; by default
            the lowest score of any brain voxel.

    Returns:
        (X, Y, Z) float32.
    """
    places = np.arange(geometry.shape[2]) if slices is None else np.asarray(slices, int)
    if len(places) != len(scores):
        raise DataError(f"{len(scores)} score maps for {len(places)} slices")
    held = np.isin(places, geometry.depth)
    maps, visible = _enlarge(scores[held], geometry)
    z = places[held] - geometry.depth.start
    native, known = np.zeros(geometry.brain.shape, np.float32), np.zeros(geometry.brain.shape, bool)
    native[:, :, z], known[:, :, z] = maps.transpose(1, 2, 0), visible[:, :, None]
    known &= geometry.brain
    if outside is None:
        outside = float(native[known].min()) if known.any() else 0.0
    whole = np.full(geometry.shape, outside, np.float32)
    inside(whole, geometry.box)[known] = native[known]
    return whole


def on_scan_grid(image: npt.NDArray[Any], geometry: SliceGeometry) -> Scores:
    """Prepared slices (bz, h, w) of one modality on the scan's grid, NaN where they show no brain."""
    if geometry.field is None:
        native, visible = np.asarray(image, np.float32), np.ones(geometry.brain.shape[:2], bool)
    else:
        native, visible = _enlarge(np.asarray(image, np.float32), geometry)
    known = geometry.brain & visible[:, :, None]
    whole = np.full(geometry.shape, np.nan, np.float32)
    inside(whole, geometry.box)[known] = native.transpose(1, 2, 0)[known]
    return whole


def _enlarge(scores: Scores, geometry: SliceGeometry) -> tuple[Scores, Mask]:
    """Interpolate (N, h, w) -> (N, bx, by) on the box's voxels; also return the field-of-view mask (bx, by)."""
    if geometry.field is None:
        (x0, y0, _), (x1, y1, _) = geometry.box
        return scores[:, x0:x1, y0:y1], np.ones(geometry.brain.shape[:2], bool)
    across, along = geometry.weights()
    visible = np.logical_and.outer(across.any(1), along.any(1))
    with one_thread():
        return np.asarray(across @ scores @ along.T, np.float32), np.asarray(visible)
