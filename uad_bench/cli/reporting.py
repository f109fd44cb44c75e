"""`uad-bench report`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.completion import complete_run
from uad_bench.cli.options import RUNS, Data, Runs, root_of


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
