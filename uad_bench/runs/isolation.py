"""How a method was kept from labels and other runs; a record names it. See docs/isolation.md."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

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


def is_isolated(kind: Isolation | None) -> bool:
    """Whether the kernel kept the method from labels; true for a record that does not say."""
    return kind is None or kind in ENFORCED
