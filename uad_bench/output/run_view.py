"""One run as a terminal shows it: what it was, its numbers by threshold policy, its patients, its sweep."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from uad_bench.boards.result import Record, find_metric, value_of
from uad_bench.boards.sheet import Cell, Column, Sheet, visible
from uad_bench.metrics.overlap import OVERLAP
from uad_bench.metrics.registry import METRICS
from uad_bench.output.caption import POLICIES, setting
from uad_bench.output.columns import DASH, seconds
from uad_bench.output.curve_drawing import draw_bar, draw_curve
from uad_bench.output.formats.terminal import TerminalView
from uad_bench.output.tables import write_value
from uad_bench.runs.tables import Curve, Patients

POLICY_METRICS = (*OVERLAP, "lesion_f1_any", "nsd2")
BAR = 20


@dataclass(frozen=True, slots=True)
class RunView:
    """What `show` prints; the curve only where it is given."""

    record: Record
    patients: Patients
    curve: Curve | None = None

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Header, tables, and the curve as wide as the window."""
        yield Text.assemble((visible(str(self.record["run"])), "bold"))
        for line in _facts(self.record):
            yield Text(visible(line), style="dim")
        yield Text("")
        if self.record["status"] != "ok":
            yield Text(visible(f"FAILED({self.record['reason']}): {self.record['message']}"), style="red")
            return
        if self.curve:
            yield from _sweep(self.record, self.curve, min(options.max_width, 120))
            return
        yield TerminalView((_overall(self.record), _by_policy(self.record), *_by_patient(self.patients)))
        for note in (*setting(self.record), POLICIES):
            yield Text(visible(note), style="dim")


def _facts(record: Record) -> Iterator[str]:
    method, cost, made = record["method"], record["cost"], record["environment"]
    parameters = "" if method.get("parameters") is None else f", {method['parameters']:,} parameters"
    budget = f"{record['budget']['steps']} steps of {record['budget']['batch_size']} slices"
    yield f"{method['name']} ({method['origin']}), profile {method['profile']}{parameters}, budget {budget}"
    memory = "" if cost["peak_rss_mib"] is None else f", {cost['peak_rss_mib']:.0f} MiB"
    spent = f"training {seconds(cost['fit_s'])}, scoring {seconds(cost['score_s_per_volume'])} a volume{memory}"
    yield f"{spent}; {made.get('device', '?')}, {made.get('cpu', '?')}; uad-bench {made.get('uad_bench', '?')}"
    yield from _measured(cost)
    yield f"seed {record['seed']}, {record['created']}, isolation {made.get('isolation') or 'unknown'}"


def _measured(cost: Record) -> Iterator[str]:
    """What older records do not have: processor, GPU and energy, and how fast the machine was."""
    parts = [("processor", "cpu_s", "s"), ("GPU", "gpu_s", "s"), ("GPU memory", "peak_cuda_mib", "MiB")]
    said = [f"{label} {cost[key]:.3g} {unit}" for label, key, unit in parts if cost.get(key) is not None]
    if cost.get("energy_j") is not None:
        said.append(f"energy {cost['energy_j'] / 3600:.3g} Wh ({', '.join(cost['energy_of'])})")
    if speed := cost.get("calibration"):
        said.append(
            f"this machine {speed['matmul_gflops']:.0f} GFLOP/s in matrices, {speed['conv_gflops']:.0f} in convolutions"
        )
    if said:
        yield "; ".join(said)


def _overall(record: Record) -> Sheet:
    """Metrics over every threshold."""
    names = ("auprc", "auprc_gain", "auroc", "fpr95", "prevalence")
    metrics = [(METRICS[name].label, find_metric(record, name)) for name in names]
    metrics.append(("AUPRC a patient", find_metric(record, "auprc", aggregation="mean")))
    columns = (Column("over every threshold", numeric=False), Column("value [95 % CI]"))
    rows = tuple((Cell(label), Cell(write_value(metric, interval=True))) for label, metric in metrics)
    return Sheet("", columns, rows)


def _by_policy(record: Record) -> Sheet:
    """Metrics at each operating point."""
    known = [name for name in POLICY_METRICS if any(find_metric(record, name, p) for p in record["thresholds"])]
    columns = (
        Column("at threshold", numeric=False, identity=True),
        Column("score"),
        *(Column(METRICS[name].label) for name in known),
    )
    rows = tuple(
        (
            Cell(policy, "oracle" if policy == "oracle" else "plain"),
            Cell(DASH if value is None else f"{float.fromhex(value):.4g}"),
            *(Cell(write_value(find_metric(record, name, policy))) for name in known),
        )
        for policy, value in record["thresholds"].items()
    )
    return Sheet("", columns, rows)


def _by_patient(patients: Patients) -> Iterator[Sheet]:
    """Each patient's AUPRC as a bar, worst first."""
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


def _sweep(record: Record, curve: Curve, width: int) -> Iterator[Text]:
    """Dice over the share of healthy voxels that a threshold marks, on a logarithmic scale."""
    shown = curve.fpr > 0
    if not shown.any():
        yield Text("every threshold of the sweep marks no healthy voxel, or there is none")
        return
    marks = {
        policy: np.log10(rate)
        for policy in record["thresholds"]
        if (rate := value_of(record, "fpr", policy)) is not None and rate > 0
    }
    x = np.log10(curve.fpr[shown])
    yield Text("Dice of the pooled test patients against the threshold, as the false-positive rate it gives", "bold")
    for line in draw_curve(x, curve.dice[shown], width=width, marks=marks):
        yield Text(line, no_wrap=True)
    low, high = f"FPR {10 ** x.min():.2g} (high threshold)", f"FPR {10 ** x.max():.2g} (low threshold)"
    yield Text(f"     {low}{high:>{max(1, width - 5 - len(low))}}", style="dim")
    for policy in marks:
        dice = write_value(find_metric(record, "dice", policy), interval=True)
        yield Text(f"     {policy:<8} Dice {dice}", style="dim" if policy == "oracle" else "")
