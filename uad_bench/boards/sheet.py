"""A table as values: columns, rows of cells, title and notes; every output format is made from it."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "best", "oracle", "failed", "quiet", "warning", "strong"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: as people read it.
        tone: why it looks different, if it does.
        values: the numbers behind it, by column name of a data file; a text column gives its text.
    """

    text: str
    tone: Tone = "plain"
    values: tuple[tuple[str, float | int | str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        heading: as people read it.
        numeric: aligned to the right.
        identity: repeated where a table is folded into several.
        note: what it means, for the legend.
    """

    heading: str
    numeric: bool = True
    identity: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Attributes:
        notes: what a reader must know, one sentence each.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
