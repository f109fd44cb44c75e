"""Runs one method on one split: prepare, fit, score, evaluate, record; each stage reads what the one before wrote."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.cohort import Cohort, cache_root
from uad_bench.config import Experiment
from uad_bench.data.reference import build_references
from uad_bench.data.slices import Preprocessing
from uad_bench.data.splits import Split
from uad_bench.data.store import SliceStore
from uad_bench.errors import ConfigError, MethodError, UadBenchError
from uad_bench.evaluation import Evaluation, ScoredPatients, evaluate
from uad_bench.files import write_json
from uad_bench.fingerprint import digest_file, digest_json, digest_source
from uad_bench.folds import pool_folds
from uad_bench.isolation import Limits, WorkerProcess
from uad_bench.method import Progress
from uad_bench.records import Outcome, make_record
from uad_bench.registry import Entry
from uad_bench.runs import Run, run_at
from uad_bench.stages import Assignment

Report = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where and under which limits methods run.

    Attributes:
        root: the runs folder.
        device: `"cpu"` or `"cuda"`.
        limits: time and memory of each method's process.
        report: receives progress.
    """

    root: Path
    device: str = "cpu"
    limits: Limits = field(default_factory=Limits)
    report: Report = lambda _: None

    def run(self, experiment: Experiment, entry: Entry, cohort: Cohort) -> dict[str, Any]:
        """The record of this experiment, from disk if it was run before.

        A method that fails gives a record with status `failed` and its reason; the run can be repeated.
        """
        run = self.locate(experiment, entry, cohort)
        if run.finished:
            return run.read_record()
        if len(cohort.splits) == 1:
            return self._run_split(experiment, entry, cohort, cohort.splits[0], run)
        return self._run_folds(experiment, entry, cohort, run)

    def locate(self, experiment: Experiment, entry: Entry, cohort: Cohort) -> Run:
        """The run folder, which the content of everything that defines the run names."""
        identity = identify(experiment, entry, cohort)
        return run_at(self.root, cohort.task.name, experiment.method, experiment.seed, digest_json(identity))

    def _run_folds(self, experiment: Experiment, entry: Entry, cohort: Cohort, run: Run) -> dict[str, Any]:
        records = []
        for number, split in enumerate(cohort.splits):
            fold = Run(run.path / f"fold{number}")
            done = fold.finished
            records.append(fold.read_record() if done else self._run_split(experiment, entry, cohort, split, fold))
            if records[-1]["status"] != "ok":
                break
        record = pool_folds(run, records, n_folds=len(cohort.splits))
        return _close(run, record)

    def _run_split(
        self, experiment: Experiment, entry: Entry, cohort: Cohort, split: Split, run: Run
    ) -> dict[str, Any]:
        with run.lock():
            run.log_event("start", resumed=run.manifest.exists() or run.checkpoint.exists())
            write_json(run.experiment, identify(experiment, entry, cohort))
            outcome = Outcome(experiment=experiment, entry=entry, cohort=cohort, split=split, device=self.device)
            try:
                needs = self._apply(experiment, entry, cohort, split, run)
                result = self._evaluate(cohort, split, run)
                record = make_record(outcome, run, needs=needs, result=result)
            except MethodError as error:
                run.log_event("failed", reason=error.reason, message=str(error), notes=getattr(error, "__notes__", []))
                record = make_record(outcome, run, failure=error)
            return _close(run, record)

    def _apply(self, experiment: Experiment, entry: Entry, cohort: Cohort, split: Split, run: Run) -> dict[str, Any]:
        """Fit and score in the method's own process, unless every map is already there; returns its description."""
        if run.manifest.exists() and not untrusted(run, (*split.val, *split.test)):
            return described(run)
        with WorkerProcess(entry, run.log, self.limits) as worker:
            needs = worker.describe(dict(experiment.params), cohort.task.pair)
            run.log_event("described", **{k: v for k, v in needs.items() if k != "event"})
            assignment = self._assign(experiment, cohort, split, run, needs)
            for event in worker.work(assignment):
                self._note(run, event)
        write_manifest(run, (*split.val, *split.test))
        return needs

    def _evaluate(self, cohort: Cohort, split: Split, run: Run) -> Evaluation:
        """Compare the stored maps with the references; bootstrap rows depend on the test patients alone."""
        judged = [cohort.subjects[name] for name in (*split.val, *split.test)]
        references = build_references(
            judged, cohort.census, modalities=cohort.task.modalities, cache=cache_root(), report=self.report
        )
        patients = ScoredPatients(references, lambda name: np.load(run.map(name), mmap_mode="r", allow_pickle=False))
        self.report(Progress("evaluate", 0, 1))
        result = evaluate(patients, val=split.val, test=split.test, seed=bootstrap_seed(split.test))
        self.report(Progress("evaluate", 1, 1))
        return result

    def _assign(
        self, experiment: Experiment, cohort: Cohort, split: Split, run: Run, needs: dict[str, Any]
    ) -> Assignment:
        task = cohort.task
        learns = bool(needs["fit"])
        _require_modalities(experiment.method, {*needs["fit"], *needs["score"]}, task.modalities)
        train = cohort.train_slices(split) if learns else {}
        if learns and not any(train.values()):
            raise UadBenchError(
                f"task {task.name}: no healthy slice is left to train on; lower the margin with --set task.margin=0"
            )
        names = [*split.train * learns, *split.val, *split.test]
        preprocessing = Preprocessing(
            modalities=tuple(dict.fromkeys((*needs["fit"], *needs["score"]))),
            scaling=task.scaling,
            size=None if needs["native"] else task.size,
            field_of_view=task.field_of_view,
        )
        store = SliceStore.prepare(
            [cohort.subjects[name] for name in names],
            cohort.census,
            preprocessing,
            cache=cache_root(),
            report=self.report,
        )
        left = untrusted(run, (*split.val, *split.test))
        return Assignment(
            run=str(run.path),
            store=store.manifest(),
            train=train,
            score={name: cohort.scored_slices(name) for name in left},
            training_set={name: digest_json(cohort.census[name].digests) for name in train},
            budget=asdict(task.budget),
            seed=experiment.seed,
            device=self.device,
        )

    def _note(self, run: Run, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self.report(Progress(**{k: v for k, v in event.items() if k != "event"}))
        else:
            run.log_event(**event)


def identify(experiment: Experiment, entry: Entry, cohort: Cohort) -> dict[str, Any]:
    """All that makes a run this run; its digest names the folder. Paths and the harness version are no part of it."""
    task = {key: value for key, value in asdict(cohort.task).items() if key != "summary"}
    return {
        "method": experiment.method,
        "profile": experiment.profile,
        "params": dict(experiment.params),
        "source": digest_source(entry),
        "task": task,
        "data": cohort.digest,
        "splits": [split.digest for split in cohort.splits],
        "seed": experiment.seed,
    }


def bootstrap_seed(test: tuple[str, ...]) -> int:
    """Equal for all methods on the same patients, so that their rows are the same."""
    return int(digest_json(sorted(test))[:8], 16)


def untrusted(run: Run, subjects: tuple[str, ...]) -> list[str]:
    """Subjects whose map is missing, or is not the one whose digest was logged when it was stored."""
    logged = {e["subject"]: e["sha256"] for e in run.read_events() if e["event"] == "scored"}
    return [name for name in subjects if not run.map(name).exists() or digest_file(run.map(name)) != logged.get(name)]


def described(run: Run) -> dict[str, Any]:
    """The method's description as it was logged."""
    return next(e for e in reversed(run.read_events()) if e["event"] == "described")


def write_manifest(run: Run, subjects: tuple[str, ...]) -> None:
    """Digest and shape of every map, and the checkpoint's digest; only written when all of them are there."""
    scored = {e["subject"]: e for e in run.read_events() if e["event"] == "scored"}
    if missing := [name for name in subjects if name not in scored]:
        raise MethodError(f"no score map for {', '.join(missing[:5])}", reason="bad_output")
    maps = {name: {"sha256": scored[name]["sha256"], "shape": scored[name]["shape"]} for name in subjects}
    write_json(run.manifest, {"maps": maps, "checkpoint": digest_file(run.checkpoint)})


def _require_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")


def _close(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    run.create()
    run.log_event("end", status=record["status"])
    if record["status"] == "ok":
        run.finish(record)
    else:
        write_json(run.record, record)
    return record
