"""Records as tables: which columns there are, how a number is written, and what the caption must say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, how a record fills it, and whether it is an oracle (grey, never a sort key)."""

    heading: str
    cell: Callable[[Record], str]
    oracle: bool = False


def find_metric(record: Record, name: str, policy: str | None = None, aggregation: str = "pooled") -> Record | None:
    """The record's metric of this name, policy and aggregation, if it has one."""
    wanted = (name, policy, aggregation)
    return next((m for m in record["metrics"] if (m["name"], m["policy"], m["aggregation"]) == wanted), None)


def value_of(record: Record, name: str, policy: str | None = None, aggregation: str = "pooled") -> float | None:
    """The metric's value; None where it is undefined or absent."""
    metric = find_metric(record, name, policy, aggregation)
    return metric["value"] if metric else None


def write_value(metric: Record | None, *, digits: int = 3, interval: bool = False) -> str:
    """`0.612 [0.551, 0.660]`, the reason code of an undefined metric, or a dash for one that was not computed."""
    if metric is None:
        return "–"
    if metric["value"] is None:
        return str(metric.get("undefined") or "undefined")
    text = f"{metric['value']:.{digits}f}"
    if interval and metric.get("low") is not None:
        return f"{text} [{metric['low']:.{digits}f}, {metric['high']:.{digits}f}]"
    return text


def metric_column(
    heading: str, name: str, policy: str | None = None, *, aggregation: str = "pooled", interval: bool = False
) -> Column:
    """A column of one metric."""
    return Column(
        heading,
        lambda r: write_value(find_metric(r, name, policy, aggregation), interval=interval),
        oracle=policy == "oracle",
    )


def seconds(value: float | None) -> str:
    """A duration that is easy to compare at a glance."""
    if value is None:
        return "–"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


COLUMNS = (
    Column("method", lambda r: r["method"]["name"]),
    metric_column("AUPRC [95 % CI]", "auprc", interval=True),
    metric_column("dice@hFPR5 [95 % CI]", "dice", "hFPR5", interval=True),
    metric_column("dice@valDice", "dice", "valDice"),
    metric_column("dice@oracle", "dice", "oracle"),
    metric_column("AUROC", "auroc"),
    metric_column("AUPRC a patient", "auprc", aggregation="mean"),
    Column("fit", lambda r: seconds(r["cost"]["fit_s"])),
    Column("a volume", lambda r: seconds(r["cost"]["score_s_per_volume"])),
)


def by_auprc(records: Sequence[Record]) -> list[Record]:
    """Best pooled AUPRC first, failed and undefined last; equal values in the order of names."""

    def key(record: Record) -> tuple[bool, float, str]:
        value = value_of(record, "auprc")
        return value is None, -(value or 0.0), record["method"]["name"]

    return sorted(records, key=key)


def run_table(records: Sequence[Record], *, runs: Path) -> Table:
    """The last record beside the others, ranked by pooled AUPRC."""
    main = records[-1]
    table = Table(title=_title(main), caption=caption(main, runs), caption_justify="left", title_justify="left")
    for column in COLUMNS:
        table.add_column(
            column.heading,
            style="dim" if column.oracle else None,
            justify="left" if column.heading == "method" else "right",
        )
    for record in by_auprc(records):
        table.add_row(*cells(record), style="bold" if record is main else None)
    return table


def cells(record: Record) -> list[Text | str]:
    """One row; a failed run keeps its row and says why."""
    if record["status"] == "ok":
        return [escape(column.cell(record)) for column in COLUMNS]
    failed = Text(f"FAILED({record['reason']})", style="red")
    return [escape(record["method"]["name"]), failed]


def caption(record: Record, runs: Path) -> str:
    """What a reader must know before comparing a number with another table's."""
    task, test = record["task"], record["subjects"]["test"]
    prevalence = write_value(find_metric(record, "prevalence"), digits=4)
    lines = [
        (
            f"protocol {task['protocol']}, region brain, raw maps; {len(test)} test patients, prevalence {prevalence}, "
            f"split {task['split']['name']} ({task['split']['digest'][:8]}), {len(record['subjects'].get('val', []))} "
            "validation patients"
        ),
        (
            "intervals: 2,000 bootstraps over patients; hFPR5: 5 % false positives on healthy slices of validation "
            "patients; valDice: best Dice on validation; oracle: chosen on test, never ranked"
        ),
        f"run: {runs / record['run']}",
    ]
    if record["message"]:
        lines.insert(0, f"{record['method']['name']}: {record['message']}")
    return "\n".join(map(escape, lines))


def _title(record: Record) -> str:
    task = record["task"]
    folds = f", {record['n_folds']} folds" if record.get("n_folds") else ""
    return escape(f"{task['name']}: {' to '.join(task['pair'])}, seed {record['seed']}{folds}")
