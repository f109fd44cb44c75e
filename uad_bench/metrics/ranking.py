"""Ranks with their uncertainty. Tied methods share a rank; higher values are better throughout."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.significance import difference_p, holm
from uad_bench.metrics.value import MetricValue, ratio

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class RankRange:
    """Best rank: 1 + methods significantly better; worst rank: M - methods significantly worse."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


@dataclass(frozen=True, slots=True, eq=False)
class RankDistribution:
    """Ranks of M methods over draws.

    Attributes:
        first: (M,) share of the draws in which a method ranks first (ties count for each).
        low: (M,) int64 lower end of the interval of ranks.
        high: (M,) int64 upper end.
        kendall_tau: mean agreement of the draws with the ranking by the estimates; undefined with one method.
    """

    first: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    kendall_tau: MetricValue


def pairs_p(estimates: NDArray[np.float64], replicates: NDArray[np.float64], *, n_patients: int) -> NDArray[np.float64]:
    """Unadjusted p (M, M) of all pairs from estimates (M,) and jackknife replicates (M, R); NaN on the diagonal."""
    table = np.full((estimates.size, estimates.size), np.nan)
    for k, (estimate, one) in enumerate(zip(estimates, replicates, strict=True)):
        after = slice(k + 1, None)
        table[k, after] = difference_p(estimate - estimates[after], one - replicates[after], n_patients=n_patients)
        table[after, k] = table[k, after]
    return table


def draws(
    estimates: NDArray[np.float64], replicates: NDArray[np.float64], *, n_patients: int, seed: int, size: int = DRAWS
) -> NDArray[np.float64]:
    """Values (M, size) that the methods could have on other patients: multivariate t with the jackknife's covariance.

    Args:
        estimates: (M,) metric of each method.
        replicates: (M, R) jackknife replicates.
        seed: equal seeds give paired draws of results on the same patients.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    deviations = replicates - replicates.mean(axis=1, keepdims=True)
    normal = math.sqrt((n_patients - 1) / n_patients) * deviations @ random.normal(size=(replicates.shape[1], size))
    freedom = n_patients - 1
    drawn: NDArray[np.float64] = estimates[:, None] + normal / np.sqrt(random.chisquare(freedom, size) / freedom)
    return drawn


def adjusted(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric p (M, M) after Holm over all pairs."""
    return pairwise(holm(raw[np.triu_indices(len(raw), 1)]), n_methods=len(raw))


def pairwise(p: NDArray[np.float64], *, n_methods: int) -> NDArray[np.float64]:
    """Values of pairs in the order of `itertools.combinations` as a symmetric (M, M) with NaN on the diagonal."""
    table = np.full((n_methods, n_methods), np.nan)
    upper = np.triu_indices(n_methods, 1)
    table[upper] = p
    table.T[upper] = p
    return table


def rank_ranges(estimates: NDArray[np.float64], p: NDArray[np.float64], *, level: float = 0.05) -> list[RankRange]:
    """The range of each method from estimates (M,) and adjusted p (M, M); an undefined p is not significant."""
    significant = (estimates[:, None] > estimates) & (p < level)  # row beats column
    losses, wins = significant.sum(axis=0), significant.sum(axis=1)
    return [RankRange(1 + int(lost), estimates.size - int(won)) for lost, won in zip(losses, wins, strict=True)]


def rank_distribution(
    estimates: NDArray[np.float64], drawn: NDArray[np.float64], *, level: float = 0.95
) -> RankDistribution:
    """Stability of the ranking by estimates (M,) over joint draws (M, R)."""
    ranks = ranks_of(drawn)  # (M, R)
    ends = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=1, method="inverted_cdf").astype(np.int64)
    taus = kendall_taus(estimates, drawn)
    known = taus[~np.isnan(taus)].tolist()
    return RankDistribution(
        first=np.mean(ranks == 1, axis=1), low=ends[0], high=ends[1],
        kendall_tau=ratio(sum(known), len(known), otherwise="constant"),
    )  # fmt: skip


def ranks_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank along the first axis, 1 for the highest; ties share the better rank, NaN takes the worst."""
    known = np.where(np.isnan(values), -np.inf, values).reshape(len(values), -1)
    not_above = [np.searchsorted(np.sort(column), column, side="right") for column in known.T]  # (R, M)
    return (1 + len(values) - np.array(not_above, np.int64).T).reshape(values.shape)


def kendall_taus(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Agreement (R,) of a ranking (M,) of methods with each of others (M, R), Kendall's tau-b.

    Methods undefined in either of two rankings are left out; NaN if all the others tie in one of the two.
    """
    upper = np.triu_indices(one.size, 1)
    a, b = (np.sign(values[upper[0]] - values[upper[1]]) for values in (one[:, None], others))  # (P, 1), (P, R)
    agreements = a * b
    known = ~np.isnan(agreements)
    untied = np.sqrt(np.sum(known & (a != 0), axis=0)) * np.sqrt(np.sum(known & (b != 0), axis=0))
    taus: NDArray[np.float64] = np.nansum(agreements, axis=0) / np.where(untied > 0, untied, np.nan)
    return taus
