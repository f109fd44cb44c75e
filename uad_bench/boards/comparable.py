"""What may stand in one table: the same patients, voxels, protocol and metric code, and nothing else."""

from collections import defaultdict
from collections.abc import Sequence

from uad_bench.boards.result import Record, Result
from uad_bench.errors import ConfigError

ASPECTS = ("data", "split", "test patients", "protocol", "pair", "metrics version")


def require_comparable(results: Sequence[Result]) -> None:
    """Refuse results of different data, patients, protocol or metric code.

    Raises:
        ConfigError: names runs of both kinds and what they differ in.
    """
    groups: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for result in results:
        groups[identity(result.record)].append(result.record)
    if len(groups) < 2:
        return
    (first, ours), (other, theirs), *_ = groups.items()
    differ = [name for name, a, b in zip(ASPECTS, first, other, strict=True) if a != b]
    raise ConfigError(
        f"runs that differ in {', '.join(differ)} cannot share a table: {_list(ours)} and {_list(theirs)}; "
        "keep them in separate --runs folders"
        + ("; uad-bench rescore brings old runs to the present metrics" if "metrics version" in differ else "")
    )


def identity(record: Record) -> tuple[object, ...]:
    """Values of `ASPECTS`."""
    task = record["task"]
    return (
        task["data_digest"],
        task["split"]["digest"],
        tuple(record["subjects"]["test"]),
        task["protocol"],
        tuple(task["pair"]),
        record.get("metrics_version"),
    )


def _list(records: Sequence[Record]) -> str:
    names = [str(record["run"]) for record in records]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
