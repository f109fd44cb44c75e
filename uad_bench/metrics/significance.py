"""Tests and intervals for the difference between two methods, over patients and training seeds.

Metrics pooled over patients are tested by Student's t over jackknife replicates. Per-patient metrics, in which every
patient counts equally, are also tested by flipping the signs of paired differences; pooled metrics cannot be, because
the score scales of two methods are not exchangeable within a patient. The variance over seeds is added analytically;
resampling three seeds would understate it by a third.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.uncertainty import Interval, StandardErrors, standard_error, t_quantile
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


def difference_p(
    difference: NDArray[np.float64] | float, replicates: NDArray[np.float64], *, n_patients: int
) -> NDArray[np.float64]:
    """Two-sided p-values (...) of differences (...) between two methods from paired jackknife replicates (..., R).

    p < 0.05 exactly where the 95 % `t_interval` of the difference excludes zero. NaN where the standard error is
    undefined; 1 for methods without any difference.
    """
    from scipy.special import stdtr

    error = standard_error(replicates, n_patients=n_patients)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(np.equal(difference, 0), 0.0, np.abs(difference) / error.value)
    p: NDArray[np.float64] = 2 * stdtr(error.freedom, -t)
    return np.where(np.isnan(error.value), np.nan, p)


def p_text(p: float) -> str:
    """A p-value as it is printed: `p = 0.72`, `p = 0.012`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p values (m,) for testing all of them (Holm 1979): k-th smallest times m - k + 1, made monotone.

    NaN stays NaN and is not counted in m.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.count_nonzero(~np.isnan(p)))]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)))
    return adjusted


def retrained_interval(
    estimate: float, *, patients: StandardErrors, seeds: Sequence[SeedSpread] = (), level: float = 0.95
) -> Interval:
    """Confidence interval over patients *and* retraining.

    estimate +- t_nu SE with SE^2 = SE_patient^2 + sum s^2 / S and, after Welch and Satterthwaite,
    nu = SE^4 / (SE_patient^4 / nu_patient + sum (s^2 / S)^2 / (S - 1)).
    Undefined: `one_seed`, or `undefined_replicates` where the standard error over patients is.

    Args:
        estimate: mean over seeds of a metric or a difference.
        patients: standard error of `estimate` over patients.
        seeds: none for a deterministic method, one for a method or a difference with shared seeds, two for a
            difference of methods with seeds of their own.
    """
    error, freedom = float(patients.value), float(patients.freedom)
    if math.isnan(error) or any(each.n_seeds < 2 for each in seeds):
        return Interval(math.nan, math.nan, level, "undefined_replicates" if math.isnan(error) else "one_seed")
    terms = [(error**2, freedom), *((each.variance / each.n_seeds, each.n_seeds - 1) for each in seeds)]
    variance = sum(term for term, _ in terms)
    uncertainty = sum(term**2 / nu for term, nu in terms)
    freedom = variance**2 / uncertainty if uncertainty else freedom
    half = t_quantile((1 + level) / 2, freedom) * math.sqrt(variance)
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
        patient_se: standard error of the difference over patients, which more seeds do not reduce.
        seed_variance: variance of the difference over shared seeds, or the sum of both methods' variances.

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


def _detectable(power: float) -> float:
    """Difference, in standard errors, that a two-sided 5 % test detects with this power."""
    return NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(power)
