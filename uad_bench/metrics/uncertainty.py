"""Bootstrap over patients: confidence intervals of metrics.

All methods and seeds share the same rows of resampled patients, so that differences are paired. Voxels of one patient
are not independent; resampling them instead would give intervals many times too narrow.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.pooled_bins import PatientCounts
from uad_bench.metrics.ranks import RankCounts
from uad_bench.metrics.voxel import auroc, average_precision, best_dice

Values = NDArray[np.float64]
REPLICATES = 2_000
MOST_SHIFT = 5e-4
"""Largest difference between a metric and its binned form for which replicates are corrected."""

_LEAST_DEFINED = 0.95  # share of replicates in which a metric must be defined for its interval to be defined
_BLOCK = 16  # replicates at once: 16 x 16,384 float64 are 2 MiB
_THRESHOLDS = 64  # thresholds at once: 2,000 x 64 float64 are 1 MiB, which stays in a processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """Rows of patients drawn with replacement.

    Attributes:
        weights: (R, n) float64, how often patient j occurs in row r.
        digest: SHA-256 of the drawn indices as little-endian int64, (R, n) row by row.
    """

    weights: NDArray[np.float64]
    digest: str

    @property
    def n_patients(self) -> int:
        return int(self.weights.shape[1])


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval over patients, or why it is undefined."""

    low: float
    high: float
    level: float
    undefined: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PooledReplicates:
    """Pooled metrics in each replicate.

    Attributes:
        values: (R,) float64 by metric name (`auprc`, `auroc`, `dice` at its own best threshold), already shifted;
            NaN where the metric is undefined in a replicate.
        shift: what was added to each metric's replicates: exact - binned point estimate.
        undefined: reason by metric name, where a metric or its replicates are undefined.
        n_patients: patients per row.
    """

    values: Mapping[str, NDArray[np.float64]]
    shift: Mapping[str, float]
    undefined: Mapping[str, str]
    n_patients: int

    def interval(self, name: str, *, level: float = 0.95) -> Interval:
        """The percentile interval of one metric."""
        if name in self.undefined:
            return Interval(math.nan, math.nan, level, self.undefined[name])
        return percentile_interval(self.values[name], n_patients=self.n_patients, level=level)


def resample(n_patients: int, *, seed: int, replicates: int = REPLICATES) -> Resamples:
    """Draw rows of n patients with replacement (PCG64), the same for the same seed and n."""
    rows = np.random.Generator(np.random.PCG64(seed)).integers(0, n_patients, size=(replicates, n_patients))
    weights = np.zeros(rows.shape)
    np.add.at(weights, (np.arange(replicates)[:, None], rows), 1)
    return Resamples(weights, hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest())


def percentile_interval(values: NDArray[np.float64], *, n_patients: int, level: float = 0.95) -> Interval:
    """The central `level` of the replicates (R,), by linear quantiles.

    Undefined: `few_patients` below two, `undefined_replicates` where more than 5 % of the replicates have no value.
    """
    defined = values[~np.isnan(values)]
    if n_patients < 2:
        return Interval(math.nan, math.nan, level, "few_patients")
    if defined.size < max(1, _LEAST_DEFINED * values.size):
        return Interval(math.nan, math.nan, level, "undefined_replicates")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def pooled_replicates(patients: PatientCounts, counts: RankCounts, resamples: Resamples) -> PooledReplicates:
    """Pooled AUPRC, AUROC and best Dice with patient j repeated w_rj times.

    Scores between two shared thresholds are treated as tied, which lowers every metric slightly; the replicates are
    shifted by the same effect on the point estimate. Undefined: `coarse_bins` if the shift is over `MOST_SHIFT`.

    Args:
        patients: counts at shared thresholds.
        counts: exact counts of the same voxels.
        resamples: rows over the same patients in the same order.
    """
    binned = _pooled_metrics(patients, np.ones((1, patients.n_patients)))
    exact = {"auprc": average_precision(counts), "auroc": auroc(counts), "dice": best_dice(counts).dice}
    shift = {name: measure.value - float(binned[name][0]) for name, measure in exact.items()}
    reasons = {name: measure.undefined or _refusal(shift[name]) for name, measure in exact.items()}
    replicates = _pooled_metrics(patients, resamples.weights)
    values = {name: replicates[name] + shift[name] for name in exact}
    undefined = {name: reason for name, reason in reasons.items() if reason}
    return PooledReplicates(values, shift, undefined, patients.n_patients)


def in_blocks(metric: Callable[[Values], Values], weights: Values) -> Values:
    """A metric (R,) of rows of patient weights (R, n), computed for a few rows at once to limit memory."""
    return np.concatenate([metric(weights[start : start + _BLOCK]) for start in range(0, len(weights), _BLOCK)])


def summed_counts(patients: Sequence[Any], resamples: Resamples) -> Any:
    """The counts of each row of patients: the same class, with an array (R,) in place of each number.

    Args:
        patients: one `Confusion`, or one `LesionCounts`, per patient.
        resamples: rows over the same patients in the same order.
    """
    sums = resamples.weights @ np.array([astuple(one) for one in patients], np.float64)  # (R, counts)
    return type(patients[0])(*sums.T)


def mean_replicates(values: NDArray[np.float64], resamples: Resamples) -> NDArray[np.float64]:
    """Mean over patients (R,) of values (n,), leaving out patients whose value is NaN."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (resamples.weights[:, defined] @ values[defined]) / (resamples.weights @ defined)
    return means


def _refusal(shift: float) -> str | None:
    """The reason for rejecting replicates that need this correction, if it is too large."""
    return "coarse_bins" if abs(shift) > MOST_SHIFT else None


def _pooled_metrics(patients: PatientCounts, weights: Values) -> dict[str, Values]:
    """Binned metrics (R,) for rows of patient weights (R, n).

    Correctly ranked pairs are bilinear in the weights of two patients, so they are counted once for each two patients.
    """
    positives, healthy = patients.positives, patients.voxels - patients.positives  # (n, B) at or above each threshold
    at, tied = (np.diff(counts, axis=1, prepend=0) for counts in (positives, healthy))  # (n, B) at each threshold
    n_positive = weights @ at.sum(axis=1)  # (R,)
    n_negative = weights @ patients.n_voxels - n_positive
    area, dice, lost = np.zeros(len(weights)), np.zeros(len(weights)), np.zeros((len(weights[0]), len(weights[0])))
    for start in range(0, positives.shape[1], _THRESHOLDS):
        part = np.s_[:, start : start + _THRESHOLDS]
        tp, marked = weights @ positives[part], weights @ patients.voxels[part]  # (R, b)
        np.maximum(marked, 1, out=marked)
        area += np.einsum("rb,rb->r", weights @ at[part], tp / marked)
        marked += n_positive[:, None]
        np.maximum(dice, np.max(tp / marked, axis=1), out=dice)
        lost += at[part] @ (healthy[part] - tied[part] / 2).T  # (n, n) pairs, those of equal scores counted half
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "auprc": area / n_positive,
            "auroc": 1 - np.einsum("rn,rn->r", weights @ lost.T, weights) / (n_positive * n_negative),
            "dice": 2 * dice / (n_positive > 0),
        }
