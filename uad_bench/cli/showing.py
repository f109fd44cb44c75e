"""`uad-bench show`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Plugins, Runs, print_json
from uad_bench.errors import ConfigError

HOW = "uad-bench show RUN, uad-bench show method NAME, or uad-bench show task NAME"


def show(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="A run: its folder, a bundle, or task/method/seed0-1a2b3c4d. Or [b]method[/b] NAME, [b]task[/b] NAME.",
        ),
    ],
    profile: Annotated[str | None, typer.Option(help="With a method: default or published.")] = None,
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show the metrics of a run; or all settings of a method or task, as TOML to copy from."""
    match words:
        case ["method", name]:
            _show_method(name, profile, list(plugin or ()), json=json)
        case ["task", name]:
            _show_task(name, json=json)
        case [name]:
            _show_run(name, runs, json=json)
        case _:
            raise ConfigError(f"{' '.join(words)!r} is not something to show: {HOW}")


def _show_run(name: str, runs: Path, *, json: bool) -> None:
    from uad_bench.console import stdout
    from uad_bench.evaluation.reconstructions import read_reconstructions
    from uad_bench.output.run_view import RunView
    from uad_bench.runs.integrity import untouched_record
    from uad_bench.runs.opening import open_run
    from uad_bench.runs.tables import read_patients

    found = open_run(Path(runs), name)
    record = untouched_record(found)
    if json:
        print_json(record.to_json())
    else:
        stdout().print(RunView(record, read_patients(found), read_reconstructions(found)))


def _show_method(name: str, profile: str | None, plugins: list[Path], *, json: bool) -> None:
    from uad_bench.api.arguments import named_method
    from uad_bench.output.configuration import method_configuration

    shown = method_configuration(named_method(name, plugins), profile, plugins)
    print_json(shown.to_json()) if json else typer.echo(shown.to_toml(), nl=False)


def _show_task(name: str, *, json: bool) -> None:
    from uad_bench.output.configuration import task_configuration

    shown = task_configuration(name)
    print_json(shown.to_json()) if json else typer.echo(shown.to_toml(), nl=False)
