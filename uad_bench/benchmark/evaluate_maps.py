"""Evaluates score maps made by any program: a folder of `<patient>.nii.gz` or `<patient>.npy` becomes a run.

The maps of another run, `<patient>.safetensors`, are accepted, too. Maps are never resampled; one whose geometry
differs from the scan's is refused, naming both geometries.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uad_bench.benchmark.recording import make_record
from uad_bench.config import Experiment, Task, change_task, exclude_patients, load_task
from uad_bench.data.cache import cache_root
from uad_bench.data.census import take_census
from uad_bench.data.cohort import Cohort, data_folder, find_subjects, gather, open_dataset, split_cohort
from uad_bench.data.split import Split
from uad_bench.digests import digest_file, digest_json
from uad_bench.errors import ConfigError, MethodError
from uad_bench.evaluation.judging import judge
from uad_bench.evaluation.score_files import NpyOrientation, find_maps, read_scores
from uad_bench.execution.job import Job
from uad_bench.files import write_json
from uad_bench.method import Progress, Report
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.events import Failed, Imported, Remark, Start
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import remember_data
from uad_bench.runs.score_maps import save_map
from uad_bench.runs.trust import damaged, repair

ORIGIN = "external maps"
ALL = "all"  # as a split: every labelled patient is evaluated
MERGED = "scores_merged_by_float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Files by patient; more than one file per patient is an error that the run reports.

    Attributes:
        val: maps of the validation patients, on which thresholds are chosen; may be empty.
    """

    test: Mapping[str, list[Path]]
    val: Mapping[str, list[Path]]

    @property
    def digests(self) -> dict[str, list[str]]:
        """SHA-256 of every file; part of the run's identity."""
        return {name: [digest_file(path) for path in paths] for name, paths in [*self.val.items(), *self.test.items()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Score maps to evaluate, and the data to evaluate them on.

    Attributes:
        task: shipped name or file; its protocol holds.
        split: a split whose test patients are judged, by the name that tables print, or `all` for every labelled
            patient. By default the task's own; all where that would be a split by hash.
        threshold_maps: maps of validation patients; without them there is only the oracle threshold.
        npy_orientation: how the axes of arrays run, which a `.npy` file does not say: as the `scan` is stored, or `ras`
            for canonical RAS+. It must be said of scans for which that is not the same.
    """

    folder: Path
    name: str
    task: str = "phantom"
    data: Path | None = None
    split: str | None = None
    exclude: tuple[str, ...] = ()
    threshold_maps: Path | None = None
    npy_orientation: NpyOrientation | None = None


def evaluate_maps(given: Submission, *, runs: Path = Path("runs"), report: Report = lambda _: None) -> RunRecord:
    """Evaluate a folder of score maps, and store the result as a run of the method `given.name`.

    Returns:
        the record; its status is `failed`, with the reason, where a map is missing or invalid.

    Raises:
        ConfigError: a scan is not stored as RAS+ and the orientation of its array is not given.
        DataError: the scans, labels or folders cannot be read.
    """
    maps = Maps(test=find_maps(given.folder), val=find_maps(given.threshold_maps) if given.threshold_maps else {})
    cohort = _cohort(exclude_patients(load_task(given.task), given.exclude), given, maps, report)
    _require_orientation(given, cohort, maps)
    experiment = Experiment(method=given.name, profile="external", params={}, task=cohort.task)
    entry = Entry(given.name, "", distribution=ORIGIN)
    facts = {"maps": digest_json(maps.digests)}
    if given.npy_orientation:
        facts["npy_orientation"] = given.npy_orientation
    job = Job.plan(experiment, entry, cohort, root=runs, facts=facts)
    if job.run.finished and not damaged(job.run):
        return job.run.read_record()
    with job.run.lock():
        job.run.append(Start(resumed=False, repaired=tuple(repair(job.run))))
        write_json(job.run.experiment, dict(job.identity))
        record = _judged(job, maps, given.npy_orientation or "ras", report)
    remember_data(job.run, data_folder(cohort.task, given.data))
    return record


def _require_orientation(given: Submission, cohort: Cohort, maps: Maps) -> None:
    """Require the orientation of arrays where it is ambiguous: a mirrored map has the right shape and passes unseen."""
    arrays = {name for found in (maps.test, maps.val) for name, paths in found.items() if paths[0].suffix == ".npy"}
    turned = sorted(name for name in arrays & set(cohort.census) if cohort.census[name].orientation != "RAS")
    if turned and given.npy_orientation is None:
        raise ConfigError(
            f"{turned[0]}.npy: the array has no orientation, and the scan is stored as "
            f"{cohort.census[turned[0]].orientation}; add --npy-orientation scan (axes as in the scan's file) "
            "or --npy-orientation ras (canonical RAS+), or write PATIENT.nii.gz"
        )


def _judged(job: Job, maps: Maps, npy: NpyOrientation, report: Report) -> RunRecord:
    try:
        _import_maps(job, maps, npy, report)
        record = make_record(job, result=judge(job.run, job.cohort, job.split, report))
    except MethodError as error:
        job.run.append(Failed(reason=error.reason, message=str(error), notes=()))
        record = make_record(job, failure=error)
    job.run.finish(record)
    return record


def _import_maps(job: Job, maps: Maps, npy: NpyOrientation, report: Report) -> None:
    """Copy every map into the run as it will be evaluated, and write the manifest last."""
    wanted = dict.fromkeys(job.split.test, maps.test) | dict.fromkeys(job.split.val * bool(maps.val), maps.val)
    _require_each_once(job.split, maps)
    run, stored = job.run, {}
    for done, (name, files) in enumerate(wanted.items()):
        report(Progress("reading maps", done, len(wanted)))
        [path] = files[name]
        scores = read_scores(path, job.cohort.census[name], npy=npy)
        stored[name] = save_map(run.map(name), scores.values)
        run.append(Imported(subject=name, **dict(stored[name])))
        if scores.merged:
            run.append(Remark(kind=MERGED, subject=name, merged=scores.merged))
    write_json(run.manifest, Manifest(maps=stored, checkpoint=None).to_json())


def _require_each_once(split: Split, maps: Maps) -> None:
    for role, found in (("test", maps.test), ("val", maps.val)):
        wanted = set(split.role(role)) if role == "test" or found else set()
        problems = [
            *_listed("no map of", wanted - set(found)),
            *_listed("maps of patients outside the evaluated split (--split all evaluates all):", set(found) - wanted),
            *_listed("several maps of", {name for name, paths in found.items() if len(paths) > 1}),
        ]
        if problems:
            raise MethodError(f"{role} maps: {'; '.join(problems)}", reason="bad_output")


def _listed(what: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return [f"{what} {', '.join(ordered[:5])}{more}"] if ordered else []


def _cohort(task: Task, given: Submission, maps: Maps, report: Report) -> Cohort:
    """The split's patients, so that the row is comparable with others of that split; else all labelled patients."""
    if split := _split_name(task, given.split):
        return gather(change_task(task, {"split": split}), given.data, report=report)
    dataset = open_dataset(task, given.data, report=report)
    subjects = [subject for subject in find_subjects(task, dataset) if subject.label or subject.healthy]
    val = tuple(s.id for s in subjects if s.id in maps.val)
    test = tuple(s.id for s in subjects if s.id not in maps.val)
    if not test:
        raise ConfigError("every labelled patient has a threshold map, so no test patient is left")
    census = take_census(subjects, task.modalities, cache=cache_root(), report=report)
    return split_cohort(task, dataset, subjects, census, (Split("all labelled", (), val, test),))


def _split_name(task: Task, asked: str | None) -> str | None:
    """The split's name in the configuration; None for all patients. Tables show a dataset's own split as the task."""
    if asked is None:
        return None if task.split == "hash" else task.split
    if asked == ALL:
        return None
    return "dataset" if task.split == "dataset" and asked == task.name else asked
