"""Precision, sensitivity, Dice and FPR as functions of the threshold, at up to 1,000 thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.ranks import RankCounts
from uad_bench.metrics.voxel import dice_curve

POINTS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Pooled metrics at M thresholds, highest first; each array is (M,).

    Attributes:
        thresholds: float32, scores of positives.
        precision: TP / (TP + FP).
        sensitivity: TP / P.
        dice: 2TP / (P + TP + FP).
        fpr: FP / N; NaN without negatives.
    """

    thresholds: NDArray[np.float32]
    precision: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    dice: NDArray[np.float64]
    fpr: NDArray[np.float64]


def sweep(counts: RankCounts, *, points: int = POINTS) -> Sweep:
    """Metrics at up to `points` thresholds, evenly spaced by rank among the distinct positive scores.

    Spaced by rank, because a single outlier would leave most of a linear grid without voxels. The best Dice and both
    ends are always included. Empty without positives.
    """
    chosen = _ranks(counts, points)
    tp, fp = counts.tp[chosen], counts.fp[chosen]
    return Sweep(
        thresholds=counts.scores[chosen],
        precision=tp / (tp + fp),
        sensitivity=tp / max(counts.n_positive, 1),
        dice=dice_curve(counts)[chosen],
        fpr=fp / (counts.n_negative or np.nan),
    )


def _ranks(counts: RankCounts, points: int) -> NDArray[np.int64]:
    """Indices of the chosen distinct scores."""
    n_scores = counts.scores.size
    if n_scores <= points:
        return np.arange(n_scores)
    even = np.linspace(0, n_scores - 1, points - 1).round().astype(np.int64)
    return np.union1d(even, np.argmax(dice_curve(counts)))
