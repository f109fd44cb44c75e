"""Runs one method on one split: prepare, fit, score, evaluate, record; each stage reads what the one before wrote."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uad_bench.benchmark.preflight import check_healthy, check_modalities
from uad_bench.benchmark.recording import make_record
from uad_bench.config import Experiment
from uad_bench.data import supervision
from uad_bench.data.cohort import Cohort, cache_root
from uad_bench.data.gate import check_checkpoint, training_manifest
from uad_bench.data.reference import build_references
from uad_bench.data.slices import Preprocessing
from uad_bench.data.splits import Split
from uad_bench.data.store import FOLDER, SliceStore
from uad_bench.data.supervision import ANOMALY, prepare_masks
from uad_bench.errors import MethodError, UadBenchError
from uad_bench.evaluation.folds import pool_folds
from uad_bench.evaluation.judging import judge
from uad_bench.execution.isolation import Limits, WorkerProcess
from uad_bench.execution.job import Outcome
from uad_bench.execution.label_guard import Fence
from uad_bench.execution.stages import Assignment
from uad_bench.files import write_json
from uad_bench.method import Progress
from uad_bench.plugins.kinds import bound_methods
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import read_description
from uad_bench.runs.folder import Run
from uad_bench.runs.identity import changes_since, identify, run_of
from uad_bench.runs.trust import damaged, repair, unscored, write_manifest

if TYPE_CHECKING:
    from uad_bench.execution.live import InProcess

Report = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where and under which limits methods run.

    Attributes:
        root: the runs folder.
        device: `"cpu"` or `"cuda"`.
        ranks: processes that share each training and scoring, on CUDA one a GPU.
        limits: time and memory of each method's process.
        report: receives progress.
    """

    root: Path
    device: str = "cpu"
    ranks: int = 1
    limits: Limits = field(default_factory=Limits)
    report: Report = lambda _: None

    def run(self, experiment: Experiment, entry: Entry, cohort: Cohort) -> dict[str, Any]:
        """The record of this experiment, from disk if it was run before.

        A method that fails gives a record with status `failed` and its reason; the run can be repeated. If another
        process works on this run, waits for it.

        Raises:
            LeakError: the weights that it starts from know a patient who is judged.
        """
        if experiment.origin:
            for split in cohort.splits:
                check_checkpoint(experiment.origin.training_set, split, cohort.census)
        identity = identify(experiment, entry, cohort)
        run = run_of(self.root, identity)
        if run.finished and not damaged(run):
            return run.read_record()
        with run.lock(waiting=self._wait) as dead:
            repaired = repair(run)
            if run.finished:
                return run.read_record()
            _begin(run, identity, dead=dead, repaired=repaired)
            with _noting_stops(run):
                if len(cohort.splits) == 1:
                    return self._run_split(self._asked(experiment, entry, cohort, cohort.splits[0]), run)
                return self._run_folds(experiment, entry, cohort, run)

    def locate(self, experiment: Experiment, entry: Entry, cohort: Cohort) -> Run:
        """The run folder, which the content of everything that defines the run names."""
        return run_of(self.root, identify(experiment, entry, cohort))

    def explain(self, experiment: Experiment, entry: Entry, cohort: Cohort) -> str:
        """How a new run differs from the nearest one of this method and seed; empty for a known run and the first."""
        identity = identify(experiment, entry, cohort)
        run = run_of(self.root, identity)
        return "" if run.experiment.exists() else changes_since(run, identity)

    def apply(self, asked: Outcome, run: Run) -> dict[str, Any]:
        """Fit and score in the method's own process, unless every map is already there; returns its description.

        Raises:
            MethodError: the method fails.
            LeakError: the checkpoint that lies there learned from a patient who is judged.
        """
        judged = (*asked.split.val, *asked.split.test)
        left = unscored(run, judged)
        if run.manifest.exists() and not left:
            return _described(run)
        if origin := asked.experiment.origin:
            origin.lend(run)
        for weights in filter(Path.exists, (run.checkpoint, run.initial)):
            check_checkpoint(read_description(weights)["training_set"], asked.split, asked.cohort.census)
        door = self._apply_command if asked.entry.command else self._apply_method
        needs = door(asked, run, left)
        write_manifest(run, judged)
        return needs

    def _apply_method(self, asked: Outcome, run: Run, left: list[str]) -> dict[str, Any]:
        note = partial(self._note, run)
        with self._worker(asked, run) as worker:
            needs = worker.describe(dict(asked.experiment.params), asked.cohort.task.pair)
            run.log_event("described", **{k: v for k, v in needs.items() if k != "event"})
            for event in worker.work(self._assign(asked, run, needs, left)):
                note(event)
        return needs

    def _apply_command(self, asked: Outcome, run: Run, left: list[str]) -> dict[str, Any]:
        from uad_bench.execution.external_command import run_command

        return run_command(asked, run, left, limits=self.limits, note=partial(self._note, run))

    def _worker(self, asked: Outcome, run: Run) -> "WorkerProcess | InProcess":
        """A process of the method's own, or this one for what was passed from Python."""
        note = partial(self._note, run)
        if asked.entry.live is None:
            return WorkerProcess(asked.entry, run.log, self.limits, self._fence(asked, run), note)
        from uad_bench.execution.live import InProcess

        return InProcess(asked.entry, note, run.log)

    def _asked(self, experiment: Experiment, entry: Entry, cohort: Cohort, split: Split) -> Outcome:
        return Outcome(experiment=experiment, entry=entry, cohort=cohort, split=split, device=self.device)

    def _run_folds(self, experiment: Experiment, entry: Entry, cohort: Cohort, run: Run) -> dict[str, Any]:
        records = []
        for number, split in enumerate(cohort.splits):
            fold = Run(run.path / f"fold{number}")
            records.append(self._run_fold(self._asked(experiment, entry, cohort, split), fold))
            if records[-1]["status"] != "ok":
                break
        record = pool_folds(run, records, n_folds=len(cohort.splits))
        run.finish(record)
        return record

    def _run_fold(self, asked: Outcome, fold: Run) -> dict[str, Any]:
        with fold.lock() as dead:
            repaired = repair(fold)
            if fold.finished:
                return fold.read_record()
            identity = identify(asked.experiment, asked.entry, asked.cohort)
            _begin(fold, {**identity, "splits": [asked.split.digest]}, dead=dead, repaired=repaired)
            with _noting_stops(fold):
                return self._run_split(asked, fold)

    def _run_split(self, asked: Outcome, run: Run) -> dict[str, Any]:
        try:
            needs = self.apply(asked, run)
            result = judge(run, asked.cohort, asked.split, self.report) if asked.labelled else None
            record = make_record(asked, run, needs=needs, result=result)
        except MethodError as error:
            run.log_event("failed", reason=error.reason, message=str(error), notes=getattr(error, "__notes__", []))
            record = make_record(asked, run, failure=error)
        run.finish(record)
        return record

    def _assign(self, asked: Outcome, run: Run, needs: dict[str, Any], left: list[str]) -> Assignment:
        cohort, task = asked.cohort, asked.cohort.task
        if run.checkpoint.exists():  # nothing is left to learn, nor to read for it
            needs = {**needs, "fit": []}
        bound = bool(needs["fit"]) and _is_bound(asked)
        if bound:
            needs = {**needs, "fit": [name for name in needs["fit"] if name != ANOMALY]}
        check_modalities(asked.experiment.method, {*needs["fit"], *needs["score"]}, task.modalities)
        train = _slices_to_learn(asked, bound=bound) if needs["fit"] else {}
        if needs["fit"] and not any(train.values()):
            check_healthy(cohort, asked.split)
        store = self._prepare(cohort, [*train, *left], needs)
        return Assignment(
            run=str(run.path.resolve()),
            store=store.manifest(),
            train=train,
            score={name: cohort.scored_slices(name) for name in left},
            training_set=_training_set(asked) if train else {},
            budget=asdict(task.budget),
            seed=asked.experiment.seed,
            device=self.device,
            ranks=self.ranks,
            masks=self._masks(asked, store, train) if bound else {},
        )

    def _masks(self, asked: Outcome, store: SliceStore, train: dict[str, list[int]]) -> dict[str, str]:
        """Labels of training patients, which only a bound gets."""
        cohort, cache = asked.cohort, cache_root().resolve()
        references = build_references(
            [cohort.subjects[name] for name in train],
            cohort.census,
            modalities=cohort.task.modalities,
            cache=cache,
            report=self.report,
        )
        return prepare_masks(store, references, cohort.census, cache=cache)

    def _prepare(self, cohort: Cohort, names: list[str], needs: dict[str, Any]) -> SliceStore:
        task = cohort.task
        preprocessing = Preprocessing(
            modalities=tuple(dict.fromkeys((*needs["fit"], *needs["score"]))),
            scaling=task.scaling,
            size=None if needs["native"] else task.size,
            field_of_view=task.field_of_view,
        )
        subjects = [cohort.subjects[name] for name in names]
        return SliceStore.prepare(
            subjects, cohort.census, preprocessing, cache=cache_root().resolve(), report=self.report
        )

    def _fence(self, asked: Outcome, run: Run) -> Fence:
        plugin = [asked.entry.file] if asked.entry.file else []
        masks = [cache_root() / supervision.FOLDER] if _is_bound(asked) else []
        allowed = [run.path, cache_root() / FOLDER, *plugin, *masks]
        return Fence.around(asked.cohort.subjects.values(), cache=cache_root(), allowed=allowed)

    def _note(self, run: Run, event: dict[str, Any]) -> None:
        if event["event"] != "progress":
            run.log_event(**event)
            return
        try:
            self.report(Progress(**{k: v for k, v in event.items() if k != "event"}))
        except TypeError as error:
            raise MethodError(f"the method reported progress that is none: {error}", reason="crash") from error

    def _wait(self, holder: str) -> None:
        self.report(Progress(f"waiting for process {holder}, which works on this run", 0, 1))


