"""Every lesion of the test patients, and every false positive, at the threshold with one false positive per volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.cases import Case, Cases
from uad_bench.evaluation.detection import one_false_positive
from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.metrics.lesion import SMALLEST_MM3, label_components
from uad_bench.metrics.overlap import smallest_float32

Affine = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRow:
    """A connected component of at least 50 mm³: a lesion, or a false positive.

    Attributes:
        subject: the patient.
        number: within the patient, from 1.
        volume_mm3: its volume.
        x_mm: centroid in the scan's coordinates, mm; `y_mm` and `z_mm` likewise.
        slice: index of the axial slice nearest the centroid.
        max_score: highest score in it.
    """

    subject: str
    number: int
    volume_mm3: float
    x_mm: float
    y_mm: float
    z_mm: float
    slice: int
    max_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionRow(ComponentRow):
    """A lesion.

    Attributes:
        mean_score: over its voxels.
        detected: whether a component overlaps it at one false positive per volume.
        shares: share of its voxels at or above the threshold, by policy.
    """

    mean_score: float
    detected: bool
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LesionList:
    """Lesions and false positives of one patient or more."""

    lesions: tuple[LesionRow, ...] = ()
    false_positives: tuple[ComponentRow, ...] = ()

    def __add__(self, other: LesionList) -> LesionList:
        return LesionList(self.lesions + other.lesions, self.false_positives + other.false_positives)


def list_components(
    cases: Cases, test: Sequence[str], subjects: Sequence[SubjectResult], thresholds: Mapping[str, Threshold]
) -> LesionList:
    """Lesions and false positives of all test patients; `subjects` are their measurements."""
    known = {policy: threshold.value for policy, threshold in thresholds.items() if not threshold.undefined}
    at, least = one_false_positive(subjects), cases.protocol.steps.least_voxels
    return reduce(
        add,
        (
            list_lesions(
                case, cases.references[case.subject].affine, threshold=at, thresholds=known, least_voxels=least
            )
            for case in cases(test)
        ),
    )


def list_lesions(
    case: Case, affine: Affine, *, threshold: float, thresholds: Mapping[str, float], least_voxels: int
) -> LesionList:
    """The lesions and false positives of one patient.

    Args:
        affine: voxel -> mm of the scan, rows of 4.
        threshold: with one false positive per volume.
        thresholds: defined thresholds by policy.
        least_voxels: fewest voxels of a component that post-processing keeps.
    """
    smallest = SMALLEST_MM3 / case.voxel_mm3
    lesion_of, *_ = label_components(case.anomaly, smallest)
    marked = case.domain & (case.scores >= smallest_float32(threshold))
    component_of, sizes, _ = label_components(marked, max(smallest, least_voxels))
    both = (lesion_of >= 0) & (component_of >= 0)
    detected, hits = np.unique(lesion_of[both]), np.unique(component_of[both])
    lesions = []
    for place in _places(case, affine, lesion_of):
        scores = case.scores[lesion_of == place["number"] - 1]
        shares = {policy: float(np.mean(scores >= smallest_float32(t))) for policy, t in thresholds.items()}
        mean, found = float(scores.mean(dtype=np.float64)), place["number"] - 1 in detected
        lesions.append(LesionRow(**place, mean_score=mean, detected=found, shares=shares))
    alone = np.where(np.isin(component_of, hits), -1, component_of) if sizes.size else component_of
    false = tuple(ComponentRow(**place) for place in _places(case, affine, alone))
    return LesionList(tuple(lesions), false)


def _places(case: Case, affine: Affine, number_of: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Size, place and highest score of each component."""
    inside = number_of >= 0
    which, at = number_of[inside], np.argwhere(inside)
    sizes, highest = np.bincount(which), np.full(which.max(initial=-1) + 1, -np.inf, np.float32)
    np.maximum.at(highest, which, case.scores[inside])
    centres = np.array([np.bincount(which, axis) for axis in at.T]).T
    for number in np.flatnonzero(sizes):
        x, y, z = centres[number] / sizes[number]
        depth = np.interp(z, np.arange(case.z.size), case.z)
        voxel = np.array([x + case.corner[0], y + case.corner[1], depth, 1])
        x_mm, y_mm, z_mm, *_ = (np.asarray(affine) @ voxel).tolist()
        yield {
            "subject": case.subject,
            "number": int(number) + 1,
            "volume_mm3": float(sizes[number] * case.voxel_mm3),
            "x_mm": x_mm,
            "y_mm": y_mm,
            "z_mm": z_mm,
            "slice": round(float(depth)),
            "max_score": float(highest[number]),
        }
