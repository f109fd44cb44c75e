"""Applies a trained run to another cohort: the weights stay as they are, and the patients are unseen.

The pair, working size, field of view and scaling come from the run that trained the weights. Everything else, such as
the scored slices and the protocol, comes from the new task.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from uad_bench.benchmark.request import resolve_device, say_cohort_warnings, say_warnings
from uad_bench.benchmark.runner import Runner
from uad_bench.config import Experiment, Task, change_task, exclude_patients, load_task
from uad_bench.console import Reporter
from uad_bench.data.cache import cache_root
from uad_bench.data.census import take_census
from uad_bench.data.cohort import Cohort, data_folder, find_subjects, gather, open_dataset, split_cohort
from uad_bench.data.slices import has_clean_slice
from uad_bench.data.split import Split
from uad_bench.data.splits import unseen_split
from uad_bench.data.subject import Subject
from uad_bench.errors import ConfigError
from uad_bench.execution.isolation import Limits
from uad_bench.plugins import registry
from uad_bench.runs.folder import Run
from uad_bench.runs.origin import Origin
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import remember_data

TRAINED_FOR = ("pair", "size", "field_of_view", "centre", "resample", "scaling", "budget")


@dataclass(frozen=True, kw_only=True)
class Application:
    """A trained run, and the patients to score with its weights.

    Attributes:
        task: how they lie there, which slices are scored, and the protocol; by default the run's own.
        split: whose validation and test patients are scored; by default everybody is.
        perturb: simulated artefact of all scans, such as `noise:severe`. Without `task` and `split`, the run's own
            validation and test patients are scored.
        plugins: files that hold the method, if it is not installed.
    """

    run: Run
    data: Path | None = None
    task: str | None = None
    split: str | None = None
    exclude: tuple[str, ...] = ()
    perturb: str | None = None
    plugins: tuple[Path, ...] = ()
    device: str = "auto"
    runs: Path = Path("runs")
    limits: Limits = field(default_factory=Limits)


def apply_run(asked: Application, reporter: Reporter) -> RunRecord:
    """Score other patients with the run's weights; the record's status is `unlabelled` if no patient has a label.

    Raises:
        ConfigError: the run has no weights, or its method is not registered.
        LeakError: a patient was in the weights' training set.
    """
    origin = Origin.of(asked.run, further=False)
    before = origin.asked
    asked = _with_own_split(asked, before.task)
    entries = registry.methods(asked.plugins)
    entry = registry.find("method", before.method, entries)
    task = _task(asked, before.task, reporter)
    experiment = Experiment(
        method=before.method,
        profile=before.profile,
        params=before.params,
        task=task,
        seed=before.seed,
        precision=before.precision or "auto",
        plugins=asked.plugins,
    )
    runner = Runner(root=asked.runs, device=resolve_device(asked.device), limits=asked.limits, report=reporter)
    cohort = _cohort(task, asked, reporter)
    say_cohort_warnings(cohort, reporter)
    job = runner.plan(experiment, entry, cohort, origin)
    record = runner.run(job)
    remember_data(job.run, data_folder(task, asked.data))
    say_warnings(record, reporter)
    return record


def _task(asked: Application, learned: Task, reporter: Reporter) -> Task:
    """The new task as far as the weights allow it."""
    wanted = load_task(asked.task) if asked.task else replace(learned, exclude=())
    dataset = registry.find("dataset", wanted.dataset, registry.datasets())
    if asked.data and getattr(dataset.load(), "embedded", False):
        raise ConfigError(
            f"task {wanted.name} has embedded patients; add --task with the task that describes {asked.data}"
        )
    kept = {name: getattr(learned, name) for name in TRAINED_FOR}
    for name, value in kept.items():
        if (other := getattr(wanted, name)) != value and name != "budget":
            reporter.say(f"{name} is {value}, as in training, not {other} as in task {wanted.name}")
    changes = {"split": asked.split, "perturb": asked.perturb}
    given = {name: value for name, value in changes.items() if value is not None}
    return exclude_patients(change_task(wanted, {**kept, **given}, asdict(learned.budget)), asked.exclude)


def _with_own_split(asked: Application, learned: Task) -> Application:
    """With the run's own split for perturbed scans of its own task."""
    if asked.perturb is None or asked.task or asked.split:
        return asked
    if asked.run.read_record().fold is not None:
        raise ConfigError(f"{asked.run.path.name} is one of several folds; add --split with the patients to perturb")
    return replace(asked, split=learned.split)


def _cohort(task: Task, asked: Application, reporter: Reporter) -> Cohort:
    """The split's patients, so that the row is comparable with others of that split; else all patients."""
    if asked.split:
        return gather(task, asked.data, report=reporter)
    dataset = open_dataset(task, asked.data, report=reporter)
    subjects = _judged(find_subjects(task, dataset, report=reporter), reporter)
    census = take_census(subjects, task.modalities, cache=cache_root(), report=reporter)
    labelled = [s.id for s in subjects if census[s.id].labelled]
    patients = {subject.id: subject.patient for subject in subjects}
    clean = [name for name in labelled if has_clean_slice(census[name], task.slices)]
    split = unseen_split(labelled, patients, clean=clean) if labelled else Split("unlabelled", (), (), tuple(census))
    return split_cohort(task, dataset, subjects, census, (split,))


def _judged(subjects: Sequence[Subject], reporter: Reporter) -> list[Subject]:
    """The labelled patients, or all if none has a label."""
    labelled = [s for s in subjects if s.label or s.healthy]
    if labelled and (without := len(subjects) - len(labelled)):
        reporter.say(f"{without} patients without a label are skipped; to score them, put them into their own folder")
    return labelled or list(subjects)
