"""Runs jobs: prepares slices, fits, scores, evaluates, records; each stage reads what the previous one wrote."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uad_bench.benchmark.curves import curves
from uad_bench.benchmark.nodes import ALONE, Node
from uad_bench.benchmark.recording import make_record
from uad_bench.benchmark.started import StartedMethod, access_for, check_modalities, is_bound
from uad_bench.config import Experiment
from uad_bench.data.cache import cache_root
from uad_bench.data.cohort import Cohort
from uad_bench.data.cohort_warnings import check_healthy
from uad_bench.data.gate import check_checkpoint, training_manifest
from uad_bench.data.store import SliceStore
from uad_bench.data.supervision import ANOMALY, prepare_masks
from uad_bench.errors import MethodError, UadBenchError
from uad_bench.evaluation.folds import pool_folds
from uad_bench.evaluation.judging import judge
from uad_bench.evaluation.reconstructions import measure_reconstructions
from uad_bench.execution.access import AccessPolicy
from uad_bench.execution.isolation import Limits, WorkerProcess, append_log
from uad_bench.execution.job import Job, described, lacks_reconstructions, reconstructs, stored_parts
from uad_bench.execution.stages import Assignment
from uad_bench.files import write_json
from uad_bench.method import Progress, Report
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import read_description
from uad_bench.runs.events import Advance, Described, Event, Failed, Isolated, Start, Stopped
from uad_bench.runs.folder import Run
from uad_bench.runs.origin import Origin
from uad_bench.runs.record import RunRecord, carried_thresholds
from uad_bench.runs.trust import damaged, repair, unreconstructed, unscored, write_manifest

if TYPE_CHECKING:
    from uad_bench.execution.live import InProcess


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs jobs in one runs folder, under the same limits.

    Attributes:
        ranks: processes per machine that share each training and scoring, on CUDA one per GPU.
        reconstructions: whether to also store and evaluate pseudo-healthy images, if the method computes them.
        tensorboard: whether to write training curves for TensorBoard into the run folders.
    """

    root: Path
    device: str = "cpu"
    ranks: int = 1
    node: Node = ALONE
    limits: Limits = field(default_factory=Limits)
    reconstructions: bool = False
    tensorboard: bool = False
    report: Report = lambda _: None

    def plan(self, experiment: Experiment, entry: Entry, cohort: Cohort, origin: Origin | None = None) -> Job:
        """The job of this experiment; its identity is computed here, once."""
        return Job.plan(experiment, entry, cohort, root=self.root, device=self.device, origin=origin)

    def run(self, job: Job, started: StartedMethod | None = None) -> RunRecord:
        """Run a job and return its record; a finished run is read from disk.

        A method that fails gives a record with status `failed` and a reason, and can be run again. If another process
        works on this run, waits for it.

        Args:
            started: the method's process, if it runs already; used for the first split.

        Raises:
            LeakError: the initial weights were trained on a test patient.
        """
        if job.origin:
            for split in job.cohort.splits:
                check_checkpoint(job.origin.training_set, split, job.cohort.census)
        if self._complete(job) and not damaged(job.run):
            return job.run.read_record()
        if started and not started.move_to((job.folds or (job,))[0].run):
            started = None  # an interrupted run resumes in its own folder
        with self._begun(job, waiting=self._wait) as stored:
            if stored:
                return stored
            record = self._run_folds(job, started) if job.folds else self._run_split(job, started)
            if self.reconstructions and record.status != "failed" and reconstructs((job.folds or (job,))[0].run):
                measure_reconstructions(job.run, list(stored_parts(job)), self.report)
            return record

    def _complete(self, job: Job) -> bool:
        """Whether everything that was requested is stored."""
        return job.run.finished and not (self.reconstructions and lacks_reconstructions(job))

    def _run_folds(self, job: Job, started: StartedMethod | None) -> RunRecord:
        records = []
        for fold in job.folds:
            with self._begun(fold) as stored:
                records.append(stored or self._run_split(fold, started))
            started = None
            if records[-1].status != "ok":
                break
        if job.run.finished:  # only pseudo-healthy images were missing
            record = job.run.seal(job.run.read_record())
        else:
            record = pool_folds(job.run, records, n_folds=len(job.folds))
        job.run.finish(record)
        return record

    def _run_split(self, job: Job, started: StartedMethod | None) -> RunRecord:
        try:
            with curves(job.run.path, self.report, wanted=self.tensorboard) as report:
                needs = replace(self, report=report).apply(job, started)
            if job.run.finished:  # only pseudo-healthy images were missing
                record = job.run.seal(job.run.read_record())
                job.run.finish(record)
                return record
            carried = carried_thresholds(job.origin.named_weights if job.origin else None)
            result = judge(job.run, job.cohort, job.split, self.report, carried=carried) if job.labelled else None
            record = make_record(job, needs=needs, result=result)
        except MethodError as error:
            notes = tuple(getattr(error, "__notes__", ()))
            job.run.append(Failed(reason=error.reason, message=str(error), notes=notes))
            if notes:
                traceback = "".join(notes).encode(errors="replace")
                append_log(job.run.log, traceback, len(traceback))
            record = make_record(job, failure=error)
        job.run.finish(record)
        return record

    @contextlib.contextmanager
    def _begun(self, job: Job, waiting: Callable[[str], None] | None = None) -> Iterator[RunRecord | None]:
        """Lock the run, and log its start and what stops it; yields the record if the run is finished, else None."""
        run = job.run
        with run.lock(waiting=waiting) as dead:
            repaired = repair(run)
            if self._complete(job):
                yield run.read_record()
                return
            resumed = run.manifest.exists() or run.checkpoint.exists() or run.snapshots.exists()
            start = Start(resumed=resumed, repaired=tuple(repaired))
            run.append(start.model_copy(update={"after_death_of": dead}) if dead else start)
            write_json(run.experiment, dict(job.identity))
            try:
                yield None
            except BaseException as error:
                with contextlib.suppress(UadBenchError):  # a full disk may have stopped it
                    run.append(Stopped(error=type(error).__name__, message=str(error)))
                raise

    def apply(self, job: Job, started: StartedMethod | None = None) -> Described:
        """Fit and score in the method's own process, unless every map is stored; returns the method's description.

        Raises:
            MethodError: the method fails.
            LeakError: the stored checkpoint was trained on a test patient.
        """
        run, tested = job.run, (*job.split.val, *job.split.test)
        left = unscored(run, tested)
        images = unreconstructed(run, job.split.test) if self.reconstructions else []
        if run.manifest.exists() and not left and not (images and reconstructs(run)):
            return described(run)
        if job.origin:
            job.origin.copy_to(run)
        for weights in filter(Path.exists, (run.checkpoint, run.initial)):
            check_checkpoint(read_description(weights).training_set, job.split, job.cohort.census)
        if job.entry.command:
            from uad_bench.execution.external_command import run_command

            note = partial(self._note, run)
            needs = run_command(job, left, access=self._access(job), limits=self.limits, note=note)
        elif started:
            needs = self._work(job, left, images, started.worker, started.needs, started.events)
        else:
            with self._worker(job) as worker:
                self._note(run, Isolated(kind=worker.isolation))
                described_now = worker.describe(dict(job.experiment.params), job.cohort.task.pair)
                needs = self._work(job, left, images, worker, described_now)
        _refuse_links(run)
        write_manifest(run, tested)
        return needs

    def _work(
        self,
        job: Job,
        left: list[str],
        images: list[str],
        worker: "WorkerProcess | InProcess",
        needs: Described,
        noted: Iterable[Event] = (),
    ) -> Described:
        """Let a method that has described itself fit and score, and log every event."""
        for event in (*noted, needs):
            self._note(job.run, event)
        wanted = images if needs.reconstructs else []
        for event in worker.work(self._assign(job, needs, left, wanted)):
            self._note(job.run, event)
        return needs

    def _worker(self, job: Job) -> "WorkerProcess | InProcess":
        """A separate process, or for an object passed from Python the current one."""
        note = partial(self._note, job.run)
        if job.entry.live is None:
            return WorkerProcess(job.entry, job.run.log, self.limits, self._access(job), note)
        from uad_bench.execution.live import InProcess

        return InProcess(job.entry, note)

    def _access(self, job: Job) -> AccessPolicy:
        subjects, folder = job.cohort.subjects.values(), job.run.path.resolve()
        return access_for(job.experiment, job.entry, subjects, root=self.root, folders=[folder])

    def _assign(self, job: Job, needs: Described, left: list[str], images: list[str]) -> Assignment:
        cohort, task = job.cohort, job.cohort.task
        fit = () if job.run.checkpoint.exists() else needs.fit  # a fitted method needs no training slices
        bound = bool(fit) and is_bound(job.experiment.method, job.entry)
        if bound:
            fit = tuple(name for name in fit if name != ANOMALY)
        check_modalities(job.experiment.method, {*fit, *needs.score}, task.modalities)
        train = _training_slices(job, bound=bound) if fit else {}
        held_out = cohort.held_out(job.split) if fit and job.experiment.select else ()
        train = {name: slices for name, slices in train.items() if name not in held_out}
        if fit and not any(train.values()):
            check_healthy(cohort, job.split)
        modalities = tuple(dict.fromkeys((*fit, *needs.score)))
        names = dict.fromkeys((*train, *held_out, *left, *images))
        before = job.origin.training_set if job.origin else {}
        store = cohort.prepare(names, modalities, native=needs.native, report=self.report)
        return Assignment(
            run=str(job.run.path.resolve()),
            store=store.manifest(),
            train=train,
            score={name: cohort.scored_slices(name) for name in left},
            reconstruct={name: cohort.scored_slices(name) for name in images},
            training_set={**before, **training_manifest(job.split, cohort.census)} if train else {},
            budget=asdict(task.budget),
            seed=job.experiment.seed,
            device=job.device,
            precision=job.experiment.precision,
            ranks=self.ranks,
            nodes=self.node.total,
            rendezvous=self.node.rendezvous,
            masks=self._masks(job, store, train) if bound else {},
            select=job.experiment.select or 0,
            held_out={name: cohort.healthy_slices(name) for name in held_out},
        )

    def _masks(self, job: Job, store: SliceStore, train: dict[str, list[int]]) -> dict[str, str]:
        """Labels of training patients, which only supervised upper bounds receive."""
        cache = cache_root().resolve()
        references = job.cohort.references(train, cache=cache, report=self.report)
        return prepare_masks(store, references, job.cohort.census, cache=cache)

    def _note(self, run: Run, event: Event) -> None:
        """Log an event; progress is only displayed."""
        if isinstance(event, Advance):
            self.report(event.progress)
        else:
            run.append(event)

    def _wait(self, holder: str) -> None:
        self.report(Progress(f"waiting for process {holder}, which works on this run", 0, 1))


def _refuse_links(run: Run) -> None:
    """Remove symbolic links that a method left: through them, the harness would read or write what the method cannot.

    Raises:
        MethodError: a link was found.
    """
    links = [path for path in run.path.rglob("*") if path.is_symlink()]
    for path in links:
        path.unlink()
    if links:
        raise MethodError(f"left a link in its run folder: {links[0].relative_to(run.path)}", reason="bad_output")


def _training_slices(job: Job, *, bound: bool) -> dict[str, list[int]]:
    """Healthy slices of each training patient; for a supervised upper bound, all slices of labelled patients."""
    cohort = job.cohort
    if not bound:
        return cohort.train_slices(job.split)
    return {name: cohort.scored_slices(name) for name in job.split.train if cohort.census[name].labelled}
