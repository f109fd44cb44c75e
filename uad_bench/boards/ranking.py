"""Ranks of a board's rows and their uncertainty, from jackknife replicates on the same patients for all rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.result import MetricKey
from uad_bench.boards.row import Row
from uad_bench.digests import digest_json
from uad_bench.metrics.ranking import RankRange, adjusted, draws, pairs_p, rank_distribution, rank_ranges

AUPRC = MetricKey("auprc")
LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Ranks of M rows by one metric.

    Attributes:
        ranges: rank range per row, or None where unknown.
        p: Holm-adjusted p-values (M, M) of all pairs; NaN where unknown.
        raw: unadjusted p-values (M, M).
        draws: (M, R) joint draws of what the rows could reach on other patients; (M, 0) where unknown.
        first: (M,) proportion of the draws in which a row ranks first; NaN where unknown.
        intervals: 95 % interval of the ranks over draws, per row.
        tau: mean Kendall tau between this ranking and those of the draws; NaN where unknown.
        reason: why ranges, p-values and proportions are unknown, or None.
    """

    rows: tuple[Row, ...]
    ranges: tuple[RankRange | None, ...]
    p: NDArray[np.float64]
    raw: NDArray[np.float64]
    draws: NDArray[np.float64]
    first: NDArray[np.float64]
    intervals: tuple[tuple[int, int] | None, ...]
    tau: float
    reason: str | None = None


def rank_rows(rows: Sequence[Row], *, metric: MetricKey = AUPRC) -> Ranking:
    """Rank rows by their mean over seeds, except upper bounds and rows with a failed seed or an undefined value."""
    ranked = [row for row in rows if row.rankable and row.number(metric).value is not None]
    ranked.sort(key=lambda row: (-_value(row, metric), row.label))
    columns = [row.replicates(metric) for row in ranked]
    reason = _unknown(ranked, columns)
    if reason:
        nan = np.full((len(ranked), len(ranked)), np.nan)
        none = (None,) * len(ranked)
        return Ranking(tuple(ranked), none, nan, nan, nan[:, :0], nan.diagonal(), none, float("nan"), reason)
    replicates = np.stack([column for column in columns if column is not None])
    n_patients = len(ranked[0].sound[0].record.subjects.test)
    estimates = np.array([_value(row, metric) for row in ranked])
    raw = pairs_p(estimates, replicates, n_patients=n_patients)
    p = adjusted(raw)
    digest = digest_json(ranked[0].sound[0].record.jackknife_rows)  # the same for boards on the same patients
    drawn = draws(estimates, replicates, n_patients=n_patients, seed=int(digest[:8], 16))
    spread = rank_distribution(estimates, drawn)
    return Ranking(
        rows=tuple(ranked),
        ranges=tuple(rank_ranges(estimates, p, level=LEVEL)),
        p=p,
        raw=raw,
        draws=drawn,
        first=spread.first,
        intervals=tuple((int(low), int(high)) for low, high in zip(spread.low, spread.high, strict=True)),
        tau=spread.kendall_tau.value,
    )


def _unknown(rows: Sequence[Row], columns: Sequence[NDArray[np.float64] | None]) -> str | None:
    """Why these rows cannot be compared; None if they can."""
    if len(rows) < 2:
        return "one_method"
    if len(rows[0].sound[0].record.subjects.test) < 2:
        return "few_patients"
    drawn = {result.record.jackknife_rows for row in rows for result in row.sound}
    if any(column is None for column in columns):
        return "no_replicates"
    return "other_patients" if len(drawn) > 1 else None


def _value(row: Row, metric: MetricKey) -> float:
    value = row.number(metric).value
    assert value is not None
    return value
