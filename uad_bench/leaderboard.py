"""Rows of one task side by side: only what may be compared stands in one table."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from uad_bench.errors import ConfigError
from uad_bench.runs import find_runs


def leaderboard_records(root: Path, task: str) -> list[dict[str, Any]]:
    """All records of a task.

    Raises:
        ConfigError: there are none, or they differ in data, split or protocol, so that no table may hold them.
    """
    records = [run.read_record() for run in find_runs(root, task)]
    if not records:
        raise ConfigError(
            f"no runs of task {task!r} in {root}; make one with: uad-bench run --task {task} --method NAME"
        )
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for record in records:
        groups[comparability(record)].append(record["run"])
    if len(groups) > 1:
        listed = "; ".join(f"{', '.join(names[:2])}{' …' * (len(names) > 2)}" for names in groups.values())
        raise ConfigError(
            f"runs of {task} differ in data, split or protocol and cannot share a table: {listed}; "
            "keep them in separate --runs folders"
        )
    return records


def comparability(record: dict[str, Any]) -> tuple[str, str, str]:
    """What must be equal for two rows to stand in one table: data, test patients, protocol."""
    return record["task"]["data_digest"], ",".join(record["subjects"]["test"]), record["task"]["protocol"]
