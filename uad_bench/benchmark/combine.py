"""Combines stored score maps of several runs into a run of its own, the rank average; nothing is trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from uad_bench.benchmark.recording import make_record
from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort
from uad_bench.data.split import Split
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError
from uad_bench.evaluation.folds import pool_folds
from uad_bench.evaluation.judging import judge, validated
from uad_bench.evaluation.rank_average import Read, average_ranks
from uad_bench.execution.job import Job
from uad_bench.files import write_json
from uad_bench.method import Progress, Report
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.events import Imported, Isolated, Isolation, Start, weakest
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import untouched_record
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import open_stored, remember_data, remembered_data
from uad_bench.runs.score_maps import read_map, save_map

ORIGIN = "combined maps"
ASPECTS: Mapping[str, Callable[[RunRecord], object]] = {
    "task": lambda record: record.task.name,
    "data": lambda record: record.task.data_digest,
    "protocol": lambda record: record.task.protocol_digest or record.task.protocol,
    "split": lambda record: record.task.split.digest,
    "test patients": lambda record: record.subjects.test,
}


def combine(
    runs: Sequence[Run],
    *,
    name: str = "ensemble",
    data: Path | None = None,
    root: Path = Path("runs"),
    report: Report = lambda _: None,
) -> RunRecord:
    """Store the rank average of the runs' maps as a run of the method `name`, and evaluate it.

    Args:
        runs: two or more finished runs of one task and split, of different methods, settings or seeds.

    Raises:
        ConfigError: fewer than two different runs, a failed one, missing maps, or different tasks, data or splits.
    """
    records = [_finished(run) for run in runs]
    _require_alike(records)
    members = {record.run: digest_members(run) for run, record in zip(runs, records, strict=True)}
    if len(members) < 2:
        raise ConfigError("combining takes at least two different runs")
    cohort = open_stored(runs[0], data, report)[0].cohort
    experiment = Experiment(method=name, profile="combined", params={}, task=cohort.task)
    facts = {"members": dict(sorted(members.items()))}
    job = Job.plan(experiment, Entry(name, "", distribution=ORIGIN), cohort, root=root, facts=facts)
    if job.run.finished:
        return job.run.read_record()
    with job.run.lock():
        record = _combined(job, runs, records, report)
    remember_data(job.run, data or remembered_data(runs[0]))
    return record


def digest_members(run: Run) -> str:
    """Digest of all maps of a run, over its folds.

    Raises:
        ConfigError: a map is missing.
    """
    maps = {}
    for part in run.folds or (run,):
        for subject, stored in Manifest.read(part.manifest).maps.items():
            if not part.map(subject).exists():
                raise ConfigError(f"{part.path}: the score map of {subject} is missing; run it again to combine it")
            maps[f"{part.path.name if run.folds else ''}/{subject}"] = stored.sha256
    return digest_json(maps)


def _combined(job: Job, runs: Sequence[Run], records: Sequence[RunRecord], report: Report) -> RunRecord:
    """Combine every part; with folds, pool them."""
    jobs = job.folds or (job,)
    members = [run.folds or (run,) for run in runs]
    for number, part in enumerate(jobs):
        if not part.run.finished:
            kind = weakest(record.environment.isolation for record in records)
            _begin(part, kind)
            _store_maps(part, [parts[number] for parts in members], report)
            part.run.finish(make_record(part, result=judge(part.run, part.cohort, part.split, report)))
    if job.folds:
        _begin(job, None)
        job.run.finish(pool_folds(job.run, [part.run.read_record() for part in jobs], n_folds=len(jobs)))
    return job.run.read_record()


def _begin(job: Job, kind: Isolation | None) -> None:
    job.run.create().append(Start(resumed=False, repaired=()))
    write_json(job.run.experiment, dict(job.identity))
    if kind:
        job.run.append(Isolated(kind=kind))  # of the member that was isolated least


def _store_maps(job: Job, members: Sequence[Run], report: Report) -> None:
    """Store the combined map of every patient, and the manifest last."""
    combined, subjects = combine_maps(job.cohort, job.split, members, report)
    stored = {}
    for done, subject in enumerate(subjects):
        report(Progress("combining maps", done, len(subjects)))
        stored[subject] = save_map(job.run.map(subject), combined(subject))
        job.run.append(Imported(subject=subject, **dict(stored[subject])))
    report(Progress("combining maps", len(subjects), len(subjects)))
    write_json(job.run.manifest, Manifest(maps=stored, checkpoint=None).to_json())


def combine_maps(cohort: Cohort, split: Split, members: Sequence[Run], report: Report) -> tuple[Read, list[str]]:
    """The rank average of these runs without folds, and the patients for whom all of them have maps."""
    val = split.val if all(validated(run, split) for run in members) else ()
    subjects = [*val, *split.test]
    references = cohort.references(subjects, report=report)
    return average_ranks([_reader(run) for run in members], references, subjects), subjects


def _reader(run: Run) -> Read:
    return lambda subject: read_map(run.map(subject))


def _finished(run: Run) -> RunRecord:
    record = untouched_record(run)
    if record.status != "ok":
        raise ConfigError(f"{run.path}: {record.status}, so its maps cannot be combined")
    return record


def _require_alike(records: Sequence[RunRecord]) -> None:
    first = records[0]
    for other in records[1:]:
        if differing := [name for name, of in ASPECTS.items() if of(first) != of(other)]:
            raise ConfigError(f"{first.run} and {other.run} differ in {', '.join(differing)} and cannot be combined")
