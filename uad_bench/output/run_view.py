"""Terminal view of a run: its settings and cost, metrics by threshold policy, and metrics per patient."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.console import visible
from uad_bench.evaluation.reconstructions import Reconstructions
from uad_bench.metrics.overlap import OVERLAP
from uad_bench.metrics.registry import METRICS
from uad_bench.output.caption import POLICIES, setting
from uad_bench.output.columns import DASH, seconds, write_value
from uad_bench.output.formats import TerminalView
from uad_bench.output.tables import reconstruction_sheet
from uad_bench.runs.cost import Cost
from uad_bench.runs.record import RunRecord
from uad_bench.runs.selected import SelectedStep
from uad_bench.runs.tables import Patients

POLICY_METRICS = (*OVERLAP, "slice_alarm_rate", "patient_alarm_rate", "lesion_f1_any", "nsd2")
BAR = 20
BARS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class RunView:
    """Output of `uad-bench show`."""

    record: RunRecord
    patients: Patients
    reconstructions: Reconstructions | None = None

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Header and tables."""
        yield Text.assemble((visible(self.record.run), "bold"))
        for line in _facts(self.record):
            yield Text(visible(line), style="dim")
        yield Text("")
        if self.record.status != "ok":
            yield Text(visible(f"FAILED({self.record.reason}): {self.record.message}"), style="red")
            return
        yield TerminalView(
            (_overall(self.record), _by_policy(self.record), *_detection(self.record), *_by_patient(self.patients))
        )
        if self.record.selection:
            yield TerminalView((_selection(self.record.selection),))
        if self.reconstructions:
            yield TerminalView((reconstruction_sheet({self.record.method.name: self.reconstructions}),))
        for note in (*setting(self.record), POLICIES):
            yield Text(visible(note), style="dim")


def _facts(record: RunRecord) -> Iterator[str]:
    method, cost, made = record.method, record.cost, record.environment
    parameters = "" if method.parameters is None else f", {method.parameters:,} parameters"
    budget = f"{record.budget.steps} steps of {record.budget.batch_size} slices"
    yield f"{method.name} ({method.origin}), profile {method.profile}{parameters}, budget {budget}"
    memory = "" if cost.peak_rss_mib is None else f", {cost.peak_rss_mib:.0f} MiB"
    precision = f" in {made.precision}" if made.precision else ""
    spent = f"training {seconds(cost.fit_s)}, scoring {seconds(cost.score_s_per_volume)} per volume{memory}"
    yield f"{spent}; {made.device or '?'}{precision}, {made.cpu or '?'}; uad-bench {made.uad_bench or '?'}"
    yield from _measured(cost)
    yield f"seed {record.seed}, {record.created}, isolation {made.isolation or 'unknown'}"


def _measured(cost: Cost) -> Iterator[str]:
    """Costs that only some records have."""
    parts = [("processor", cost.cpu_s, "s"), ("GPU", cost.gpu_s, "s"), ("GPU memory", cost.peak_cuda_mib, "MiB")]
    facts = [f"{label} {value:.3g} {unit}" for label, value, unit in parts if value is not None]
    if facts:
        yield "; ".join(facts)


def _overall(record: RunRecord) -> Sheet:
    """Metrics that do not depend on a threshold."""
    names = ("auprc", "auprc_gain", "auroc", "matched_auroc", "fpr95", "froc_score", "prevalence")
    metrics = [(METRICS[name].label, record.find(name)) for name in names]
    metrics.append(("mean per-patient AUPRC", record.find("auprc", aggregation="mean")))
    columns = (Column("metric", numeric=False), Column("value [95 % CI]"))
    rows = tuple((Cell(label), Cell(write_value(metric, interval=True))) for label, metric in metrics)
    return Sheet("", columns, rows)


def _selection(selected: SelectedStep) -> Sheet:
    """AUPRC of implanted anomalies at each measured step of the last training."""
    columns = (Column("step", identity=True), Column("AUPRC of implants"), Column("", numeric=False))
    rows = tuple(
        (
            Cell(f"{one.step:,}"),
            Cell(f"{one.auprc:.3f}", "best" if one.step == selected.step else "plain"),
            Cell(draw_bar(one.auprc, width=BAR) + (" kept" if one.step == selected.step else "")),
        )
        for one in selected.curve
    )
    return Sheet("Selection without labels", columns, rows)


def _by_policy(record: RunRecord) -> Sheet:
    """Metrics at each operating point."""
    known = [name for name in POLICY_METRICS if any(record.find(name, p) for p in record.thresholds)]
    columns = (
        Column("threshold policy", numeric=False, identity=True),
        Column("threshold"),
        *(Column(METRICS[name].label) for name in known),
    )
    rows = tuple(
        (
            Cell(policy, "oracle" if policy == "oracle" else "plain"),
            Cell(DASH if value is None else f"{value:.4g}"),
            *(Cell(write_value(record.find(name, policy))) for name in known),
        )
        for policy, value in record.thresholds.items()
    )
    return Sheet("", columns, rows)


def _detection(record: RunRecord) -> Iterator[Sheet]:
    """Lesion sensitivity at each number of false positives per volume, and by the lesions' own volume."""
    every = [m for m in (*record.metrics, *record.groups) if m.name == "lesion_sensitivity"]
    if not every:
        return
    columns = (
        Column("lesions", numeric=False, identity=True),
        Column("at", numeric=False),
        Column("Lesion sensitivity [95 % CI]"),
        Column("n"),
    )
    rows = tuple(
        (
            Cell((m.group or "all").replace("lesion_ml=", "mL: ")),
            Cell(m.policy or ""),
            Cell(write_value(m, interval=True)),
            Cell(str(m.n_lesions)),
        )
        for m in every
    )
    yield Sheet("", columns, rows)


def _by_patient(patients: Patients) -> Iterator[Sheet]:
    """AUPRC per patient, also as a bar, worst first."""
    if not patients.names:
        return
    auprc, dice = (patients.values.get(key, np.full(len(patients.names), np.nan)) for key in ("auprc", "dice@hFPR5"))
    columns = (
        Column("patient", numeric=False, identity=True),
        Column("AUPRC"),
        Column("", numeric=False),
        Column("dice@hFPR5"),
    )
    order = np.argsort(np.nan_to_num(auprc, nan=2.0), kind="stable")
    rows = tuple(
        (
            Cell(patients.names[i]),
            Cell(_value(auprc[i], patients.reasons.get(("auprc", patients.names[i])))),
            Cell(draw_bar(auprc[i], width=BAR)),
            Cell(_value(dice[i], patients.reasons.get(("dice@hFPR5", patients.names[i])))),
        )
        for i in order
    )
    yield Sheet("", columns, rows)


def _value(value: float, reason: str | None) -> str:
    return f"{value:.3f}" if np.isfinite(value) else reason or DASH


def draw_bar(value: float, *, width: int) -> str:
    """A bar for a value in [0, 1], in eighths of a character."""
    if not np.isfinite(value):
        return ""
    eighths = round(min(max(value, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + BARS[eighths % 8].strip()
