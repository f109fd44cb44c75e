"""Completion of names in the shell (`uad-bench --install-completion`)."""

from collections.abc import Iterable
from pathlib import Path

import typer


def complete_method(incomplete: str) -> list[str]:
    """Registered methods."""
    from uad_bench.plugins.registry import methods

    return _starting(incomplete, methods())


def complete_task(incomplete: str) -> list[str]:
    """Shipped tasks."""
    from uad_bench.resources import resource_names

    return _starting(incomplete, resource_names("configs/tasks", ".toml"))


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Runs in the runs folder."""
    from uad_bench.runs.folder import find_runs

    return _starting(incomplete, (run.name for run in find_runs(Path(context.params.get("runs") or "runs"))))


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
