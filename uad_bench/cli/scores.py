"""Commands on existing score maps: `rescore`, `crosswalk`, `evaluate`, `combine`, `compare` and `verify`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, Exclude, RunName, Runs, Task, print_json, print_result, root_of


def rescore(
    run: RunName,
    data: Data = None,
    protocol: Annotated[
        str | None, typer.Option(help="Evaluation protocol, by default the task's; see [b]list protocols[/b].")
    ] = None,
    chain: Annotated[Literal["none", "common"], typer.Option(help="Post-processing of the maps.")] = "none",
    by: Annotated[
        str | None, typer.Option("--by", help="Also report the groups given by this column of patients.csv.")
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Recompute a run's metrics from its stored maps under any protocol, including lesion and surface metrics."""
    from uad_bench.console import reporting
    from uad_bench.evaluation.rescore import rescore as compute
    from uad_bench.output.tables import metric_table
    from uad_bench.runs.opening import open_run

    with reporting() as reporter:
        document = compute(
            open_run(runs, run, maps=True), data=root_of(data), protocol=protocol, chain=chain, by=by, report=reporter
        )
    table = metric_table(document, run=document.run, protocol=document.protocol, chain=document.chain)
    print_result(document.to_json(), table, json=json)


def crosswalk(
    run: RunName,
    data: Data = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Only these protocols; by default all shipped ones.")
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Show what published evaluation protocols would report for the same maps, beside the papers' own numbers."""
    from uad_bench.console import reporting
    from uad_bench.evaluation.protocol import protocol_names
    from uad_bench.output.publishing import crosswalk_run
    from uad_bench.output.tables import crosswalk_table
    from uad_bench.runs.opening import open_run

    found = open_run(runs, run, maps=True)
    with reporting() as reporter:
        entries = crosswalk_run(found, protocol or protocol_names(), data=root_of(data), report=reporter)
    document = {"run": str(found.path), "protocols": [entry.to_json() for entry in entries]}
    print_result(document, crosswalk_table(entries, run=str(found.path)), json=json)


def evaluate(
    maps: Annotated[Path, typer.Argument(help="Folder with one score map per patient, PATIENT.nii.gz or PATIENT.npy.")],
    name: Annotated[str, typer.Option("--name", help="Name of the method in tables.")],
    task: Task = "phantom",
    data: Data = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Evaluate the test patients of this split, or [b]all[/b] labelled patients; by default the task's own "
            "split, else all.",
            show_default=False,
        ),
    ] = None,
    exclude: Exclude = None,
    threshold_maps: Annotated[
        Path | None,
        typer.Option("--threshold-maps", help="Folder with score maps of validation patients.", show_default=False),
    ] = None,
    npy_orientation: Annotated[
        Literal["scan", "ras"] | None,
        typer.Option(
            help="Axes of .npy maps: [b]scan[/b] as stored in the scan's file, [b]ras[/b] in canonical RAS+. "
            "Needed where the scans are not stored as RAS+.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Evaluate score maps made by any program and store the result as a run."""
    from uad_bench.benchmark.evaluate_maps import MERGED, Submission, evaluate_maps
    from uad_bench.console import reporting, stderr, stdout
    from uad_bench.output.tables import metric_table

    given = Submission(
        folder=maps,
        name=name,
        task=task,
        data=root_of(data),
        split=split,
        exclude=tuple(exclude or ()),
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


def combine(
    run: Annotated[list[str], typer.Argument(help="Two or more runs of one task and split.")],
    name: Annotated[str, typer.Option("--name", help="Name of the row in tables.")] = "ensemble",
    data: Data = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Average the ranks of several runs' score maps into a run of its own, without training.

    Ranks are taken over all patients of a run, so that one threshold holds for all of them.
    """
    from uad_bench.benchmark.combine import combine as compute
    from uad_bench.console import reporting
    from uad_bench.output.tables import metric_table
    from uad_bench.runs.opening import open_run

    members = [open_run(runs, each) for each in run]
    with reporting() as reporter:
        record = compute(members, name=name, data=root_of(data), root=runs, report=reporter)
    table = metric_table(record, run=record.run, protocol=record.task.protocol, chain="none")
    print_result(record.to_json(), table, json=json)


def verify(
    target: Annotated[
        str,
        typer.Argument(
            help="A run, a bundle, a folder of runs, a leaderboard (.md file or folder), or a folder of them."
        ),
    ],
    data: Data = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Recompute every metric from scans and score maps with an independent implementation, and check the event log.

    Differences are listed, and the exit code is then 5.

    A run without its score maps cannot be verified: only its digests are checked, and the exit code is 3.
    """
    from uad_bench.console import reporting, stdout
    from uad_bench.verification.verify_board import verify as compute

    with reporting() as reporter:
        results = compute(target, runs=runs, data=root_of(data), report=reporter)
    if json:
        print_json({"results": [result.to_json() for result in results]})
    else:
        for result in results:
            stdout().print(str(result), markup=False)
    return max((result.exit_code for result in results), default=0)


def compare(
    run: Annotated[list[str], typer.Argument(help="Runs of two or more methods; seeds of one method are averaged.")],
    metric: Annotated[
        str, typer.Option(help="auprc, auroc, or a metric at a threshold, such as dice@hFPR5.")
    ] = "auprc",
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Test whether methods differ significantly: difference, confidence interval, p-value and required sample size."""
    from uad_bench.boards.comparison import compare as compute
    from uad_bench.output.comparison_table import comparison_tables
    from uad_bench.runs.opening import open_run

    comparison = compute([open_run(runs, name) for name in run], metric=metric)
    print_result(comparison.to_json(), comparison_tables(comparison), json=json)
