"""Reading the results of a leaderboard from a folder of runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from uad_bench.boards.reproduction import command_of
from uad_bench.boards.result import Result, Values
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.evaluation.rescore import read_rescored, rescore
from uad_bench.method import Progress
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.integrity import untouched_record
from uad_bench.runs.manifest import Manifest
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import NO_NUMBERS, RunRecord
from uad_bench.runs.replicates import load_replicates
from uad_bench.runs.stored_experiment import StoredExperiment

Report = Callable[[Progress], None]
CHAINS = ("none", "common")
"""Chains that `rescore` adds: lesion and surface metrics of raw maps, and all metrics after the common chain."""


def read_results(root: Path, task: str, *, verify: bool = False) -> list[Result]:
    """All runs of a task, including failed ones, sorted by path.

    Args:
        root: the runs folder.
        task: name of the task.
        verify: compare every map with its digest first.

    Raises:
        ConfigError: there are no runs.
        VerificationError: a record or a score map was changed after it was written.
    """
    runs = find_runs(root, task)
    if not runs:
        raise ConfigError(
            f"no runs of task {task!r} in {root}; create one with: uad-bench run --task {task} --method NAME"
        )
    return [read_result(run, verify=verify) for run in runs]


def read_result(run: Run, *, verify: bool = False) -> Result:
    """The result of one run.

    Raises:
        VerificationError: its record, or a table in its folder, was changed after it was written.
    """
    record = untouched_record(run)
    maps = _map_digests(run)
    complete = record.status == "ok" and bool(maps) and all(_map_files(run).get(name) for name in maps)
    if verify and complete:
        _require_digests(run, maps)
    rescored, draws = _rescored(run, record) if record.status == "ok" else ((), {})
    result = Result(
        record=record,
        replicates={**(load_replicates(run) if run.replicates.exists() and record.status == "ok" else {}), **draws},
        rescored=rescored,
        maps=maps,
        experiment=_experiment(run),
        verified=verify and complete,
        present=complete,
    )
    return replace(result, command=command_of(result))


def complete(run: Run, *, data: Path | None, report: Report) -> None:
    """Compute missing lesion metrics and post-processed scores of a finished run whose maps are on this machine."""
    record = run.read_record()
    if record.status != "ok" or not read_result(run).present:
        return
    for chain in CHAINS:
        if read_rescored(run, record.task.protocol, chain) is None:
            rescore(run, data=data, chain=chain, report=report)


def _rescored(run: Run, record: RunRecord) -> tuple[tuple[MetricRow, ...], dict[str, Values]]:
    """Metric rows computed by `rescore` that the record lacks, and their replicates."""
    known = {(row.key, row.chain) for row in record.metrics}
    rows: list[MetricRow] = []
    replicates: dict[str, Values] = {}
    for chain in CHAINS:
        found, draws = read_rescored(run, record.task.protocol, chain) or (NO_NUMBERS, {})
        new = [row for row in found.metrics if (row.key, row.chain) not in known]
        rows += new
        ends = "" if chain == "none" else f"/{chain}"
        replicates |= {f"{row.key}{ends}": draws[row.key] for row in new if row.key in draws}
    return tuple(rows), replicates


def _map_digests(run: Run) -> dict[str, str]:
    """SHA-256 by subject; with folds, by fold and subject, because validation patients are scored in several folds."""
    if run.folds:
        return {f"{fold.path.name}/{name}": d for fold in run.folds for name, d in _map_digests(fold).items()}
    if not run.manifest.exists():
        return {}
    return {name: stored.sha256 for name, stored in Manifest.read(run.manifest).maps.items()}


def _map_files(run: Run) -> dict[str, Path]:
    """Existing maps by the same names as their digests."""
    if run.folds:
        return {f"{fold.path.name}/{name}": path for fold in run.folds for name, path in _map_files(fold).items()}
    names: Sequence[str] = list(_map_digests(run))
    return {name: run.map(name) for name in names if run.map(name).exists()}


def _require_digests(run: Run, digests: dict[str, str]) -> None:
    changed = [name for name, path in _map_files(run).items() if digest_file(path) != digests[name]]
    if changed:
        raise VerificationError(
            f"{run.path}: the score map of {', '.join(changed[:3])} was changed after it was written; "
            "remove the run and repeat it"
        )


def _experiment(run: Run) -> StoredExperiment | None:
    """The stored experiment; with folds it is in the folders of the folds."""
    for path in (run.experiment, *(fold.experiment for fold in run.folds)):
        if path.exists():
            return StoredExperiment.read(path)
    return None
