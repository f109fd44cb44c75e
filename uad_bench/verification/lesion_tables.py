"""Check every value of the tables of lesions and false positives, lesions.csv and false_positives.csv."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from uad_bench.runs.integrity import Finding
from uad_bench.verification.detection import MM3
from uad_bench.verification.recompute import Patient
from uad_bench.verification.run_tables import check_rows

FULL = np.ones((3, 3, 3))


def check_lesions(
    lesions: Path, false_positives: Path, test: Sequence[Patient], thresholds: Mapping[str, float], *, at: float
) -> Iterator[Finding]:
    """Check both tables.

    Args:
        lesions: one row per lesion of the reference.
        false_positives: one row per component without a lesion.
        thresholds: by policy.
        at: threshold with one false positive per volume.
    """
    yield from check_rows(lesions, [row for patient in test for row in _lesions(patient, thresholds, at)])
    yield from check_rows(false_positives, [row for patient in test for row in _false_positives(patient, at)])


def _lesions(patient: Patient, thresholds: Mapping[str, float], at: float) -> Iterator[dict[str, Any]]:
    marked, _ = _large(patient, patient.scores >= at)
    labels, kept = _large(patient, patient.anomaly)
    scores = patient.grid.volume(patient.scores)
    for number, label in enumerate(kept, 1):
        here = labels == label
        values = scores[here]
        yield {
            **_place(patient, here, number, values),
            "mean_score": values.mean(dtype=float),
            "detected": float((marked[here] > 0).any()),
            **{f"share@{policy}": np.mean(values >= t) for policy, t in thresholds.items()},
        }


def _false_positives(patient: Patient, at: float) -> Iterator[dict[str, Any]]:
    labels, kept = _large(patient, patient.scores >= at)
    lesions, _ = _large(patient, patient.anomaly)
    scores = patient.grid.volume(patient.scores)
    for label in kept:
        here = labels == label
        if not lesions[here].any():
            yield _place(patient, here, int(np.searchsorted(kept, label)) + 1, scores[here])


def _large(patient: Patient, values: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels of the components of at least 50 mm³, 0 elsewhere, and these labels, ascending."""
    labels, _ = ndimage.label(patient.grid.volume(values), FULL)
    kept = np.flatnonzero(np.bincount(labels.ravel()) * np.prod(patient.grid.spacing) >= MM3)
    kept = kept[kept > 0]
    return np.where(np.isin(labels, kept), labels, 0), kept


def _place(patient: Patient, here: NDArray[np.bool_], number: int, scores: NDArray[np.float32]) -> dict[str, Any]:
    voxel = np.argwhere(here).mean(axis=0) + patient.grid.low
    millimetres = patient.grid.affine @ [*voxel, 1]
    return {
        "subject": patient.name,
        "number": number,
        "volume_mm3": here.sum() * np.prod(patient.grid.spacing),
        **dict(zip(("x_mm", "y_mm", "z_mm"), millimetres, strict=False)),
        "slice": round(voxel[2]),
        "max_score": scores.max(),
    }
