"""Where prepared slices lie in the scan, and how scores come back to its own grid."""

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

    def weights(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def to_native(scores: Scores, geometry: SliceGeometry, *, slices: Sequence[int] | None = None) -> Scores:
    """Bring score maps back to the scan's grid, once, by linear interpolation.

    Args:
        scores: (N, h, w), whole native slices or working slices.
        geometry: of the patient.
        slices: the z of each score map; by default all of 0..Z-1.

    Returns:
        (X, Y, Z) float32. Voxels outside the brain, outside the field of view or in slices that were not scored get
        the lowest score that any brain voxel has.
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
    lowest = native[known].min() if known.any() else np.float32(0)
    whole = np.full(geometry.shape, lowest, np.float32)
    inside(whole, geometry.box)[known] = native[known]
    return whole


def _enlarge(scores: Scores, geometry: SliceGeometry) -> tuple[Scores, Mask]:
    """(N, h, w) -> (N, bx, by) on the box's voxels, and which of these (bx, by) the field of view shows."""
    if geometry.field is None:
        (x0, y0, _), (x1, y1, _) = geometry.box
        return scores[:, x0:x1, y0:y1], np.ones(geometry.brain.shape[:2], bool)
    across, along = geometry.weights()
    visible = np.logical_and.outer(across.any(1), along.any(1))
    with one_thread():
        return np.asarray(across @ scores @ along.T, np.float32), np.asarray(visible)
