"""All boards of a task, one per group of comparable runs."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from uad_bench.boards.board import Board, make_boards
from uad_bench.boards.comparable import Group, comparable_groups, list_runs
from uad_bench.boards.result import Result


def assemble_boards(
    results: Sequence[Result], *, baselines: Collection[str], bounds: Collection[str] = ()
) -> tuple[Board, ...]:
    """Boards of every group that includes the baselines, the group with most finished runs first.

    Raises:
        ConfigError: there are no results, or no group has all baselines.
    """
    chosen, left_out = choose_groups(results, baselines=baselines)
    if not chosen:
        return make_boards(results, baselines=baselines, bounds=bounds)
    made = [
        replace(board, apart=group.words, looks=_looks(group, results))
        for group in chosen
        for board in make_boards(group.results, baselines=baselines, bounds=bounds)
    ]
    return replace(made[0], left_out=name_left_out(left_out, "they lack the trivial baselines")), *made[1:]


def choose_groups(results: Sequence[Result], *, baselines: Collection[str]) -> tuple[list[Group], list[Group]]:
    """Groups with all baselines, and the others; without any, the first group, whose board raises the error."""
    groups = comparable_groups(results)
    chosen = [group for group in groups if set(baselines) <= {result.method for result in group.results}]
    chosen = chosen or list(groups[:1])
    return chosen, [group for group in groups if group not in chosen]


def name_left_out(groups: Sequence[Group], why: str) -> str:
    """A sentence that lists the runs of these groups and how they differ; empty without groups."""
    parts = [f"{list_runs([result.record for result in group.results])} ({group.words})" for group in groups]
    return f"Not comparable and left out, because {why}: {'; '.join(parts)}." if parts else ""


def _looks(group: Group, results: Sequence[Result]) -> int:
    """Number of finished runs, of any group, that were tested on some of the group's patients."""
    tested = set(group.results[0].record.subjects.test)
    return sum(not result.failed and bool(tested & {*result.record.subjects.test}) for result in results)
