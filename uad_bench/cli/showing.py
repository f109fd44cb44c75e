"""`uad-bench show`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Runs, print_json


def show(
    run: Annotated[str, typer.Argument(help="A run: its folder, or task/method/seed0-1a2b3c4d.")],
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show the metrics of a run, by threshold policy and by patient. The command `report` shows curves and slices."""
    from uad_bench.console import stdout
    from uad_bench.output.run_view import RunView
    from uad_bench.runs.folder import open_run
    from uad_bench.runs.integrity import untouched_record
    from uad_bench.runs.tables import read_patients

    found = open_run(Path(runs), run)
    record = untouched_record(found)
    if json:
        print_json(record.to_json())
    else:
        stdout().print(RunView(record, read_patients(found)))
