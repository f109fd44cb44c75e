"""`uad-bench suite`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, Plugins, Runs, print_json

if TYPE_CHECKING:
    from uad_bench.suites.states import Place
    from uad_bench.suites.suite import Suite

suite = typer.Typer(help="Run a matrix of methods, seeds, pairs and tasks.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="FILE", help="A suite's TOML file, or a shipped suite's name.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option()]


@suite.command("run")
def suite_run(
    name: Name,
    data: Data = None,
    executor: Annotated[Literal["local", "slurm"], typer.Option(help="Where cells run.")] = "local",
    jobs: Annotated[int, typer.Option(min=1, help="Cells at a time on this machine.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run.")] = False,
    device: Device = "auto",
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Run every cell that is not done yet; finished cells are never run again."""
    from uad_bench.suites.states import State

    chosen, places = _open(name, data, device, plugin, runs)
    wanted = {State.WAITING, State.RUNNING, *([State.FAILED] if retry_failed else [])}
    left = [place for place in places if place.state in wanted]
    if not dry_run and left:
        _execute(chosen, places, left, executor=executor, jobs=jobs, folder=_folder(runs, chosen))
    _show(chosen, places, json=json)
    return 2 if any(place.state is State.FAILED for place in places) and not dry_run else 0


@suite.command("status")
def suite_status(
    name: Name, data: Data = None, plugin: Plugins = None, runs: Runs = RUNS, json: AsJson = False
) -> None:
    """Show where every cell stands."""
    chosen, places = _open(name, data, "auto", plugin, runs)
    _show(chosen, places, json=json)


@suite.command("cancel")
def suite_cancel(name: Name, runs: Runs = RUNS) -> None:
    """Stop a suite: end its local process, and cancel its Slurm jobs."""
    from uad_bench.console import stdout
    from uad_bench.suites.control import stop_local
    from uad_bench.suites.slurm import cancel
    from uad_bench.suites.suite import load_suite

    folder = _folder(runs, load_suite(name))
    stopped, cancelled = stop_local(folder), cancel(folder)
    stdout().print(f"{'stopped the local run' if stopped else 'no local run'}, cancelled {cancelled} Slurm jobs")


def _open(
    name: str, data: Path | None, device: str, plugin: list[Path] | None, runs: Path
) -> tuple["Suite", list["Place"]]:
    from uad_bench.benchmark import Request
    from uad_bench.console import reporting
    from uad_bench.suites.states import locate, require_some
    from uad_bench.suites.suite import cells_of, load_suite

    chosen = load_suite(name)
    common = Request(method="", data=data, device=device, plugins=tuple(plugin or ()), runs=Path(runs))
    with reporting() as reporter:
        places = locate(cells_of(chosen, common), reporter)
    require_some(places)
    return chosen, places


def _execute(
    chosen: "Suite", places: list["Place"], left: list["Place"], *, executor: str, jobs: int, folder: Path
) -> None:
    from uad_bench.suites.control import run_locally
    from uad_bench.suites.slurm import submit

    if executor == "slurm":
        submit(left, folder=folder, options=chosen.slurm)
    else:
        run_locally(places, left, title=chosen.name, jobs=jobs, folder=folder)


def _folder(runs: Path, chosen: "Suite") -> Path:
    from uad_bench.runs import safe_name

    return Path(runs) / ".suites" / safe_name(chosen.name, "suite")


def _show(chosen: "Suite", places: list["Place"], *, json: bool) -> None:
    from uad_bench.console import stdout
    from uad_bench.suites.progress import suite_table

    if json:
        rows: list[dict[str, Any]] = [
            {"cell": place.cell.name, "state": place.state, "run": str(place.run.path)} for place in places
        ]
        print_json({"suite": chosen.name, "cells": rows})
    else:
        stdout().print(suite_table(places, title=chosen.name))
