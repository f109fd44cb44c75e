"""The document `comparison.json` of a stored leaderboard: ranks and p-values of its boards."""

from math import isnan
from typing import Self

from uad_bench.boards.board import Board
from uad_bench.runs.document import Document


class BoardComparison(Document):
    """Ranks and p-values of one board; unknown ones are None, and numbers have six significant digits.

    Attributes:
        quantity: the metric that rows are ranked by.
        rows: labels of the ranked rows, best first; the other lists follow their order.
        ranks: first and last rank of each row.
        rank_intervals: 95 % interval of the ranks over replicates.
        p_first: proportion of the replicates in which a row ranks first.
        p_pairs: p-values of all pairs, adjusted by Holm.
        yardstick: the strongest untrained baseline; `p_yardstick` has the p-values of the differences to it.
        kendall_tau: mean agreement of the ranking with those of the replicates.
        unknown: why ranks and p-values are unknown.
    """

    chain: str
    quantity: str
    rows: tuple[str, ...]
    ranks: tuple[tuple[int, int] | None, ...]
    rank_intervals: tuple[tuple[int, int] | None, ...]
    p_first: tuple[float | None, ...]
    p_pairs: tuple[tuple[float | None, ...], ...]
    yardstick: str | None
    p_yardstick: tuple[float | None, ...]
    kendall_tau: float | None
    unknown: str | None

    @classmethod
    def of(cls, board: Board) -> Self:
        """The document of one board."""
        ranking = board.ranking
        return cls(
            chain=board.chain,
            quantity="auprc",
            rows=tuple(row.label for row in ranking.rows),
            ranks=tuple(None if r is None else (r.first, r.last) for r in ranking.ranges),
            rank_intervals=ranking.intervals,
            p_first=tuple(map(_number, ranking.first)),
            p_pairs=tuple(tuple(map(_number, row)) for row in ranking.p),
            yardstick=board.best_baseline.label if board.best_baseline else None,
            p_yardstick=tuple(map(_number, board.best_baseline_p)),
            kendall_tau=_number(ranking.tau),
            unknown=ranking.reason,
        )


def _number(value: float) -> float | None:
    """Six significant digits, because further ones differ between processors; None for NaN."""
    return None if isnan(value) else float(f"{value:.6g}")
