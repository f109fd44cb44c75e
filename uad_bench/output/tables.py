"""Tables of runs: beside baselines, of all metrics, by label value, on perturbed scans, under published protocols."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from uad_bench.boards.sheet import Cell, Column, Sheet, Tone
from uad_bench.evaluation.label_values import GROUP
from uad_bench.evaluation.reconstructions import Reconstructions
from uad_bench.evaluation.rescore import Crossing
from uad_bench.metrics.reconstruction import RECONSTRUCTION
from uad_bench.metrics.registry import METRICS
from uad_bench.output.caption import POLICIES, setting
from uad_bench.output.columns import DASH, seconds, write_value
from uad_bench.output.formats import TerminalView
from uad_bench.runs.metric_rows import MetricRow, find_row, key_of
from uad_bench.runs.record import Numbers, RunRecord

RUN_METRICS = (
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
METHOD = Column("method", numeric=False, identity=True)
COLUMNS = (
    METHOD,
    *(Column(heading) for heading, *_ in RUN_METRICS),
    *(Column(heading) for heading, _ in COSTS),
)


def run_table(records: Sequence[RunRecord], *, runs: Path) -> TerminalView:
    """All records, sorted by pooled AUPRC, with the last record highlighted."""
    main = records[-1]
    rows = tuple(_row(record, record is main) for record in by_auprc(records))
    folds = f", {main.n_folds} folds" if main.n_folds else ""
    title = f"{main.task.name}: {' to '.join(main.task.pair)}, seed {main.seed}{folds}"
    failure = (f"{main.method.name}: {main.message}",) if main.message else ()
    return TerminalView((Sheet(title, COLUMNS, rows, (*failure, *setting(main), POLICIES, f"Run {runs / main.run}")),))


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
        for heading, metric, policy, how in RUN_METRICS
    )
    return Cell(name, tone), *numbers, *(Cell(seconds(getattr(record.cost, key)), tone) for _, key in COSTS)


SHIFTED = (("AUPRC", "auprc", None), ("dice@hFPR5", "dice", "hFPR5"), ("realised FPR@hFPR5", "fpr_healthy", "hFPR5"))


def shift_table(clean: RunRecord, perturbed: Sequence[RunRecord]) -> TerminalView:
    """One row per artefact with the difference to the clean scans in parentheses.

    Args:
        clean: the run that trained the weights, on its own test patients.
        perturbed: its weights on the same patients with artefacts.
    """
    columns = (Column("scans", numeric=False, identity=True), *(Column(heading) for heading, *_ in SHIFTED))
    named = [("as they are", clean), *((record.task.perturb or record.task.name, record) for record in perturbed)]
    rows = tuple(
        (Cell(scans), *(Cell(_shifted(record, clean, name, policy)) for _, name, policy in SHIFTED))
        for scans, record in named
    )
    title = f"{clean.method.name} on perturbed scans of {clean.task.name}, seed {clean.seed}"
    note = "In parentheses: change against the scans as they are. Thresholds are chosen on perturbed validation scans."
    return TerminalView((Sheet(title, columns, rows, (note,)),))


def _shifted(record: RunRecord, clean: RunRecord, name: str, policy: str | None) -> str:
    value, before = record.value(name, policy), clean.value(name, policy)
    if value is None:
        return DASH
    return f"{value:.3f}" if record is clean or before is None else f"{value:.3f} ({value - before:+.3f})"


LABEL_POLICY = "hFPR5"
LABEL_NOTE = "Share of the voxels of each label value in the reference that are marked at hFPR5, raw maps."


def label_sheet(groups: Mapping[str, Sequence[MetricRow]]) -> Sheet | None:
    """One row per method, one column per label value; None if references have a single value.

    Args:
        groups: rows of groups in the rescored result of each method.
    """
    shown = (("sensitivity", LABEL_POLICY, "none"), GROUP)
    found = {
        name: {
            value: row
            for row in rows
            for kind, _, value in [str(row.group).partition("=")]
            if ((row.name, row.policy, row.chain), kind) == shown
        }
        for name, rows in groups.items()
    }
    values = sorted({value for rows in found.values() for value in rows}, key=lambda value: (len(value), value))
    if not values:
        return None
    columns = (METHOD, *(Column(f"label {value} [95 % CI]") for value in values))
    rows = tuple(
        (Cell(name), *(Cell(write_value(own.get(v), interval=True)) for v in values))
        for name, own in found.items()
        if own
    )
    return Sheet("Sensitivity by label value", columns, rows, (LABEL_NOTE,))


RECONSTRUCTION_NOTE = (
    "Pooled over voxels, in the task's units of intensity. Lesion left: error inside lesions against the healthy "
    "tissue behind them, which only the phantom knows, divided by that of the scan: 0 is perfect, 1 is no change."
)


def reconstruction_sheet(found: Mapping[str, Reconstructions]) -> Sheet:
    """One row per method with pseudo-healthy images."""
    columns = (METHOD, *(Column(metric.label, note=metric.description) for metric in RECONSTRUCTION.values()))
    metrics = {name: {row.key: row for row in one.metrics} for name, one in found.items()}
    rows = tuple(
        (Cell(name), *(Cell(write_value(own.get(key_of(metric)), interval=True)) for metric in RECONSTRUCTION))
        for name, own in metrics.items()
    )
    return Sheet("Pseudo-healthy images", columns, rows, (RECONSTRUCTION_NOTE,))


def metric_table(numbers: Numbers, *, run: str, protocol: str, chain: str) -> Table:
    """The metrics, followed by those of groups of patients."""
    heading = f"{run}, protocol {protocol}, chain {chain}"
    table = Table(title=escape(heading), title_justify="left", caption_justify="left")
    for name in ("metric", "threshold", "over", "patients", "value", "95 % CI"):
        table.add_column(name, justify="right" if name in {"patients", "value"} else "left")
    for row in numbers.metrics:
        table.add_row(*map(escape, metric_cells(row)), style="dim" if row.policy in {"oracle", "own-oracle"} else None)
    for group in dict.fromkeys(row.group for row in numbers.groups):
        table.add_section()
        listed = {"sensitivity"} if str(group).startswith(f"{GROUP}=") else {"auprc", "dice", "prevalence"}
        for row in (row for row in numbers.groups if row.group == group and row.name in listed):
            table.add_row(escape(f"{group}: {metric_label(row.name)}"), *map(escape, metric_cells(row)[1:]))
    table.caption = (
        "intervals: 95 %, Student's t over patients (jackknife); oracle: chosen on the test patients, never ranked"
    )
    if any(row.group and row.group.startswith("size=") for row in numbers.groups):
        table.caption += f"\n{size_limits(numbers.size_cuts_mm3)}"
    return table


def size_limits(cuts: Sequence[float]) -> str:
    """The limits between groups of lesion size."""
    low, high = (f"{cut / 1000:.3g}" for cut in cuts)
    return f"lesions of a patient: small up to {low} mL, middle up to {high} mL, large above"


def metric_cells(row: MetricRow) -> Sequence[str]:
    """One row of text."""
    value = f"{row.value:.4f}" if row.value is not None else str(row.undefined)
    interval = f"[{row.low:.4f}, {row.high:.4f}]" if row.low is not None else DASH
    return metric_label(row.name), row.policy or DASH, row.aggregation, str(row.n_subjects), value, interval


def metric_label(name: str) -> str:
    """Display name of a metric."""
    return METRICS[name].label if name in METRICS else name


DICE = (("published", "pooled"), ("published", "mean"), ("published", "slices"), ("hFPR5", "pooled"))
AT_END = " (end of the grid)"
OVER = {"pooled": "all voxels", "mean": "patients", "slices": "slices"}


def crosswalk_table(entries: Sequence[Crossing], *, run: str) -> Table:
    """One row per protocol; the caption explains values that cannot be computed from score maps."""
    table = Table(title=escape(f"{run} under {len(entries)} protocols"), title_justify="left", caption_justify="left")
    for heading in ("protocol", "slices", "Dice", "Dice over", "threshold", "AUPRC", "AUROC", "other", "published"):
        table.add_column(heading, justify="right" if heading in {"Dice", "AUPRC", "AUROC"} else "left")
    for entry in entries:
        table.add_row(*map(escape, crosswalk_cells(entry)))
    table.caption = escape("\n".join(_reasons(entries)))
    return table


def crosswalk_cells(entry: Crossing) -> list[str]:
    """One row of text."""
    found = (find_row(entry.metrics, "dice", p, aggregation=a, chain=entry.chain) for p, a in DICE)
    dice = next(filter(None, found), None)
    auprc, auroc = (
        next((m for m in entry.metrics if m.name == name and m.policy is None), None) for name in ("auprc", "auroc")
    )
    others = [m for m in entry.metrics if entry.published and m.name not in {"dice", "auprc", "auroc"}]
    second = [m for m in entry.metrics if m.name == "dice" and m.policy == "published" and m is not dice]
    return [
        entry.protocol,
        entry.slices,
        _write(dice),
        OVER[dice.aggregation] if dice else DASH,
        _threshold(entry),
        _write(auprc),
        _write(auroc),
        ", ".join(
            [
                *(f"{m.name} {_write(m)}" for m in others),
                *(f"Dice over {OVER[m.aggregation]} {_write(m)}" for m in second),
            ]
        ),
        ", ".join(f"{number.metric.partition('/')[0]} {number.value:.3f}" for number in entry.reported),
    ]


def _threshold(entry: Crossing) -> str:
    if entry.threshold is None:
        return "5 % on healthy slices" if any(m.policy == "hFPR5" for m in entry.metrics) else DASH
    found = ", ".join(f"{value:.3g}" for value in entry.values)
    return f"{entry.threshold}, on {entry.chosen_on}{f': {found}' if found else ''}{AT_END if entry.at_end else ''}"


def _write(metric: MetricRow | None) -> str:
    if metric is None:
        return DASH
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
