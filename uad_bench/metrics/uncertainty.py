"""Jackknife over patients: standard errors, confidence intervals and tests of metrics.

Each metric is computed once more without each patient in turn (Quenouille 1956; Tukey 1958). The n replicates give the
standard error of the metric, of a mean over seeds or folds, and of a difference between two methods on the same
patients. Intervals and p-values use Student's t. Voxels of one patient are not independent; leaving out voxels instead
would give intervals many times too narrow.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_json
from uad_bench.metrics.pooled_bins import PatientCounts
from uad_bench.metrics.ranks import RankCounts
from uad_bench.metrics.voxel import auroc, average_precision, best_dice

Values = NDArray[np.float64]
MOST_SHIFT = 5e-4
"""Largest difference between a metric and its binned form for which replicates are corrected."""

_BLOCK = 16  # replicates at once: 16 x 16,384 float64 are 2 MiB
_THRESHOLDS = 64  # thresholds at once: 2,000 x 64 float64 are 1 MiB, which stays in a processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """Weights of the patients in each replicate.

    Attributes:
        weights: (R, n) float64; for the jackknife R = n, and patient j has weight 0 in row j and 1 in the others.
        digest: SHA-256 of the patients' ids in their order; equal digests mean that replicates are paired.
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
    """

    values: Mapping[str, NDArray[np.float64]]
    shift: Mapping[str, float]
    undefined: Mapping[str, str]


def leave_one_out(subjects: Sequence[str]) -> Resamples:
    """The rows of the jackknife: each omits one patient. A single patient cannot be left out: its weight is NaN."""
    n = len(subjects)
    weights = np.ones((n, n)) - np.eye(n) if n > 1 else np.full((1, 1), np.nan)
    return Resamples(weights, digest_json(list(subjects)))


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """Jackknife standard errors of one or more metrics.

    Attributes:
        value: (...) standard error; NaN where a replicate is undefined, or with a single patient.
        freedom: (...) degrees of freedom of Student's t.
    """

    value: NDArray[np.float64]
    freedom: NDArray[np.float64]


def standard_error(replicates: NDArray[np.float64], *, n_patients: int) -> StandardErrors:
    """Standard errors (...) from jackknife replicates (..., R).

    SE^2 = (n - 1) / n * sum d^2, with the replicates' deviations d from their mean (Tukey 1958). If few
    patients dominate the sum, it is less certain: its degrees of freedom are 2 n / (k - (n - 3) / (n - 1)), at most
    n - 1, with the kurtosis k = n sum d^4 / (sum d^2)^2 (O'Neill 2014). Where a metric is a mean over the patients for
    whom it is defined, n is their number, and less than R.
    """
    n = n_patients
    if n < 2:
        return StandardErrors(np.full(replicates.shape[:-1], np.nan), np.ones(replicates.shape[:-1]))
    squares = (replicates - replicates.mean(axis=-1, keepdims=True)) ** 2
    total = squares.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        kurtosis = np.where(total > 0, n * np.sum(squares**2, axis=-1) / total**2, 1.0)
    freedom = np.minimum(n - 1, 2 * n / (np.maximum(1, kurtosis) - (n - 3) / (n - 1)))
    return StandardErrors(np.sqrt((n - 1) / n * total), freedom)


def t_interval(
    estimate: float,
    replicates: NDArray[np.float64],
    *,
    n_patients: int,
    proportion: bool = False,
    level: float = 0.95,
) -> Interval:
    """Student's t interval from jackknife replicates (R,).

    Undefined: `few_patients` below two, `undefined_replicates` where the metric is undefined without some patient.

    Args:
        estimate: the metric on all patients, or a difference.
        replicates: the same without each patient.
        n_patients: on which the metric is defined.
        proportion: whether the metric lies between 0 and 1. Its interval is then computed on the logit scale, on
            which its distribution is closer to symmetric, and does not leave that range.
    """
    if n_patients < 2:
        return Interval(math.nan, math.nan, level, "few_patients")
    error = standard_error(replicates, n_patients=n_patients)
    if np.isnan(error.value):
        return Interval(math.nan, math.nan, level, "undefined_replicates")
    half = t_quantile((1 + level) / 2, float(error.freedom)) * float(error.value)
    if not proportion:
        return Interval(estimate - half, estimate + half, level)
    if not 0 < estimate < 1:
        return Interval(max(0.0, estimate - half), min(1.0, estimate + half), level)
    logit, half = math.log(estimate / (1 - estimate)), half / (estimate * (1 - estimate))
    return Interval(_expit(logit - half), _expit(logit + half), level)


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def fold_replicates(estimates: Sequence[float], folds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Jackknife replicates (n,) of the mean of K folds, in the order of the folds' patients.

    Patient j of fold k contributes u = estimate_k + (n_k - 1) (mean of the fold's replicates - replicate_j), the fold's
    metric in place of it in a fold of one patient, with weight 1 / (K n_k). Deviations of u from the mean over folds
    hold the variation within folds and that between them, whether there is one fold or one for each patient. (For
    influence values of cross-validated metrics see LeDell, Petersen and van der Laan 2015.)

    Args:
        estimates: the metric of each fold.
        folds: its replicates (n_k,) within each fold.
    """
    mean, n = float(np.mean(estimates)), sum(map(len, folds))
    pairs = zip(estimates, folds, strict=True)
    influence = [(estimate - mean + _influence(within)) * n / (len(folds) * within.size) for estimate, within in pairs]
    replicates: NDArray[np.float64] = mean - np.concatenate(influence) / max(1, n - 1)
    return replicates


def from_bootstrap(replicates: NDArray[np.float64], *, n_patients: int) -> NDArray[np.float64]:
    """Bootstrap replicates (R,) of metrics version 1, scaled so that `standard_error` gives their standard error.

    That is their standard deviation times sqrt(n / (n - 1)), because draws of n patients vary too little.
    """
    defined = replicates[~np.isnan(replicates)]
    mean = defined.mean() if defined.size else math.nan
    scaled: NDArray[np.float64] = mean + (replicates - mean) * n_patients / (
        max(1, n_patients - 1) * math.sqrt(replicates.size)
    )
    return np.where(np.isnan(scaled), mean, scaled)


def pooled_replicates(patients: PatientCounts, counts: RankCounts, resamples: Resamples) -> PooledReplicates:
    """Pooled AUPRC, AUROC and best Dice with patient j counted w_rj times.

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
    return PooledReplicates(values, shift, undefined)


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


def _influence(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations (n,) of the patients' contributions from the metric; zero for a single patient."""
    n = replicates.size
    return (n - 1) * (replicates.mean() - replicates) if n > 1 else np.zeros(1)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


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
