"""Precision-recall and ROC curves with scikit-learn, independent of the counting in `metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
NAN = float("nan")


def divide(part: ArrayLike, whole: ArrayLike) -> Values:
    """`part / whole` for (R,) or (R, T), where the whole may be (R,); NaN where it is not positive."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    whole = whole[:, None] if whole.ndim < part.ndim else whole
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), NAN)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision-recall curve, from scikit-learn.

    Attributes:
        scores: (T,) distinct scores of positives, highest first.
        tp: (T,) positives at or above each.
        marked: (T,) all voxels at or above each.
        area: average precision; NaN without positives.
        roc_area: area under the ROC curve; NaN with a single class.
    """

    scores: NDArray[np.floating]
    tp: Values
    marked: Values
    n_positive: int
    n: int
    area: float
    roc_area: float

    @classmethod
    def of(cls, scores: NDArray[np.floating], anomaly: NDArray[np.bool_]) -> Curve:
        """The curve of scores (V,) and anomaly (V,)."""
        n_positive, n = int(anomaly.sum()), anomaly.size
        if not n_positive:
            return cls(scores[:0], np.empty(0), np.empty(0), 0, n, NAN, NAN)
        from sklearn import metrics

        with np.errstate(over="ignore"):  # differences of scores near the largest float32
            precision, recall, thresholds = metrics.precision_recall_curve(anomaly, scores)
            area = -float(np.sum(np.diff(recall) * precision[:-1]))  # its average precision
            roc_area = float(metrics.roc_auc_score(anomaly, scores)) if n_positive < n else NAN
        tp = np.rint(recall[:-1] * n_positive)
        at = np.flatnonzero(np.diff(tp, append=0.0))[::-1]
        return cls(thresholds[at], tp[at], np.rint(tp[at] / precision[at]), n_positive, n, area, roc_area)

    @property
    def prevalence(self) -> float:
        return self.n_positive / self.n

    @property
    def dice(self) -> Values:
        return 2 * self.tp / (self.n_positive + self.marked)

    @property
    def best_dice(self) -> float:
        return float(self.dice.max()) if self.n_positive else NAN

    @property
    def best_threshold(self) -> float:
        return float(self.scores[int(np.argmax(self.dice))]) if self.n_positive else NAN

    @property
    def fpr95(self) -> float:
        n_negative = self.n - self.n_positive
        if not self.n_positive or not n_negative:
            return NAN
        first = int(np.argmax(self.tp / self.n_positive >= 0.95))
        return float(self.marked[first] - self.tp[first]) / n_negative
