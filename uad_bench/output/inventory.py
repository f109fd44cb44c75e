"""Lists of methods, datasets, tasks, protocols, splits and runs, made without importing their code."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from uad_bench.config import load_task, read_toml
from uad_bench.output.tables import write_value
from uad_bench.plugins import registry
from uad_bench.plugins.availability import problem_of, source_file
from uad_bench.resources import resource_names, resource_path
from uad_bench.runs.folder import find_runs

Rows = list[dict[str, Any]]
JSON_ONLY = {"paper", "code", "code_licence", "class", "file", "problem"}  # too wide, or part of the summary

WIDEST = 60  # of a name that stays on one line


def list_methods(_: Path, plugins: Sequence[Path]) -> Rows:
    """Every registered method with its origin and the description in its configuration."""
    return [_method(entry) for entry in registry.methods(plugins).values()]


def list_datasets(_: Path, __: Sequence[Path]) -> Rows:
    """Every registered dataset with its origin."""
    return [{"name": e.name, "origin": e.origin, "class": e.target} for e in registry.datasets().values()]


def list_tasks(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped tasks."""
    tasks = [load_task(name) for name in resource_names("configs/tasks", ".toml")]
    return [
        {
            "name": t.name,
            "dataset": t.dataset,
            "pair": " to ".join(t.pair),
            "split": t.split,
            "budget": f"{t.budget.steps} x {t.budget.batch_size}",
            "summary": t.summary,
        }
        for t in tasks
    ]


def list_protocols(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped evaluation protocols."""
    names = resource_names("configs/protocols", ".toml")
    return [
        {"name": n, "summary": read_toml(resource_path(f"configs/protocols/{n}.toml")).get("summary", "")}
        for n in names
    ]


def list_splits(_: Path, __: Sequence[Path]) -> Rows:
    """The shipped lists of patients."""
    return [{"name": name} for name in resource_names("configs/splits", ".txt")]


def list_runs(runs: Path, _: Sequence[Path]) -> Rows:
    """Every run in the runs folder."""
    records = [run.read_record() for run in find_runs(runs)]
    return [
        {
            "run": r.run,
            "status": r.status,
            "AUPRC": write_value(r.find("auprc"), interval=True),
            "created": r.created,
        }
        for r in records
    ]


INVENTORY: dict[str, Callable[[Path, Sequence[Path]], Rows]] = {
    "methods": list_methods,
    "datasets": list_datasets,
    "tasks": list_tasks,
    "protocols": list_protocols,
    "splits": list_splits,
    "runs": list_runs,
}


def inventory_table(kind: str, rows: Rows) -> Table | str:
    """The rows as a table, or a sentence if there are none."""
    if not rows:
        return f"no {kind}"
    columns = [column for column in rows[0] if column not in JSON_ONLY]
    table = Table()
    for column in columns:  # names must stay complete to be copied, so only the other columns are folded
        longest = max(len(str(row[column])) for row in rows)
        width = min(longest, WIDEST) if column == columns[0] else None
        table.add_column(column, overflow="fold", min_width=width, no_wrap=width == longest)
    for row in rows:
        table.add_row(*(escape("" if row[column] is None else str(row[column])) for column in columns))
    return table


def _method(entry: registry.Entry) -> dict[str, Any]:
    path = resource_path(f"configs/methods/{entry.name}.toml")
    facts = read_toml(path) if path.is_file() else {}
    problem = problem_of(entry)
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
        "summary": f"UNAVAILABLE: {problem}" if problem else facts.get("summary", ""),
        "problem": problem,
    }
