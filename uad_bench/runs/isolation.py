"""Kinds of isolation of methods from labels and other runs, as stored in records. See docs/isolation.md."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Isolation = Literal["mount-namespace", "landlock", "audit-hook", "none"]
KINDS: tuple[Isolation, ...] = get_args(Isolation)
"""From the strongest to the weakest."""
ENFORCED: frozenset[Isolation] = frozenset({"mount-namespace", "landlock"})
"""Kinds enforced by the kernel, independent of the method's language."""
MEANING: Mapping[Isolation, str] = {
    "mount-namespace": "labels and other runs are invisible to methods, and most of the disk is read-only",
    "landlock": "methods cannot open labels and other runs, and most of the disk is read-only",
    "audit-hook": "not isolated: only what a method opens from Python is refused",
    "none": "not isolated",
}


def weakest(kinds: Iterable[Isolation | None]) -> Isolation | None:
    """The weakest of these; None if none is known, as for imported maps."""
    return max((kind for kind in kinds if kind), key=KINDS.index, default=None)


def is_isolated(kind: Isolation | None) -> bool:
    """Whether the kernel isolated the method from labels; true if the record does not state the isolation."""
    return kind is None or kind in ENFORCED
