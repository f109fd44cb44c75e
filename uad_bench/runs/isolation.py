"""How a method was kept from labels and other runs; a record names it. See docs/isolation.md."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

Isolation = Literal["mount-namespace", "landlock", "audit-hook", "none"]
KINDS: tuple[Isolation, ...] = get_args(Isolation)
"""From the strongest to the weakest."""
ENFORCED: frozenset[Isolation] = frozenset({"mount-namespace", "landlock"})
"""Kinds that the kernel enforces, whatever language a method is written in."""
MEANING: Mapping[Isolation, str] = {
    "mount-namespace": "labels and other runs are invisible to methods, and most of the disk is read-only",
    "landlock": "methods cannot open labels and other runs, and most of the disk is read-only",
    "audit-hook": "not isolated: only what a method opens from Python is refused",
    "none": "not isolated",
}


def weakest(kinds: Iterable[Isolation | None]) -> Isolation | None:
    """The weakest of these; None where none is known, as for maps that were made elsewhere."""
    return max((kind for kind in kinds if kind), key=KINDS.index, default=None)


def isolation_of(events: Iterable[Mapping[str, Any]]) -> Isolation | None:
    """The weakest isolation under which any part of a run was made, by its events."""
    return weakest(event["kind"] for event in events if event["event"] == "isolation")


def is_isolated(record: Mapping[str, Any]) -> bool:
    """Whether the kernel kept the method from labels; true for a record that does not say."""
    kind = record.get("environment", {}).get("isolation")
    return kind is None or kind in ENFORCED
