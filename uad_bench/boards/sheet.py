"""Tables independent of the output format: columns, rows of cells, title and notes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

Tone = Literal["plain", "best", "oracle", "failed", "quiet", "warning", "strong"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        values: unrounded values by column name of a data file; the text itself for text columns.
    """

    text: str
    tone: Tone = "plain"
    values: tuple[tuple[str, float | int | str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        numeric: whether it is aligned to the right.
        identity: whether it is repeated when a wide table is split into several.
    """

    heading: str
    numeric: bool = True
    identity: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Attributes:
        chain: post-processing of the measured results; None for other tables.
        bounds: whether its rows are upper bounds that saw labels.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    chain: str | None = None
    bounds: bool = False

    def only(self, chosen: Sequence[int]) -> Self:
        """The sheet with these columns, in this order."""
        columns = tuple(self.columns[i] for i in chosen)
        return replace(self, columns=columns, rows=tuple(tuple(row[i] for i in chosen) for row in self.rows))
