"""`uad-bench score`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.completion import complete_run
from uad_bench.cli.options import RUNS, AsJson, Data, Device, Exclude, Plugins, Runs, print_json, root_of


def score(
    run: Annotated[
        str,
        typer.Argument(
            help="A trained run (with cross-validation, one of its folds), or a bundle with weights.",
            autocompletion=complete_run,
        ),
    ],
    data: Data = None,
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="Task that describes the data and the protocol; by default the run's."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Score its validation and test patients; by default all.")] = None,
    exclude: Exclude = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:LEVEL]",
            help="Simulate an artefact in all scans and print the change of the metrics: bias-field, noise, gamma, "
            "resolution or ghosting; mild, moderate or severe. Repeatable; 'all' takes every kind and level.",
        ),
    ] = None,
    plugin: Plugins = None,
    device: Device = "auto",
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Stop the method after this many seconds per stage.")
    ] = None,
    memory_limit: Annotated[
        float | None, typer.Option(min=0, metavar="MIB", help="Stop it above this memory (MiB).")
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Apply a trained run to another cohort: write score maps and, with reference labels, compute metrics.

    Modality pair, slice size and intensity scaling are those used in training, whatever the task specifies.
    """
    from uad_bench.benchmark.score import Application, apply_run
    from uad_bench.console import reporting, stderr, stdout
    from uad_bench.execution.isolation import Limits
    from uad_bench.output.shift_table import shift_table
    from uad_bench.output.tables import run_table
    from uad_bench.runs.opening import open_run

    asked = Application(
        run=open_run(runs, run),
        data=root_of(data),
        task=task,
        split=split,
        exclude=tuple(exclude or ()),
        plugins=tuple(plugin or ()),
        device=device,
        runs=runs,
        limits=Limits(time_limit, memory_limit),
    )
    with reporting() as reporter:
        if perturb:
            records = [apply_run(replace(asked, perturb=each), reporter) for each in _perturbations(perturb)]
        else:
            record = apply_run(asked, reporter)
    if perturb:
        if json:
            print_json([each.to_json() for each in records])
        else:
            stdout().print(shift_table(asked.run.read_record(), records))
        return 2 if any(each.status == "failed" for each in records) else 0
    if json:
        print_json(record.to_json())
    elif record.status == "ok":
        stdout().print(run_table([record], runs=runs))
    if record.status == "failed":
        stderr().print(f"FAILED({record.reason}): {record.message}", markup=False)
        return 2
    if record.status == "unlabelled":
        maps = Path(runs) / record.run / "maps"
        stderr().print(
            f"{len(record.subjects.test)} score maps in {maps}; no reference labels found, metrics not computed"
        )
    return 0


def _perturbations(asked: Sequence[str]) -> list[str]:
    from uad_bench.data.perturbation import LEVELS, PERTURBATIONS, Perturbation

    every = [f"{kind}:{level}" for kind in PERTURBATIONS for level in LEVELS]
    return every if "all" in asked else [str(Perturbation.parse(text)) for text in asked]
