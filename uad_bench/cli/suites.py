"""`uad-bench suite`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, Device, Plugins, Runs, print_json, root_of

if TYPE_CHECKING:
    from uad_bench.suites.states import Place, Standing
    from uad_bench.suites.suite import Suite

suite = typer.Typer(help="Run a matrix of methods, seeds, pairs and tasks.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="FILE", help="A suite's TOML file, or a shipped suite's name.")]


@suite.command("run")
def suite_run(
    name: Name,
    data: Data = None,
    executor: Annotated[Literal["local", "slurm"], typer.Option(help="Where the runs are executed.")] = "local",
    jobs: Annotated[int, typer.Option(min=1, help="Number of parallel runs on this machine.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Repeat failed runs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would run.")] = False,
    device: Device = "auto",
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Run what has not finished yet; finished runs are kept."""
    from uad_bench.console import stderr
    from uad_bench.suites.slurm import queued
    from uad_bench.suites.states import State, survey

    chosen, places = _open(name, root_of(data), device, plugin, runs, only_shown=dry_run and not json)
    folder = _folder(runs, chosen)
    untouched, waiting = {State.DONE, *([] if retry_failed else [State.FAILED])}, queued(folder)
    left = [s.place for s in survey(places) if s.state not in untouched and s.name not in waiting]
    if dry_run:
        stderr().print(f"{len(left)} of {len(places)} runs would start")
    elif left:
        _execute(chosen, places, left, executor=executor, jobs=jobs, folder=folder)
    waiting = queued(folder)
    standings = survey(places, queued=waiting)
    _show(chosen, standings, folder, json=json)
    if not (dry_run or json) and any(s.state is State.DONE for s in standings):
        stderr().print(f"Next: uad-bench leaderboard show --task {standings[0].place.cell.request.task}", markup=False)
    return 0 if dry_run or all(s.state is State.DONE or s.name in waiting for s in standings) else 2


@suite.command("status")
def suite_status(
    name: Name, data: Data = None, plugin: Plugins = None, runs: Runs = RUNS, json: AsJson = False
) -> None:
    """Show the state of every run."""
    from uad_bench.suites.slurm import queued
    from uad_bench.suites.states import survey

    chosen, places = _open(name, root_of(data), "auto", plugin, runs)
    folder = _folder(runs, chosen)
    _show(chosen, survey(places, queued=queued(folder)), folder, json=json)


@suite.command("plan")
def suite_plan(
    name: Name,
    data: Data = None,
    device: Device = "auto",
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Time twenty steps of each method on each task, and say what the runs that are left would take."""
    from uad_bench.console import reporting, stdout
    from uad_bench.suites.plan import duration, plan_suite, sentences
    from uad_bench.suites.states import State, survey

    _, places = _open(name, root_of(data), device, plugin, runs)
    with reporting() as reporter:
        left = [s.place.cell for s in survey(places) if s.state is not State.DONE]
        plans = plan_suite(left, reporter)
    total = sum(plan.total_s * count for plan, count in plans)
    if json:
        print_json({"total_s": total, "plans": [{**asdict(plan), "runs": count} for plan, count in plans]})
        return
    for plan, count in plans:
        stdout().print(f"{count} x {next(sentences(plan))}", markup=False)
    disk = sum(plan.disk_mb * count for plan, count in plans) / 1e3
    stdout().print(f"{sum(count for _, count in plans)} runs: {duration(total)} one after another, {disk:.1f} GB")


@suite.command("cancel")
def suite_cancel(name: Name, runs: Runs = RUNS) -> None:
    """Stop a suite: terminate its local process and cancel its Slurm jobs."""
    from uad_bench.console import stdout
    from uad_bench.suites.control import stop_local
    from uad_bench.suites.slurm import cancel
    from uad_bench.suites.suite import load_suite

    folder = _folder(runs, load_suite(name))
    stopped, cancelled = stop_local(folder), cancel(folder)
    stdout().print(f"{'stopped the local run' if stopped else 'no local run'}, cancelled {cancelled} Slurm jobs")


def _open(
    name: str, data: Path | None, device: str, plugin: list[Path] | None, runs: Path, *, only_shown: bool = False
) -> tuple["Suite", list["Place"]]:
    from uad_bench.benchmark.request import Request
    from uad_bench.console import reporting
    from uad_bench.suites.states import locate
    from uad_bench.suites.suite import cells_of, load_suite

    chosen = load_suite(name)
    common = Request(method="", data=data, device=device, plugins=(*chosen.plugins, *(plugin or ())), runs=Path(runs))
    with reporting() as reporter:
        return chosen, locate(cells_of(chosen, common), reporter, only_shown=only_shown)


def _execute(
    chosen: "Suite", places: list["Place"], left: list["Place"], *, executor: str, jobs: int, folder: Path
) -> None:
    from uad_bench.console import stderr
    from uad_bench.suites.control import run_locally
    from uad_bench.suites.slurm import several_machines, submit

    if executor == "local":
        run_locally(places, left, title=chosen.name, jobs=jobs, folder=folder)
        return
    ids = submit(left, folder=folder, options={**several_machines(chosen.nodes), **chosen.slurm})
    stderr().print(f"{len(ids)} runs queued as Slurm array {next(iter(ids.values())).partition('_')[0]}")


def _folder(runs: Path, chosen: "Suite") -> Path:
    from uad_bench.files import safe_name

    return Path(runs) / ".suites" / safe_name(chosen.name, "suite")


def _show(chosen: "Suite", standings: list["Standing"], folder: Path, *, json: bool) -> None:
    from uad_bench.console import stdout
    from uad_bench.suites.control import newest_log
    from uad_bench.suites.states import State, failures, suite_table

    logs = {s.name: log for s in standings if (log := newest_log(folder, s.place))}
    if json:
        print_json({"suite": chosen.name, "cells": [_row(s, logs.get(s.name)) for s in standings]})
        return
    console = stdout()
    console.print(suite_table(standings, title=chosen.name, width=console.width))
    for text in failures(standings):
        console.print(text, markup=False)
    for standing in standings:
        if standing.state in {State.FAILED, State.STOPPED, State.QUEUED} and standing.name in logs:
            console.print(f"log of {standing.name}: {logs[standing.name]}", markup=False, soft_wrap=True)


def _row(standing: "Standing", log: Path | None) -> dict[str, Any]:
    record = standing.record
    return {
        "cell": standing.name,
        "state": standing.state,
        "run": str(standing.place.run.path),
        "seconds": standing.seconds,
        "cost": record.cost.to_json() if record else None,
        "reason": record.reason if record else None,
        "log": str(log) if log else None,
    }
