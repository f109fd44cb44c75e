"""Tests and intervals for the difference between two methods, over patients and training seeds.

Per-patient metrics are tested by flipping the signs of paired differences. Pooled metrics cannot be: the score scales
of two methods are not exchangeable within a patient, so their p comes from the paired bootstrap. The variance over
seeds is added analytically; resampling three seeds would understate it by a third.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.uncertainty import Interval
from uad_bench.metrics.value import MetricValue, undefined

FLIPS = 9_999

_ROUNDING = 1e-12  # sums of the same numbers in another order count as equal


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """Variability of a metric over training seeds on the full test set.

    Attributes:
        variance: sample variance over seeds (of the difference, where two methods share their seeds).
        n_seeds: S, at least 2.
    """

    variance: float
    n_seeds: int


def sign_flip_p(differences: NDArray[np.float64], *, seed: int, flips: int = FLIPS) -> MetricValue:
    """Two-sided p-value of paired per-patient differences (n,), NaN where one method is undefined.

    p = (1 + #{|sum of flipped| >= |sum|}) / (flips + 1). Undefined: `few_patients` below two.
    """
    paired = differences[~np.isnan(differences)]
    if paired.size < 2:
        return undefined("few_patients")
    signs = np.random.Generator(np.random.PCG64(seed)).choice((-1.0, 1.0), size=(flips, paired.size))
    seen = abs(paired.sum()) - _ROUNDING * np.abs(paired).sum()
    return MetricValue((1 + int(np.count_nonzero(np.abs(signs @ paired) >= seen))) / (flips + 1))


def difference_p(differences: NDArray[np.float64], *, n_patients: int) -> float:
    """Two-sided p-value from paired replicates (R,); see `differences_p`."""
    return float(differences_p(differences[None], n_patients=n_patients)[0])


def differences_p(differences: NDArray[np.float64], *, n_patients: int) -> NDArray[np.float64]:
    """Two-sided p-values (K,) from paired replicates (K, R); NaN where a replicate is.

    p is twice the share of replicates on the other side of zero, with three corrections. If no replicate is there, R
    rows give only p < 2 / (R + 1), which is never significant after Holm over fifty pairs, so the normal tail is used.
    Draws of n patients underestimate the spread by sqrt((n - 1) / n), and the spread is itself uncertain, so Student's
    t is used (Hesterberg 2015, "What teachers should know about the bootstrap", section 3.3): in simulations of two
    equal methods on twelve patients this lowers the type I error at 5 % from 9.7 % to 4.8 %. Finally, p is at least
    2^(1 - n), the smallest p of a sign test with n patients.
    """
    beyond = np.minimum(np.count_nonzero(differences <= 0, axis=1), np.count_nonzero(differences >= 0, axis=1))
    p: NDArray[np.float64] = np.minimum(1.0, 2 * (1 + beyond) / (differences.shape[1] + 1))
    clear = np.flatnonzero(beyond == 0)
    mean, spread = np.abs(differences[clear].mean(axis=1)), differences[clear].std(axis=1)
    tails = [_normal_tail(m / s) if s > 0 else 1.0 for m, s in zip(mean, spread, strict=True)]
    p[clear] = np.minimum(p[clear], tails)
    p = np.maximum(_for_few(p, n_patients), least_p(n_patients))
    return np.where(np.isnan(differences).any(axis=1), np.nan, p)


def least_p(n_patients: int) -> float:
    """The smallest attainable p with this many patients, before adjustment."""
    return 2.0 ** (1 - n_patients)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p values (m,) for testing all of them (Holm 1979): k-th smallest times m - k + 1, made monotone.

    NaN stays NaN and is not counted in m.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.count_nonzero(~np.isnan(p)))]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)))
    return adjusted


def retrained_interval(
    estimate: float, *, patient_se: float, n_patients: int, seeds: Sequence[SeedSpread] = (), level: float = 0.95
) -> Interval:
    """Confidence interval over patients *and* retraining.

    estimate +- t_nu SE with SE^2 = SE_patient^2 + sum s^2 / S and, after Welch and Satterthwaite,
    nu = SE^4 / (SE_patient^4 / (n - 1) + sum (s^2 / S)^2 / (S - 1)).
    Undefined: `few_patients`, `one_seed`, or `undefined_replicates` where `patient_se` is NaN.

    Args:
        estimate: mean over seeds of a metric or a difference.
        patient_se: standard deviation of the bootstrap replicates of `estimate`.
        n_patients: n of the bootstrap.
        seeds: none for a deterministic method, one for a method or a difference with shared seeds, two for a
            difference of methods with seeds of their own.
        level: of the interval.
    """
    from scipy.special import stdtrit

    if reason := _no_spread(patient_se, n_patients, seeds):
        return Interval(math.nan, math.nan, level, reason)
    terms = [(patient_se**2, n_patients), *((each.variance / each.n_seeds, each.n_seeds) for each in seeds)]
    variance = sum(term for term, _ in terms)
    uncertainty = sum(term**2 / (n - 1) for term, n in terms)
    freedom = variance**2 / uncertainty if uncertainty else n_patients - 1
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return Interval(estimate - half, estimate + half, level)


def patients_to_separate(difference: float, *, se: float, n_patients: int, power: float = 0.8) -> int | None:
    """Patients needed to detect the difference at two-sided 5 %, with a standard error proportional to 1 / sqrt(n).

    None if the difference is zero or undefined.
    """
    if difference == 0 or math.isnan(difference + se):
        return None
    return max(2, math.ceil(n_patients * (_detectable(power) * se / difference) ** 2))


def seeds_to_separate(difference: float, *, patient_se: float, seed_variance: float, power: float = 0.8) -> int | None:
    """Seeds needed to detect the difference at two-sided 5 % on these patients.

    Args:
        difference: of the two methods' means.
        patient_se: standard error of the difference over patients, which more seeds do not reduce.
        seed_variance: variance of the difference over shared seeds, or the sum of both methods' variances.
        power: probability of detecting it.

    Returns:
        None if there are too few patients for any number of seeds.
    """
    allowed = (difference / _detectable(power)) ** 2 - patient_se**2  # variance of the mean over seeds
    return max(2, math.ceil(seed_variance / allowed)) if allowed > 0 else None


def wilcoxon_p(differences: NDArray[np.float64]) -> MetricValue:
    """Signed-rank p of paired differences (n,), zeros handled by Pratt's method. Undefined: `no_difference`."""
    from scipy.stats import wilcoxon

    paired = differences[~np.isnan(differences)]
    if not np.any(paired):
        return undefined("no_difference")
    return MetricValue(float(wilcoxon(paired, zero_method="pratt", method="approx").pvalue))


def hodges_lehmann(differences: NDArray[np.float64]) -> MetricValue:
    """Median of the means of all pairs of differences, self-pairs included. Undefined: `few_patients`."""
    paired = differences[~np.isnan(differences)]
    if not paired.size:
        return undefined("few_patients")
    first, second = np.triu_indices(paired.size)
    return MetricValue(float(np.median((paired[first] + paired[second]) / 2)))


def _for_few(p: NDArray[np.float64], n_patients: int) -> NDArray[np.float64]:
    """Convert two-sided normal p-values to Student's t, for a mean over few patients with unknown variance."""
    from scipy.special import ndtri, stdtr

    freedom = max(1, n_patients - 1)
    found: NDArray[np.float64] = 2 * stdtr(freedom, ndtri(p / 2) * np.sqrt(freedom / (freedom + 1)))
    return found


def _normal_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2))


def _no_spread(patient_se: float, n_patients: int, seeds: Sequence[SeedSpread]) -> str | None:
    """Why the standard error is undefined; None if it is defined."""
    if n_patients < 2:
        return "few_patients"
    if any(each.n_seeds < 2 for each in seeds):
        return "one_seed"
    return "undefined_replicates" if math.isnan(patient_se) else None


def _detectable(power: float) -> float:
    """Difference, in standard errors, that a two-sided 5 % test detects with this power."""
    return NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(power)
