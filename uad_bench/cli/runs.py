"""`uad-bench runs` and `uad-bench bundle`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from uad_bench.cli.options import RUNS, AsJson, RunName, Runs, complete_run, print_json
from uad_bench.errors import ConfigError

if TYPE_CHECKING:
    from uad_bench.runs.folder import Run

runs = typer.Typer(help="List runs with their sizes, and remove them.", no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@runs.command("ls")
def runs_ls(runs: Runs = RUNS, json: AsJson = False) -> None:
    """List all runs: the settings in which they differ, status, AUPRC and size."""
    from uad_bench.cli.showing import list_

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
        stderr().print(f"{run.name}  {write_size(size_of(run.path))}", markup=False)
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


class RunOrCommand(TyperGroup):
    """`bundle RUN` with a path, such as `bundle brats/ae/seed0`, is short for `bundle make RUN`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, ["make", *args] if args and "/" in args[0] else args)


bundle = typer.Typer(
    cls=RunOrCommand, help="Pack a run for sharing, and check bundles of others.", no_args_is_help=True
)


@bundle.command("make")
def make(
    run: RunName,
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write; its name ends in .zip.")],
    maps: Annotated[bool, typer.Option("--maps", help="Include the score maps, rounded to 65,536 levels.")] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Include the trained weights and, so that these patients are recognised, digests and coarse "
            "thumbnails (cells of about 8 mm) of the training scans.",
        ),
    ] = False,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Pack a run: record, tables, log and digests, but no images, labels or local paths."""
    from uad_bench.output.model_card import bundle_readme
    from uad_bench.runs.bundle import write_bundle
    from uad_bench.runs.opening import open_run
    from uad_bench.runs.removal import write_size

    found = open_run(Path(runs), run)
    write_bundle(found, output, maps=maps, weights=weights, readme=bundle_readme(found))
    if json:
        print_json({"bundle": str(output), "bytes": output.stat().st_size})
    else:
        typer.echo(f"{output}: {write_size(output.stat().st_size)}", err=True)


@bundle.command("check")
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")], json: AsJson = False) -> None:
    """Check the format and all digests of a bundle, without unpacking it. The command [b]verify[/b] checks more."""
    from uad_bench.runs.bundle_check import check_bundle

    record = check_bundle(file)
    if json:
        print_json({"bundle": file.name, "sound": True, "run": record.run})
    else:
        typer.echo(f"{file.name}: valid; contains {record.run}. Next: uad-bench show {file}, uad-bench verify {file}")
