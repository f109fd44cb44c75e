"""Options that several commands share, and completion of names in the shell (`uad-bench --install-completion`)."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

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
    from uad_bench.runs.folder import find_runs, runs_folder

    return _starting(incomplete, (run.name for run in find_runs(runs_folder(context.params.get("runs")))))


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


Runs = Annotated[Path, typer.Option("--runs", envvar="UAD_BENCH_RUNS", help="Folder of runs.")]
RUNS = Path("runs")
AsJson = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout (nothing if the command itself fails).")
]
Task = Annotated[
    str,
    typer.Option(
        "--task", "-t", help="A shipped task, or the path of a task's TOML file.", autocompletion=complete_task
    ),
]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run: its folder, a bundle, or task/method/seed0-1a2b3c4d.", autocompletion=complete_run
    ),
]


Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DIR | NAME=DIR",
        help="Folder with the patients, by default that of UAD_BENCH_DATA; NAME=DIR for each of several cohorts.",
        show_default=False,
    ),
]


def root_of(data: list[str] | None) -> Path | None:
    """The data folder of `--data`."""
    from uad_bench.datasets.cohort import data_root

    return data_root(data or ())


Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ID", help="Leave this patient out; may be repeated.", show_default=False),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where the method computes; auto uses a GPU if there is one."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a hyperparameter, budget.steps, or task.<field>; the value is JSON or text.",
        show_default=False,
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Python file with additional methods.", show_default=False),
]


def print_result(document: Any, view: Any, *, json: bool) -> None:
    """Write a result to standard output: the document as JSON, or the view as text."""
    from uad_bench.console import stdout

    print_json(document) if json else stdout().print(view)


def print_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")
