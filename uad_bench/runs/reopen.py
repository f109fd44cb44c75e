"""Reopen a stored run with its patients, after checking that the data is unchanged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uad_bench.config import Task
from uad_bench.data.cache import cache_root
from uad_bench.data.census import data_digest, take_census
from uad_bench.data.cohort import Cohort, open_dataset
from uad_bench.data.split import Split
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import write_json
from uad_bench.method import Report
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import require_stored_maps
from uad_bench.runs.origin import StoredExperiment, digest_protocol
from uad_bench.runs.record import RunRecord


class LocalFacts(Document):
    """`local.json`: absolute path of the folder with the patients."""

    data: Path


def remember_data(run: Run, data: Path | None) -> None:
    """Write the data folder beside a finished run; nothing for embedded data."""
    if data is not None and run.finished:
        write_json(run.local, {"data": str(data.resolve())})


def remembered_data(run: Run) -> Path | None:
    """The data folder of a run, if it is known and still exists."""
    try:
        data = LocalFacts.read(run.local).data
    except ConfigError:
        return None
    return data if data.is_dir() else None


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished run with its patients.

    Attributes:
        part: `fold0` and so on for a fold, else empty.
    """

    run: Run
    record: RunRecord
    cohort: Cohort
    split: Split
    part: str = ""


def open_stored(run: Run, data: Path | None, report: Report, *, cache: Path | None = None) -> tuple[Stored, ...]:
    """Reopen a run, or each of its folds, with its patients, after checking that its maps are unchanged.

    Args:
        data: folder with the patients, if the task's data is not embedded; by default the one remembered with the run.
        cache: of scan metadata; defaults to the user's cache.

    Raises:
        DataError: the data is not found, or differs from the data of the run.
        VerificationError: a score map was changed after it was scored.
    """
    runs = run.folds or (run,)
    for one in runs:
        require_stored_maps(one)
    records = [one.read_record() for one in runs]
    cohort = gather_again(runs[0], records, data or remembered_data(run), report, cache=cache)
    parts = (one.path.name if run.folds else "" for one in runs)
    return tuple(
        Stored(one, record, cohort, _split(record), part)
        for one, record, part in zip(runs, records, parts, strict=True)
    )


def gather_again(
    run: Run, records: Sequence[RunRecord], data: Path | None, report: Report, *, cache: Path | None = None
) -> Cohort:
    """The cohort of stored runs; patients and voxels must be unchanged."""
    task = stored_task(run)
    used = {name for split in map(_split, records) for name in (*split.train, *split.val, *split.test)}
    dataset = open_dataset(task, data, report=report)
    subjects = {s.id: s for s in dataset.subjects() if s.id in used}
    if missing := sorted(used - set(subjects)):
        raise DataError(
            f"{run.path}: {len(missing)} of its {len(used)} patients are not in the data, first {missing[0]}"
        )
    census = take_census(list(subjects.values()), task.modalities, cache=cache or cache_root(), report=report)
    digest = data_digest(census)
    if digest != records[0].task.data_digest:
        raise DataError(
            f"{run.path}: the data differs from the data of the run (digest {digest[:8]}, "
            f"recorded {records[0].task.data_digest[:8]}); give the original folder with --data DIR"
        )
    counterfactual = getattr(dataset, "counterfactual", None)
    return Cohort(task, subjects, census, tuple(map(_split, records)), digest, counterfactual)


def stored_task(run: Run) -> Task:
    """The task as stored with the run.

    Raises:
        ConfigError: its protocol is a file that was removed or changed.
    """
    asked = StoredExperiment.read(run.experiment)
    if asked.protocol and digest_protocol(asked.task) != asked.protocol:
        raise ConfigError(f"{run.path}: the protocol file {asked.task.protocol} has changed since the run; restore it")
    return asked.task


def _split(record: RunRecord) -> Split:
    """The split of the record; its digest is checked by `verify`."""
    patients, split = record.subjects, record.task.split
    return Split(split.name, patients.train or (), patients.val or (), patients.test, note=split.note)
