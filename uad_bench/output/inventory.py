"""Lists of methods, datasets, tasks, protocols, splits and runs, made without importing their code."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from uad_bench.boards.method_scores import setting_name
from uad_bench.config import load_task, read_toml
from uad_bench.datasets.published import published, published_names
from uad_bench.output.columns import write_value
from uad_bench.plugins import registry
from uad_bench.plugins.registry import docstring_of, method_facts, problem_of, source_file
from uad_bench.resources import resource_names, resource_path
from uad_bench.runs.folder import find_runs
from uad_bench.runs.record import RunRecord
from uad_bench.runs.removal import size_of, write_size

Rows = list[dict[str, Any]]
SHOWN = ("name", "run", "status", "AUPRC", "size", "summary")
"""Columns of the tables, which fit a terminal of 80 columns; JSON has all of them."""

WIDEST = 60  # of a column that is not folded


def list_methods(_: Path, plugins: Sequence[Path]) -> Rows:
    """Every registered method with its origin and the description in its configuration."""
    return [_method(entry) for entry in registry.methods(plugins).values()]


def list_datasets(_: Path, __: Sequence[Path]) -> Rows:
    """Every registered dataset with its origin."""
    return [
        {"name": e.name, "origin": e.origin, "class": e.target, "summary": docstring_of(e)}
        for e in registry.datasets().values()
    ]


def list_tasks(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped tasks."""
    return [
        {
            "name": t.name,
            "dataset": t.dataset,
            "pair": " to ".join(t.pair),
            "split": t.split,
            "budget": f"{t.budget.steps} x {t.budget.batch_size}",
            "summary": t.summary,
        }
        for t in map(load_task, resource_names("configs/tasks", ".toml"))
    ]


def list_cohorts(_: Path, __: Sequence[Path]) -> Rows:
    """Published cohorts with a description."""
    return [asdict(published(name)) for name in published_names()]


def list_protocols(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped evaluation protocols."""
    return [
        {"name": name, "summary": read_toml(resource_path(f"configs/protocols/{name}.toml")).get("summary", "")}
        for name in resource_names("configs/protocols", ".toml")
    ]


def list_splits(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped lists of patients."""
    return [{"name": name} for name in resource_names("configs/splits", ".txt")]


def list_runs(runs: Path, _: Sequence[Path]) -> Rows:
    """Every run in the runs folder, with the settings in which it differs from other runs of its method."""
    found = find_runs(runs)
    records = [run.read_record() for run in found]
    rows = [(record.task.name, record.method.name) for record in records]
    return [
        {
            "run": record.run,
            "settings": _settings(record, [r for r, other in zip(records, rows, strict=True) if other == row]),
            "status": record.status,
            "AUPRC": write_value(record.find("auprc")),
            "size": write_size(size := size_of(run.path)),
            "bytes": size,
            "created": record.created,
        }
        for run, record, row in zip(found, records, rows, strict=True)
    ]


INVENTORY: dict[str, Callable[[Path, Sequence[Path]], Rows]] = {
    "methods": list_methods,
    "datasets": list_datasets,
    "tasks": list_tasks,
    "cohorts": list_cohorts,
    "protocols": list_protocols,
    "splits": list_splits,
    "runs": list_runs,
}


def inventory_table(kind: str, rows: Rows) -> Table | str:
    """The rows as a table, or a sentence if there are none."""
    if not rows:
        return f"no {kind}"
    columns = [column for column in rows[0] if column in SHOWN and any(row[column] for row in rows)]
    folded = "summary" if "summary" in columns else columns[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:  # names must stay complete to be copied
        longest = max(len(str(row[column])) for row in rows)
        width = min(longest, WIDEST) if column != folded else None
        table.add_column(column, overflow="fold", min_width=width, no_wrap=width == longest)
    for row in rows:
        name, *others = (escape("" if row[column] is None else str(row[column])) for column in columns)
        settings = f"\n  {escape(row['settings'])}" if row.get("settings") else ""
        table.add_row(name + settings, *others)
    return table


def _method(entry: registry.Entry) -> dict[str, Any]:
    facts, problem = method_facts(entry.name), problem_of(entry)
    return {
        "name": entry.name,
        "family": facts.get("family", "?"),
        "trained on": facts.get("learns_from", "?"),
        "origin": entry.origin,
        "paper": facts.get("paper"),
        "code": facts.get("code"),
        "code_licence": facts.get("code_licence"),
        "class": entry.target,
        "file": str(source_file(entry) or ""),
        "summary": f"UNAVAILABLE: {problem}" if problem else facts.get("summary") or docstring_of(entry),
        "problem": problem,
    }


def _settings(record: RunRecord, others: Sequence[RunRecord]) -> str:
    """Hyperparameters, slices and source code that not all of these runs of the method share."""
    name = setting_name(record, others)
    parts = [name.removeprefix(f"{record.method.name} (").removesuffix(")")] if name != record.method.name else []
    if record.method.source and len({other.method.source for other in others}) > 1:
        parts.append(f"source {record.method.source[:4]}")
    return ", ".join(parts)
