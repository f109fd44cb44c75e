"""Results quoted from papers, shown with their source in tables of their own and never ranked with measured ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.config import read_toml, validate
from uad_bench.errors import ConfigError

STRICT = ConfigDict(extra="forbid")
Value = float | str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of one publication.

    Attributes:
        source: the publication.
        caption: how the numbers were obtained, as far as the source states it.
        columns: names of the numbers.
        rows: the method's name, followed by its numbers in the order of `columns`.
    """

    __pydantic_config__ = STRICT

    title: str
    source: str
    caption: str
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The file `reported.toml`."""

    __pydantic_config__ = STRICT

    tables: tuple[Table, ...]


def read_reported(path: Path) -> tuple[Sheet, ...]:
    """The sheets of `reported.toml`; none if the file does not exist.

    Raises:
        ConfigError: the file is invalid.
    """
    if not path.exists():
        return ()
    raw: dict[str, Any] = read_toml(path)
    tables = validate(Reported, raw, path.name).tables
    for table in tables:
        for row in table.rows:
            if len(row) != 1 + len(table.columns):
                expected = f"expected the name and {len(table.columns)} numbers"
                raise ConfigError(f"{path.name}: {table.title}: row {row[0]!r} has {len(row)} values, {expected}")
    return tuple(map(_sheet, tables))


def _sheet(table: Table) -> Sheet:
    columns = (Column("method", numeric=False, identity=True), *(Column(name) for name in table.columns))
    names = ("method", *table.columns)
    rows = tuple(
        tuple(Cell(str(v), "quiet", ((name, v),)) for name, v in zip(names, row, strict=True)) for row in table.rows
    )
    notes = (
        f"Reported, not measured here; never ranked with measured rows. {table.caption}",
        f"Source: {table.source}",
    )
    return Sheet(f"Reported: {table.title}", columns, rows, notes)
