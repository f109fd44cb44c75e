"""The leaderboard of one task under one post-processing chain."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.comparable import require_comparable
from uad_bench.boards.grouping import make_rows, newest
from uad_bench.boards.ranking import AUPRC, Ranking, rank_rows
from uad_bench.boards.result import Result
from uad_bench.boards.row import Row
from uad_bench.errors import ConfigError
from uad_bench.metrics.ranking import RankRange
from uad_bench.metrics.significance import holm
from uad_bench.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a row stands.

    Attributes:
        ranks: the ranks it may have; None for rows that are not ranked.
        better: whether its AUPRC is above the best_baseline's; None for the best_baseline itself and without a p.
        p: of the difference to the best_baseline, adjusted for all that are compared with it.
    """

    ranks: RankRange | None = None
    better: bool | None = None
    p: float | None = None


@dataclass(frozen=True, eq=False)
class Board:
    """Rows of one task.

    Attributes:
        rows: in the order of names.
        chain: post-processing, `none` or `common`.
        looks: runs that read the test labels, counting those that newer ones replaced.
        apart: what sets it apart from other boards of the task; empty for the only one.
        left_out: runs of the task that stand in no table, and why, in a sentence.
    """

    rows: tuple[Row, ...]
    chain: str
    looks: int
    apart: str = ""
    left_out: str = ""

    @cached_property
    def ranking(self) -> Ranking:
        """Ranks by pooled AUPRC."""
        return rank_rows(self.rows, quantity=AUPRC.in_chain(self.chain))

    @property
    def record(self) -> RunRecord:
        """A record that says what all rows share."""
        records = [result.record for row in self.rows for result in row.results]
        return next((record for record in records if record.status == "ok"), records[0])

    @property
    def bounds(self) -> tuple[Row, ...]:
        """Rows that saw labels; shown apart."""
        return tuple(row for row in self.rows if row.bound)

    @property
    def ordered(self) -> tuple[Row, ...]:
        """Ranked rows, then those with a number but no rank, then failed ones."""
        ranked = self.ranking.rows
        others = [row for row in self.rows if row not in ranked and not row.bound]
        quantity = AUPRC.in_chain(self.chain)
        others.sort(key=lambda row: (bool(row.failure), -(row.number(quantity).value or 0.0), row.label))
        return (*ranked, *others)

    @property
    def best_baseline(self) -> Row | None:
        """The strongest trivial baseline here, which a method must beat to be worth its training."""
        return next((row for row in self.ranking.rows if row.baseline), None)

    def standing(self, row: Row) -> Standing:
        """Rank range of a row, and whether it beats the best_baseline."""
        ranking = self.ranking
        if row not in ranking.rows:
            return Standing()
        place = ranking.rows.index(row)
        if self.best_baseline in (None, row) or ranking.reason:
            return Standing(ranking.ranges[place])
        best_baseline = ranking.rows.index(self.best_baseline)
        return Standing(ranking.ranges[place], place < best_baseline, float(self.best_baseline_p[place]))

    @cached_property
    def best_baseline_p(self) -> NDArray[np.float64]:
        """P (M,) of the ranked rows' differences to the best_baseline after Holm over these alone; NaN where unknown.

        "Is it worth its training?" is one question a row, not one a pair: adjusted over all pairs, no answer of twelve
        patients could be below 0.05 as soon as a board has fifteen rows.
        """
        if self.best_baseline is None:
            return np.full(len(self.ranking.rows), np.nan)
        return holm(self.ranking.raw[self.ranking.rows.index(self.best_baseline)])

    def too_good(self, row: Row) -> bool:
        """Whether a row that saw no label is above a bound that did: a sign of a leak."""
        quantity = AUPRC.in_chain(self.chain)
        limits = [value for bound in self.bounds if (value := bound.number(quantity).value) is not None]
        value = row.number(quantity).value
        return not row.bound and value is not None and any(value > limit for limit in limits)


def make_boards(
    results: Sequence[Result], *, baselines: Collection[str], bounds: Collection[str] = ()
) -> tuple[Board, ...]:
    """The board of raw maps and, where records have it, that of the common chain.

    Raises:
        ConfigError: no results, rows that cannot be compared, or a trivial baseline is missing.
    """
    if not results:
        raise ConfigError("a leaderboard needs at least one run")
    require_comparable(newest(results, baselines=baselines))
    rows = make_rows(results, baselines=baselines, bounds=bounds)
    looks = sum(not result.failed for result in results)
    return tuple(Board(rows, chain, looks) for chain in _chains(rows))


def _chains(rows: Sequence[Row]) -> list[str]:
    chains = {m.chain for row in rows for result in row.sound for m in result.metrics}
    return ["none", *sorted(chains - {"none"})]