def _begin(run: Run, identity: dict[str, Any], *, dead: str, repaired: list[str]) -> None:
    """Log the start, with the process that died at this work before, and what is asked for."""
    resumed = run.manifest.exists() or run.checkpoint.exists() or run.snapshots.exists()
    run.log_event("start", resumed=resumed, **({"after_death_of": dead} if dead else {}), repaired=repaired)
    write_json(run.experiment, identity)


@contextlib.contextmanager
def _noting_stops(run: Run) -> Iterator[None]:
    """Whatever stops a run, the log says so; a full disk may not even take that."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(UadBenchError):
            run.log_event("stopped", error=type(error).__name__, message=str(error))
        raise


def _described(run: Run) -> dict[str, Any]:
    """The method's description as it was logged."""
    return next(e for e in reversed(run.read_events()) if e["event"] == "described")


def _is_bound(asked: Outcome) -> bool:
    """Whether a configuration file of this project, and not the method, says that it may see labels."""
    return asked.entry.distribution.startswith("uad-bench ") and asked.experiment.method in bound_methods()


def _slices_to_learn(asked: Outcome, *, bound: bool) -> dict[str, list[int]]:
    """Healthy slices of each training patient; for a bound all slices of those with a label."""
    cohort = asked.cohort
    if not bound:
        return cohort.train_slices(asked.split)
    return {name: cohort.scored_slices(name) for name in asked.split.train if cohort.census[name].labelled}


def _training_set(asked: Outcome) -> dict[str, Any]:
    """Everybody that the weights will have seen, those of a run that they started from included."""
    origin = asked.experiment.origin
    return {**(origin.training_set if origin else {}), **training_manifest(asked.split, asked.cohort.census)}
