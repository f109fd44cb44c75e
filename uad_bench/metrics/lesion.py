"""Detected lesions and false positives, counted as connected components.

Components are connected by face, edge or corner: 26 neighbours in a volume, 8 in a slice. Components under 50 mm³ are
dropped from reference and prediction before they are compared; the number dropped is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.box import bounding_box
from uad_bench.metrics.metric import Metric, Values, by_name
from uad_bench.metrics.value import MetricValue, ratio, undefined

SMALLEST_MM3 = 50.0


@dataclass(frozen=True, slots=True)
class LesionCounts:
    """Lesions of the reference and components of the prediction; counts of several patients can be added.

    Attributes:
        lesions: in the reference, large enough.
        detected: lesions that any kept component overlaps.
        components: in the prediction, large enough.
        hits: components that overlap any kept lesion; the others are false positives.
        matched: pairs of a lesion and a component with IoU over 0.5; each can be in one pair only.
        dropped_lesions: too small.
        dropped_components: too small.
    """

    lesions: int = 0
    detected: int = 0
    components: int = 0
    hits: int = 0
    matched: int = 0
    dropped_lesions: int = 0
    dropped_components: int = 0

    def __add__(self, other: LesionCounts) -> LesionCounts:
        return LesionCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def count_lesions(
    predicted: NDArray[np.bool_], anomaly: NDArray[np.bool_], *, voxel_mm3: float, smallest_mm3: float = SMALLEST_MM3
) -> LesionCounts:
    """Compare the components of two masks of one shape, (X, Y, Z) or one slice (X, Y).

    Args:
        voxel_mm3: volume of a voxel, slice thickness included.
        smallest_mm3: components below this are dropped.
    """
    box = bounding_box(predicted | anomaly)
    component_of, component_sizes, dropped_components = label_components(predicted[box], smallest_mm3 / voxel_mm3)
    lesion_of, lesion_sizes, dropped_lesions = label_components(anomaly[box], smallest_mm3 / voxel_mm3)
    shared = np.zeros((lesion_sizes.size, component_sizes.size), np.int64)  # voxels in common
    met = (lesion_of >= 0) & (component_of >= 0)
    np.add.at(shared, (lesion_of[met], component_of[met]), 1)
    union = lesion_sizes[:, None] + component_sizes - shared
    return LesionCounts(
        lesions=lesion_sizes.size,
        detected=int(shared.any(axis=1).sum()),
        components=component_sizes.size,
        hits=int(shared.any(axis=0).sum()),
        matched=int(np.count_nonzero(2 * shared > union)),
        dropped_lesions=dropped_lesions,
        dropped_components=dropped_components,
    )


def lesion_f1_any(counts: LesionCounts) -> MetricValue:
    """Harmonic mean of lesion sensitivity and component precision, where any overlap is a hit. Undefined: `empty_ref`.

    Matching is many-to-many, because a thresholded score map breaks lesions into fragments.
    """
    if not counts.lesions:
        return undefined("empty_ref")
    if not counts.hits:
        return MetricValue(0.0)
    return MetricValue(2 / (counts.lesions / counts.detected + counts.components / counts.hits))


def lesion_f1_iou50(counts: LesionCounts) -> MetricValue:
    """2 matched / (lesions + components), one to one at IoU over 0.5. Undefined: `empty_ref`."""
    total = counts.lesions + counts.components if counts.lesions else 0
    return ratio(2 * counts.matched, total, otherwise="empty_ref")


def _f1_any_replicates(n: Any) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(n.hits > 0, 2 / (n.lesions / n.detected + n.components / n.hits), 0.0)
    return np.where(n.lesions > 0, found, np.nan)


def _f1_iou50_replicates(n: Any) -> Values:
    with np.errstate(invalid="ignore"):
        return np.where(n.lesions > 0, 2 * n.matched / (n.lesions + n.components), np.nan)


def label_components(mask: NDArray[np.bool_], smallest: float) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Number of the kept component at each voxel (-1: none), their sizes in voxels, and how many were dropped."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
    sizes = np.bincount(labels.ravel())[1:]
    kept = sizes >= smallest
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    return np.concatenate(([-1], number))[labels], sizes[kept], int(np.count_nonzero(~kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMetric(Metric):
    """A metric of lesion counts.

    Attributes:
        of: its value.
        replicates: its values (R,), NaN where undefined, of counts that are arrays (R,).
    """

    of: Callable[[LesionCounts], MetricValue]
    replicates: Callable[[Any], Values]


_DROPPED = "lesions and components under 50 mm³ dropped"
LESIONS = by_name(
    LesionMetric(
        name="lesion_f1_any",
        label="Lesion F1 (any)",
        description=f"F1 of lesion detection, where any overlap is a hit; {_DROPPED}",
        of=lesion_f1_any,
        replicates=_f1_any_replicates,
    ),
    LesionMetric(
        name="lesion_f1_iou50",
        label="Lesion F1 (IoU>0.5)",
        description=f"F1 of lesion detection, one-to-one matches at IoU > 0.5; {_DROPPED}",
        of=lesion_f1_iou50,
        replicates=_f1_iou50_replicates,
    ),
)
"""Metrics of lesions as connected components."""
LESION_FP = Metric(
    name="lesion_fp_per_volume",
    label="Lesion FP",
    description=f"false-positive components per volume; {_DROPPED}",
    better="lower",
    proportion=False,
)
