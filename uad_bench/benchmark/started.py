"""Starts a method before any patient is read, so that wrong settings and missing abilities are reported early."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from uad_bench.config import Experiment
from uad_bench.data import supervision
from uad_bench.data.cache import cache_root, writing
from uad_bench.data.store import FOLDER
from uad_bench.data.subject import Subject
from uad_bench.data.supervision import ANOMALY
from uad_bench.errors import ConfigError, MethodError
from uad_bench.execution.access import AccessPolicy
from uad_bench.execution.isolation import Limits, WorkerProcess
from uad_bench.execution.job import Job
from uad_bench.files import storage_error
from uad_bench.plugins.registry import Entry, bound_methods
from uad_bench.runs.events import Described, Event, Isolated
from uad_bench.runs.folder import Run

OWN = "uad-bench "
"""How the distribution of a method of this project begins."""


@dataclass(frozen=True, slots=True)
class StartedMethod:
    """A method whose process has described itself and waits for its assignment.

    Attributes:
        folder: where the process may write; it becomes the run folder.
    """

    worker: WorkerProcess
    needs: Described
    folder: Path
    events: list[Event]

    @property
    def modalities(self) -> set[str]:
        """Modalities that it needs, without the labels of a supervised upper bound."""
        return {*self.needs.fit, *self.needs.score} - {ANOMALY}

    def move_to(self, run: Run) -> bool:
        """Rename the process's folder to the run's; returns False if the run folder exists."""
        run.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.rename(run.path)
        except OSError:
            return False
        self.worker.log = run.log
        return True


@contextlib.contextmanager
def started_method(
    experiment: Experiment, entry: Entry, subjects: Iterable[Subject], *, root: Path, limits: Limits
) -> Iterator[StartedMethod | None]:
    """Start the method's process below the runs folder `root` and ask it for its description.

    Yields:
        the method; None for a command, for an object passed from Python, and for a method that fails at this point (its
        run reports the failure).

    Raises:
        ConfigError: a hyperparameter is unknown or has a wrong type.
    """
    if entry.command or entry.live is not None:
        yield None
        return
    with _folders_below(root, 1) as (folder,):
        access = access_for(experiment, entry, subjects, root=root, folders=[folder])
        with WorkerProcess(entry, Run(folder).log, limits, access) as worker:
            yield _described(worker, experiment, entry, folder)


@contextlib.contextmanager
def started_together(
    jobs: Sequence[Job], subjects: Iterable[Subject], *, root: Path, limits: Limits
) -> Iterator[Callable[[Job], StartedMethod | None]]:
    """Start one process in which this project's own methods run one after the other, since it imports torch only once.

    Yields:
        a function that turns the process to the method of one of the jobs; it returns None if the process has ended,
        and for a job that is finished or not of this project.
    """
    own = [job for job in jobs if job.entry.distribution.startswith(OWN) and not job.run.finished]
    if not own:
        yield lambda _: None
        return
    with _folders_below(root, len(own)) as folders:
        first, place = own[0], {job.run.path: folder for job, folder in zip(own, folders, strict=True)}
        access = access_for(first.experiment, first.entry, subjects, root=root, folders=folders)
        with WorkerProcess(first.entry, Run(folders[0]).log, limits, access) as worker:

            def turn_to(job: Job) -> StartedMethod | None:
                if job.run.finished or job.run.path not in place:
                    return None
                return _described(worker, job.experiment, job.entry, place[job.run.path])

            yield turn_to


def _described(worker: WorkerProcess, experiment: Experiment, entry: Entry, folder: Path) -> StartedMethod | None:
    """Let a process describe a method; None if it fails."""
    events: list[Event] = [Isolated(kind=worker.isolation)]
    worker.turn_to(entry, Run(folder).log)
    worker.note = events.append
    try:
        needs = worker.describe(dict(experiment.params), experiment.task.pair)
    except MethodError:
        return None
    return StartedMethod(worker, needs, folder, events)


def access_for(
    experiment: Experiment, entry: Entry, subjects: Iterable[Subject], *, root: Path, folders: Sequence[Path]
) -> AccessPolicy:
    """What the method's process may access: prepared slices (read-only) and its own folder, or one for each run.

    The patients' folders, the rest of the cache, and all other runs below the runs folder `root` are hidden.
    """
    cache, plugin = cache_root(), [entry.file] if entry.file else []
    masks = [cache / supervision.FOLDER] if is_bound(experiment.method, entry) else []
    for prepared in (cache / FOLDER, *masks):
        with writing(prepared):
            pass  # a folder must exist when the process starts, to be either shown or hidden
    return AccessPolicy.around(
        subjects,
        hidden=[cache, *_folders_of_runs(root)],
        read_only=[cache / FOLDER, *masks, *plugin, *(Run(folder).events for folder in folders)],
        writable=folders,
    )


def _folders_of_runs(root: Path) -> list[Path]:
    """The runs folder; if it contains the working directory, the task folders in it."""
    if Path.cwd().is_relative_to(root.resolve()):
        return [run.parents[1] for run in root.glob("*/*/seed*")]
    return [root]


def is_bound(method: str, entry: Entry) -> bool:
    """Whether a configuration file of this project (not the method itself) declares a supervised upper bound."""
    return entry.distribution.startswith(OWN) and method in bound_methods()


@contextlib.contextmanager
def _folders_below(root: Path, n: int) -> Iterator[list[Path]]:
    """New folders that become run folders; those that do not are removed."""
    folders = [_make_folder(root) for _ in range(n)]
    try:
        yield folders
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it contains runs
            root.rmdir()


def _make_folder(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=".starting-", dir=root)).resolve()
        Run(folder).events.touch()
    except OSError as error:
        raise storage_error(root, error) from error
    return folder


def check_reconstructs(entry: Entry, needs: Described | None) -> None:
    """Refuse a method without pseudo-healthy images; a method that is not described yet is not refused."""
    if entry.live is not None:
        offered = callable(getattr(entry.live, "reconstruct", None))
    else:
        offered = not entry.command and (needs is None or needs.reconstructs)
    if not offered:
        raise ConfigError(
            f"method {entry.name} has no pseudo-healthy images: run it without --reconstructions, or add "
            "reconstruct(batch) to it (see uad_bench.method)"
        )


def check_selectable(entry: Entry, every: int, needs: Described | None) -> None:
    """Refuse a method whose weights cannot be selected; a method that is not described yet is not refused."""
    if every < 1:
        raise ConfigError(f"select is {every}: give the number of training steps between measurements, 1 or more")
    if entry.command or (needs is not None and not (needs.fit and needs.networks)):
        raise ConfigError(
            f"method {entry.name} has no weights to select: it does not keep trained networks by name in networks_; "
            "run it without --select"
        )


def check_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    """Refuse a method that needs a modality that the task lacks."""
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")
