"""Pooled metrics from one pass in constant memory, with bounds that hold for certain.

A histogram of 65,536 equal steps between two bounds forgets only the order inside a bin. Best and worst order of each
bin give a bracket around the exact value; histograms of patients, shards or machines add up. Equal steps need bounds,
but spread score maps over far more bins than the leading bits of a float would (ten times tighter brackets on maps
in [0, 1)). One far outlier widens the bracket; the exact counts of `ranks` are then the better choice, at about three
times the cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.measure import Measure, undefined
from uad_bench.metrics.ranks import Voxels
from uad_bench.metrics.validity import require_scores

BINS = 65_536

_CHUNK = 1 << 18  # voxels binned at once: work arrays of 3 MiB stay in the cache
_NO_SPAN = 1e-46  # below the smallest float32 there is nothing to divide into steps
_PLAIN_SPANS = (1e-30, 1e30)  # spans whose arithmetic neither overflows nor vanishes in float32


@dataclass(frozen=True, slots=True)
class LinearBins:
    """Equal steps from `low` to `high`; scores beyond fall into the end bins, which keeps their order."""

    low: float
    high: float

    def index(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Bin (V,) of each score; never lower for a higher score, which is all that a bracket needs."""
        span = self.high - self.low
        plain = _PLAIN_SPANS[0] < span < _PLAIN_SPANS[1]
        with np.errstate(over="ignore"):  # far beyond the bounds is in the end bin all the same
            steps = np.subtract(scores, self.low, dtype=np.float32 if plain else np.float64)
            steps *= (BINS - 1) / span if span > _NO_SPAN else 1.0
        return np.clip(steps, 0, BINS - 1, out=steps).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Voxels by score.

    Attributes:
        bins: how scores map to bins.
        positives: (65,536,) int64, lowest scores first.
        negatives: (65,536,) int64, lowest scores first.
    """

    bins: LinearBins
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        if self.bins != other.bins:
            raise ValueError(f"histograms over {self.bins} and {other.bins} do not add up; bin both alike")
        return ScoreHistogram(self.bins, self.positives + other.positives, self.negatives + other.negatives)


@dataclass(frozen=True, slots=True)
class Bracket:
    """An exact value is certainly in [low, high]; `estimate` supposes that voxels mix evenly inside a bin."""

    low: Measure
    estimate: Measure
    high: Measure


def bounds_of(patients: Iterable[Voxels]) -> LinearBins:
    """Bins from the lowest to the highest score of all patients."""
    extremes = [(float(scores.min()), float(scores.max())) for scores, _ in patients if scores.size]
    return LinearBins(min(low for low, _ in extremes), max(high for _, high in extremes))


def score_histogram(patients: Iterable[Voxels], bins: LinearBins) -> ScoreHistogram:
    """Count the voxels of all patients in one pass.

    Raises:
        MethodError: scores are not finite (`nonfinite`), or of another type or shape (`bad_output`).
    """
    voxels, positives = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    for number, (scores, anomaly) in enumerate(patients):
        require_scores(scores, shape=(anomaly.size,), name=f"patient {number}")
        for start in range(0, scores.size, _CHUNK):
            index = bins.index(scores[start : start + _CHUNK])
            voxels += np.bincount(index, minlength=BINS)
            positives += np.bincount(index[anomaly[start : start + _CHUNK]], minlength=BINS)
    return ScoreHistogram(bins, positives, voxels - positives)


def average_precision_bracket(histogram: ScoreHistogram) -> Bracket:
    """Bounds of AP. Undefined: `no_positive`.

    With a positives and b negatives above a bin of p and n, a positive contributes most when all p come first and tie,
    p (a + p) / (a + p + b), and least when they follow the n one by one: p - B sum_j 1 / (a + j + B), B = b + n, where
    the sum is below ln((a + p + B + 1/2) / (a + B + 1/2)) because 1/x is convex.
    """
    p, n, a, b = _steps(histogram)
    if not p.size:
        return _nothing("no_positive")
    total = p.sum()
    best = p * (a + p) / (a + p + b)
    worst = p - (b + n) * np.log1p(p / (a + b + n + 0.5))
    even = np.clip(_evenly_mixed(p, n, a, b), worst, best)
    return Bracket(*(Measure(float(area.sum() / total)) for area in (worst, even, best)))


def best_dice_bracket(histogram: ScoreHistogram) -> Bracket:
    """Bounds of the best Dice over every threshold. Undefined: `empty_ref`."""
    p, n, a, b = _steps(histogram)
    if not p.size:
        return _nothing("empty_ref")
    low = float(np.max(2 * (a + p) / (p.sum() + a + p + b + n)))
    high = float(np.max(2 * (a + p) / (p.sum() + a + p + b)))
    return Bracket(Measure(low), Measure(low), Measure(high))


def auroc_bracket(histogram: ScoreHistogram) -> Bracket:
    """Bounds of AUROC. Undefined: `single_class`."""
    p, n, _, b = _steps(histogram)
    n_negative = float(histogram.negatives.sum())
    if not p.size or not n_negative:
        return _nothing("single_class")
    pairs = p.sum() * n_negative
    lost, unknown = np.sum(p * b) / pairs, np.sum(p * n) / pairs
    return Bracket(*(Measure(float(1 - lost - share * unknown)) for share in (1, 0.5, 0)))


def _steps(histogram: ScoreHistogram) -> tuple[NDArray[np.float64], ...]:
    """Of bins with positives, highest first: positives p, negatives n, positives a and negatives b above."""
    p, n = histogram.positives[::-1], histogram.negatives[::-1]
    met = p > 0
    return tuple(x[met].astype(np.float64) for x in (p, n, np.cumsum(p) - p, np.cumsum(n) - n))


def _evenly_mixed(
    p: NDArray[np.float64], n: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of precision over a bin's positives where the j-th has b + n (j - 1/2) / p negatives above it.

    The sum over j of (a + j) / (c j + d) as an integral from 1/2 to p + 1/2, c = 1 + n/p, d = a + b - n / (2p).
    """
    c = 1 + n / p
    d = a + b - n / (2 * p)
    mixed: NDArray[np.float64] = p / c + (a - d / c) / c * np.log1p(c * p / (d + c / 2))
    return mixed


def _nothing(reason: str) -> Bracket:
    return Bracket(undefined(reason), undefined(reason), undefined(reason))
