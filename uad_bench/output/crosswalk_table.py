"""Table of the cross-walk: the same score maps evaluated under published protocols."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from uad_bench.evaluation.rescore import Crossing
from uad_bench.runs.metric_rows import MetricRow, find_row

DICE = (("published", "pooled"), ("published", "mean"), ("published", "slices"), ("hFPR5", "pooled"))
AT_END = " (end of the grid)"
OVER = {"pooled": "all voxels", "mean": "patients", "slices": "slices"}


def crosswalk_table(entries: Sequence[Crossing], *, run: str) -> Table:
    """One row per protocol; the caption explains values that cannot be computed from score maps."""
    table = Table(title=escape(f"{run} under {len(entries)} protocols"), title_justify="left", caption_justify="left")
    for heading in ("protocol", "slices", "Dice", "Dice over", "threshold", "AUPRC", "AUROC", "other", "published"):
        table.add_column(heading, justify="right" if heading in {"Dice", "AUPRC", "AUROC"} else "left")
    for entry in entries:
        table.add_row(*map(escape, cells(entry)))
    table.caption = escape("\n".join(_reasons(entries)))
    return table


def cells(entry: Crossing) -> list[str]:
    """One row of text."""
    dice = next(
        (m for p, a in DICE if (m := find_row(entry.metrics, "dice", p, aggregation=a, chain=entry.chain))), None
    )
    shown = {"dice", "auprc", "auroc"}
    others = [m for m in entry.metrics if entry.published and m.name not in shown]
    second = [m for m in entry.metrics if m.name == "dice" and m.policy == "published" and m is not dice]
    extra = [f"{m.name} {_write(m)}" for m in others]
    return [
        entry.protocol,
        entry.slices,
        _write(dice),
        OVER[dice.aggregation] if dice else "–",
        _threshold(entry),
        _write(_first(entry, "auprc")),
        _write(_first(entry, "auroc")),
        ", ".join([*extra, *(f"Dice over {OVER[m.aggregation]} {_write(m)}" for m in second)]),
        ", ".join(f"{number.metric.partition('/')[0]} {number.value:.3f}" for number in entry.reported),
    ]


def _threshold(entry: Crossing) -> str:
    if entry.threshold is None:
        return "5 % on healthy slices" if any(m.policy == "hFPR5" for m in entry.metrics) else "–"
    found = ", ".join(f"{value:.3g}" for value in entry.values)
    return f"{entry.threshold}, on {entry.chosen_on}{f': {found}' if found else ''}{AT_END if entry.at_end else ''}"


def _first(entry: Crossing, name: str) -> MetricRow | None:
    return next((m for m in entry.metrics if m.name == name and m.policy is None), None)


def _write(metric: MetricRow | None) -> str:
    if metric is None:
        return "–"
    if metric.value is None:
        return "n/a" if str(metric.undefined).startswith("n/a") else str(metric.undefined)
    return f"{metric.value:.3f}"


def _reasons(entries: Sequence[Crossing]) -> list[str]:
    lines = [
        "only volume and largest-slice are ranked; the others reproduce papers, including their use of test labels"
    ]
    for entry in entries:
        for method, table, differs in dict.fromkeys((n.method, n.table, n.differs) for n in entry.reported):
            verdict = f"not comparable: {', '.join(differs)}" if differs else "comparable"
            lines.append(f"{entry.protocol}: published numbers of {method} ({table}); {verdict}")
        absent = [m for m in entry.metrics if (m.undefined or "").startswith("n/a")]
        lines += [f"{entry.protocol}: {m.name} {m.undefined}" for m in absent]
        if entry.at_end:
            lines.append(
                f"{entry.protocol}: the threshold is the highest on the paper's grid; a higher one may increase Dice"
            )
    return lines
