"""Ranks of a board's rows, and how sure they are, from bootstrap replicates that share their patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.result import Quantity
from uad_bench.boards.row import Row
from uad_bench.metrics.ranking import RankRange, pairwise, rank_distribution, rank_ranges
from uad_bench.metrics.significance import holm

AUPRC = Quantity("auprc")
LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Ranks of M rows by one quantity.

    Attributes:
        rows: the ranked rows, best first.
        ranges: ranks that each may have, or None where nothing is known.
        p: Holm-adjusted p (M, M) of all pairs; NaN where unknown.
        raw: the same, not adjusted.
        first: (M,) share of the replicates in which a row ranks first; NaN where unknown.
        intervals: 95 % of the ranks over replicates, by row.
        tau: mean Kendall tau of the replicates with this ranking; NaN where unknown.
        reason: why ranges, p and shares are unknown, or None.
    """

    rows: tuple[Row, ...]
    ranges: tuple[RankRange | None, ...]
    p: NDArray[np.float64]
    raw: NDArray[np.float64]
    first: NDArray[np.float64]
    intervals: tuple[tuple[int, int] | None, ...]
    tau: float
    reason: str | None = None


def rank_rows(rows: Sequence[Row], *, quantity: Quantity = AUPRC) -> Ranking:
    """Rank complete rows that saw no label; a row with a missing seed or an undefined value has no rank."""
    ranked = [row for row in rows if row.complete and not row.bound and row.number(quantity).value is not None]
    ranked.sort(key=lambda row: (-_value(row, quantity), row.label))
    columns = [row.replicates(quantity) for row in ranked]
    reason = _unknown(ranked, columns)
    if reason:
        return _unranked(ranked, reason)
    replicates = np.stack([column for column in columns if column is not None])
    n_patients = len(ranked[0].sound[0].record["subjects"]["test"])
    estimates = np.array([_value(row, quantity) for row in ranked])
    raw = pairs_p(replicates, n_patients=n_patients)
    p = adjusted(raw)
    spread = rank_distribution(estimates, replicates)
    return Ranking(
        rows=tuple(ranked),
        ranges=tuple(rank_ranges(estimates, p, level=LEVEL)),
        p=p,
        raw=raw,
        first=spread.first,
        intervals=tuple((int(low), int(high)) for low, high in zip(spread.low, spread.high, strict=True)),
        tau=spread.kendall_tau.value,
    )


def pairs_p(replicates: NDArray[np.float64], *, n_patients: int) -> NDArray[np.float64]:
    """Unadjusted p (M, M) of all pairs of rows from replicates (M, R); NaN on the diagonal."""
    rows = enumerate(replicates[:-1], 1)
    pairs = [differences_p(one - replicates[after:], n_patients=n_patients) for after, one in rows]
    return pairwise(np.concatenate(pairs) if pairs else np.empty(0), n_methods=len(replicates))


def adjusted(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric p (M, M) after Holm over all pairs."""
    return pairwise(holm(raw[np.triu_indices(len(raw), 1)]), n_methods=len(raw))


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


def _for_few(p: NDArray[np.float64], n_patients: int) -> NDArray[np.float64]:
    """Two-sided p of a normal deviate as that of a mean over few patients with unknown spread."""
    from scipy.special import ndtri, stdtr

    freedom = max(1, n_patients - 1)
    found: NDArray[np.float64] = 2 * stdtr(freedom, ndtri(p / 2) * np.sqrt(freedom / (freedom + 1)))
    return found


def least_p(n_patients: int) -> float:
    """The smallest p that so many patients can show, before any adjustment."""
    return 2.0 ** (1 - n_patients)


def _normal_tail(z: float) -> float:
    from math import erfc, sqrt

    return erfc(z / sqrt(2))


def _unknown(rows: Sequence[Row], columns: Sequence[NDArray[np.float64] | None]) -> str | None:
    """Why these rows cannot be compared, if so."""
    if len(rows) < 2:
        return "one_method"
    if len(rows[0].sound[0].record["subjects"]["test"]) < 2:
        return "few_patients"
    drawn = {str(result.record["bootstrap"]["rows"]) for row in rows for result in row.sound}
    if any(column is None for column in columns):
        return "no_replicates"
    return "other_patients_drawn" if len(drawn) > 1 else None


def _unranked(rows: Sequence[Row], reason: str) -> Ranking:
    none = np.full(len(rows), np.nan)
    table = np.full((len(rows), len(rows)), np.nan)
    return Ranking(tuple(rows), (None,) * len(rows), table, table, none, (None,) * len(rows), float("nan"), reason)


def _value(row: Row, quantity: Quantity) -> float:
    value = row.number(quantity).value
    assert value is not None
    return value
