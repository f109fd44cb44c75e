"""`uad-bench show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, Runs, print_json

if TYPE_CHECKING:
    from uad_bench.output.slice_drawing import SliceView
    from uad_bench.runs.folder import Run
    from uad_bench.runs.tables import Curve


def show(
    run: Annotated[str, typer.Argument(help="A run: its folder, or task/method/seed0-1a2b3c4d.")],
    sweep: Annotated[bool, typer.Option("--sweep", help="Draw Dice against the threshold.")] = False,
    slices: Annotated[
        bool, typer.Option("--slices", help="Draw a slice of the worst, the median and the best patient.")
    ] = False,
    data: Data = None,
    images: Annotated[
        bool | None,
        typer.Option("--with-images/--no-images", help="Draw slices; by default only those of the embedded phantom."),
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show one run: its numbers by threshold policy and by patient."""
    from uad_bench.console import stdout
    from uad_bench.output.run_view import RunView
    from uad_bench.runs.folder import open_run
    from uad_bench.runs.integrity import untouched_record
    from uad_bench.runs.tables import read_patients

    found = open_run(Path(runs), run)
    record = untouched_record(found)
    if json:
        print_json(record)
    elif slices:
        stdout().print(_slices(found, data, images))
    else:
        stdout().print(RunView(record, read_patients(found), _curve(found) if sweep else None))


def _slices(run: "Run", data: Path | None, images: bool | None) -> "SliceView":
    from uad_bench.console import reporting
    from uad_bench.output.slice_choice import find_slices
    from uad_bench.output.slice_drawing import SliceView

    with reporting() as reporter:
        return SliceView(find_slices(run, data=data, images=images, report=reporter))


def _curve(run: "Run") -> "Curve":
    from uad_bench.errors import ConfigError
    from uad_bench.runs.tables import read_curve

    if run.folds:
        raise ConfigError(f"{run.path}: each fold has a sweep of its own; show one, such as {run.folds[0].path}")
    curve = read_curve(run)
    if curve is None:
        raise ConfigError(f"{run.path}: has no sweep: it failed, or no test patient has an anomaly")
    return curve
