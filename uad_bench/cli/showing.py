"""`uad-bench show` and `uad-bench leaderboard`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Runs, Task, print_json

leaderboard = typer.Typer(help="Tables of all runs of a task.", no_args_is_help=True)


def show(
    run: Annotated[str, typer.Argument(help="A run: its folder, or task/method/seed0-1a2b3c4d.")],
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show one run."""
    from uad_bench.console import stdout
    from uad_bench.runs import open_run
    from uad_bench.tables import run_table

    record = open_run(Path(runs), run).read_record()
    if json:
        print_json(record)
    else:
        stdout().print(run_table([record], runs=runs))


@leaderboard.command("show")
def leaderboard_show(task: Task = "phantom", runs: Runs = RUNS, json: AsJson = False) -> None:
    """Rank all runs of a task."""
    from uad_bench.console import stdout
    from uad_bench.leaderboard import leaderboard_records
    from uad_bench.tables import by_auprc, run_table

    records = leaderboard_records(Path(runs), task)
    if json:
        print_json({"task": task, "rows": by_auprc(records)})
    else:
        stdout().print(run_table(records, runs=runs))
