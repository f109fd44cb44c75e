"""Finds a stored run's patients and references again, and refuses other data than the run had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from uad_bench.config import Task, validate
from uad_bench.data.cache import cache_root
from uad_bench.data.census import data_digest, take_census
from uad_bench.data.cohort import Cohort, open_dataset
from uad_bench.data.splits import Split
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import read_json
from uad_bench.method import Progress
from uad_bench.runs.folder import Run

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished run with its patients.

    Attributes:
        part: `fold0` and so on for a fold, else empty.
    """

    run: Run
    record: dict[str, Any]
    cohort: Cohort
    split: Split
    part: str = ""


def open_stored(run: Run, data: Path | None, report: Report) -> tuple[Stored, ...]:
    """The run, or each of its folds, with the references it was judged by.

    Raises:
        DataError: the data is not found, or is not what the run was made from.
    """
    runs = run.folds or (run,)
    records = [one.read_record() for one in runs]
    cohort = gather_again(runs[0], records, data, report)
    parts = (one.path.name if run.folds else "" for one in runs)
    return tuple(
        Stored(one, record, cohort, _split(record), part)
        for one, record, part in zip(runs, records, parts, strict=True)
    )


def gather_again(run: Run, records: list[dict[str, Any]], data: Path | None, report: Report) -> Cohort:
    """The cohort of stored runs: the same patients, whose voxels must be the same."""
    task = stored_task(run)
    used = {name for record in records for names in record["subjects"].values() for name in names}
    subjects = {s.id: s for s in open_dataset(task, data, report=report).subjects() if s.id in used}
    if missing := sorted(used - set(subjects)):
        raise DataError(
            f"{run.path}: {len(missing)} of its {len(used)} patients are not in the data, first {missing[0]}"
        )
    census = take_census(list(subjects.values()), task.modalities, cache=cache_root(), report=report)
    digest = data_digest(census)
    if digest != records[0]["task"]["data_digest"]:
        raise DataError(
            f"{run.path}: the data there is not what the run was made from (digest {digest[:8]}, "
            f"the record says {records[0]['task']['data_digest'][:8]}); name the right folder with --data DIR"
        )
    return Cohort(task, subjects, census, tuple(map(_split, records)), digest)


def stored_task(run: Run) -> Task:
    """The task as it was when the run was made."""
    stored = read_json(run.experiment).get("task")
    if not isinstance(stored, dict):
        raise ConfigError(f"{run.experiment}: says no task")
    known = {f.name for f in fields(Task)}
    return validate(Task, {key: value for key, value in stored.items() if key in known}, str(run.experiment))


def _split(record: dict[str, Any]) -> Split:
    """The split as the record has it; its digest is checked by `verify`."""
    roles = {role: tuple(record["subjects"].get(role, ())) for role in ("train", "val", "test")}
    return Split(name=record["task"]["split"]["name"], note=record["task"]["split"]["note"], **roles)
