"""Per-region overlap (PRO): mean share of each lesion's area that is predicted, against the false-positive rate.

Bergmann et al. 2021 (MVTec AD, International Journal of Computer Vision 129). Regions are 8-connected components of a
slice, so that small lesions count as much as large ones.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.value import MetricValue, undefined

MAX_FPR = 0.3
STEPS = 300


class Slices(Protocol):
    """Scores, anomaly and evaluated voxels, each (X, Y, S)."""

    @property
    def scores(self) -> NDArray[np.float32]: ...
    @property
    def anomaly(self) -> NDArray[np.bool_]: ...
    @property
    def domain(self) -> NDArray[np.bool_]: ...


def region_overlap(patients: Iterable[Slices], negatives: NDArray[np.float32]) -> MetricValue:
    """Area under the mean overlap against the false-positive rate up to 0.3, divided by 0.3.

    Undefined: `no_positive`, `no_negative`.

    Args:
        patients: scores and labels.
        negatives: (V,) scores of healthy voxels of all patients, ascending.
    """
    if not negatives.size:
        return undefined("no_negative")
    rates = np.linspace(0, MAX_FPR, STEPS + 1)
    thresholds = negatives[np.ceil((negatives.size - 1) * (1 - rates)).astype(np.int64)]
    overlaps = [
        1 - np.searchsorted(np.sort(region), thresholds, side="right") / region.size
        for patient in patients
        for region in _regions(patient)
    ]
    if not overlaps:
        return undefined("no_positive")
    return MetricValue(float(np.trapezoid(np.mean(overlaps, axis=0), rates) / MAX_FPR))


def _regions(patient: Slices) -> Iterable[NDArray[np.float32]]:
    """Scores of each connected anomaly in each slice."""
    from scipy import ndimage

    for k in range(patient.scores.shape[2]):
        labels, count = ndimage.label(patient.anomaly[:, :, k] & patient.domain[:, :, k], np.ones((3, 3)))
        for region in range(1, count + 1):
            yield patient.scores[:, :, k][labels == region]
