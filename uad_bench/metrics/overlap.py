"""Overlap of a prediction with the reference at one threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.measure import Measure, ratio


@dataclass(frozen=True, slots=True)
class Confusion:
    """Voxels by prediction and reference; those of several patients add up."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


def confusion(scores: NDArray[np.float32], anomaly: NDArray[np.bool_], *, threshold: float) -> Confusion:
    """Count the prediction `scores >= threshold` against the anomaly mask, both of one shape."""
    return confusion_of(scores >= smallest_float32(threshold), anomaly)


def confusion_of(predicted: NDArray[np.bool_], anomaly: NDArray[np.bool_]) -> Confusion:
    """Count a predicted mask against the anomaly mask, both of one shape."""
    n_predicted, n_anomalous = int(np.count_nonzero(predicted)), int(np.count_nonzero(anomaly))
    tp = int(np.count_nonzero(predicted & anomaly))
    fp, fn = n_predicted - tp, n_anomalous - tp
    return Confusion(tp=tp, fp=fp, fn=fn, tn=anomaly.size - tp - fp - fn)


def smallest_float32(threshold: float) -> np.float32:
    """The smallest float32 that is >= `threshold`.

    numpy would round the threshold to the nearest float32, which may let in a score just below it.
    """
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return nearest if float(nearest) >= threshold else np.nextafter(nearest, np.float32(np.inf))


def dice(counts: Confusion) -> Measure:
    """2TP / (2TP + FP + FN); 0 for an empty prediction. Undefined: `empty_ref`."""
    return _of_reference(counts, 2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def jaccard(counts: Confusion) -> Measure:
    """TP / (TP + FP + FN); 0 for an empty prediction. Undefined: `empty_ref`."""
    return _of_reference(counts, counts.tp, counts.tp + counts.fp + counts.fn)


def sensitivity(counts: Confusion) -> Measure:
    """TP / (TP + FN), also called recall. Undefined: `empty_ref`."""
    return _of_reference(counts, counts.tp, counts.tp + counts.fn)


def precision(counts: Confusion) -> Measure:
    """TP / (TP + FP). Undefined: `empty_pred`."""
    return ratio(counts.tp, counts.tp + counts.fp, otherwise="empty_pred")


def fpr(counts: Confusion) -> Measure:
    """False-positive rate FP / (FP + TN), not the false-discovery rate. Undefined: `no_negative`."""
    return ratio(counts.fp, counts.fp + counts.tn, otherwise="no_negative")


def specificity(counts: Confusion) -> Measure:
    """TN / (FP + TN). Undefined: `no_negative`."""
    return ratio(counts.tn, counts.fp + counts.tn, otherwise="no_negative")


def _of_reference(counts: Confusion, numerator: int, denominator: int) -> Measure:
    """A ratio that means nothing where the reference is empty."""
    return ratio(numerator, denominator if counts.tp + counts.fn else 0, otherwise="empty_ref")
