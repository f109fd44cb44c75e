"""`uad-bench export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import RUNS, Data, RunName, Runs


def export(
    run: RunName,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    policy: Annotated[
        Literal["hFPR1", "hFPR5", "valDice", "oracle"], typer.Option(help="Threshold policy of the masks.")
    ] = "hFPR5",
    data: Data = None,
    runs: Runs = RUNS,
) -> None:
    """Write score maps and masks as NIfTI in the space of the original scans, and a methods section with references."""
    from uad_bench.console import reporting, stderr
    from uad_bench.output.export import export_run
    from uad_bench.runs.folder import open_run

    with reporting() as reporter:
        written = export_run(open_run(Path(runs), run), to, data=data, policy=policy, report=reporter)
    stderr().print(f"{len(written)} files in {to}", markup=False)
