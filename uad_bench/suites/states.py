"""What became of each cell, judged by its run folder alone: never by what a job system says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from uad_bench import registry
from uad_bench.benchmark import Request, compose_request
from uad_bench.cohort import Cohort, gather
from uad_bench.config import Experiment
from uad_bench.errors import ConfigError
from uad_bench.runner import Bench, Report
from uad_bench.runs import Run
from uad_bench.suites.suite import Cell


class State(StrEnum):
    """Where a cell stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Place:
    """A cell and the run folder that its content names."""

    cell: Cell
    run: Run

    @property
    def state(self) -> State:
        """Judged by what lies in the folder now."""
        if self.run.finished:
            return State.DONE
        if self.run.held:
            return State.RUNNING
        return State.FAILED if self.run.record.exists() else State.WAITING

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The stored record, once there is one."""
        return self.run.read_record() if self.run.record.exists() else None


def locate(cells: Iterable[Cell], report: Report) -> list[Place]:
    """Find each cell's run folder; patients are looked over once for all cells that share them."""
    cohorts: dict[tuple[object, ...], Cohort] = {}
    return [_place(cell, cohorts, report) for cell in cells]


def _place(cell: Cell, cohorts: dict[tuple[object, ...], Cohort], report: Report) -> Place:
    asked = cell.request
    entries = registry.methods(asked.plugins)
    entry = registry.find("method", asked.method, entries)
    experiment = compose_request(asked)
    cohort = _cohort(asked, experiment, cohorts, report)
    return Place(cell, Bench(root=asked.runs).locate(experiment, entry, cohort))


def _cohort(
    asked: Request, experiment: Experiment, cohorts: dict[tuple[object, ...], Cohort], report: Report
) -> Cohort:
    """The cohort of a task; tasks that differ only in what methods see share the patients."""
    task = experiment.task
    shared = (task.dataset, str(task.options), task.modalities, task.split, task.subset, asked.data, asked.folds)
    if shared not in cohorts:
        cohorts[shared] = gather(task, asked.data, folds=asked.folds, report=report)
    return replace(cohorts[shared], task=task)


def require_some(places: list[Place]) -> None:
    """Refuse a suite without cells."""
    if not places:
        raise ConfigError("the suite has no cell; give it methods, tasks and seeds")
