"""`uad-bench show`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Runs, print_json


def show(
    run: Annotated[str, typer.Argument(help="A run: its folder, or task/method/seed0-1a2b3c4d.")],
    sweep: Annotated[bool, typer.Option("--sweep", help="Draw Dice against the threshold.")] = False,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show one run: its numbers by threshold policy and by patient."""
    from uad_bench.console import stdout
    from uad_bench.errors import ConfigError
    from uad_bench.storage.run_tables import read_curve, read_patients
    from uad_bench.storage.runs import open_run
    from uad_bench.verification.integrity import untouched_record
    from uad_bench.views.run_view import RunView

    found = open_run(Path(runs), run)
    record = untouched_record(found)
    if json:
        print_json(record)
        return
    curve = read_curve(found) if sweep else None
    if sweep and curve is None:
        raise ConfigError(f"{record['run']} has no sweep: it failed, is over folds, or no test patient has an anomaly")
    stdout().print(RunView(record, read_patients(found), curve))
