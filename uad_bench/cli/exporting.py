"""`uad-bench export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import RUNS, Data, RunName, Runs, root_of


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
