"""Metrics over all thresholds, from exact counts. A prediction at threshold t is `score >= t`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import Confusion, dice
from uad_bench.metrics.ranks import RankCounts
from uad_bench.metrics.value import MetricValue, ratio, undefined


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the result at it.

    Attributes:
        threshold: an exact float32 score; NaN without positives.
        confusion: voxel counts at the threshold.
        dice: Dice at the threshold.
    """

    threshold: float
    confusion: Confusion
    dice: MetricValue


def average_precision(counts: RankCounts) -> MetricValue:
    """Area under the precision-recall curve as the step sum, ties as one step (scikit-learn's definition).

    AP = sum_k (TP_k - TP_{k-1}) / P * TP_k / (TP_k + FP_k). Undefined: `no_positive`.
    """
    if not counts.n_positive:
        return undefined("no_positive")
    at = np.diff(counts.tp, prepend=0)
    return MetricValue(float(np.sum(at * (counts.tp / (counts.tp + counts.fp)))) / counts.n_positive)


def average_precision_gain(counts: RankCounts) -> MetricValue:
    """(AP - prevalence) / (1 - prevalence): 0 for a constant map, 1 for a perfect one.

    Undefined: `no_positive`, `no_negative`.
    """
    area, base = average_precision(counts), prevalence(counts).value
    if not area.defined:
        return area
    return ratio(area.value - base, 1 - base, otherwise="no_negative")


def auroc(counts: RankCounts) -> MetricValue:
    """Probability that a positive scores higher than a negative, ties counted one half. Undefined: `single_class`."""
    if not counts.n_positive or not counts.n_negative:
        return undefined("single_class")
    at = np.diff(counts.tp, prepend=0)
    below = counts.n_negative - counts.fp
    return MetricValue(float(np.sum(at * (below + counts.tied / 2))) / (float(counts.n_positive) * counts.n_negative))


def best_dice(counts: RankCounts) -> OperatingPoint:
    """The highest Dice over every threshold, at the highest threshold that reaches it.

    Between two positive scores only false positives are added, so the maximum is at a positive score.
    Undefined: `empty_ref`.
    """
    if not counts.n_positive:
        nothing = Confusion(tp=0, fp=0, fn=0, tn=counts.n_negative)
        return OperatingPoint(float("nan"), nothing, dice(nothing))
    k = int(np.argmax(dice_curve(counts)))
    found = confusion_at(counts, k)
    return OperatingPoint(float(counts.scores[k]), found, dice(found))


def dice_curve(counts: RankCounts) -> NDArray[np.float64]:
    """Dice at each distinct positive score (K,), highest score first."""
    curve: NDArray[np.float64] = 2 * counts.tp / (counts.n_positive + counts.tp + counts.fp)
    return curve


def confusion_at(counts: RankCounts, k: int) -> Confusion:
    """Voxels counted at the threshold `counts.scores[k]`."""
    tp, fp = int(counts.tp[k]), int(counts.fp[k])
    return Confusion(tp=tp, fp=fp, fn=counts.n_positive - tp, tn=counts.n_negative - fp)


def fpr_at_tpr(counts: RankCounts, *, tpr: float = 0.95) -> MetricValue:
    """Lowest false-positive rate of any threshold whose sensitivity is at least `tpr`; no interpolation.

    Undefined: `single_class`.
    """
    if not counts.n_positive or not counts.n_negative:
        return undefined("single_class")
    k = int(np.argmax(counts.tp / counts.n_positive >= tpr))
    return MetricValue(int(counts.fp[k]) / counts.n_negative)


def prevalence(counts: RankCounts) -> MetricValue:
    """Fraction of scored voxels that are anomalous."""
    return ratio(counts.n_positive, counts.n_voxels, otherwise="empty_domain")
