"""Table of a run's metrics on scans with simulated artefacts, beside those on the scans as they are."""

from collections.abc import Sequence

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.output.columns import DASH
from uad_bench.output.formats.terminal import TerminalView
from uad_bench.runs.record import RunRecord

METRICS = (("AUPRC", "auprc", None), ("dice@hFPR5", "dice", "hFPR5"), ("realised FPR@hFPR5", "fpr_healthy", "hFPR5"))


def shift_table(clean: RunRecord, perturbed: Sequence[RunRecord]) -> TerminalView:
    """One row per artefact with the difference to the clean scans in parentheses.

    Args:
        clean: the run that trained the weights, on its own test patients.
        perturbed: its weights on the same patients with artefacts.
    """
    columns = (
        Column("scans", numeric=False, identity=True),
        *(Column(heading) for heading, *_ in METRICS),
    )
    rows = [(Cell("as they are"), *(Cell(_text(clean, clean, name, policy)) for _, name, policy in METRICS))]
    for record in perturbed:
        values = (_text(record, clean, name, policy) for _, name, policy in METRICS)
        rows.append((Cell(record.task.perturb or record.task.name), *map(Cell, values)))
    title = f"{clean.method.name} on perturbed scans of {clean.task.name}, seed {clean.seed}"
    note = "In parentheses: change against the scans as they are. Thresholds are chosen on perturbed validation scans."
    return TerminalView((Sheet(title, columns, tuple(rows), (note,)),))


def _text(record: RunRecord, clean: RunRecord, name: str, policy: str | None) -> str:
    value, before = record.value(name, policy), clean.value(name, policy)
    if value is None:
        return DASH
    return f"{value:.3f}" if record is clean or before is None else f"{value:.3f} ({value - before:+.3f})"
