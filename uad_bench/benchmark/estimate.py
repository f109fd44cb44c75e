"""The expected duration of a job, from finished runs of the same method: those of the user, or the shipped ones."""

from collections.abc import Iterator
from pathlib import Path

from uad_bench.execution.job import Job
from uad_bench.files import safe_name
from uad_bench.resources import resource_path
from uad_bench.runs.folder import find_runs
from uad_bench.runs.record import RunRecord

LONG_S = 60.0
"""Shorter jobs need no announcement."""


def announce(job: Job, root: Path) -> str:
    """A sentence on the expected time of a long job and where it was measured; empty for short and unknown ones.

    If every known run had another budget, its training time is scaled by steps x batch size.
    """
    budget = job.cohort.task.budget
    record = None if job.run.finished else min(_similar(job, root), key=lambda r: r.budget != budget, default=None)
    if record is None:
        return ""
    known, patients = record.budget, len({*job.split.val, *job.split.test})
    training = (record.cost.fit_s or 0.0) * budget.steps * budget.batch_size / (known.steps * known.batch_size)
    expected = (training + (record.cost.score_s_per_volume or 0.0) * patients) * max(1, len(job.folds))
    made = record.environment
    processor = f"{made.cpu or 'another machine'}, {made.cores or '?'} cores"
    machine = processor if made.device == "cpu" else "".join(made.gpu[:1]) or "a GPU"
    scaled = "" if known == budget else f", scaled from {known.steps} steps of {known.batch_size} slices"
    return f"expected: about {_duration(expected)} (measured on {machine}{scaled})" if expected >= LONG_S else ""


def _similar(job: Job, root: Path) -> Iterator[RunRecord]:
    """Records of the method on the same task and kind of device, the user's newest first."""
    name, task = job.experiment.method, job.cohort.task
    own = [run.read_record() for run in find_runs(root, safe_name(task.name, "task"))]
    rows = sorted(resource_path(f"leaderboards/{task.name}").glob(f"{name}-seed*.json"))
    shipped = (RunRecord.read(path) for path in rows)
    for record in (*sorted(own, key=lambda record: record.created, reverse=True), *shipped):
        known = record.status == "ok" and record.method.name == name and record.environment.device == job.device
        if known and record.n_folds is None:
            yield record


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
