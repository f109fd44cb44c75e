"""Reading the results of a leaderboard from a folder of runs, each with the command that reproduces it."""

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path

from uad_bench.boards.result import Result, Values
from uad_bench.config import Profile, Task, load_profile, load_task
from uad_bench.data.splits import EVERYBODY
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, VerificationError, similar, unknown
from uad_bench.evaluation.rescore import read_rescored, rescore
from uad_bench.method import Report
from uad_bench.resources import resource_names
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.integrity import untouched_record
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import NO_NUMBERS, RunRecord
from uad_bench.runs.tables import load_replicates

CHAINS = ("none", "common")
"""Chains that `rescore` adds: lesion and surface metrics of raw maps, and all metrics after the common chain."""


def read_results(root: Path, task: str, *, verify: bool = False) -> list[Result]:
    """All runs of a task, including failed ones, sorted by path.

    Args:
        verify: compare every map with its digest first.

    Raises:
        ConfigError: there are no runs; if no task has this name, the message suggests similar ones.
        VerificationError: a record or a score map was changed after it was written.
    """
    runs = find_runs(root, task)
    if not runs:
        known = {*resource_names("configs/tasks", ".toml"), *(run.path.parents[1].name for run in find_runs(root))}
        if task not in known and similar(task, known):
            raise unknown("task", task, known)
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
    maps = list(_stored_maps(run))
    complete = record.status == "ok" and bool(maps) and all(path.exists() for _, path, _ in maps)
    if verify and complete:
        _require_digests(run)
    parts = (run.experiment, *(fold.experiment for fold in run.folds))  # with folds it is in the folders of the folds
    stored = [path for path in parts if path.exists()]
    rescored, draws = _rescored(run, record) if record.status == "ok" else ((), {})
    result = Result(
        record=record,
        replicates={**(load_replicates(run) if run.replicates.exists() and record.status == "ok" else {}), **draws},
        rescored=rescored,
        maps={name: digest for name, _, digest in maps},
        experiment=StoredExperiment.read(stored[0]) if stored else None,
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


def _stored_maps(run: Run) -> Iterator[tuple[str, Path, str]]:
    """Name, file and SHA-256 of each map; with folds, the name contains the fold, since they share patients."""
    for part in run.folds or (run,):
        prefix = f"{part.path.name}/" if run.folds else ""
        maps = Manifest.read(part.manifest).maps if part.manifest.exists() else {}
        yield from ((f"{prefix}{name}", part.map(name), stored.sha256) for name, stored in maps.items())


def _require_digests(run: Run) -> None:
    changed = [name for name, path, digest in _stored_maps(run) if digest_file(path) != digest]
    if changed:
        raise VerificationError(
            f"{run.path}: the score map of {', '.join(changed[:3])} was changed after it was written; "
            "remove the run and repeat it"
        )


NEVER_SET = {"name", "summary", "pair", "split", "budget"}


def command_of(result: Result) -> str:
    """`uad-bench run --method … --seed …` with every option that differs from the shipped task and profile.

    If the number of threads was set, it precedes the command, because the trained weights depend on it.
    """
    threads = result.record.environment.settings.get("OMP_NUM_THREADS")
    return (f"OMP_NUM_THREADS={shlex.quote(threads)} " if threads else "") + shlex.join(_words(result))


def _words(result: Result) -> list[str]:
    if result.experiment and result.experiment.members:
        return ["uad-bench", "combine", *result.experiment.members, "--name", result.method]
    weights = result.record.method.weights
    if weights and not weights.further:
        return ["uad-bench", "score", weights.run, *_applied(result)]
    words = ["uad-bench", "run", "--method", result.method, "--task", result.record.task.name]
    return [*words, *_choices(result), "--seed", str(result.seed)]


def _applied(result: Result) -> Iterator[str]:
    """Options of `score` that choose the patients."""
    task = result.record.task
    yield from ("--task", task.name)
    if task.dataset != "phantom":
        yield from ("--data", "DIR")
    if task.split.name != EVERYBODY:
        yield from ("--split", result.experiment.task.split if result.experiment else task.split.name)


def _choices(result: Result) -> Iterator[str]:
    record, asked = result.record, result.experiment
    task = None
    with suppress(ConfigError):  # not shipped
        task = load_task(record.task.name)
    profile = (asked or record.method).profile or "default"
    if task is None or task.dataset != "phantom":
        yield from ("--data", "DIR")
    if record.method.weights:
        yield from ("--from", record.method.weights.run)
    if profile != "default":
        yield from ("--profile", profile)
    if record.n_folds:
        yield from ("--folds", str(record.n_folds))
    if asked is None:
        return
    if task is not None:
        yield from _changes_of_task(asked.task, task)
    yield from _changes_of_profile(asked, result.method, profile)


def _changes_of_profile(asked: StoredExperiment, method: str, profile: str) -> Iterator[str]:
    known = Profile()
    with suppress(ConfigError):  # of another version, so every parameter is stated
        known = load_profile(method, profile)[1]
    if (precision := asked.precision or "auto") != known.precision:
        yield from ("--set", f"precision={precision}")
    for key, value in asked.params.items():
        if known.params.get(key) != value:
            yield from ("--set", f"{key}={json.dumps(value)}")


def _changes_of_task(asked: Task, task: Task) -> Iterator[str]:
    if asked.pair != task.pair:
        yield from ("--pair", ":".join(asked.pair))
    if asked.split != task.split:
        yield from ("--split", asked.split)
    for key, value in asdict(asked.budget).items():
        if value != getattr(task.budget, key):
            yield from ("--set", f"budget.{key}={json.dumps(value)}")
    for field in fields(Task):
        value = getattr(asked, field.name)
        if field.name not in NEVER_SET and value != getattr(task, field.name):
            yield from ("--set", f"task.{field.name}={json.dumps(value)}")
