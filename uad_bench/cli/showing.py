"""`uad-bench show`, `list`, `machine`, `export` and `report`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import (
    RUNS,
    AsJson,
    Data,
    Plugins,
    RunName,
    Runs,
    complete_run,
    print_json,
    print_result,
    root_of,
)
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
        case ["method" | "task" as kind, name]:
            _show_configuration(kind, name, profile, list(plugin or ()), json=json)
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


def _show_configuration(kind: str, name: str, profile: str | None, plugins: list[Path], *, json: bool) -> None:
    from uad_bench.api.arguments import named_method
    from uad_bench.output.configuration import method_configuration, task_configuration

    if kind == "task":
        shown = task_configuration(name)
    else:
        shown = method_configuration(named_method(name, plugins), profile, plugins)
    print_json(shown.to_json()) if json else typer.echo(shown.to_toml(), nl=False)


def machine(json: AsJson = False) -> None:
    """Show how methods are isolated on this machine, and its hardware, as they are stored in records."""
    from uad_bench.console import stdout
    from uad_bench.execution.sandbox import isolation_available
    from uad_bench.runs.environment import hardware
    from uad_bench.runs.events import MEANING

    isolation, found = isolation_available(), hardware()
    if json:
        print_json({"isolation": isolation, **found})
        return
    lines = {
        "isolation": f"{isolation} ({MEANING[isolation]})",
        "processor": f"{found['cpu']}, {found['cores']} cores",
        "memory": f"{found['memory_mib']} MiB",
        "gpus": ", ".join(found["gpu"]) or "none",
        "system": found["system"],
    }
    for name, text in lines.items():
        stdout().print(f"{name:<10} {text}", markup=False)


Kind = Literal["methods", "datasets", "cohorts", "tasks", "protocols", "splits", "runs"]


def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """List methods, tasks, protocols, splits and runs."""
    from uad_bench.output.inventory import INVENTORY, inventory_table

    rows = INVENTORY[kind](Path(runs), tuple(plugin or ()))
    print_result({kind: rows}, inventory_table(kind, rows), json=json)


def export(
    run: RunName,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    policy: Annotated[
        Literal["hFPR1", "hFPR5", "valDice", "oracle"], typer.Option(help="Threshold policy of the masks.")
    ] = "hFPR5",
    form: Annotated[
        Literal["nifti", "bids", "hf-card"],
        typer.Option("--format", help="NIfTI files, a BIDS derivatives dataset, or a Hugging Face model card."),
    ] = "nifti",
    data: Data = None,
    runs: Runs = RUNS,
) -> None:
    """Write score maps and masks as NIfTI in the space of the original scans, and a methods section with references.

    `--format hf-card` writes a model card and the weights instead; it needs no data.
    """
    from uad_bench.console import reporting, stderr
    from uad_bench.output.export import export_run
    from uad_bench.output.model_card import write_model_card
    from uad_bench.runs.opening import open_run

    if form == "hf-card":
        written = write_model_card(open_run(Path(runs), run), to)
    else:
        with reporting() as reporter:
            stored = open_run(Path(runs), run)
            written = export_run(stored, to, data=root_of(data), policy=policy, layout=form, report=reporter)
    stderr().print(f"{len(written)} files in {to}", markup=False)


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN…", help="Runs: folders, bundles, or task/method/seed0-1a2b3c4d.", autocompletion=complete_run
        ),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="Report all runs of this task.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    figures: Annotated[Path | None, typer.Option(help="Folder to also write every figure to, as PNG and SVG.")] = None,
    data: Data = None,
    images: Annotated[
        bool | None,
        typer.Option("--with-images/--no-images", help="Show slices; by default only those of the embedded phantom."),
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """Write an interactive HTML report on runs of a task: tables, figures, and slices with a threshold slider."""
    from uad_bench.console import reporting, stderr
    from uad_bench.errors import ConfigError
    from uad_bench.output.report.building import write_report
    from uad_bench.runs.folder import find_runs
    from uad_bench.runs.opening import open_run

    root = Path(runs)
    chosen = [open_run(root, name, maps=True) for name in names or ()] or (find_runs(root, task) if task else [])
    if not chosen:
        raise ConfigError(f"nothing to report in {root}: name runs, or all runs of a task with --task NAME")
    with reporting() as reporter:
        write_report(chosen, output, data=root_of(data), images=images, figures=figures, report=reporter)
    stderr().print(f"{output} ({output.stat().st_size / 1e6:.1f} MB)", markup=False)
