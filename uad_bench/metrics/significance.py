"""Is A better than B, or could other patients, another seed or luck have given the same difference?

Per-patient metrics are tested by flipping the signs of paired differences. Pooled metrics may not be: the score scales
of two methods are not exchangeable within a patient, so their p comes from the paired bootstrap. Seeds enter by
formula; resampling three of them would understate their variance by a third.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.measure import Measure, undefined
from uad_bench.metrics.uncertainty import Interval

FLIPS = 9_999

_ROUNDING = 1e-12  # sums of the same numbers in another order count as equal


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """How much seeds move a number on the full test set.

    Attributes:
        variance: sample variance over seeds (of the difference, where two methods share their seeds).
        n_seeds: S, at least 2.
    """

    variance: float
    n_seeds: int


def sign_flip_p(differences: NDArray[np.float64], *, seed: int, flips: int = FLIPS) -> Measure:
    """Two-sided p of "no difference" for paired per-patient differences (n,), NaN where one method is undefined.

    p = (1 + #{|sum of flipped| >= |sum|}) / (flips + 1). Undefined: `few_patients` below two.
    """
    paired = differences[~np.isnan(differences)]
    if paired.size < 2:
        return undefined("few_patients")
    signs = np.random.Generator(np.random.PCG64(seed)).choice((-1.0, 1.0), size=(flips, paired.size))
    seen = abs(paired.sum()) - _ROUNDING * np.abs(paired).sum()
    return Measure((1 + int(np.count_nonzero(np.abs(signs @ paired) >= seen))) / (flips + 1))


def difference_p(differences: NDArray[np.float64], *, n_patients: int) -> float:
    """Two-sided p of "no difference" from paired replicates (R,); see `differences_p`."""
    return float(differences_p(differences[None], n_patients=n_patients)[0])


def differences_p(differences: NDArray[np.float64], *, n_patients: int) -> NDArray[np.float64]:
    """Two-sided p (K,) of "no difference" from paired replicates (K, R); NaN where a replicate is.

    The count of replicates on the other side of zero, with a bound at either end. Where none lies there, R rows say no
    more than p < 2 / (R + 1), which Holm over fifty pairs would turn into "never": the normal tail stands in. Draws of
    n patients spread too little by sqrt((n - 1) / n), and their spread is itself uncertain, so p is that of Student's t
    (Hesterberg 2015, "What teachers should know about the bootstrap", section 3.3): of two equal methods on twelve
    simulated patients 4.8 % instead of 9.7 % differ at 5 %. And no data of n patients speaks louder than all of them
    having the same sign, p = 2^(1 - n).
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
    """The smallest p that so many patients can show, before any adjustment."""
    return 2.0 ** (1 - n_patients)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p values (m,) for testing all of them (Holm 1979): k-th smallest times m - k + 1, never falling.

    NaN stays NaN and is not counted.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.count_nonzero(~np.isnan(p)))]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)))
    return adjusted


def retrained_interval(
    estimate: float, *, patient_se: float, n_patients: int, seeds: Sequence[SeedSpread] = (), level: float = 0.95
) -> Interval:
    """Where the number would lie with other patients *and* a retrained model.

    estimate +- t_nu SE with SE^2 = SE_patient^2 + sum s^2 / S and, after Welch and Satterthwaite,
    nu = SE^4 / (SE_patient^4 / (n - 1) + sum (s^2 / S)^2 / (S - 1)).
    Undefined: `few_patients`, `one_seed`, or `undefined_replicates` where `patient_se` is NaN.

    Args:
        estimate: mean over seeds of the metric or of a difference.
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
    """Patients it would take to show the difference at two-sided 5 %, its standard error falling with sqrt(n).

    None where no number of patients shows it: the difference is zero or has no value.
    """
    if difference == 0 or math.isnan(difference + se):
        return None
    return max(2, math.ceil(n_patients * (_detectable(power) * se / difference) ** 2))


def seeds_to_separate(difference: float, *, patient_se: float, seed_variance: float, power: float = 0.8) -> int | None:
    """Seeds it would take to show the difference at two-sided 5 % on these patients.

    Args:
        difference: of the two methods' means.
        patient_se: standard error of the difference over patients, which no seed lowers.
        seed_variance: variance of the difference over shared seeds, or the sum of both methods' variances.
        power: chance to show it.

    Returns:
        None where these patients are too few whatever the number of seeds.
    """
    room = (difference / _detectable(power)) ** 2 - patient_se**2
    return max(2, math.ceil(seed_variance / room)) if room > 0 else None


def wilcoxon_p(differences: NDArray[np.float64]) -> Measure:
    """Signed-rank p of paired differences (n,), zeros ranked as Pratt says. Undefined: `no_difference`."""
    from scipy.stats import wilcoxon

    paired = differences[~np.isnan(differences)]
    if not np.any(paired):
        return undefined("no_difference")
    return Measure(float(wilcoxon(paired, zero_method="pratt", method="approx").pvalue))


def hodges_lehmann(differences: NDArray[np.float64]) -> Measure:
    """Median of the means of all pairs (each with itself too) of paired differences. Undefined: `few_patients`."""
    paired = differences[~np.isnan(differences)]
    if not paired.size:
        return undefined("few_patients")
    first, second = np.triu_indices(paired.size)
    return Measure(float(np.median((paired[first] + paired[second]) / 2)))


def _for_few(p: NDArray[np.float64], n_patients: int) -> NDArray[np.float64]:
    """Two-sided p of a normal deviate as that of a mean over few patients with unknown spread."""
    from scipy.special import ndtri, stdtr

    freedom = max(1, n_patients - 1)
    found: NDArray[np.float64] = 2 * stdtr(freedom, ndtri(p / 2) * np.sqrt(freedom / (freedom + 1)))
    return found


def _normal_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2))


def _no_spread(patient_se: float, n_patients: int, seeds: Sequence[SeedSpread]) -> str | None:
    """Why no standard error can be had, if so."""
    if n_patients < 2:
        return "few_patients"
    if any(each.n_seeds < 2 for each in seeds):
        return "one_seed"
    return "undefined_replicates" if math.isnan(patient_se) else None


def _detectable(power: float) -> float:
    """Difference in standard errors that a two-sided 5 % test shows with this chance."""
    return NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(power)
