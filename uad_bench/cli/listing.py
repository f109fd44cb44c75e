"""`uad-bench list`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Plugins, Runs, print_json

Kind = Literal["methods", "datasets", "cohorts", "tasks", "protocols", "splits", "runs"]


def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    plugin: Plugins = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """List methods, tasks, protocols, splits and runs."""
    from uad_bench.console import stdout
    from uad_bench.output.inventory import INVENTORY, inventory_table

    rows: list[dict[str, Any]] = INVENTORY[kind](Path(runs), tuple(plugin or ()))
    if json:
        print_json({kind: rows})
    else:
        stdout().print(inventory_table(kind, rows))
