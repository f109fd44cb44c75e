"""Tables for a terminal; tables that are too wide are split between columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from uad_bench.boards.sheet import Cell, Sheet
from uad_bench.console import as_text, visible

STYLES = {"best": "bold green", "strong": "bold", "oracle": "dim", "quiet": "dim", "failed": "red", "warning": "yellow"}
GAP = 2  # spaces between two columns: one of padding, one of the box


def plain_text(sheets: Sequence[Sheet]) -> str:
    """The sheets as plain text without colour."""
    return as_text(TerminalView(tuple(sheets)))


@dataclass(frozen=True, slots=True)
class TerminalView:
    """Sheets printed by rich in a terminal of any width."""

    sheets: tuple[Sheet, ...]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        for sheet in self.sheets:
            yield from _parts(sheet, options.max_width)


def _parts(sheet: Sheet, width: int) -> Iterator[RenderableType]:
    if sheet.title:
        yield Text(visible(sheet.title), style="bold")
    for columns in fold(sheet, width):
        yield _table(sheet, columns)
    for note in sheet.notes:
        yield Text(visible(note), style="dim")
    yield Text("")


def fold(sheet: Sheet, width: int) -> list[list[int]]:
    """Indices of the columns of each part: as many as fit, preceded by the identifying columns."""
    widths = [_width(sheet, i) + GAP for i in range(len(sheet.columns))]
    identity = [i for i, column in enumerate(sheet.columns) if column.identity]
    start = sum(widths[i] for i in identity)
    parts: list[list[int]] = [[*identity]]
    used = start
    for i in range(len(sheet.columns)):
        if i in identity:
            continue
        if used + widths[i] > width and parts[-1] != identity:
            parts.append([*identity])
            used = start
        parts[-1].append(i)
        used += widths[i]
    return parts


def _width(sheet: Sheet, i: int) -> int:
    return max(len(visible(text)) for text in (sheet.columns[i].heading, *(row[i].text for row in sheet.rows)))


def _table(sheet: Sheet, columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for i in columns:
        column = sheet.columns[i]
        table.add_column(
            visible(column.heading), justify="right" if column.numeric else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in sheet.rows:
        table.add_row(*(_text(row[i]) for i in columns))
    return table


def _text(cell: Cell) -> Text:
    return Text(visible(cell.text), style=STYLES.get(cell.tone, ""))
