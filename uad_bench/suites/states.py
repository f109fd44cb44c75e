"""The state of each cell, determined from its run folder, not from the job scheduler."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from uad_bench.benchmark.request import Request, compose_request, resolve_origin
from uad_bench.benchmark.runner import Report, Runner
from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort, gather
from uad_bench.errors import ConfigError
from uad_bench.plugins import registry
from uad_bench.runs.events import End, Start
from uad_bench.runs.folder import Run, now
from uad_bench.runs.record import RunRecord
from uad_bench.suites.suite import Cell


class State(StrEnum):
    """State of a cell; a stopped cell began, but its process is gone, and the next run resumes it."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"
    QUEUED = "queued"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Place:
    """A cell and its run folder."""

    cell: Cell
    run: Run

    @property
    def state(self) -> State:
        """The current state, from the run folder."""
        if self.run.finished:
            return State.DONE
        if self.run.held:
            return State.RUNNING
        events = self.run.read_events()
        if not events:
            return State.WAITING
        return State.FAILED if isinstance(events[-1], End) and self.run.failed else State.STOPPED


@dataclass(frozen=True, slots=True)
class Standing:
    """The status of a cell at one moment.

    Attributes:
        record: the record of a cell that is done or failed.
        seconds: wall time of the last attempt, or of a running cell so far.
    """

    place: Place
    state: State
    record: RunRecord | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Name of the cell."""
        return self.place.cell.name

    @property
    def method(self) -> str:
        """Method of the cell."""
        return self.place.cell.request.method


def survey(
    places: Iterable[Place], *, before: Sequence[Standing] = (), queued: frozenset[str] = frozenset()
) -> list[Standing]:
    """The status of all cells.

    Args:
        places: all cells.
        before: an earlier survey; cells that were done are not read again.
        queued: names of cells that are queued in a job scheduler.
    """
    done = {standing.name: standing for standing in before if standing.state is State.DONE}
    return [done.get(place.cell.name) or _stand(place, queued) for place in places]


def locate(cells: Iterable[Cell], report: Report) -> list[Place]:
    """Find each cell's run folder; cells with the same patients share one census.

    Raises:
        ConfigError: there is no cell, or a cell's request is invalid.
    """
    cohorts: dict[tuple[object, ...], Cohort] = {}
    places = [_place(cell, cohorts, report) for cell in cells]
    if not places:
        raise ConfigError("the suite is empty; give it methods, tasks and seeds")
    return places


def _stand(place: Place, queued: frozenset[str]) -> Standing:
    state = place.state
    if state in {State.WAITING, State.STOPPED, State.FAILED} and place.cell.name in queued:
        return Standing(place, State.QUEUED)
    record = place.run.read_record() if state in {State.DONE, State.FAILED} else None
    return Standing(place, state, record, _seconds(place.run, state))


def _seconds(run: Run, state: State) -> float | None:
    """Wall time of the last attempt, with a resolution of one second."""
    events = run.read_events()
    starts = [event.time for event in events if isinstance(event, Start)]
    end = now() if state is State.RUNNING or not events else events[-1].time
    if not starts or not starts[-1] or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(starts[-1])).total_seconds()


def _place(cell: Cell, cohorts: dict[tuple[object, ...], Cohort], report: Report) -> Place:
    asked = cell.request
    entries = registry.methods(asked.plugins)
    entry = registry.find("method", asked.method, entries)
    experiment = compose_request(asked)
    cohort = _cohort(asked, experiment, cohorts, report)
    return Place(cell, Runner(root=asked.runs).plan(experiment, entry, cohort, resolve_origin(asked)).run)


def _cohort(
    asked: Request, experiment: Experiment, cohorts: dict[tuple[object, ...], Cohort], report: Report
) -> Cohort:
    """The cohort of a task; tasks that differ only in preprocessing or scoring share the patients."""
    task = experiment.task
    patients = (task.dataset, str(task.options), task.modalities, task.exclude, asked.data)
    shared = (*patients, task.split, task.subset, task.train_patients, asked.folds)
    if shared not in cohorts:
        cohorts[shared] = gather(task, asked.data, folds=asked.folds, report=report)
    return replace(cohorts[shared], task=task)
