"""What may stand in one table: the same patients, voxels, protocol and metric code, and nothing else."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uad_bench.boards.result import Record, Result
from uad_bench.errors import ConfigError

ASPECTS: Mapping[str, Callable[[Record], Any]] = {
    "data": lambda r: r["task"]["data_digest"],
    "modalities of the gate": lambda r: tuple(sorted(r["task"].get("modalities") or ())),
    "split": lambda r: r["task"]["split"]["digest"],
    "test patients": lambda r: tuple(r["subjects"]["test"]),
    "protocol": lambda r: r["task"]["protocol"],
    "slices": lambda r: tuple(r["task"].get("slices") or ()),
    "pair": lambda r: tuple(r["task"]["pair"]),
    "metrics version": lambda r: r.get("metrics_version"),
}
"""What decides which voxels are counted and how; the protocol names the region."""

WORDS: Mapping[str, Callable[[Record], str]] = {
    "data": lambda r: f"data {r['task']['data_digest'][:12]}",
    "modalities of the gate": lambda r: f"gate {', '.join(r['task'].get('modalities') or ())}",
    "split": lambda r: f"split {r['task']['split']['name']} ({r['task']['split']['digest'][:8]})",
    "test patients": lambda r: f"{len(r['subjects']['test'])} test patients",
    "protocol": lambda r: f"protocol {r['task']['protocol']}",
    "slices": lambda r: "slices {} to {}".format(*r["task"]["slices"]) if r["task"].get("slices") else "all slices",
    "pair": lambda r: f"pair {' to '.join(r['task']['pair'])}",
    "metrics version": lambda r: f"metrics version {r.get('metrics_version', '?')}",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Results that may share a table.

    Attributes:
        words: what sets them apart from the other groups; empty where there is no other.
    """

    results: tuple[Result, ...]
    words: str


def comparable_groups(results: Sequence[Result]) -> tuple[Group, ...]:
    """Results sorted into tables: most finished runs first, then the newest."""
    groups: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[identity(result.record)].append(result)
    apart = differing([group[0].record for group in groups.values()])
    made = [Group(tuple(group), ", ".join(WORDS[name](group[0].record) for name in apart)) for group in groups.values()]
    return tuple(sorted(made, key=_weight, reverse=True))


def require_comparable(results: Sequence[Result]) -> None:
    """Refuse results of different data, patients, voxels, protocol or metric code.

    Raises:
        ConfigError: names runs of both kinds and what they differ in.
    """
    groups: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for result in results:
        groups[identity(result.record)].append(result.record)
    if len(groups) < 2:
        return
    ours, theirs, *_ = groups.values()
    differ = differing([ours[0], theirs[0]])
    raise ConfigError(
        f"runs that differ in {', '.join(differ)} cannot share a table: {list_runs(ours)} and {list_runs(theirs)}; "
        "keep them in separate --runs folders"
        + ("; uad-bench rescore brings old runs to the present metrics" if "metrics version" in differ else "")
    )


def identity(record: Record) -> tuple[object, ...]:
    """Values of `ASPECTS`."""
    return tuple(of(record) for of in ASPECTS.values())


def differing(records: Sequence[Record]) -> list[str]:
    """Names of the aspects in which these records are not all alike."""
    return [name for name, of in ASPECTS.items() if any(of(record) != of(records[0]) for record in records)]


def list_runs(records: Sequence[Record]) -> str:
    """Names of the first two runs, and how many more there are."""
    names = [str(record["run"]) for record in records]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _weight(group: Group) -> tuple[int, str]:
    finished = sum(not result.failed for result in group.results)
    return finished, max(str(result.record["created"]) for result in group.results)
