"""Results quoted from papers, shown with their source in tables of their own and never ranked with measured ones.

A table that names a protocol and its metrics is also shown beside a cross-walk of the same method.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.config import read_toml, validate
from uad_bench.errors import ConfigError
from uad_bench.evaluation.rescore import Crossing, ReportedNumber
from uad_bench.runs.record import RunRecord

STRICT = ConfigDict(extra="forbid")
Value = float | str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of one publication.

    Attributes:
        caption: how the numbers were obtained, as far as the source states it.
        protocol: the protocol under which `crosswalk` computes the same metrics; None if there is none.
        task: the shipped task with the same patients and split; None if there is none.
        input: modality given at test; None if there are several.
        metrics: the metric of each column in the protocol, as `dice/mean`; empty if tasks are not of the same kind.
        methods: our name of a method by its name in `rows`.
        rows: the method's name, followed by its numbers in the order of `columns`.
    """

    __pydantic_config__ = STRICT

    title: str
    source: str
    caption: str
    protocol: str | None = None
    task: str | None = None
    input: str | None = None
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    metrics: tuple[str, ...] = ()
    methods: dict[str, str] = field(default_factory=dict)
    rows: tuple[tuple[Value, ...], ...]

    @property
    def sheet(self) -> Sheet:
        """The table with its source, apart from measured ones."""
        names = ("method", *self.columns)
        columns = (Column("method", numeric=False, identity=True), *map(Column, self.columns))
        rows = tuple(
            tuple(Cell(str(v), "quiet", ((name, v),)) for name, v in zip(names, row, strict=True)) for row in self.rows
        )
        notes = (
            f"Reported, not measured here; never ranked with measured rows. {self.caption}",
            f"Source: {self.source}",
            *([f"Protocol: {self.protocol}, as in uad-bench crosswalk."] if self.protocol else []),
        )
        return Sheet(f"Reported: {self.title}", columns, rows, notes)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The file `reported.toml`."""

    __pydantic_config__ = STRICT

    tables: tuple[Table, ...]


def read_tables(path: Path) -> tuple[Table, ...]:
    """The tables of `reported.toml`; none if the file does not exist.

    Raises:
        ConfigError: the file is invalid.
    """
    if not path.exists():
        return ()
    tables = validate(Reported, read_toml(path), path.name).tables
    for table in tables:
        for row in table.rows:
            if len(row) != 1 + len(table.columns):
                wanted = f"expected the name and {len(table.columns)} numbers"
                raise ConfigError(f"{path.name}: {table.title}: row {row[0]!r} has {len(row)} values, {wanted}")
        if table.metrics and len(table.metrics) != len(table.columns):
            raise ConfigError(f"{path.name}: {table.title}: metrics must have one entry per column")
    return tables


def beside_reported(entries: Sequence[Crossing], record: RunRecord, tables: Sequence[Table]) -> list[Crossing]:
    """The entries of a cross-walk, each with the numbers that papers report for its method under its protocol."""
    return [
        entry.model_copy(
            update={"reported": tuple(n for t in tables if t.protocol == entry.protocol for n in _numbers(t, record))}
        )
        for entry in entries
    ]


def _numbers(table: Table, record: RunRecord) -> Iterator[ReportedNumber]:
    """The numbers of the record's method for its input."""
    if table.input not in {None, record.task.pair[0]}:
        return
    trained = record.method.fit is None or bool(record.method.fit)
    reasons = {
        "training budget": trained and record.method.profile != "published",
        "cohort": table.task != record.task.name,
        "input modalities": table.input is None,
    }
    differs = tuple(reason for reason, found in reasons.items() if found)
    for name, *values in (row for row in table.rows if table.methods.get(str(row[0])) == record.method.name):
        for metric, value in zip(table.metrics, values, strict=False):
            if isinstance(value, float):
                yield ReportedNumber(method=str(name), metric=metric, value=value, table=table.title, differs=differs)
