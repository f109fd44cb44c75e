"""Table of all metrics of a run or rescoring, one row per metric and threshold policy."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from uad_bench.metrics.registry import METRICS
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import Numbers


def metric_table(numbers: Numbers, *, run: str, protocol: str, chain: str) -> Table:
    """The metrics, followed by those of groups of patients."""
    heading = f"{run}, protocol {protocol}, chain {chain}"
    table = Table(title=escape(heading), title_justify="left", caption_justify="left")
    for name in ("metric", "threshold", "over", "patients", "value", "95 % CI"):
        table.add_column(name, justify="right" if name in {"patients", "value"} else "left")
    for row in numbers.metrics:
        table.add_row(*map(escape, cells(row)), style="dim" if row.policy in {"oracle", "own-oracle"} else None)
    for group in dict.fromkeys(row.group for row in numbers.groups):
        members = [row for row in numbers.groups if row.group == group and _is_listed(row)]
        table.add_section()
        for row in members:
            table.add_row(escape(f"{group}: {label(row.name)}"), *map(escape, cells(row)[1:]))
    table.caption = (
        "intervals: 95 %, Student's t over patients (jackknife); oracle: chosen on the test patients, never ranked"
    )
    if any(row.group and row.group.startswith("size=") for row in numbers.groups):
        table.caption += f"\n{size_limits(numbers.size_cuts_mm3)}"
    return table


def _is_listed(row: MetricRow) -> bool:
    """Whether a group's row is printed: of patients AUPRC, Dice and prevalence, of label values the sensitivity."""
    return row.name in {"auprc", "dice", "prevalence"} or str(row.group).startswith("label=")


def size_limits(cuts: Sequence[float]) -> str:
    """The limits between groups of lesion size."""
    low, high = (f"{cut / 1000:.3g}" for cut in cuts)
    return f"lesions of a patient: small up to {low} mL, middle up to {high} mL, large above"


def cells(row: MetricRow) -> Sequence[str]:
    """One row of text."""
    value = f"{row.value:.4f}" if row.value is not None else str(row.undefined)
    interval = f"[{row.low:.4f}, {row.high:.4f}]" if row.low is not None else "–"
    return label(row.name), row.policy or "–", row.aggregation, str(row.n_subjects), value, interval


def label(name: str) -> str:
    """Display name of a metric."""
    return METRICS[name].label if name in METRICS else name
