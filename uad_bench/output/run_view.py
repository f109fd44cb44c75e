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
from uad_bench.output.columns import DASH, finite, memory, seconds, write_value
from uad_bench.output.formats import TerminalView
from uad_bench.output.tables import reconstruction_sheet
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
        sheets = [_overall(self.record), _by_policy(self.record), *_detection(self.record), *_by_patient(self.patients)]
        if self.record.selection:
            sheets.append(_selection(self.record.selection))
        if self.reconstructions:
            sheets.append(reconstruction_sheet({self.record.method.name: self.reconstructions}))
        yield TerminalView(tuple(sheets))
        for note in (*setting(self.record), POLICIES):
            yield Text(visible(note), style="dim")


def _facts(record: RunRecord) -> Iterator[str]:
    method, cost, made = record.method, record.cost, record.environment
    parameters = "" if method.parameters is None else f", {method.parameters:,} parameters"
    budget = f"{record.budget.steps} steps of {record.budget.batch_size} slices"
    yield f"{method.name} ({method.origin}), profile {method.profile}{parameters}, budget {budget}"
    used = "" if cost.peak_rss_mib is None else f", {memory(cost.peak_rss_mib)}"
    precision = f" in {made.precision}" if made.precision else ""
    spent = f"training {seconds(cost.fit_s)}, scoring {seconds(cost.score_s_per_volume)} per volume{used}"
    yield f"{spent}; {made.device or '?'}{precision}, {made.cpu or '?'}; uad-bench {made.uad_bench or '?'}"
    measured = [("processor", cost.cpu_s, "s"), ("GPU", cost.gpu_s, "s"), ("GPU memory", cost.peak_cuda_mib, "MiB")]
    if facts := [f"{label} {value:.3g} {unit}" for label, value, unit in measured if value is not None]:
        yield "; ".join(facts)  # of some records only
    yield f"seed {record.seed}, {record.created}, isolation {made.isolation or 'unknown'}"


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
    headings = ("threshold", *(METRICS[name].label for name in known))
    columns = (Column("threshold policy", numeric=False, identity=True), *map(Column, headings))
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
    columns = (
        Column("lesions", numeric=False, identity=True),
        Column("at", numeric=False),
        *map(Column, ("Lesion sensitivity [95 % CI]", "n")),
    )
    texts = (
        ((m.group or "all").replace("lesion_ml=", "mL: "), m.policy or "", write_value(m, interval=True), m.n_lesions)
        for m in (*record.metrics, *record.groups)
        if m.name == "lesion_sensitivity"
    )
    if rows := tuple(tuple(Cell(str(text)) for text in row) for row in texts):
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
    bars = [draw_bar(value, width=BAR) for value in auprc]
    names, why = patients.names, patients.reasons
    texts = (
        (
            names[i],
            why.get(("auprc", names[i])) or finite(auprc[i]),
            bars[i],
            why.get(("dice@hFPR5", names[i])) or finite(dice[i]),
        )
        for i in order
    )
    yield Sheet("", columns, tuple(tuple(map(Cell, row)) for row in texts))


def draw_bar(value: float, *, width: int) -> str:
    """A bar for a value in [0, 1], in eighths of a character."""
    if not np.isfinite(value):
        return ""
    eighths = round(min(max(value, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + BARS[eighths % 8].strip()
