"""The leaderboards of a task, one per group of comparable runs and post-processing chain."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.comparable import Group, comparable_groups, list_runs, require_comparable
from uad_bench.boards.grouping import make_rows, newest
from uad_bench.boards.ranking import AUPRC, Ranking, rank_rows
from uad_bench.boards.result import Result
from uad_bench.boards.row import Row
from uad_bench.errors import ConfigError
from uad_bench.metrics.ranking import RankRange
from uad_bench.metrics.significance import holm
from uad_bench.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Placement:
    """Rank range of a row, and its comparison with the best baseline.

    Attributes:
        ranks: the ranks it may have; None for rows that are not ranked.
        better: whether its AUPRC is above that of the best baseline; None for the best baseline itself and without p.
        p: p-value of the difference to the best baseline, adjusted for all rows compared with it.
    """

    ranks: RankRange | None = None
    better: bool | None = None
    p: float | None = None


@dataclass(frozen=True, eq=False)
class Board:
    """Rows of one task.

    Attributes:
        rows: sorted by name.
        chain: post-processing, `none` or `common`.
        looks: number of runs that were evaluated on the test labels, including those replaced by newer ones.
        apart: how it differs from other boards of the task; empty if it is the only one.
        left_out: a sentence that lists the runs of the task that are in no table, and why.
    """

    rows: tuple[Row, ...]
    chain: str
    looks: int
    apart: str = ""
    left_out: str = ""

    @cached_property
    def ranking(self) -> Ranking:
        """Ranks by pooled AUPRC."""
        return rank_rows(self.rows, metric=AUPRC.in_chain(self.chain))

    @property
    def record(self) -> RunRecord:
        """A record with the data, split and protocol that all rows share."""
        records = [result.record for row in self.rows for result in row.results]
        return next((record for record in records if record.status == "ok"), records[0])

    @property
    def bounds(self) -> tuple[Row, ...]:
        """Upper bounds, which saw labels; they are shown in a separate table."""
        return tuple(row for row in self.rows if row.bound)

    @property
    def ordered(self) -> tuple[Row, ...]:
        """Ranked rows, then those with results but no rank, then failed ones."""
        ranked = self.ranking.rows
        others = [row for row in self.rows if row not in ranked and not row.bound]
        metric = AUPRC.in_chain(self.chain)
        others.sort(key=lambda row: (bool(row.failure), -(row.number(metric).value or 0.0), row.label))
        return (*ranked, *others)

    @property
    def best_baseline(self) -> Row | None:
        """The strongest untrained baseline of the board."""
        return next((row for row in self.ranking.rows if row.baseline), None)

    def placement(self, row: Row) -> Placement:
        """Rank range of a row, and whether it beats the best baseline."""
        ranking = self.ranking
        if row not in ranking.rows:
            return Placement()
        place = ranking.rows.index(row)
        if self.best_baseline in (None, row) or ranking.reason:
            return Placement(ranking.ranges[place])
        best_baseline = ranking.rows.index(self.best_baseline)
        return Placement(ranking.ranges[place], place < best_baseline, float(self.best_baseline_p[place]))

    @cached_property
    def best_baseline_p(self) -> NDArray[np.float64]:
        """p-values (M,) of the ranked rows' differences to the best baseline; NaN where unknown.

        Holm's adjustment is over these comparisons only, one per row. Adjusted over all pairs of a board with fifteen
        rows, no p-value could be below 0.05 with twelve patients.
        """
        if self.best_baseline is None:
            return np.full(len(self.ranking.rows), np.nan)
        return holm(self.ranking.raw[self.ranking.rows.index(self.best_baseline)])

    def too_good(self, row: Row) -> bool:
        """Whether a row exceeds an upper bound, although only the bound saw labels; this suggests a data leak."""
        metric = AUPRC.in_chain(self.chain)
        limits = [value for bound in self.bounds if (value := bound.number(metric).value) is not None]
        value = row.number(metric).value
        return not row.bound and value is not None and any(value > limit for limit in limits)


def make_boards(
    results: Sequence[Result], *, baselines: Collection[str], bounds: Collection[str] = ()
) -> tuple[Board, ...]:
    """The board of raw maps and, if the records include it, that of the common post-processing chain.

    Raises:
        ConfigError: there are no results, rows are not comparable, or a trivial baseline is missing.
    """
    if not results:
        raise ConfigError("a leaderboard needs at least one run")
    require_comparable(newest(results, baselines=baselines))
    rows = make_rows(results, baselines=baselines, bounds=bounds)
    looks = sum(not result.failed for result in results)
    chains = {m.chain for row in rows for result in row.sound for m in result.metrics}
    return tuple(Board(rows, chain, looks) for chain in ("none", *sorted(chains - {"none"})))


def assemble_boards(
    results: Sequence[Result], *, baselines: Collection[str], bounds: Collection[str] = ()
) -> tuple[Board, ...]:
    """Boards of every group that includes the baselines, the group with most finished runs first.

    Raises:
        ConfigError: there are no results, or no group has all baselines.
    """
    chosen, left_out = choose_groups(results, baselines=baselines)
    if not chosen:
        return make_boards(results, baselines=baselines, bounds=bounds)
    made = [
        replace(board, apart=group.words, looks=_looks(group, results))
        for group in chosen
        for board in make_boards(group.results, baselines=baselines, bounds=bounds)
    ]
    return replace(made[0], left_out=name_left_out(left_out, "they lack the trivial baselines")), *made[1:]


def choose_groups(results: Sequence[Result], *, baselines: Collection[str]) -> tuple[list[Group], list[Group]]:
    """Groups with all baselines, and the others; without any, the first group, whose board raises the error."""
    groups = comparable_groups(results)
    chosen = [group for group in groups if set(baselines) <= {result.method for result in group.results}]
    chosen = chosen or list(groups[:1])
    return chosen, [group for group in groups if group not in chosen]


def name_left_out(groups: Sequence[Group], why: str) -> str:
    """A sentence that lists the runs of these groups and how they differ; empty without groups."""
    parts = [f"{list_runs([result.record for result in group.results])} ({group.words})" for group in groups]
    return f"Not comparable and left out, because {why}: {'; '.join(parts)}." if parts else ""


def _looks(group: Group, results: Sequence[Result]) -> int:
    """Number of finished runs, of any group, that were tested on some of the group's patients."""
    tested = set(group.results[0].record.subjects.test)
    return sum(not result.failed and bool(tested & {*result.record.subjects.test}) for result in results)
