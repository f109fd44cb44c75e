"""Columns of a leaderboard, and the cells of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from uad_bench.boards.board import Board
from uad_bench.boards.result import MetricKey
from uad_bench.boards.row import Row, SeedMean
from uad_bench.boards.sheet import Cell, Column, Tone
from uad_bench.errors import unknown
from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.significance import p_text
from uad_bench.runs.metric_rows import MetricRow

Fill = Callable[[Board, Row], Cell]

DASH = "–"


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column and the function that makes its cells.

    Attributes:
        needs: the column is left out if no row has this metric, such as rows of an older version.
    """

    column: Column
    fill: Fill
    needs: MetricKey | None = None

    def is_shown(self, board: Board) -> bool:
        """Whether some row of the board has the metric, or the reason why it is undefined."""
        return self.needs is None or any(
            number.value is not None or number.undefined
            for number in (row.number(self.needs.in_chain(board.chain)) for row in board.rows)
        )


def seconds(value: float | None) -> str:
    """A duration in ms, s, min or h, with three significant digits."""
    if value is None:
        return DASH
    if value < 0.9995:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def memory(mib: float | None) -> str:
    """A size of memory in MiB."""
    return DASH if mib is None else f"{mib:.0f} MiB"


def write_value(metric: MetricRow | SeedMean | None, *, interval: bool = False) -> str:
    """`0.612 [0.551, 0.660]`, the reason code of an undefined metric, or a dash for one that was not computed."""
    if metric is None or metric.value is None:
        return (metric and metric.undefined) or DASH
    text = _fixed(metric.value)
    if interval and metric.low is not None and metric.high is not None:
        return f"{text} [{_fixed(metric.low)}, {_fixed(metric.high)}]"
    return text


def finite(value: float, digits: int = 3) -> str:
    """The value with this many decimals, or a dash for NaN."""
    return f"{value:.{digits}f}" if isfinite(value) else DASH


def _fixed(value: float) -> str:
    """The value with three decimals, without a negative zero."""
    return f"{round(value, 3) + 0.0:.3f}"


def _rank(board: Board, row: Row) -> Cell:
    ranks = board.placement(row).ranks
    if row.bound or ranks is None:
        reason = "bound" if row.bound else board.ranking.reason if row in board.ranking.rows else None
        return Cell(reason or DASH, "quiet", (("rank_first", None), ("rank_last", None)))
    tone: Tone = "best" if str(ranks) == "1" else "plain"
    return Cell(str(ranks), tone, (("rank_first", ranks.first), ("rank_last", ranks.last)))


def _method(board: Board, row: Row) -> Cell:
    tone: Tone = "failed" if row.failure else "warning" if board.too_good(row) else "plain"
    text = f"{row.label} (too good?)" if tone == "warning" else row.label
    return Cell(text, tone, (("method", row.label),))


def _metric(name: str, policy: str | None = None, *, interval: bool = False, best: bool = False) -> Fill:
    data = f"{name}@{policy}" if policy else name
    keys = (data, f"{data}_low", f"{data}_high", f"{data}_seed_sd") if interval else (data,)

    def fill(board: Board, row: Row) -> Cell:
        if row.failure:
            return Cell(DASH, "failed", tuple((key, None) for key in keys))
        number = row.number(MetricKey(name, policy, chain=board.chain))
        values = zip(keys, (number.value, number.low, number.high, number.spread), strict=False)
        tone: Tone = "oracle" if policy == "oracle" else "plain"
        if best and str(board.placement(row).ranks) == "1":
            tone = "best"
        return Cell(write_value(number, interval=interval), tone, tuple(values))

    return fill


def _spread(board: Board, row: Row) -> Cell:
    spread = row.number(MetricKey("auprc", chain=board.chain)).spread
    return Cell(DASH if spread is None else f"{spread:.3f}")


def _beats(board: Board, row: Row) -> Cell:
    placement = board.placement(row)
    better = None if placement.better is None else int(placement.better)
    values = (("beats_baselines", better), ("beats_p", placement.p))
    if placement.p is None:
        return Cell(DASH, "quiet", values)
    sure = placement.p < 0.05
    answer = {(True, True): "yes", (True, False): "unclear", (False, True): "no (worse)", (False, False): "no"}
    return Cell(f"{answer[bool(placement.better), sure]}, {p_text(placement.p)}", values=values)


