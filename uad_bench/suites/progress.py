"""The suite as a table: where each cell stands, what it gave, what it cost, and how long the rest may take."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.markup import escape
from rich.table import Table

from uad_bench.boards.columns import seconds
from uad_bench.boards.result import find_metric
from uad_bench.suites.states import Place, State
from uad_bench.tables import write_value

STYLES = {State.DONE: "green", State.FAILED: "red", State.RUNNING: "cyan", State.WAITING: "dim"}
FULL = 40


def suite_table(places: Sequence[Place], *, title: str, jobs: int = 1) -> Table:
    """All cells where they are few, else counts by task and method."""
    rows = [(place, place.state, place.record) for place in places]
    table = Table(title=title, caption=summary(rows, jobs), title_justify="left", caption_justify="left")
    if len(rows) > FULL:
        return _counted(table, rows)
    for heading in ("cell", "state", "AUPRC [95 % CI]", "fit", "a volume"):
        table.add_column(heading)
    for place, state, record in rows:
        table.add_row(escape(place.cell.name), f"[{STYLES[state]}]{state}[/]", *_outcome(record))
    return table


Row = tuple[Place, State, Mapping[str, Any] | None]


def summary(rows: Sequence[Row], jobs: int) -> str:
    """Counts of states, and the time left as far as finished cells of the same method tell."""
    counts = Counter(state for _, state, _ in rows)
    said = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    left = time_left(rows, jobs)
    return said if left is None else f"{said}; about {seconds(left)} left"


def time_left(rows: Sequence[Row], jobs: int) -> float | None:
    """Seconds until all cells are done; None while any method that is left has no finished cell, or nothing is left."""
    costs: dict[str, list[float]] = defaultdict(list)
    for place, _, record in rows:
        if record and record["status"] == "ok":
            costs[place.cell.request.method].append(cost_s(record))
    waiting = [place.cell.request.method for place, state, _ in rows if state in {State.WAITING, State.RUNNING}]
    if not waiting or any(method not in costs for method in waiting):
        return None
    return sum(fmean(costs[method]) for method in waiting) / jobs


def cost_s(record: Mapping[str, Any]) -> float:
    """Seconds of training and scoring that a record tells of."""
    cost, subjects = record["cost"], record["subjects"]
    scored = len(subjects.get("val", [])) + len(subjects["test"])
    return (cost["fit_s"] or 0.0) + (cost["score_s_per_volume"] or 0.0) * scored


def _outcome(record: Mapping[str, Any] | None) -> list[str]:
    if record is None:
        return ["", "", ""]
    if record["status"] != "ok":
        return [escape(f"FAILED({record['reason']}): {record['message']}"), "", ""]
    cost = record["cost"]
    auprc = write_value(find_metric(record, "auprc"), interval=True)
    return [auprc, seconds(cost["fit_s"]), seconds(cost["score_s_per_volume"])]


def _counted(table: Table, rows: Sequence[Row]) -> Table:
    groups: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    for place, state, _ in rows:
        asked = place.cell.request
        groups[f"{asked.task} {asked.pair or ''}".strip(), asked.method][state] += 1
    for heading in ("task", "method", *State):
        table.add_column(heading)
    for (task, method), counts in groups.items():
        table.add_row(escape(task), escape(method), *(str(counts[state] or "") for state in State))
    return table
