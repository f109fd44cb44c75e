"""Tables of a board, and the selection of columns by short names, such as `rank,method,auprc,dice@hFPR5,beats`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from uad_bench.boards.board import Board
from uad_bench.boards.row import Row
from uad_bench.boards.sheet import Sheet
from uad_bench.errors import ConfigError, unknown
from uad_bench.metrics.registry import METRICS
from uad_bench.output.caption import caption, short_caption
from uad_bench.output.columns import COSTS, BoardColumn, columns_of

MAIN = ("rank", "method", "auprc", "dice@hFPR5", "beats-baselines", "seeds")
CHAINS = {"none": "raw maps", "common": "common post-processing"}
COST_NOTES = (
    "Time and memory are means over seeds as the method's process measured them, scoring without the first patient.",
    "verified: built, every score map had its digest when the board was built; here, the maps are on this machine.",
)


def board_sheets(
    board: Board, *, apart: bool = False, further: Sequence[str] = (), short: bool = False
) -> tuple[Sheet, ...]:
    """The ranked table and, in a separate table, the upper bounds that saw labels.

    Args:
        apart: show costs in a separate table.
        further: additional metrics, such as `specificity@hFPR5`.
        short: one note for a paper instead of all.
    """
    columns = columns_of(board, further)
    title = f"{board.record.task.name}: {CHAINS.get(board.chain, board.chain)}"
    title += f", {board.apart}" if board.apart else ""
    main = _sheet(title, board, board.ordered, columns, short_caption(board) if short else caption(board))
    sheets = _split(main, costs=board.chain == "none") if apart else (main,)
    if not board.bounds:
        return sheets
    note = "Trained with labels; what is possible on these data, not a competitor. Never ranked."
    return *sheets, replace(_sheet(f"{title}, upper bounds", board, board.bounds, columns, (note,)), bounds=True)


def _split(sheet: Sheet, *, costs: bool) -> tuple[Sheet, ...]:
    """Metrics in one table and, if wanted, costs and provenance in another; post-processing does not change these."""
    of_costs = {column.column.heading for column in COSTS}
    metric_columns = [i for i, column in enumerate(sheet.columns) if column.heading not in of_costs]
    cost_columns = [i for i, column in enumerate(sheet.columns) if column.heading in {*of_costs, "method"}]
    metrics = sheet.only(metric_columns)
    return (metrics, replace(sheet.only(cost_columns), title="Cost and provenance", notes=COST_NOTES))[: 1 + costs]


def _sheet(
    title: str, board: Board, rows: Sequence[Row], columns: Sequence[BoardColumn], notes: tuple[str, ...]
) -> Sheet:
    return Sheet(
        title=title,
        columns=tuple(c.column for c in columns),
        rows=tuple(tuple(c.fill(board, row) for c in columns) for row in rows),
        notes=notes,
        chain=board.chain,
    )


def split_names(text: str) -> list[str]:
    """The names in a list separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def further_metrics(names: Sequence[str]) -> list[str]:
    """The names that are metrics, which a table may have to be asked for."""
    return [name for name in names if name.partition("@")[0] in METRICS]


def select_columns(sheets: Sequence[Sheet], names: Sequence[str]) -> tuple[Sheet, ...]:
    """The sheets that have all these columns, with only these, in this order.

    A name is a heading in lower case without interval or question mark, or an unambiguous beginning of one.

    Raises:
        ConfigError: no sheet has a column of this name, or several columns begin with it.
    """
    known = {short_name(column.heading) for sheet in sheets for column in sheet.columns}
    for name in names:
        _full_name(name, known)
    return tuple(chosen for sheet in sheets if (chosen := _selected(sheet, names)))


def overview(sheets: Sequence[Sheet]) -> tuple[Sheet, ...]:
    """Measured tables with the main columns, without intervals to fit 80 characters; other tables unchanged."""
    return tuple(_without_intervals(sheet) if (sheet := _selected(whole, MAIN)) else whole for whole in sheets)


def _without_intervals(sheet: Sheet) -> Sheet:
    wide = [" [" in column.heading for column in sheet.columns]
    columns = (replace(column, heading=column.heading.partition(" [")[0]) for column in sheet.columns)
    rows = (
        tuple(
            replace(cell, text=cell.text.partition(" [")[0]) if w else cell for w, cell in zip(wide, row, strict=True)
        )
        for row in sheet.rows
    )
    return replace(sheet, columns=tuple(columns), rows=tuple(rows))


def short_name(heading: str) -> str:
    """`beats-baselines` for `beats baselines?`, `auprc` for `AUPRC [95 % CI]`."""
    return heading.partition(" [")[0].rstrip("?").lower().replace(" ", "-").replace("_", "-")


def _full_name(name: str, known: set[str]) -> str:
    wanted = name.lower().replace("_", "-")
    found = [wanted] if wanted in known else sorted(one for one in known if one.startswith(wanted))
    if not found:
        raise unknown("column", name, known)
    if len(found) > 1:
        raise ConfigError(f"column {name!r} is ambiguous: {', '.join(found)}")
    return found[0]


def _selected(sheet: Sheet, names: Sequence[str]) -> Sheet | None:
    shorts = [short_name(column.heading) for column in sheet.columns]
    with suppress(ConfigError):  # the sheet lacks a column
        return sheet.only([shorts.index(_full_name(name, set(shorts))) for name in names])
    return None
