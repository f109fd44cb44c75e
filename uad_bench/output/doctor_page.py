"""Display of a data check: content of the folder, slice counts, patients and findings."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.output.formats import TerminalView

SHOWN = 15  # patients in the table
NAMED = 4  # patients named in one finding
PATIENT_COLUMNS = (
    Column("patient", numeric=False, identity=True),
    *map(Column, ("shape", "mm", "anomaly ml", "slices", "healthy", "anomalous")),
    Column("skull", numeric=False),
)
STYLES = {"refused": "bold red", "warning": "yellow", "note": "dim"}


def doctor_page(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Parts of the page, from top to bottom."""
    yield _verdict(document)
    yield from map(_cohort, document.get("cohorts", ())[:1])
    if document["patients"]:
        yield _summary(document)
        yield _slices(document["slices"])
        yield _patients(document["patients"])
    yield from _findings(document["findings"])


def _verdict(document: Mapping[str, Any]) -> str:
    summary = document["summary"]
    if document["usable"]:
        return f"[bold green]usable[/]: {summary['sound']} patients, {summary['labelled']} labelled"
    return f"[bold red]a run would be refused[/]: {summary['sound']} of {summary['patients']} patients are valid"


def _cohort(known: Mapping[str, Any]) -> Table:
    """What the folder was recognised as, with the steps before a run and the task to use."""
    table = Table.grid(padding=(0, 2))
    table.add_row("cohort", f"{known['title']}: {known['summary']}")
    for title in filter(known.__getitem__, ("labels", "before", "note", "licence", "citation")):
        lines = [known[title]] if isinstance(known[title], str) else known[title]
        table.add_row(title, escape("\n".join(lines)))
    table.add_row("task", f"--task {known['task']}" if known["task"] else "none shipped; see uad-bench list cohorts")
    return table


def _summary(document: Mapping[str, Any]) -> Table:
    summary = document["summary"]
    table = Table.grid(padding=(0, 2))
    table.add_row("modalities", ", ".join(document["modalities"]))
    for key in ("shapes", "spacings_mm", "orientations", "label_values", "skull"):
        title = key.replace("_mm", ", mm").replace("_", " ")
        table.add_row(title, ", ".join(f"{name} ({count})" for name, count in summary[key].items()))
    if volumes := summary["anomaly_ml"]:
        names = ("minimum", "first quartile", "median", "third quartile", "maximum")
        table.add_row("anomaly, ml", ", ".join(f"{n} {v:g}" for n, v in zip(names, volumes, strict=True)))
    table.add_row("empty labels", str(summary["empty_labels"]))
    table.add_row("on disk", f"{summary['bytes'] / 1e6:.0f} MB")
    return table


def _slices(counts: Mapping[str, int]) -> str:
    return (
        f"axial slices: {counts['in_range']} in range, {counts['enough_brain']} with enough brain, "
        f"{counts['label_free']} lesion-free, [bold]{counts['healthy']} usable for training[/] with their margin; "
        f"{counts['patients_without']} of {counts['patients']} patients have none"
    )


def _patients(rows: list[dict[str, Any]]) -> TerminalView:
    title = f"first {SHOWN} of {len(rows)} patients; all with --json" if len(rows) > SHOWN else ""
    return TerminalView((Sheet(title, PATIENT_COLUMNS, tuple(_cells(row) for row in rows[:SHOWN])),))


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    name = Cell(row["id"])
    if row["left_out"]:
        return name, Cell("left out", "failed"), *(Cell(""),) * (len(PATIENT_COLUMNS) - 2)
    volume = "no label" if row["anomaly_ml"] is None else f"{row['anomaly_ml']:.1f}"
    size = "x".join(map(str, row["shape"]))
    spacing = "x".join(f"{mm:g}" for mm in row["spacing"])
    counts = (str(row[key]) for key in ("brain_slices", "healthy_slices", "anomaly_slices"))
    return name, *map(Cell, (size, spacing, volume, *counts, row["skull"]))


def _findings(findings: list[dict[str, Any]]) -> Iterator[str]:
    """One line per finding; findings with the same message are merged."""
    names: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        message = finding["message"].removeprefix(f"{finding['subject']}: ")
        names.setdefault((finding["level"], message), []).append(finding["subject"])
    for (level, message), subjects in names.items():
        who = ", ".join(filter(None, subjects[:NAMED])) + (
            f" and {len(subjects) - NAMED} more" * (len(subjects) > NAMED)
        )
        text = f"{who}: {message}" if who and not message.startswith(who) else message
        yield f"[{STYLES[level]}]{level}[/]: {escape(text)}"
