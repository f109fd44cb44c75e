"""Per-patient counts at shared thresholds, from which a jackknife over patients is computed without the voxels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.ranks import RankCounts, Voxels

BINS = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class PatientCounts:
    """Voxels of each patient at or above each of B shared thresholds.

    Attributes:
        thresholds: (B,) descending; the last is the lowest score of any positive.
        positives: (n, B) int32 positives of patient j with a score >= `thresholds[b]`.
        voxels: (n, B) int32 voxels of patient j with a score >= `thresholds[b]`.
        n_voxels: (n,) int64 all voxels of patient j.
    """

    thresholds: NDArray[np.floating[Any]]
    positives: NDArray[np.int32]
    voxels: NDArray[np.int32]
    n_voxels: NDArray[np.int64]

    @property
    def n_patients(self) -> int:
        return self.n_voxels.size

    def of(self, patients: NDArray[np.int64]) -> PatientCounts:
        """The same thresholds for some of the patients, for subgroups and folds."""
        return PatientCounts(self.thresholds, self.positives[patients], self.voxels[patients], self.n_voxels[patients])


def shared_thresholds(counts: RankCounts, *, bins: int = BINS) -> NDArray[np.floating[Any]]:
    """At most `bins` scores that split the pooled positives evenly, highest first.

    Recall changes only at scores of positives, so quantiles of *their* scores give equal steps of recall however rare
    positives are; with quantiles of all scores nearly all bins would be at scores without positives. With `bins` or
    fewer distinct positive scores nothing is binned.
    """
    if counts.scores.size <= bins:
        return counts.scores
    ends = counts.n_positive * np.arange(1, bins + 1) / bins  # positives above or at each threshold
    return counts.scores[np.unique(np.searchsorted(counts.tp, ends))]


def count_patients(patients: Iterable[Voxels], thresholds: NDArray[np.floating[Any]]) -> PatientCounts:
    """Count each patient's voxels at the thresholds in one pass; memory O(n B + one patient)."""
    rows = [_marked(scores, thresholds, anomaly) for scores, anomaly in patients]
    positives, voxels, n_voxels = zip(*rows, strict=True) if rows else ((), (), ())
    shape = (len(rows), thresholds.size)
    return PatientCounts(
        thresholds,
        np.array(positives, np.int32).reshape(shape),
        np.array(voxels, np.int32).reshape(shape),
        np.array(n_voxels, np.int64),
    )


def _marked(
    scores: NDArray[np.floating[Any]], thresholds: NDArray[np.floating[Any]], anomaly: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """Positives (B,) and voxels (B,) with a score at or above each threshold, and all voxels."""
    return _at_or_above(scores[anomaly], thresholds), _at_or_above(scores, thresholds), scores.size


def _at_or_above(scores: NDArray[np.floating[Any]], thresholds: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    return (scores.size - np.searchsorted(np.sort(scores), thresholds)).astype(np.int32)
