"""The state of each cell, determined from its run folder, not from the job scheduler."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from statistics import fmean

from rich.markup import escape
from rich.table import Table

from uad_bench.benchmark.request import Request, compose_request, resolve_origin
from uad_bench.benchmark.runner import Runner
from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort, gather
from uad_bench.errors import ConfigError
from uad_bench.method import Report
from uad_bench.output.columns import DASH, memory, seconds, write_value
from uad_bench.plugins import registry
from uad_bench.runs.events import End, Start
from uad_bench.runs.folder import Run, now, run_at
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
        before: an earlier survey; cells that were done are not read again.
        queued: names of cells that are queued in a job scheduler.
    """
    done = {standing.name: standing for standing in before if standing.state is State.DONE}
    return [done.get(place.cell.name) or _stand(place, queued) for place in places]


def locate(cells: Iterable[Cell], report: Report, *, only_shown: bool = False) -> list[Place]:
    """Find each cell's run folder; cells with the same patients share one census.

    Args:
        only_shown: nothing will be run; then no patients are read for cells whose method and seed have no run yet.

    Raises:
        ConfigError: there is no cell, or a cell's request is invalid.
    """
    cohorts: dict[tuple[object, ...], Cohort] = {}
    places = [_place(cell, cohorts, report, only_shown=only_shown) for cell in cells]
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


def _place(cell: Cell, cohorts: dict[tuple[object, ...], Cohort], report: Report, *, only_shown: bool) -> Place:
    asked = cell.request
    entries = registry.methods(asked.plugins)
    entry = registry.find("method", asked.method, entries)
    experiment = compose_request(asked)
    unread = run_at(asked.runs, experiment.task.name, asked.method, experiment.seed, "unread")
    if only_shown and not any(unread.path.parent.glob(f"seed{experiment.seed}-*")):
        return Place(cell, unread)
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


STYLES = {
    State.DONE: "green",
    State.FAILED: "red",
    State.RUNNING: "cyan",
    State.STOPPED: "yellow",
    State.QUEUED: "blue",
    State.WAITING: "dim",
}
LEFT = frozenset({State.RUNNING, State.QUEUED, State.WAITING, State.STOPPED})
FULL = 40
"""Largest number of cells that are listed individually."""

HEADINGS = ("run", "state", "AUPRC [95 % CI]", "training", "time per volume", "memory", "total")
COLUMNS, NARROW = range(7), (0, 1, 2, 6)
WIDE = 116
"""Width of all columns, in characters."""


def suite_table(
    standings: Sequence[Standing],
    *,
    title: str,
    jobs: int = 1,
    doing: Mapping[str, str] | None = None,
    width: int = WIDE,
) -> Table:
    """Table of all cells, or of counts by task and method if there are many.

    Args:
        jobs: number of cells that run in parallel, for the time left.
        doing: last output line of each running cell, by name.
        width: of the terminal; narrow ones get fewer columns.
    """
    table = Table(title=f"{escape(title)}: {summary(standings, jobs)}", title_justify="left", show_edge=False)
    if len(standings) > FULL:
        return _counted(table, standings)
    shown = COLUMNS if width >= WIDE else NARROW
    for number in shown:
        heading = HEADINGS[number] if width >= WIDE else HEADINGS[number].partition(" [")[0]
        table.add_column(heading, justify="right" if number > 2 else "left", no_wrap=True)
    for standing in standings:
        row = _row(standing, (doing or {}).get(standing.name, ""), interval=width >= WIDE)
        table.add_row(*(row[number] for number in shown))
    return table


def summary(standings: Sequence[Standing], jobs: int) -> str:
    """Counts of states, the time spent, and the time left, estimated from finished cells of the same method."""
    counts = Counter(standing.state for standing in standings)
    states = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    work = sum(standing.seconds or 0.0 for standing in standings)
    left = time_left(standings, jobs)
    parts = [states, f"{seconds(work)} of work" if work else "", "" if left is None else f"about {seconds(left)} left"]
    return "; ".join(filter(None, parts))


def time_left(standings: Sequence[Standing], jobs: int) -> float | None:
    """Estimated seconds until all cells are done; None if none is left, or a method has no finished cell yet."""
    known: dict[str, list[float]] = defaultdict(list)
    for standing in standings:
        if standing.state is State.DONE and standing.seconds is not None:
            known[standing.method].append(standing.seconds)
    left = [standing for standing in standings if standing.state in LEFT]
    if not left or any(standing.method not in known for standing in left):
        return None
    spent = [(s.seconds or 0.0) * (s.state is State.RUNNING) for s in left]
    return sum(max(0.0, fmean(known[s.method]) - t) for s, t in zip(left, spent, strict=True)) / min(jobs, len(left))


def _row(standing: Standing, doing: str, *, interval: bool) -> list[str]:
    name, state = escape(standing.name), f"[{STYLES[standing.state]}]{standing.state}[/]"
    record, total = standing.record, seconds(standing.seconds)
    if record is None or standing.state is not State.DONE:
        return [name, state, escape(f"FAILED({record.reason})" if record else doing), DASH, DASH, DASH, total]
    cost, auprc = record.cost, write_value(record.find("auprc"), interval=interval)
    return [name, state, auprc, seconds(cost.fit_s), seconds(cost.score_s_per_volume), memory(cost.peak_rss_mib), total]


def failures(standings: Sequence[Standing]) -> list[str]:
    """One sentence per failed cell."""
    failed = [(s.name, s.record) for s in standings if s.state is State.FAILED and s.record]
    return [f"{name}: FAILED({record.reason}): {record.message}" for name, record in failed]


def _counted(table: Table, standings: Sequence[Standing]) -> Table:
    groups: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    for standing in standings:
        asked = standing.place.cell.request
        groups[f"{asked.task} {asked.pair or ''}".strip(), asked.method][standing.state] += 1
    for heading in ("task", "method", *State):
        table.add_column(heading)
    for (task, method), counts in groups.items():
        table.add_row(escape(task), escape(method), *(str(counts[state] or "") for state in State))
    return table
