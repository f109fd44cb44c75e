"""Commands on score maps that exist: rescore, crosswalk, evaluate, compare, verify."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, Runs, Task, print_json

RunName = Annotated[str, typer.Argument(help="A run: its folder, or task/method/seed0-1a2b3c4d.")]


def rescore(
    run: RunName,
    data: Data = None,
    protocol: Annotated[str | None, typer.Option(help="By default the task's; see [b]list protocols[/b].")] = None,
    chain: Annotated[Literal["none", "common"], typer.Option(help="Post-processing of the maps.")] = "none",
    by: Annotated[str | None, typer.Option("--by", help="Also by this column of patients.csv.")] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Compute a run's numbers again from its stored maps, lesions and surfaces too, under any protocol."""
    from uad_bench.console import reporting, stdout
    from uad_bench.evaluation.rescore import rescore as compute
    from uad_bench.output.metric_table import metric_table
    from uad_bench.runs.folder import open_run

    with reporting() as reporter:
        document = compute(open_run(runs, run), data=data, protocol=protocol, chain=chain, by=by, report=reporter)
    if json:
        print_json(document.to_json())
    else:
        named = {"run": document.run, "protocol": document.protocol, "chain": document.chain}
        stdout().print(metric_table(document, **named))


def crosswalk(
    run: RunName,
    data: Data = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Only these; by default all that ship.")] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show what many papers would have printed for the same maps."""
    from uad_bench.console import reporting, stdout
    from uad_bench.evaluation.protocol import protocol_names
    from uad_bench.evaluation.rescore import crosswalk as compute
    from uad_bench.output.crosswalk_table import crosswalk_table
    from uad_bench.runs.folder import open_run

    found = open_run(runs, run)
    with reporting() as reporter:
        entries = compute(found, protocol or protocol_names(), data=data, report=reporter)
    if json:
        print_json({"run": str(found.path), "protocols": [entry.to_json() for entry in entries]})
    else:
        stdout().print(crosswalk_table(entries, run=str(found.path)))


def evaluate(
    maps: Annotated[Path, typer.Argument(help="Folder with PATIENT.nii.gz or PATIENT.npy, one map a patient.")],
    name: Annotated[str, typer.Option("--name", help="What the row is called.")],
    task: Task = "phantom",
    data: Data = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Judge its test patients, or [b]all[/b] labelled ones; by default the task's own split, else all.",
            show_default=False,
        ),
    ] = None,
    threshold_maps: Annotated[
        Path | None, typer.Option("--threshold-maps", help="Maps of validation patients.", show_default=False)
    ] = None,
    npy_orientation: Annotated[
        Literal["scan", "ras"] | None,
        typer.Option(
            help="Axes of .npy maps: [b]scan[/b] as the scan's file stores them, [b]ras[/b] turned to canonical RAS+. "
            "Needed where the scans are not stored as RAS+.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Judge score maps made by any program; they become a run like any other."""
    from uad_bench.benchmark.evaluate_maps import MERGED, Submission, evaluate_maps
    from uad_bench.console import reporting, stderr, stdout
    from uad_bench.output.metric_table import metric_table

    given = Submission(
        folder=maps,
        name=name,
        task=task,
        data=data,
        split=split,
        threshold_maps=threshold_maps,
        npy_orientation=npy_orientation,
    )
    with reporting() as reporter:
        record = evaluate_maps(given, runs=runs, report=reporter)
    for maps_merged in (warning.count for warning in record.warnings if warning.kind == MERGED):
        stderr().print(
            f"warning: float32 makes distinct scores equal in {maps_merged} maps, which changes their order there",
            markup=False,
        )
    if json:
        print_json(record.to_json())
    elif record.status == "ok":
        stdout().print(metric_table(record, run=record.run, protocol=record.task.protocol, chain="none"))
    if record.status != "ok":
        stderr().print(f"FAILED({record.reason}): {record.message}", markup=False)
        return 2
    return 0


def verify(
    target: Annotated[
        str, typer.Argument(help="A run, a folder of runs, a board's folder or .md, or all boards' folder.")
    ],
    data: Data = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Recompute every metric from scans and score maps with an independent implementation, and check the event log.

    Whatever differs is named, and the exit code is 5.

    A run whose score maps are not here is unverifiable: its digests are checked, and the exit code is 3.
    """
    from uad_bench.console import reporting, stdout
    from uad_bench.verification.verify_board import verify as compute

    with reporting() as reporter:
        results = compute(target, runs=runs, data=data, report=reporter)
    if json:
        print_json({"results": [result.to_json() for result in results]})
    else:
        for result in results:
            stdout().print(str(result), markup=False)
    return max((result.exit_code for result in results), default=0)


def compare(
    run: Annotated[list[str], typer.Argument(help="Runs of two methods or more; several seeds of one count together.")],
    metric: Annotated[str, typer.Option(help="auprc, auroc, or with a threshold as dice@hFPR5.")] = "auprc",
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Say whether one method beats another, by how much, how surely, and what it would take to know."""
    from uad_bench.boards.comparison import compare as compute
    from uad_bench.console import stdout
    from uad_bench.output.comparison_table import comparison_tables
    from uad_bench.runs.folder import open_run

    comparison = compute([open_run(runs, name) for name in run], metric=metric)
    if json:
        print_json(comparison.to_json())
    else:
        stdout().print(comparison_tables(comparison))
