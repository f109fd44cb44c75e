"""Overlap of a prediction with the reference at one threshold: counts, and the metrics that are ratios of them.

To add a metric at a threshold, define it here and list it in `OVERLAP`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.metric import Metric, Values, by_name
from uad_bench.metrics.value import MetricValue, ratio


@dataclass(frozen=True, slots=True)
class Confusion:
    """Voxels by prediction and reference; counts of several patients can be added."""

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

    numpy would round the threshold to the nearest float32, which may include a score just below it.
    """
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return nearest if float(nearest) >= threshold else np.nextafter(nearest, np.float32(np.inf))


_REQUIRED: Mapping[str, Callable[[Any], Any]] = {
    "empty_ref": lambda n: n.tp + n.fn,
    "empty_pred": lambda n: n.tp + n.fp,
    "no_negative": lambda n: n.fp + n.tn,
}
"""Counts that must be positive for a metric to be defined, by reason code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapMetric(Metric):
    """A ratio of counts at a threshold; one formula serves a `Confusion` of numbers and one of arrays (R,).

    Attributes:
        numerator: of a confusion `n`.
        denominator: likewise.
        undefined: `empty_ref`, `empty_pred` or `no_negative`, the reason if the required count is zero.
        averaged: whether the mean over patients is also reported.
    """

    numerator: Callable[[Any], Any]
    denominator: Callable[[Any], Any]
    undefined: str
    averaged: bool = False

    def __call__(self, counts: Confusion) -> MetricValue:
        """The value, or the reason why there is none."""
        denominator = self.denominator(counts) if _REQUIRED[self.undefined](counts) else 0
        return ratio(self.numerator(counts), denominator, otherwise=self.undefined)

    def replicates(self, counts: Any) -> Values:
        """Values (R,), NaN where undefined, of a confusion whose counts are arrays (R,)."""
        with np.errstate(invalid="ignore"):
            values = self.numerator(counts) / self.denominator(counts)
        return np.where(_REQUIRED[self.undefined](counts) > 0, values, np.nan)


dice = OverlapMetric(
    name="dice",
    label="Dice",
    description="overlap 2TP / (2TP + FP + FN) at the threshold chosen by the policy",
    numerator=lambda n: 2 * n.tp,
    denominator=lambda n: 2 * n.tp + n.fp + n.fn,
    undefined="empty_ref",
    averaged=True,
)
jaccard = OverlapMetric(
    name="jaccard",
    label="Jaccard",
    description="overlap TP / (TP + FP + FN)",
    numerator=lambda n: n.tp,
    denominator=lambda n: n.tp + n.fp + n.fn,
    undefined="empty_ref",
)
precision = OverlapMetric(
    name="precision",
    label="Precision",
    description="fraction of predicted voxels that are anomalous",
    numerator=lambda n: n.tp,
    denominator=lambda n: n.tp + n.fp,
    undefined="empty_pred",
)
sensitivity = OverlapMetric(
    name="sensitivity",
    label="Sensitivity",
    description="fraction of anomalous voxels that are predicted",
    numerator=lambda n: n.tp,
    denominator=lambda n: n.tp + n.fn,
    undefined="empty_ref",
)
fpr = OverlapMetric(
    name="fpr",
    label="FPR",
    description="fraction of healthy voxels predicted anomalous",
    numerator=lambda n: n.fp,
    denominator=lambda n: n.fp + n.tn,
    undefined="no_negative",
    better="lower",
)
specificity = OverlapMetric(
    name="specificity",
    label="Specificity",
    description="fraction of healthy voxels not predicted anomalous",
    numerator=lambda n: n.tn,
    denominator=lambda n: n.fp + n.tn,
    undefined="no_negative",
)

OVERLAP = by_name(dice, jaccard, precision, sensitivity, fpr, specificity)
"""All metrics at a threshold, as computed and shown by records, tables and `verify`."""
