"""Free-response ROC (FROC): lesion sensitivity against false-positive components per volume, over many thresholds.

Lesions and components are those of `lesion`: connected by face, edge or corner, at least 50 mm³, and any overlap is a
hit. The thresholds are scores of lesion voxels, evenly spaced in the logarithm of the false-positive rate of voxels
from 0.001 % to 10 %; beyond, components merge and their number says nothing. A sensitivity at k false positives per
volume is that of the lowest threshold before the rate first exceeds k, without interpolation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.components import MarkedVoxels
from uad_bench.metrics.lesion import SMALLEST_MM3, label_components
from uad_bench.metrics.metric import Metric
from uad_bench.metrics.ranks import RankCounts

Values = NDArray[np.float64]

FALSE_POSITIVES = {"0.25FP": 0.25, "0.5FP": 0.5, "1FP": 1.0, "2FP": 2.0, "4FP": 4.0}
"""False-positive components per volume, by policy."""
RATES = np.geomspace(1e-5, 0.1, 129)
STRATA_ML = {"under 0.1": (0, 0.1), "0.1-1": (0.1, 1), "1-10": (1, 10), "over 10": (10, np.inf)}
"""Lower limit, included, and upper limit of a lesion's own volume, mL."""

LESION_SENSITIVITY = Metric(
    name="lesion_sensitivity",
    label="Lesion sensitivity",
    description="fraction of lesions that a predicted component overlaps; lesions and components under 50 mm³ dropped",
)
FROC_SCORE = Metric(
    name="froc_score",
    label="FROC score",
    description="mean lesion sensitivity at 0.25, 0.5, 1, 2 and 4 false-positive components per volume",
)


@dataclass(frozen=True, slots=True, eq=False)
class LesionCurve:
    """Lesions and false positives of one patient at M descending thresholds, of which the first marks nothing.

    Attributes:
        thresholds: (M,); the first is infinite.
        volumes_mm3: (L,) of the lesions that are large enough.
        found: (L,) index of the first threshold at which a lesion is detected; M if it never is.
        false: (M,) components without a lesion.
        marked: (M,) voxels at or above each threshold.
        tp: (M,) anomalous ones of them.
        n_anomalous: anomalous voxels, in lesions of any size.
    """

    thresholds: NDArray[np.floating[Any]]
    volumes_mm3: Values
    found: NDArray[np.int64]
    false: NDArray[np.int64]
    marked: NDArray[np.int64]
    tp: NDArray[np.int64]
    n_anomalous: int

    def detected(self, stratum: tuple[float, float] = (0, np.inf)) -> NDArray[np.int64]:
        """Detected lesions (M,) with a volume in this range, mL."""
        found = self.found[self.within(stratum)]
        return np.searchsorted(np.sort(found), np.arange(self.false.size), side="right")

    def within(self, stratum: tuple[float, float]) -> NDArray[np.bool_]:
        """Lesions (L,) with a volume in this range, mL; the lower limit is included."""
        low, high = stratum
        return (self.volumes_mm3 >= 1000 * low) & (self.volumes_mm3 < 1000 * high)


def froc_thresholds(counts: RankCounts) -> NDArray[np.floating[Any]]:
    """Infinity, and the lowest score of a lesion voxel at or below each of 129 false-positive rates, descending."""
    last = np.searchsorted(counts.fp, RATES * counts.n_negative, side="right") - 1
    return np.concatenate([[np.float32(np.inf)], counts.scores[np.unique(last[last >= 0])]])


def lesion_curve(
    scores: NDArray[np.float32],
    anomaly: NDArray[np.bool_],
    domain: NDArray[np.bool_],
    thresholds: NDArray[np.floating[Any]],
    *,
    voxel_mm3: float,
    least_voxels: int = 1,
) -> LesionCurve:
    """Count detected lesions and false positives of one patient at every threshold.

    Args:
        scores: (X, Y, Z) float32; `anomaly` and `domain` likewise.
        domain: voxels that can be marked.
        thresholds: (M,) descending.
        least_voxels: fewest voxels of a component that post-processing keeps.
    """
    lesion_of, sizes, _ = label_components(anomaly, SMALLEST_MM3 / voxel_mm3)
    marked = MarkedVoxels.of(scores, domain, thresholds)
    lesions = lesion_of.ravel()[marked.places]
    ill = np.flatnonzero(lesions >= 0).astype(np.int32)
    smallest = max(SMALLEST_MM3 / voxel_mm3, least_voxels)
    found = np.full(sizes.size, thresholds.size)
    false = np.zeros(thresholds.size, np.int64)
    new = np.split(ill, np.searchsorted(ill, marked.counts))
    met = ill[:0]  # a voxel of each lesion in each component
    for k, components in enumerate(marked.components()):
        met = np.concatenate([met, new[k]])
        roots = components.root(met)
        _, distinct = np.unique(roots * np.int64(sizes.size) + lesions[met], return_index=True)
        met, roots = met[distinct], roots[distinct]
        kept = components.sizes[roots] >= smallest
        false[k] = np.count_nonzero(components.sizes >= smallest) - np.unique(roots[kept]).size
        reached = lesions[met[kept]]
        found[reached] = np.minimum(found[reached], k)
    tp = np.concatenate([[0], np.cumsum(anomaly.ravel()[marked.places])])[marked.counts]
    return LesionCurve(
        thresholds, np.asarray(sizes * voxel_mm3, np.float64), found, false, marked.counts, tp, int(anomaly.sum())
    )


def up_to(rates: Values, values: Values, limit: float) -> Values:
    """Values (R,) at the last threshold before a rate first exceeds the limit.

    Args:
        rates: (R, M) at descending thresholds, of which the first marks nothing; NaN where undefined.
        values: (R, M), such as sensitivities; NaN where undefined.
    """
    allowed = np.logical_and.accumulate(rates <= limit, axis=1).sum(axis=1)
    found = values[np.arange(len(values)), np.maximum(allowed, 1) - 1]
    return np.where(allowed > 0, found, np.nan)