def _seeds(_: Board, row: Row) -> Cell:
    counted = f"{len(row.sound)} of {row.asked}"
    values = (("seeds", len(row.sound)), ("seeds_asked", row.asked), ("deterministic", int(row.deterministic)))
    if row.failure:
        return Cell(f"FAILED({row.failure})", "failed", (*values, ("failed", row.failure)))
    text = f"{counted} =" if row.deterministic else counted
    return Cell(text, "plain" if row.complete else "warning", (*values, ("failed", None)))


def _cost(name: str, *, text: Callable[[float | None], str] = seconds) -> Fill:
    def fill(_: Board, row: Row) -> Cell:
        value = row.cost(name, max) if name.startswith("peak") else row.cost(name)
        return Cell(text(value), "failed" if row.failure else "plain", ((name, value),))

    return fill


def _parameters(_: Board, row: Row) -> Cell:
    count = row.about("parameters")
    known = count or 0
    text = f"{known / 1e6:.2f} M" if known >= 1e6 else f"{known / 1e3:.0f} k" if known >= 1e3 else str(known)
    return Cell(DASH if count is None else text, values=(("parameters", count),))


def _hardware(_: Board, row: Row) -> Cell:
    environments = [result.record.environment for result in row.results]
    names = sorted({f"{e.device or ''} {list(e.gpu) or e.cpu or ''}".strip() for e in environments})
    text = " and ".join(names) or DASH
    return Cell(text, values=(("hardware", text),))


def _verified(_: Board, row: Row) -> Cell:
    built = bool(row.sound) and all(result.verified for result in row.sound)
    here = bool(row.sound) and all(result.present for result in row.sound)
    text = " ".join(mark for mark, true in (("built", built), ("here", here)) if true) or DASH
    return Cell(text, values=(("verified_when_built", int(built)), ("reverifiable_here", int(here))))


def _column(heading: str, fill: Fill, *, numeric: bool = True, identity: bool = False, note: str = "") -> BoardColumn:
    return BoardColumn(Column(heading, numeric, identity, note), fill)


def _optional(heading: str, name: str, policy: str | None = None, *, interval: bool = False) -> BoardColumn:
    column = Column(heading, note=METRICS[name].description)
    return BoardColumn(column, _metric(name, policy, interval=interval), MetricKey(name, policy))


RESULTS = (
    _column("rank", _rank, identity=True, note="ranks that are not excluded by the data"),
    _column("method", _method, numeric=False, identity=True),
    _column("AUPRC [95 % CI]", _metric("auprc", interval=True, best=True)),
    _optional("matched AUROC [95 % CI]", "matched_auroc", interval=True),
    _column("dice@hFPR5 [95 % CI]", _metric("dice", "hFPR5", interval=True)),
    _optional("realised FPR@hFPR5", "fpr_healthy", "hFPR5"),
    _column("beats baselines?", _beats, numeric=False),
    _column("seeds", _seeds, numeric=False),
    _column("AUPRC gain", _metric("auprc_gain")),
    _optional("dice@hFPR1", "dice", "hFPR1"),
    _optional("realised FPR@hFPR1", "fpr_healthy", "hFPR1"),
    _column("dice@valDice", _metric("dice", "valDice")),
    _column("oracle Dice", _metric("dice", "oracle")),
    _column("seed SD", _spread),
)
LESIONS = (
    _optional("lesion sensitivity@1FP [95 % CI]", "lesion_sensitivity", "1FP", interval=True),
    _optional("slice alarm rate@hFPR5", "slice_alarm_rate", "hFPR5"),
    _optional("patient alarm rate@hFPR5", "patient_alarm_rate", "hFPR5"),
)
COSTS = (
    _column("time per volume", _cost("score_s_per_volume")),
    _column("training", _cost("fit_s")),
    _column("memory", _cost("peak_rss_mib", text=memory)),
    _column("parameters", _parameters),
    _column("verified", _verified, numeric=False),
    _column("hardware", _hardware, numeric=False),
)


def columns_of(board: Board, further: Sequence[str] = ()) -> tuple[BoardColumn, ...]:
    """All columns; those of metrics that not every board has only if some row has them.

    Args:
        further: additional metrics, such as `specificity@hFPR5`.

    Raises:
        ConfigError: a metric does not exist.
    """
    every = (*RESULTS, *LESIONS, *map(_further, further), *COSTS)
    return tuple(column for column in every if column.is_shown(board))


def _further(text: str) -> BoardColumn:
    name, _, policy = text.partition("@")
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    heading = f"{METRICS[name].label}@{policy}" if policy else METRICS[name].label
    return _column(heading, _metric(name, policy or None), note=METRICS[name].description)
