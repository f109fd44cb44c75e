"""Which runs are comparable: those with the same patients, voxels, protocol and metric code."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from uad_bench.boards.result import Result
from uad_bench.errors import ConfigError
from uad_bench.runs.record import RunRecord

Values = tuple[Callable[[RunRecord], object], Callable[[RunRecord], str]]

ASPECTS: Mapping[str, Values] = {
    "data": (lambda r: r.task.data_digest, lambda r: f"data {r.task.data_digest[:12]}"),
    "modalities of the gate": (
        lambda r: tuple(sorted(r.task.modalities or ())),
        lambda r: f"gate {', '.join(r.task.modalities or ())}",
    ),
    "split": (lambda r: r.task.split.digest, lambda r: f"split {r.task.split.name} ({r.task.split.digest[:8]})"),
    "test patients": (lambda r: r.subjects.test, lambda r: f"{len(r.subjects.test)} test patients"),
    "protocol": (lambda r: r.task.protocol_digest or r.task.protocol, lambda r: f"protocol {r.task.protocol}"),
    "slices": (
        lambda r: r.task.slices,
        lambda r: "slices {} to {}".format(*r.task.slices) if r.task.slices else "all slices",
    ),
    "pair": (lambda r: r.task.pair, lambda r: f"pair {' to '.join(r.task.pair)}"),
    "metrics version": (lambda r: r.metrics_version, lambda r: f"metrics version {r.metrics_version}"),
}
"""What determines which voxels are counted and how (the protocol defines the region), as a value and in words."""


@dataclass(frozen=True, slots=True)
class Group:
    """Comparable results.

    Attributes:
        words: how they differ from the other groups; empty if there is no other group.
    """

    results: tuple[Result, ...]
    words: str


def comparable_groups(results: Sequence[Result]) -> tuple[Group, ...]:
    """Results grouped into tables: most finished runs first, then the newest."""
    groups = _grouped(results)
    apart = differing([group[0].record for group in groups])
    groups.sort(
        key=lambda group: (sum(not r.failed for r in group), max(r.record.created for r in group)), reverse=True
    )
    return tuple(
        Group(tuple(group), ", ".join(ASPECTS[name][1](group[0].record) for name in apart)) for group in groups
    )


def require_comparable(results: Sequence[Result]) -> None:
    """Check that all results have the same data, patients, voxels, protocol and metric code.

    Raises:
        ConfigError: they differ; the message names runs of two groups and the differences.
    """
    groups = [[result.record for result in group] for group in _grouped(results)]
    if len(groups) < 2:
        return
    ours, theirs, *_ = groups
    differ = differing([ours[0], theirs[0]])
    raise ConfigError(
        f"runs that differ in {', '.join(differ)} cannot share a table: {list_runs(ours)} and {list_runs(theirs)}; "
        "keep them in separate --runs folders"
        + ("; uad-bench rescore recomputes old runs with the current metrics" if "metrics version" in differ else "")
    )


def _grouped(results: Sequence[Result]) -> list[list[Result]]:
    """Results with the same values of `ASPECTS`, in order."""
    groups: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[tuple(of(result.record) for of, _ in ASPECTS.values())].append(result)
    return [*groups.values()]


def differing(records: Sequence[RunRecord]) -> list[str]:
    """Names of the aspects in which these records differ."""
    return [name for name, (of, _) in ASPECTS.items() if any(of(record) != of(records[0]) for record in records)]


def list_runs(records: Sequence[RunRecord]) -> str:
    """Names of the first two runs, and how many more there are."""
    names = [record.run for record in records]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
