"""Table printed by `run`: the run compared with the trivial baselines."""

from collections.abc import Sequence
from pathlib import Path

from uad_bench.boards.sheet import Cell, Column, Sheet, Tone
from uad_bench.output.caption import POLICIES, setting
from uad_bench.output.columns import DASH, seconds, write_value
from uad_bench.output.formats.terminal import TerminalView
from uad_bench.runs.record import RunRecord

METRICS = (
    ("AUPRC [95 % CI]", "auprc", None, "pooled"),
    ("matched AUROC [95 % CI]", "matched_auroc", None, "pooled"),
    ("dice@hFPR5 [95 % CI]", "dice", "hFPR5", "pooled"),
    ("lesion sensitivity@1FP", "lesion_sensitivity", "1FP", "pooled"),
    ("dice@valDice", "dice", "valDice", "pooled"),
    ("oracle Dice", "dice", "oracle", "pooled"),
    ("AUROC", "auroc", None, "pooled"),
    ("mean per-patient AUPRC", "auprc", None, "mean"),
)
COSTS = (("training", "fit_s"), ("time per volume", "score_s_per_volume"))
COLUMNS = (
    Column("method", numeric=False, identity=True),
    *(Column(heading) for heading, *_ in METRICS),
    *(Column(heading) for heading, _ in COSTS),
)


def run_table(records: Sequence[RunRecord], *, runs: Path) -> TerminalView:
    """All records, sorted by pooled AUPRC, with the last record highlighted."""
    main = records[-1]
    rows = tuple(_row(record, record is main) for record in by_auprc(records))
    return TerminalView((Sheet(_title(main), COLUMNS, rows, _notes(main, runs)),))


def by_auprc(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Best pooled AUPRC first, failed and undefined last; ties sorted by name."""

    def key(record: RunRecord) -> tuple[bool, float, str]:
        value = record.value("auprc")
        return value is None, -(value or 0.0), record.method.name

    return sorted(records, key=key)


def _row(record: RunRecord, main: bool) -> tuple[Cell, ...]:
    name = record.method.name
    if record.status != "ok":
        failed = Cell(f"FAILED({record.reason})", "failed")
        return Cell(name, "failed"), failed, *(Cell(DASH, "failed"),) * (len(COLUMNS) - 2)
    tone: Tone = "strong" if main else "plain"
    numbers = (
        Cell(
            write_value(record.find(metric, policy, aggregation=how), interval="CI" in heading),
            "oracle" if policy == "oracle" else tone,
        )
        for heading, metric, policy, how in METRICS
    )
    return Cell(name, tone), *numbers, *(Cell(seconds(getattr(record.cost, key)), tone) for _, key in COSTS)


def _notes(record: RunRecord, runs: Path) -> tuple[str, ...]:
    failure = (f"{record.method.name}: {record.message}",) if record.message else ()
    return (*failure, *setting(record), POLICIES, f"Run {runs / record.run}")


def _title(record: RunRecord) -> str:
    folds = f", {record.n_folds} folds" if record.n_folds else ""
    return f"{record.task.name}: {' to '.join(record.task.pair)}, seed {record.seed}{folds}"
