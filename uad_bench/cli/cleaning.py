"""`uad-bench runs`."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from uad_bench.cli.completion import complete_run
from uad_bench.cli.options import RUNS, AsJson, Runs
from uad_bench.errors import ConfigError

if TYPE_CHECKING:
    from uad_bench.runs.folder import Run

runs = typer.Typer(help="List runs with their sizes, and remove them.", no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@runs.command("ls")
def runs_ls(runs: Runs = RUNS, json: AsJson = False) -> None:
    """List all runs: the settings in which they differ, status, AUPRC and size."""
    from uad_bench.cli.listing import list_

    list_("runs", runs=runs, json=json)


@runs.command("rm")
def runs_rm(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…", help="Runs: folders, or task/method/seed0-1a2b3c4d.", autocompletion=complete_run
        ),
    ],
    yes: Yes = False,
    runs: Runs = RUNS,
) -> None:
    """Remove runs, with their weights and score maps. A run in progress is not removed."""
    from uad_bench.runs.opening import open_run
    from uad_bench.runs.removal import remove_run

    chosen = [open_run(runs, name) for name in names]
    _confirm("remove", chosen, yes=yes)
    _say(sum(remove_run(run, runs) for run in chosen))


@runs.command("prune")
def runs_prune(
    maps: Annotated[
        bool,
        typer.Option(
            "--maps",
            help="Remove the score maps of finished runs instead; their results stay, but cannot be verified or "
            "rescored until the run is repeated.",
        ),
    ] = False,
    yes: Yes = False,
    runs: Runs = RUNS,
) -> None:
    """Remove failed and interrupted runs. Runs in progress are kept."""
    from uad_bench.runs.folder import find_runs
    from uad_bench.runs.removal import remove_maps, remove_run, unfinished_runs

    if maps:
        finished = [run for run in find_runs(runs) if run.finished and not run.held]
        _confirm("remove the score maps of", finished, yes=yes)
        _say(sum(remove_maps(run, runs) for run in finished))
        return
    chosen = list(unfinished_runs(runs))
    _confirm("remove", chosen, yes=yes)
    _say(sum(remove_run(run, runs) for run in chosen))


def _confirm(action: str, chosen: Sequence["Run"], *, yes: bool) -> None:
    """List the runs and ask, unless there are none.

    Raises:
        ConfigError: the answer is not yes, or there is no terminal to ask.
    """
    from uad_bench.console import stderr
    from uad_bench.runs.removal import size_of, write_size

    for run in chosen:
        stderr().print(f"{run.name}  {write_size(size_of(run))}", markup=False)
    if yes or not chosen:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nothing was removed: there is no terminal to ask; add --yes")
    stderr().print(f"{action} {len(chosen)} run{'s' * (len(chosen) > 1)}? [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ConfigError("nothing was removed")


def _say(freed: int) -> None:
    from uad_bench.console import stdout
    from uad_bench.runs.removal import write_size

    stdout().print(f"freed {write_size(freed)}")
